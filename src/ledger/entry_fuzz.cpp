// An accepted entry, taken apart and built again, gives the same bytes; and every record of it has
// a header that decodes, whatever the commands of clients hold (a poison entry must not exist).
#include <array>
#include <vector>

#include "base/assert.h"
#include "ledger/entry.h"
#include "ledger/header.h"
#include "ledger/internal/sample_records.h"

namespace meridian::ledger {
namespace {

Request take_apart(const EntryView& entry, const RequestHeader& header, std::uint32_t first_run,
                   std::uint32_t first_command) {
  Request request;
  request.actor = header.actor;
  request.signature_digest = header.signature_digest;
  request.attester = header.attester;
  std::uint32_t number = first_command;
  for (std::uint32_t run = first_run; run < first_run + header.run_count; ++run)
    for (std::uint32_t left = entry.run(run).count; left > 0; --left, ++number) {
      Buffer command = to_buffer(Bytes(entry.command(number), command_size));
      if (entry.run(run).kind == CommandKind::append_event) {
        Bytes payload = entry.payload(load_command<AppendEvent>(command.data()));
        store_le(&command[offsetof(AppendEvent, payload_offset)],
                 static_cast<std::uint32_t>(request.payloads.size()));
        request.payloads.insert(request.payloads.end(), payload.begin(), payload.end());
      }
      request.add(entry.run(run).kind, command);
      if (Bytes facts = entry.facts(number); !facts.empty())
        request.facts.push_back({number - first_command, to_buffer(facts)});
    }
  return request;
}

// Refused, as apply would refuse most of what a fuzzer writes; a transfer may also be created.
void check_headers(const EntryView& entry) {
  HeaderEncoder encoder({1, 2, 3, RecordIndex{4}}, entry);
  std::array<Byte, header_size_max> out;
  std::uint32_t number = 0, run = 0;
  for (std::uint32_t i = 0; i < entry.request_count(); ++i) {
    RequestHeader request = entry.request(i);
    for (std::uint32_t end = run + request.run_count; run < end; ++run)
      for (std::uint32_t left = entry.run(run).count; left > 0; --left, ++number) {
        CommandKind kind = entry.run(run).kind;
        for (Outcome outcome : {Outcome{1}, Outcome::created}) {
          if (outcome == Outcome::created && kind != CommandKind::create_transfer) continue;
          Effect effect;
          effect.outcome = outcome;
          effect.amount = number;
          effect.debit.debits_posted = u128{number} << 63;
          Transfer ended{};  // what a post or void that was created names
          if (kind == CommandKind::create_transfer) {
            ended.id = load_command<Transfer>(entry.command(number)).pending_id;
            effect.revision = 0;  // its place among those that ended
          }
          std::size_t size = encoder.encode(number, kind, request, effect, {&ended, 1}, out);
          Result<Header> header = Header::decode(Bytes(out).first(size));
          ASSERT(header.has_value());
          ASSERT(equal(header->encode(), Bytes(out).first(size)));
        }
      }
  }
}

void check(Bytes bytes) {
  Result<EntryView> entry = EntryView::decode(bytes);
  if (!entry) {
    ASSERT(entry.error().code == Code::invalid_argument);
    return;
  }
  std::vector<Request> requests;
  std::uint32_t run = 0, command = 0;
  for (std::uint32_t i = 0; i < entry->request_count(); ++i) {
    RequestHeader header = entry->request(i);
    requests.push_back(take_apart(*entry, header, run, command));
    run += header.run_count;
    command += header.command_count;
  }
  std::vector<const Request*> pointers;
  for (const Request& request : requests) pointers.push_back(&request);
  EntryStamp stamp{entry->base_time(), entry->clock_uncertainty_us(), {}};
  std::ranges::copy(entry->secret(), stamp.secret.begin());
  Buffer again;
  encode_entry(stamp, pointers, again);
  ASSERT(equal(again, bytes));
  check_headers(*entry);
}

}  // namespace
}  // namespace meridian::ledger

// The bytes as they are, and a valid entry with a few of its bytes replaced by them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  using namespace meridian::ledger;
  Bytes input(data, size);
  check(input);
  ByteReader reader(input);
  Sampler sampler(reader.u16());
  Request first = sampler.request(6), second = sampler.request(6);
  std::array<const Request*, 2> requests{&first, &second};
  Buffer entry;
  encode_entry(sampler.stamp(), requests, entry);
  check(entry);
  while (reader.remaining() >= 3) {
    std::size_t at = reader.u16() % entry.size();
    entry[at] = reader.u8();
  }
  check(entry);
  return 0;
}
