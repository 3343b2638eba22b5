// Seeded random values of everything the codecs carry: for tests and fuzzers only.
//
// Valid by the formats, hostile by choice: extreme integers, empty and full sections, every kind.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>

#include "ledger/entry.h"
#include "ledger/header.h"
#include "ledger/internal/command_checks.h"
#include "ledger/payload.h"

namespace meridian::ledger {

inline constexpr std::array<CommandKind, 26> all_kinds{
    CommandKind::create_account, CommandKind::create_transfer, CommandKind::append_event,
    CommandKind::delete_stream,  CommandKind::open_generation, CommandKind::set_feature_level,
    CommandKind::expire_pending, CommandKind::state_digest,    CommandKind::time_advance,
    CommandKind::erase_subject,  CommandKind::door_refusals,   CommandKind::dropped_tail,
    CommandKind::member_change,  CommandKind::cell_key_grant,  CommandKind::subject_key,
    CommandKind::turn_epoch,     CommandKind::entry_skipped,   CommandKind::set_retention,
    CommandKind::place_hold,     CommandKind::release_hold,    CommandKind::forget_subject,
    CommandKind::erase_key,      CommandKind::expire_class,    CommandKind::set_residency,
    CommandKind::residency_key,  CommandKind::turn_residency,
};

template <typename Command>
Bytes command_bytes(const Command& command) {
  static_assert(sizeof command == command_size);
  return {reinterpret_cast<const Byte*>(&command), command_size};
}

class Sampler {
 public:
  explicit Sampler(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }

  /// Small, extreme or any: what finds a wrong width.
  std::uint64_t u64() {
    constexpr std::array<std::uint64_t, 4> edges{0, 1, ~std::uint64_t{0}, std::uint64_t{1} << 63};
    if (chance(4)) return edges[below(edges.size())];
    return random_() >> below(64);
  }
  u128 id() { return chance(2) ? u128{u64()} : make_u128(u64(), random_()); }
  template <typename Integer>
  Integer number() {
    return static_cast<Integer>(u64());
  }
  template <std::size_t size>
  std::array<Byte, size> array() {
    std::array<Byte, size> bytes;
    for (Byte& byte : bytes) byte = static_cast<Byte>(random_());
    return bytes;
  }
  Buffer bytes(std::size_t size) {
    Buffer out(size);
    for (Byte& byte : out) byte = static_cast<Byte>(random_());
    return out;
  }
  crypto::Digest digest() { return array<32>(); }

  Facts facts() {
    Facts facts;
    if (chance(2)) facts.country = std::string{capital(), capital()};
    if (chance(2)) facts.channel = word(32);
    if (chance(2)) facts.screening_list = word(32);
    if (chance(2)) facts.screening_verdict = static_cast<std::uint8_t>(1 + below(3));
    if (chance(2) || facts.empty()) facts.purpose = word(64);
    return facts;
  }

  Payload payload() {
    Payload payload;
    payload.compartments.resize(1 + below(compartments_max));
    for (Compartment& compartment : payload.compartments) {
      bool own = chance(2);
      compartment.key_kind = own ? KeyKind::own : KeyKind::subject;
      compartment.subject = own ? 0 : id() | 1;
      compartment.retention = number<std::uint8_t>();
      compartment.key_version = number<std::uint32_t>();
      compartment.nonce = array<12>();
      compartment.commitment = digest();
      if (own) compartment.key_seed = array<32>();
      compartment.sealed = bytes(48 + below(100));
    }
    return payload;
  }

