#include "ledger/entry.h"

#include <gtest/gtest.h>

#include "ledger/internal/golden_bytes.h"
#include "ledger/internal/sample_records.h"

namespace meridian::ledger {
namespace {

// Offsets inside golden/entry.hex: requests, runs, commands, facts, payloads.
constexpr std::size_t requests_at = 64;
constexpr std::size_t runs_at = requests_at + 3 * 64;
constexpr std::size_t commands_at = runs_at + 6 * 8;
constexpr std::size_t facts_at = commands_at + 8 * command_size;

std::string refusal(Bytes bytes) {
  Result<EntryView> entry = EntryView::decode(bytes);
  return entry ? "accepted" : entry.error().message;
}

Buffer changed(std::size_t at, Byte value) {
  Buffer bytes = golden_bytes("entry.hex");
  bytes.at(at) = value;
  return bytes;
}

/// Takes an entry apart into what it was built from.
std::vector<Request> requests_of(const EntryView& entry) {
  std::vector<Request> requests;
  std::uint32_t run = 0;
  std::uint32_t number = 0;
  for (std::uint32_t i = 0; i < entry.request_count(); ++i) {
    RequestHeader header = entry.request(i);
    Request& request = requests.emplace_back();
    request.actor = header.actor;
    request.signature_digest = header.signature_digest;
    request.attester = header.attester;
    std::uint32_t first = number;
    for (std::uint32_t end = run + header.run_count; run < end; ++run)
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
          request.facts.push_back({number - first, to_buffer(facts)});
      }
  }
  return requests;
}

Buffer encode(const EntryStamp& stamp, const std::vector<Request>& requests) {
  std::vector<const Request*> pointers;
  for (const Request& request : requests) pointers.push_back(&request);
  Buffer bytes;
  encode_entry(stamp, pointers, bytes);
  return bytes;
}

EntryStamp stamp_of(const EntryView& entry) {
  EntryStamp stamp{entry.base_time(), entry.clock_uncertainty_us(), {}};
  std::ranges::copy(entry.secret(), stamp.secret.begin());
  return stamp;
}

std::vector<Request> sample_requests(Sampler& sampler) {
  std::vector<Request> requests;
  for (std::uint64_t count = 1 + sampler.below(4); count > 0; --count)
    requests.push_back(sampler.request(12));
  return requests;
}

TEST(Entry, random_requests_come_back_as_they_were) {
  Sampler sampler(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<Request> requests = sample_requests(sampler);
    EntryStamp stamp = sampler.stamp();
    Buffer bytes = encode(stamp, requests);
    std::size_t size = entry_header_size;
    for (const Request& request : requests) size += request.encoded_size();
    ASSERT_EQ(bytes.size(), size);
    Result<EntryView> entry = EntryView::decode(bytes);
    ASSERT_TRUE(entry) << entry.error().message;
    ASSERT_EQ(entry->base_time(), stamp.base_time);
    ASSERT_EQ(entry->clock_uncertainty_us(), stamp.clock_uncertainty_us);
    ASSERT_TRUE(equal(entry->secret(), stamp.secret));
    std::vector<Request> back = requests_of(*entry);
    ASSERT_EQ(back.size(), requests.size());
    for (std::size_t i = 0; i < back.size(); ++i) {
      ASSERT_TRUE(back[i].actor == requests[i].actor);
      ASSERT_EQ(back[i].attester, requests[i].attester);
      ASSERT_EQ(back[i].signature_digest, requests[i].signature_digest);
      ASSERT_EQ(to_hex(back[i].commands), to_hex(requests[i].commands));
      ASSERT_EQ(to_hex(back[i].payloads), to_hex(requests[i].payloads));
      ASSERT_EQ(back[i].runs.size(), requests[i].runs.size());
      ASSERT_EQ(back[i].facts.size(), requests[i].facts.size());
      for (std::size_t f = 0; f < back[i].facts.size(); ++f) {
        ASSERT_EQ(back[i].facts[f].command, requests[i].facts[f].command);
        ASSERT_EQ(back[i].facts[f].bytes, requests[i].facts[f].bytes);
      }
    }
  }
}

TEST(Entry, a_flipped_bit_is_refused_or_gives_the_only_encoding_of_another_entry) {
  Sampler sampler(2);
  std::vector<Buffer> samples{golden_bytes("entry.hex")};
  for (int round = 0; round < 4; ++round)
    samples.push_back(encode(sampler.stamp(), {sampler.request(5), sampler.request(5)}));
  for (Buffer& bytes : samples) {
    ASSERT_EQ(refusal(bytes), "accepted");
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] ^= static_cast<Byte>(1 << bit % 8);
      if (Result<EntryView> entry = EntryView::decode(bytes)) {
        ASSERT_TRUE(encode(stamp_of(*entry), requests_of(*entry)) == bytes) << "bit " << bit;
      }
      bytes[bit / 8] ^= static_cast<Byte>(1 << bit % 8);
    }
  }
}

