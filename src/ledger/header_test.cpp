#include "ledger/header.h"

#include <gtest/gtest.h>

#include "ledger/internal/golden_bytes.h"
#include "ledger/internal/sample_records.h"
#include "ledger/ledger.h"

namespace meridian::ledger {
namespace {

constexpr u128 golden_cell = make_u128(0x0f0e0d0c0b0a0908, 0x0706050403020100);
constexpr EntryPosition golden_position{golden_cell, 3, 77, RecordIndex{5'000}};

std::string refusal(Bytes bytes) {
  Result<Header> header = Header::decode(bytes);
  return header ? "accepted" : header.error().message;
}

Buffer changed(Buffer bytes, std::size_t at, Byte value) {
  bytes.at(at) = value;
  return bytes;
}

/// Encodes every record of `entry`, with `effects` by command.
std::vector<Buffer> encode_all(const EntryPosition& position, const EntryView& entry,
                               const std::vector<Effect>& effects,
                               std::span<const Transfer> expired) {
  HeaderEncoder encoder(position, entry);
  std::vector<Buffer> headers;
  std::uint32_t run = 0;
  std::uint32_t number = 0;
  for (std::uint32_t i = 0; i < entry.request_count(); ++i) {
    RequestHeader request = entry.request(i);
    for (std::uint32_t end = run + request.run_count; run < end; ++run)
      for (std::uint32_t left = entry.run(run).count; left > 0; --left, ++number) {
        Buffer out(header_size_max);
        out.resize(
            encoder.encode(number, entry.run(run).kind, request, effects.at(number), expired, out));
        headers.push_back(std::move(out));
      }
  }
  return headers;
}

std::vector<CommandKind> kinds_of(const EntryView& entry) {
  std::vector<CommandKind> kinds;
  for (std::uint32_t run = 0; run < entry.run_count(); ++run)
    kinds.insert(kinds.end(), entry.run(run).count, entry.run(run).kind);
  return kinds;
}

TEST(Header, every_value_of_every_kind_decodes_to_itself) {
  Sampler sampler(1);
  for (int round = 0; round < 300; ++round)
    for (CommandKind kind : all_kinds) {
      Header header = sampler.header(kind);
      Buffer bytes = header.encode();
      ASSERT_LE(bytes.size(), header_size_max);
      Result<Header> back = Header::decode(bytes);
      ASSERT_TRUE(back) << back.error().message << " round " << round << " kind "
                        << static_cast<int>(kind);
      ASSERT_EQ(*back, header) << "round " << round << " kind " << static_cast<int>(kind);
    }
}

TEST(Header, a_flipped_bit_is_refused_or_gives_the_only_encoding_of_another_value) {
  Sampler sampler(2);
  std::size_t refused = 0, accepted = 0;
  for (int round = 0; round < 5; ++round)
    for (CommandKind kind : all_kinds) {
      Header header = sampler.header(kind);
      Buffer bytes = header.encode();
      for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<Byte>(1 << bit % 8);
        Result<Header> other = Header::decode(bytes);
        if (other) {
          ASSERT_EQ(to_hex(other->encode()), to_hex(bytes)) << "bit " << bit;
          ASSERT_FALSE(*other == header) << "bit " << bit << " means nothing";
        }
        (other ? accepted : refused)++;
        bytes[bit / 8] ^= static_cast<Byte>(1 << bit % 8);
      }
    }
  EXPECT_GT(refused, 5'000u);
  EXPECT_GT(accepted, 5'000u);
}

TEST(Header, any_shorter_or_longer_input_is_refused) {
  Sampler sampler(3);
  for (CommandKind kind : all_kinds) {
    Buffer bytes = sampler.header(kind).encode();
    for (std::size_t size = 0; size < bytes.size(); ++size)
      ASSERT_FALSE(Header::decode(Bytes(bytes).first(size))) << size;
    bytes.push_back(0);
    EXPECT_EQ(refusal(bytes), "header: 1 bytes follow the last section");
    bytes.resize(header_size_max + 1);
    EXPECT_EQ(refusal(bytes), "header: 2049 bytes, at most 2048");
  }
  EXPECT_EQ(refusal({}), "header: 0 bytes, the common part alone has 96");
}

TEST(HeaderEncoder, headers_of_random_entries_decode_to_what_was_applied) {
  Sampler sampler(4);
  for (int round = 0; round < 400; ++round) {
    Request first = sampler.request(20), second = sampler.request(20);
    std::array<const Request*, 2> requests{&first, &second};
    EntryStamp stamp = sampler.stamp();
    Buffer bytes;
    encode_entry(stamp, requests, bytes);
    Result<EntryView> entry = EntryView::decode(bytes);
    ASSERT_TRUE(entry) << entry.error().message;

    std::vector<CommandKind> kinds = kinds_of(*entry);
    std::vector<Effect> effects;
    std::vector<Transfer> expired;
    for (std::uint32_t number = 0; number < kinds.size(); ++number) {
      effects.push_back(sampler.effect(kinds[number], expired.size()));
      bool expires = kinds[number] == CommandKind::expire_pending;
      if (!expires && kinds[number] != CommandKind::create_transfer) continue;
      auto transfer = load_command<Transfer>(sampler.command(CommandKind::create_transfer).data());
      transfer.id = expires ? load_command<ExpirePending>(entry->command(number)).transfer_id
                            : load_command<Transfer>(entry->command(number)).pending_id;
      expired.push_back(transfer);
    }
    EntryPosition position{sampler.id(), sampler.u64(), sampler.u64(),
                           RecordIndex{sampler.below(1'000'000)}};
    std::vector<Buffer> headers = encode_all(position, *entry, effects, expired);
    ASSERT_EQ(headers.size(), kinds.size());
    crypto::HmacKey salt_key(stamp.secret);
    for (std::uint32_t number = 0; number < kinds.size(); ++number) {
      Result<Header> header = Header::decode(headers[number]);
      ASSERT_TRUE(header) << header.error().message;
      ASSERT_EQ(to_hex(header->encode()), to_hex(headers[number]));
      const Request& request = number < first.command_count() ? first : second;
      std::uint64_t index = raw(position.first_record) + number;
      ASSERT_EQ(header->kind, kinds[number]);
      ASSERT_EQ(header->outcome, effects[number].outcome);
      ASSERT_EQ(header->cell, position.cell);
      ASSERT_EQ(raw(header->record_index), index);
      ASSERT_EQ(header->term, position.term);
      ASSERT_EQ(header->entry_index, position.entry_index);
      ASSERT_EQ(header->time, stamp.base_time + number);
      ASSERT_EQ(header->clock_uncertainty_us, stamp.clock_uncertainty_us);
      ASSERT_EQ(header->attester, request.attester);
      ASSERT_EQ(header->actor, request.actor);
      ASSERT_EQ(header->signature_digest, request.signature_digest);
      ASSERT_TRUE(equal(header->facts, entry->facts(number)));
      Buffer pair(8);
      store_le(pair.data(), index / 2);
      crypto::Digest salts = salt_key.mac(pair);
      ASSERT_TRUE(equal(header->salt, Bytes(salts).subspan(index % 2 * 16, 16)));
    }
  }
}

TEST(HeaderEncoder, a_transfer_keeps_what_was_asked_and_what_was_applied) {
  Sampler sampler(5);
  for (int round = 0; round < 500; ++round) {
    Request request;
    auto command = sampler.command(CommandKind::create_transfer);
    request.add(CommandKind::create_transfer, command);
    const Request* requests[] = {&request};
    Buffer bytes;
    encode_entry(sampler.stamp(), requests, bytes);
    EntryView entry = *EntryView::decode(bytes);
    Effect effect = sampler.effect(CommandKind::create_transfer, 0);
    auto asked = load_command<Transfer>(command.data());
    if (sampler.chance(2)) effect.amount = asked.amount;
    auto pending = load_command<Transfer>(sampler.command(CommandKind::create_transfer).data());
    pending.id = asked.pending_id;
    Buffer out = encode_all({}, entry, {effect}, {&pending, 1}).front();
    Header header = *Header::decode(out);
    const auto& body = std::get<TransferBody>(header.body);
    bool created = effect.outcome == Outcome::created;
    EXPECT_EQ(header.imported_time, asked.timestamp);
    if (asked.timestamp == 0) asked.timestamp = header.time;
    EXPECT_EQ(body.applied, created);
    EXPECT_TRUE(body.requested_amount == asked.amount);
    EXPECT_TRUE(body.transfer.amount == (created ? effect.amount : asked.amount));
    asked.amount = body.transfer.amount;
    bool ends_pending = created && (asked.flags & transfer_resolves) != 0;
    EXPECT_EQ(body.transfer, ends_pending ? resolved(asked, pending) : asked);
    if (!created) continue;
    EXPECT_EQ(body.debit, effect.debit);
    EXPECT_EQ(body.credit, effect.credit);
    EXPECT_EQ(body.previous_debit, effect.previous_debit);
    EXPECT_EQ(body.previous_credit, effect.previous_credit);
  }
}

TEST(HeaderEncoder, a_common_transfer_has_296_bytes) {
  Request request;
  request.add(CommandKind::create_transfer, Buffer(command_size));
  const Request* requests[] = {&request};
  Buffer bytes;
  encode_entry({1, 0, {}}, requests, bytes);
  EntryView entry = *EntryView::decode(bytes);
  EXPECT_EQ(encode_all({}, entry, {Effect{}}, {}).front().size(), 296u);
}

struct GoldenRecord {
  const char* file;
  Effect effect;
};

std::vector<GoldenRecord> golden_records() {
  auto balances = [](u128 first) { return Balances{first, first + 1, first + 2, first + 3}; };
  u128 wide = u128{1} << 70;
  std::vector<GoldenRecord> records(8);
  records[0].file = "header-account.hex";
  records[1].file = "header-account-refused.hex";
  records[1].effect.outcome = outcome(AccountOutcome::code_must_not_be_zero);
  records[2] = {"header-transfer.hex",
                {.amount = 2'500,
                 .debit = balances(100),
                 .credit = balances(104),
                 .previous_debit = RecordIndex{4'000},
                 .previous_credit = RecordIndex{4'001}}};
  records[3] = {"header-transfer-wide.hex",
                {.amount = wide,
                 .debit = balances(wide),
                 .credit = balances(wide + 4),
                 .previous_debit = RecordIndex{5'002},
                 .previous_credit = RecordIndex{5'002}}};
  records[4] = {"header-event.hex",
                {.debit = {}, .credit = {}, .previous_debit = RecordIndex{4'990}, .revision = 42}};
  records[5] = {"header-deletion.hex",
                {.debit = {}, .credit = {}, .previous_debit = RecordIndex{5'004}, .revision = 42}};
  records[6] = {"header-expiry.hex",
                {.amount = 40,
                 .debit = balances(200),
                 .credit = balances(204),
                 .previous_debit = RecordIndex{5'003},
                 .previous_credit = RecordIndex{5'003},
                 .revision = 0}};
  records[7].file = "header-system.hex";
  return records;
}

TEST(HeaderEncoder, golden_headers_come_from_the_golden_entry) {
  Buffer bytes = golden_bytes("entry.hex");
  Result<EntryView> entry = EntryView::decode(bytes);
  ASSERT_TRUE(entry) << entry.error().message;
  Transfer pending{};
  pending.id = load_command<ExpirePending>(entry->command(6)).transfer_id;
  pending.debit_account_id = 1'001;
  pending.credit_account_id = 1'002;
  pending.amount = 40;
  pending.user_data_128 = 5;
  pending.timeout = 60;
  pending.ledger = 700;
  pending.code = 1;
  pending.flags = transfer_flags::pending;
  pending.timestamp = 12'345;
  std::vector<Effect> effects;
  for (const GoldenRecord& record : golden_records()) effects.push_back(record.effect);
  std::vector<Buffer> headers = encode_all(golden_position, *entry, effects, {{pending}});
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const char* file = golden_records()[i].file;
    EXPECT_EQ(to_hex(headers[i]), to_hex(golden_bytes(file))) << file;
    Result<Header> header = Header::decode(headers[i]);
    ASSERT_TRUE(header) << file << ": " << header.error().message;
    EXPECT_EQ(to_hex(header->encode()), to_hex(headers[i])) << file;
  }
}

TEST(Header, each_refusal_names_its_field) {
  Buffer transfer = golden_bytes("header-transfer.hex");
  Buffer event = golden_bytes("header-event.hex");
  Buffer account = golden_bytes("header-account-refused.hex");
  Buffer system = golden_bytes("header-system.hex");
  EXPECT_EQ(refusal(transfer), "accepted");
  EXPECT_EQ(refusal(changed(transfer, 0, 2)), "header: version is 2, this build reads 1");
  EXPECT_EQ(refusal(changed(transfer, 1, 9)), "header: kind 9 is not known");
  EXPECT_EQ(refusal(changed(transfer, 2, 0x88)), "header: sections 0x88 has an unknown bit");
  EXPECT_EQ(refusal(changed(transfer, 4, 99)), "header: outcome 65379 is not known for kind 2");
  EXPECT_EQ(refusal(changed(transfer, 6, 1)),
            "header: classification and retention must be zero: only events have them");
  EXPECT_EQ(refusal(changed(event, 6, 5)),
            "header: classification 5 of a created event, at most 4");
  EXPECT_EQ(refusal(changed(transfer, 60, 0)), "header: attester 0 is not 1, 2 or 3");
  EXPECT_EQ(refusal(changed(transfer, 61, 4)), "header: decision 4 is not 0, 1, 2 or 3");
  EXPECT_EQ(refusal(changed(transfer, 61, 1)),
            "header: section 5 (rules) must be there if and only if decision is not 0");
  EXPECT_EQ(refusal(changed(transfer, 62, 1)),
            "header: a reserved byte of the common part is not zero");
  EXPECT_EQ(refusal(changed(transfer, 60, 2)),
            "header: attester is client_signature, but section 4 (client signature) is missing");
  EXPECT_EQ(refusal(changed(event, 60, 3)),
            "header: attester is replica, but section 4 (client signature) is there");
  EXPECT_EQ(refusal(changed(system, 60, 2)),
            "header: attester is client_signature, but section 4 (client signature) is missing");
  EXPECT_EQ(refusal(changed(transfer, 296, 0)), "header: facts: size is 0, must be 1 to 256");
  EXPECT_EQ(refusal(changed(transfer, 298, 6)), "header: facts: tag 6 is not known");
  EXPECT_EQ(refusal(changed(event, 188, 4)), "header: expected 4 is not 0 to 3");
  EXPECT_EQ(refusal(changed(event, 189, 9)), "header: content_type 9 is not 1 or 2");
  EXPECT_EQ(refusal(changed(event, 187, 9)), "header: payload_size is 150995236, at most 524288");
  EXPECT_EQ(refusal(changed(account, 223, 0xFF)), "accepted");
  EXPECT_EQ(refusal(changed(system, 200, 1)),
            "header: a reserved byte of the command of kind 20 is not zero");
  EXPECT_EQ(refusal(changed(golden_bytes("header-deletion.hex"), 152, 1)),
            "header: a reserved byte of the stream deletion is not zero");
  EXPECT_EQ(refusal(changed(golden_bytes("header-expiry.hex"), 96, 1)),
            "header: pending_id of an expiry must be its id");
}

TEST(Header, a_section_that_says_nothing_is_refused) {
  Buffer wide = golden_bytes("header-transfer-wide.hex");
  for (int i = 0; i < 8; ++i) wide.at(216 + static_cast<std::size_t>(i) * 16 + 8) = 0;
  EXPECT_EQ(refusal(wide),
            "header: section 0 (wide balances) is set although every balance fits 64 bits");
  wide = golden_bytes("header-transfer-wide.hex");
  std::copy_n(wide.begin() + 96 + 48, 16, wide.end() - 16);
  EXPECT_EQ(refusal(wide),
            "header: section 1 (requested amount) is the amount applied: leave it out");
  Buffer imported = golden_bytes("header-account-refused.hex");
  std::fill(imported.end() - 8, imported.end(), Byte{0});
  EXPECT_EQ(refusal(imported), "header: section 2 (imported time) is zero");
  Buffer event = golden_bytes("header-event.hex");
  std::fill(event.end() - 32, event.end(), Byte{0});
  EXPECT_EQ(refusal(event), "header: section 6 (payload) is zero");
  event = golden_bytes("header-event.hex");
  std::fill(event.end() - 64, event.end() - 32, Byte{0});
  EXPECT_EQ(refusal(event), "header: section 4 (client signature) is zero");
}

}  // namespace
}  // namespace meridian::ledger