  /// 128 bytes that an entry accepts as a command of `kind`; an event with a payload of none.
  std::array<Byte, command_size> command(CommandKind kind) {
    auto bytes = array<command_size>();
    if (kind == CommandKind::append_event) {
      auto event = load_command<AppendEvent>(bytes.data());
      event.payload_offset = event.payload_size = 0;
      event.classification = static_cast<std::uint8_t>(below(classification_max + 1));
      event.expected = static_cast<Expected>(below(4));
      event.content_type = chance(2) ? ContentType::bytes : ContentType::json;
      if (chance(2)) event.commitment = {};
      store_le(bytes.data(), event);
    } else if (kind == CommandKind::delete_stream) {
      bytes[offsetof(DeleteStream, expected)] = static_cast<Byte>(below(4));
    } else if (!made_by_clients(kind)) {
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(fields_end(kind)), bytes.end(),
                Byte{0});
      if (kind == CommandKind::open_generation)
        store_le(&bytes[offsetof(OpenGeneration, zero_a)], std::uint32_t{0});
      if (kind == CommandKind::state_digest)
        store_le(&bytes[offsetof(StateDigest, zero_a)], std::uint64_t{0});
      if (kind == CommandKind::cell_key_grant)
        store_le(&bytes[offsetof(CellKeyGrant, zero_a)], std::uint64_t{0});
      if (kind == CommandKind::subject_key)
        std::fill_n(&bytes[offsetof(SubjectKey, zero_a)], sizeof(SubjectKey::zero_a), Byte{0});
      if (kind == CommandKind::turn_epoch)
        std::fill_n(&bytes[offsetof(TurnEpoch, zero_a)], sizeof(TurnEpoch::zero_a), Byte{0});
      if (kind == CommandKind::set_retention)
        std::fill_n(&bytes[offsetof(SetRetention, zero_a)], sizeof(SetRetention::zero_a), Byte{0});
      if (kind == CommandKind::erase_key)
        std::fill_n(&bytes[offsetof(EraseKey, zero_a)], sizeof(EraseKey::zero_a), Byte{0});
      if (kind == CommandKind::expire_class)
        std::fill_n(&bytes[offsetof(ExpireClass, zero_a)], sizeof(ExpireClass::zero_a), Byte{0});
      if (kind == CommandKind::set_residency)
        std::fill_n(&bytes[offsetof(SetResidency, zero_a)], sizeof(SetResidency::zero_a), Byte{0});
      if (kind == CommandKind::residency_key) {
        std::fill_n(&bytes[offsetof(ResidencyKey, zero_a)], sizeof(ResidencyKey::zero_a), Byte{0});
        std::fill_n(&bytes[offsetof(ResidencyKey, zero_b)], sizeof(ResidencyKey::zero_b), Byte{0});
      }
      if (kind == CommandKind::turn_residency)
        std::fill_n(&bytes[offsetof(TurnResidency, zero_a)], sizeof(TurnResidency::zero_a),
                    Byte{0});
    } else if (chance(2)) {
      std::fill(bytes.begin() + offsetof(Transfer, timestamp), bytes.end(), Byte{0});
    }
    return bytes;
  }

  CommandKind kind() { return all_kinds[below(all_kinds.size())]; }

  Request request(std::size_t commands_max) {
    Request request;
    request.actor = id();
    request.attester = static_cast<Attester>(1 + below(3));
    if (request.attester == Attester::client_signature) request.signature_digest = digest();
    std::size_t count = 1 + below(commands_max);
    CommandKind now = kind();
    for (std::uint32_t number = 0; number < count; ++number) {
      if (chance(3)) now = kind();
      if (request.attester == Attester::client_signature)
        while (!made_by_clients(now)) now = kind();
      auto command = this->command(now);
      if (now == CommandKind::append_event) add_payload(request, command);
      request.add(now, command);
      if (chance(5)) request.facts.push_back({number, *facts().encode()});
    }
    return request;
  }

  EntryStamp stamp() {
    return {1 + below(std::uint64_t{1} << 62), number<std::uint32_t>(), array<32>()};
  }

  /// An effect that Ledger::apply might report of a command of `kind`.
  /// Expiries, posts and voids name `expired_index`.
  Effect effect(CommandKind kind, std::size_t expired_index) {
    Effect effect;
    if (chance(3)) effect.outcome = refusal(kind);
    effect.amount = id();
    effect.debit = balances();
    effect.credit = balances();
    effect.previous_debit = RecordIndex{u64()};
    effect.previous_credit = RecordIndex{u64()};
    bool ends_pending = kind == CommandKind::expire_pending || kind == CommandKind::create_transfer;
    effect.revision = ends_pending ? expired_index : u64() >> 1;
    return effect;
  }

  Header header(CommandKind kind) {
    Header header;
    header.kind = kind;
    if (chance(3)) header.outcome = refusal(kind);
    header.cell = id();
    header.record_index = RecordIndex{u64() >> 1};
    header.term = u64();
    header.entry_index = u64();
    header.time = u64();
    header.clock_uncertainty_us = number<std::uint32_t>();
    header.attester = chance(2) ? Attester::door : Attester::replica;
    if (made_by_clients(kind) && chance(3)) {
      header.attester = Attester::client_signature;
      header.signature_digest = digest();
    }
    header.actor = id();
    header.salt = array<16>();
    if (chance(3)) header.facts = *facts().encode();
    if (chance(3)) {
      header.decision = static_cast<std::uint8_t>(1 + below(3));
      header.rule_set = digest();
      header.rule_aggregates = bytes(chance(3) ? 1'024 : below(40));
    }
    bool is_object = kind == CommandKind::create_account || kind == CommandKind::create_transfer;
    if (is_object && chance(2)) header.imported_time = u64();
    fill_body(header);
    return header;
  }

 private:
  char capital() { return static_cast<char>('A' + below(26)); }
  std::string word(std::size_t size_max) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789-";
    std::string text(1 + below(size_max), 'a');
    for (char& letter : text) letter = letters[below(letters.size())];
    return text;
  }
  Outcome refusal(CommandKind kind) {
    Outcome outcome = Outcome::created;
    while (outcome == Outcome::created || outcome_name(kind, outcome) == "unknown")
      outcome = Outcome{static_cast<std::uint16_t>(1 + below(70))};
    return outcome;
  }
  Balances balances() {
    if (chance(4)) return {id(), id(), id(), id()};
    return {u64(), u64(), u64(), u64()};
  }
  void add_payload(Request& request, std::array<Byte, command_size>& command) {
    if (chance(4)) return set_payload(request, command, {});
    Buffer bytes;
    payload().encode(bytes);
    set_payload(request, command, bytes);
  }
  static void set_payload(Request& request, std::array<Byte, command_size>& command, Bytes bytes) {
    auto offset = static_cast<std::uint32_t>(request.payloads.size());
    store_le(&command[offsetof(AppendEvent, payload_offset)], offset);
    store_le(&command[offsetof(AppendEvent, payload_size)],
             static_cast<std::uint32_t>(bytes.size()));
    request.payloads.insert(request.payloads.end(), bytes.begin(), bytes.end());
  }