TEST(Entry, any_shorter_or_longer_input_is_refused) {
  Buffer bytes = golden_bytes("entry.hex");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(EntryView::decode(Bytes(bytes).first(size))) << size;
  bytes.push_back(0);
  EXPECT_EQ(refusal(bytes),
            "entry: 1719 bytes, but its counts and sizes (facts_size 98, payloads_size 292) add "
            "up to 1718");
  EXPECT_EQ(refusal(Buffer(63)), "entry: 63 bytes, the header alone has 64");
  EXPECT_EQ(refusal(Buffer(entry_size_max + 1)), "entry: 2097153 bytes, at most 2097152");
}

TEST(Entry, golden_bytes_say_what_they_should) {
  Buffer bytes = golden_bytes("entry.hex");
  Result<EntryView> entry = EntryView::decode(bytes);
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(encode(stamp_of(*entry), requests_of(*entry)), bytes);
  EXPECT_EQ(entry->request_count(), 3u);
  EXPECT_EQ(entry->command_count(), 8u);
  EXPECT_EQ(entry->base_time(), 1'700'000'000'000'000'000u);
  auto transfer = load_command<Transfer>(entry->command(2));
  EXPECT_TRUE(transfer.amount == 2'500);
  EXPECT_EQ(transfer.flags, transfer_flags::linked);
  auto event = load_command<AppendEvent>(entry->command(4));
  EXPECT_TRUE(equal(entry->payload(event), golden_bytes("payload.hex")));
  EXPECT_TRUE(equal(entry->facts(4), golden_bytes("facts.hex")));
  EXPECT_TRUE(entry->facts(3).empty());
}

TEST(Entry, a_full_batch_of_8190_transfers_fits_and_one_more_does_not) {
  Request request;
  Buffer command(command_size);
  for (std::uint32_t i = 0; i < entry_commands_max; ++i)
    request.add(CommandKind::create_transfer, command);
  Buffer bytes = encode({1, 0, {}}, {request});
  EXPECT_EQ(refusal(bytes), "accepted");
  store_le(&bytes[4], std::uint32_t{8'191});
  EXPECT_EQ(refusal(bytes), "entry: command_count is 8191, must be 1 to 8190");
}

TEST(Entry, a_request_of_more_than_a_mebibyte_is_refused) {
  Request request;
  Buffer command(command_size);
  store_le(&command[offsetof(AppendEvent, payload_size)], std::uint32_t{payload_size_max});
  for (std::uint32_t i = 0; i < 2; ++i) {
    store_le(&command[offsetof(AppendEvent, payload_offset)],
             static_cast<std::uint32_t>(i * payload_size_max));
    request.add(CommandKind::append_event, command);
  }
  request.payloads.resize(2 * payload_size_max - 2 * command_size);
  store_le(&request.commands[command_size + offsetof(AppendEvent, payload_size)],
           static_cast<std::uint32_t>(payload_size_max - 2 * command_size));
  Buffer bytes = encode({1, 0, {}}, {request});
  EXPECT_EQ(refusal(bytes), "accepted");
  store_le(&bytes[28], static_cast<std::uint32_t>(request.payloads.size() + 1));
  std::size_t second = entry_header_size + 64 + 8 + command_size;
  store_le(&bytes[second + offsetof(AppendEvent, payload_size)],
           static_cast<std::uint32_t>(payload_size_max - 2 * command_size + 1));
  bytes.push_back(0);
  EXPECT_EQ(refusal(bytes),
            "entry: request 0: 1048577 bytes of commands and payloads, at most 1048576");
}

TEST(Entry, each_refusal_names_its_field) {
  EXPECT_EQ(refusal(changed(0, 9)), "entry: version is 9, this build reads 1");
  EXPECT_EQ(refusal(changed(2, 0)), "entry: request_count is 0, must be 1 to 8190");
  EXPECT_EQ(refusal(changed(4, 0)), "entry: command_count is 0, must be 1 to 8190");
  EXPECT_EQ(refusal(changed(20, 0)), "entry: run_count is 0, must be 1 to command_count (8)");
  EXPECT_EQ(refusal(changed(20, 9)), "entry: run_count is 9, must be 1 to command_count (8)");
  EXPECT_EQ(refusal(changed(15, 0xFF)),
            "entry: base_time 18417361816799281152 is not a time of 63 bits after 1970");
  Buffer no_time = golden_bytes("entry.hex");
  std::fill_n(no_time.begin() + 8, 8, Byte{0});
  EXPECT_EQ(refusal(no_time), "entry: base_time 0 is not a time of 63 bits after 1970");

  EXPECT_EQ(refusal(changed(requests_at + 49, 1)), "entry: request 0: a reserved byte is not zero");
  EXPECT_EQ(refusal(changed(requests_at + 60, 1)), "entry: request 0: a reserved byte is not zero");
  EXPECT_EQ(refusal(changed(requests_at + 48, 4)), "entry: request 0: attester 4 is not 1, 2 or 3");
  EXPECT_EQ(refusal(changed(requests_at + 48, 2)),
            "entry: request 0: signature_digest is zero although attester is client_signature");
  EXPECT_EQ(refusal(changed(requests_at + 64 + 48, 3)),
            "entry: request 1: signature_digest is not zero although attester is replica");
  EXPECT_EQ(refusal(changed(requests_at + 52, 0)),
            "entry: request 0: run_count is 0: it needs at least one run");
  EXPECT_EQ(refusal(changed(requests_at + 52, 7)),
            "entry: request 0: run_count 7 is more than the 6 runs left");
  EXPECT_EQ(refusal(changed(requests_at + 56, 0)),
            "entry: request 0: command_count is 0: it needs at least one command");
  EXPECT_EQ(refusal(changed(requests_at + 56, 5)),
            "entry: request 0: command_count is 5, but its runs hold 4 commands");
  EXPECT_EQ(refusal(changed(requests_at + 128 + 52, 1)),
            "entry: request 2: command_count is 2, but its runs hold 1 commands");

  EXPECT_EQ(refusal(changed(runs_at, 99)), "entry: run 0: kind 99 is not known");
  EXPECT_EQ(refusal(changed(runs_at, 2)),
            "entry: run 1: kind is that of the run before it: merge them");
  EXPECT_EQ(refusal(changed(runs_at + 1, 1)), "entry: run 0: a reserved byte is not zero");
  EXPECT_EQ(refusal(changed(runs_at + 4, 0)),
            "entry: run 0: count is 0: a run holds at least one command");
  EXPECT_EQ(refusal(changed(runs_at + 4, 9)),
            "entry: run 0: count 9 is more than the 8 commands left");
  EXPECT_EQ(refusal(changed(runs_at + 24, 17)),
            "entry: run 3: kind 17 is never accepted from a client");

  std::size_t event = commands_at + 4 * command_size;
  EXPECT_EQ(refusal(changed(event + offsetof(AppendEvent, payload_offset), 1)),
            "entry: command 4: payload_offset is 1, must be 0");
  EXPECT_EQ(refusal(changed(event + offsetof(AppendEvent, payload_size), 0x2D)),
            "entry: command 4: payload_size 301 goes past the end of the payloads");
  EXPECT_EQ(refusal(changed(event + offsetof(AppendEvent, payload_size), 0x23)),
            "entry: payloads_size is 292, but the events name 291 bytes");
  EXPECT_EQ(refusal(changed(event + offsetof(AppendEvent, payload_size) + 3, 1)),
            "entry: command 4: payload_size is 16777508, at most 524288");
  EXPECT_EQ(refusal(changed(commands_at + 7 * command_size + 127, 1)),
            "entry: command 7: a reserved byte is not zero");

  EXPECT_EQ(refusal(changed(facts_at, 8)),
            "entry: facts: command 8 does not exist, command_count is 8");
  EXPECT_EQ(refusal(changed(facts_at, 4)),
            "entry: facts: command 4 after command 4: not ascending");
  EXPECT_EQ(refusal(changed(facts_at + 4, 0)),
            "entry: facts of command 2: size is 0, must be 1 to 256");
  EXPECT_EQ(refusal(changed(facts_at + 5, 2)),
            "entry: facts of command 2: size is 555, must be 1 to 256");
  EXPECT_EQ(refusal(changed(facts_at + 4, 200)),
            "entry: facts of command 2: size 200 goes past facts_size");
  EXPECT_EQ(refusal(changed(facts_at + 8, 'd')),
            "entry: facts of command 2: facts: country must be 2 capital letters; it has 2 bytes");
}

}  // namespace
}  // namespace meridian::ledger
