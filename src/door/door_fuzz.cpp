// Drafts of any content and payloads of any bytes: a request that a ledger can record, or an error;
// never a crash. What was sealed opens to what was given.
#include "door/internal/door_rig.h"

using namespace meridian;
using namespace meridian::door;

namespace {

std::string text(ByteReader& in) {
  return std::string(as_text(in.take(std::min<std::size_t>(in.u8(), in.remaining()))));
}

EventDraft any_event(ByteReader& in) {
  EventDraft draft;
  draft.event_id = in.u8();
  draft.stream = text(in);
  draft.type = text(in);
  if (in.u8() % 2 == 0) draft.content_type = "application/octet-stream";
  if (in.u8() % 16 == 0) draft.content_type = text(in);
  draft.data = to_buffer(as_bytes(text(in)));
  draft.metadata = to_buffer(as_bytes(text(in)));
  if (in.u8() % 2 == 0) draft.subject = std::string(1, static_cast<char>('a' + in.u8() % 4));
  draft.retention = in.u8() % 8 == 0 ? in.u8() : 1;
  draft.classification = in.u8();
  for (std::uint8_t more = in.u8() % 10; more > 0 && in.remaining() > 0; --more)
    draft.more.push_back({in.u8() % 2 == 0 ? std::string("b") : std::string(), in.u8(),
                          to_buffer(as_bytes(text(in)))});
  draft.expected = static_cast<ledger::Expected>(in.u8() % 4);
  draft.expected_revision = in.u64();
  draft.facts.country = text(in);
  return draft;
}

std::vector<CommandDraft> any_drafts(Bytes input) {
  ByteReader in(input);
  std::vector<CommandDraft> drafts;
  while (in.remaining() > 0 && drafts.size() < 6) {
    switch (in.u8() % 4) {
      case 0: {
        ledger::Account account{};
        account.id = in.id();
        account.user_data_64 = in.u64();
        account.user_data_128 = in.id();
        drafts.emplace_back(account);
        break;
      }
      case 1: {
        ledger::Transfer transfer{};
        transfer.id = in.id();
        transfer.user_data_64 = in.u64();
        transfer.flags = in.u16();
        drafts.emplace_back(transfer);
        break;
      }
      case 2: drafts.emplace_back(any_event(in)); break;
      default:
        drafts.emplace_back(DeletionDraft{in.u8(), text(in), ledger::Expected::exact, in.u64()});
    }
  }
  return drafts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<DoorRig> made = [] {
    auto rig = std::make_unique<DoorRig>();
    ASSERT(rig->open().has_value());
    return rig;
  }();
  DoorRig& rig = *made;
  const Bytes input(data, size);

  // Any payload under a sound header, and the input laid over a sound payload.
  static const Door::SealedEvent sound = DoorRig::sealed(**rig.prepare({event_draft(1, "anna")}));
  Door::SealedEvent event = sound;
  event.payload = to_buffer(input);
  ASSERT(!rig.open_event(event).has_value() || event.payload == sound.payload);
  event.payload = sound.payload;
  for (std::size_t i = 0; i < std::min(size, event.payload.size()); ++i)
    event.payload[i] ^= data[i];
  ASSERT(!rig.open_event(event).has_value() || event.payload == sound.payload);
  // The same with a header that commits to it, as a hostile peer could make.
  if (auto payload = ledger::Payload::decode(event.payload)) {
    std::vector<crypto::Digest> commitments;
    for (const auto& compartment : payload->compartments)
      commitments.push_back(compartment.commitment);
    event.header.payload_commitment = ledger::fold_commitments(commitments);
    static_cast<void>(rig.open_event(event));
  }

  const std::vector<CommandDraft> drafts = any_drafts(input);
  auto request = rig.prepare(drafts, size % 2 == 0);
  if (request) {
    const ledger::Request* requests[] = {request->get()};
    Buffer entry;
    ledger::encode_entry({1, 0, {}}, requests, entry);
    ASSERT(ledger::EntryView::decode(entry).has_value());
    for (std::size_t i = 0; i < drafts.size(); ++i) {
      const auto* draft = std::get_if<EventDraft>(&drafts[i]);
      if (draft == nullptr) continue;
      auto opened = rig.open_event(DoorRig::sealed(**request, i));
      ASSERT(opened.has_value());
      ASSERT(opened->data == draft->data);
      ASSERT(opened->stream == draft->stream);
    }
  }
  static_cast<void>(rig.door->prepare_packed(1, ledger::CommandKind::create_transfer, input));
  static_cast<void>(rig.door->take_refusals());
  return 0;
}