  void fill_body(Header& header) {
    bool created = header.outcome == Outcome::created;
    auto bytes = command(header.kind);
    std::uint64_t time = header.imported_time != 0 ? header.imported_time : header.time;
    store_le(&bytes[offsetof(Transfer, timestamp)], time);
    switch (header.kind) {
      case CommandKind::create_account:
        header.body = AccountBody{load_command<Account>(bytes.data())};
        return;
      case CommandKind::create_transfer:
      case CommandKind::expire_pending: fill_transfer(header, bytes.data(), created); return;
      case CommandKind::append_event: fill_event(header, created); return;
      case CommandKind::delete_stream: {
        DeletionBody body{.event_id = id(), .stream = id(), .expected_revision = u64()};
        body.expected = static_cast<Expected>(below(4));
        body.flags = number<std::uint16_t>();
        if (created) body.revision = u64();
        if (created) body.previous = RecordIndex{u64()};
        header.body = body;
        return;
      }
      case CommandKind::open_generation:
      case CommandKind::set_feature_level:
      case CommandKind::state_digest:
      case CommandKind::time_advance:
      case CommandKind::erase_subject:
      case CommandKind::door_refusals:
      case CommandKind::dropped_tail:
      case CommandKind::member_change:
      case CommandKind::cell_key_grant:
      case CommandKind::subject_key:
      case CommandKind::turn_epoch:
      case CommandKind::set_retention:
      case CommandKind::place_hold:
      case CommandKind::release_hold:
      case CommandKind::forget_subject:
      case CommandKind::erase_key:
      case CommandKind::expire_class:
      case CommandKind::set_residency:
      case CommandKind::residency_key:
      case CommandKind::turn_residency:
      case CommandKind::entry_skipped: header.body = SystemBody{command(header.kind)}; return;
    }
  }
  void fill_transfer(Header& header, const Byte* bytes, bool created) {
    bool expiry = header.kind == CommandKind::expire_pending;
    TransferBody body;
    body.transfer = load_command<Transfer>(bytes);
    if (expiry && !created) {
      u128 id = body.transfer.id;
      body.transfer = {};
      body.transfer.id = id;
      body.transfer.timestamp = header.time;
    }
    if (expiry) body.transfer.pending_id = body.transfer.id;
    body.requested_amount = body.transfer.amount;
    body.applied = created;
    if (created) {
      if (!expiry && chance(3)) body.requested_amount = id();
      body.debit = balances();
      body.credit = balances();
      body.previous_debit = RecordIndex{u64()};
      body.previous_credit = RecordIndex{u64()};
    }
    header.body = body;
  }
  void fill_event(Header& header, bool created) {
    EventBody body{.event_id = id(), .stream = id(), .category = id(), .type = id()};
    if (created) body.revision = u64() >> 1;
    if (created) body.previous = RecordIndex{u64()};
    body.expected_revision = u64();
    body.payload_size = static_cast<std::uint32_t>(below(payload_size_max + 1));
    body.expected = created ? static_cast<Expected>(below(4)) : Expected{number<std::uint8_t>()};
    if (!created) body.content_type = ContentType{number<std::uint8_t>()};
    body.flags = number<std::uint16_t>();
    header.body = body;
    header.classification =
        created ? static_cast<std::uint8_t>(below(classification_max + 1)) : number<std::uint8_t>();
    header.retention = number<std::uint8_t>();
    if (chance(2)) header.payload_commitment = digest();
  }

  std::mt19937_64 random_;
};

}  // namespace meridian::ledger
