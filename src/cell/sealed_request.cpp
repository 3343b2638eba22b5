// answer = 0(1) entry index(8) term(8) first record(8) first time(8) count(4) count × {outcome(2)
//          time(8) revision(8)}, or 1 + error code(1) message
#include "cell/sealed_request.h"

#include <fmt/format.h>

namespace meridian::cell {
namespace {

constexpr std::size_t result_size = 18;

Error wrong(std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("a request that was handed over: {}", why));
}

}  // namespace

Result<Buffer> encode_request(const ledger::Request& request) {
  TRY(ledger::check_request(request));
  Buffer bytes;
  const ledger::Request* const one = &request;
  ledger::encode_entry({1, 0, {}}, {&one, 1}, bytes);  // whoever orders it stamps it
  return bytes;
}

Result<std::unique_ptr<ledger::Request>> decode_request(Bytes bytes) {
  const ledger::EntryView view = TRY(ledger::EntryView::decode(bytes));
  if (view.request_count() != 1 || view.base_time() != 1 || view.clock_uncertainty_us() != 0)
    return wrong("it is another entry");
  const ledger::RequestHeader header = view.request(0);
  auto request = std::make_unique<ledger::Request>();
  request->actor = header.actor;
  request->signature_digest = header.signature_digest;
  request->attester = header.attester;
  for (std::uint32_t i = 0; i < view.run_count(); ++i) {
    if (!ledger::made_by_clients(view.run(i).kind)) return wrong("it is not for a door to ask");
    request->runs.push_back(view.run(i));
  }
  request->commands =
      to_buffer(Bytes(view.command(0), view.command_count() * ledger::command_size));
  request->payloads = to_buffer(view.payloads());
  for (std::uint32_t i = 0; view.has_facts() && i < view.command_count(); ++i)
    if (const Bytes facts = view.facts(i); !facts.empty())
      request->facts.push_back({i, to_buffer(facts)});
  if (const Result<Buffer> again = encode_request(*request); !again || !equal(*again, bytes))
    return wrong("it is not the one encoding of what it says");
  return request;
}

Buffer encode_answer(const Result<replica::Answer>& answer) {
  Buffer bytes;
  bytes.reserve(64 +
                (answer ? answer->results.size() * result_size : answer.error().message.size()));
  ByteWriter out(bytes);
  if (!answer) {
    out.u8(static_cast<std::uint8_t>(1 + static_cast<std::uint8_t>(answer.error().code)));
    out.bytes(as_bytes(answer.error().message));
    return bytes;
  }
  out.u8(0);
  out.u64(answer->entry_index);
  out.u64(answer->term);
  out.u64(raw(answer->first_record));
  out.u64(answer->first_time);
  out.u32(static_cast<std::uint32_t>(answer->results.size()));
  for (const replica::Answer::CommandResult& one : answer->results) {
    out.u16(static_cast<std::uint16_t>(one.outcome));
    out.u64(one.time);
    out.u64(one.revision);
  }
  return bytes;
}

Result<Result<replica::Answer>> decode_answer(Bytes bytes) {
  ByteReader in(bytes);
  const std::uint8_t kind = in.u8();
  if (!in.ok()) return wrong("an empty answer");
  if (kind != 0) {
    if (kind - 1 > static_cast<std::uint8_t>(Code::internal)) return wrong("an unknown code");
    return Result<replica::Answer>(
        Error{static_cast<Code>(kind - 1), std::string(as_text(in.take(in.remaining())))});
  }
  replica::Answer answer{};
  answer.entry_index = in.u64();
  answer.term = in.u64();
  answer.first_record = ledger::RecordIndex{in.u64()};
  answer.first_time = in.u64();
  const std::uint32_t count = in.u32();
  if (!in.ok() || in.remaining() != std::uint64_t{count} * result_size)
    return wrong("its answer has another length than its results");
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto outcome = static_cast<ledger::Outcome>(in.u16());
    const std::uint64_t time = in.u64();
    answer.results.push_back({outcome, time, in.u64()});
  }
  return Result<replica::Answer>(std::move(answer));
}

}  // namespace meridian::cell
