// Header::decode: reads straight through, refuses everything that encode would write otherwise.
#include <fmt/format.h>

#include "ledger/header.h"
#include "ledger/internal/command_checks.h"
#include "ledger/internal/header_layout.h"
#include "ledger/payload.h"

namespace meridian::ledger {
namespace {

Error wrong(const std::string& message) {
  return fail(Code::invalid_argument, "header: " + message);
}

class HeaderReader {
 public:
  explicit HeaderReader(Bytes bytes) : size_(bytes.size()), reader_(bytes) {}

  Result<Header> read() {
    if (size_ > header_size_max)
      return wrong(fmt::format("{} bytes, at most {}", size_, header_size_max));
    if (size_ < header_common_size)
      return wrong(
          fmt::format("{} bytes, the common part alone has {}", size_, header_common_size));
    TRY(read_common());
    TRY(check_common());
    TRY(read_body());
    TRY(read_sections());
    if (!reader_.ok())
      return wrong(fmt::format("{} bytes are too few for kind {} with sections {:#x}", size_,
                               kind_number(), sections_));
    if (reader_.remaining() != 0)
      return wrong(fmt::format("{} bytes follow the last section", reader_.remaining()));
    TRY(check_sections());
    set_timestamp();
    return std::move(header_);
  }

 private:
  bool has(std::uint16_t section) const { return (sections_ & section) != 0; }
  bool created() const { return header_.outcome == Outcome::created; }
  unsigned kind_number() const { return static_cast<unsigned>(header_.kind); }

  Status read_common() {
    Header& header = header_;
    unsigned version = reader_.u8();
    if (version != layout::header_version)
      return wrong(
          fmt::format("version is {}, this build reads {}", version, layout::header_version));
    header.kind = CommandKind{reader_.u8()};
    sections_ = reader_.u16();
    header.outcome = Outcome{reader_.u16()};
    header.classification = reader_.u8();
    header.retention = reader_.u8();
    header.cell = reader_.id();
    header.record_index = RecordIndex{reader_.u64()};
    header.term = reader_.u64();
    header.entry_index = reader_.u64();
    header.time = reader_.u64();
    header.clock_uncertainty_us = reader_.u32();
    header.attester = Attester{reader_.u8()};
    header.decision = reader_.u8();
    std::uint16_t reserved = reader_.u16();
    header.actor = reader_.id();
    header.salt = reader_.array<layout::salt_size>();
    if (reserved != 0) return wrong("a reserved byte of the common part is not zero");
    return {};
  }

  Status check_common() {
    const Header& header = header_;
    if (!is_known(header.kind)) return wrong(fmt::format("kind {} is not known", kind_number()));
    if (sections_ & ~layout::all_sections)
      return wrong(fmt::format("sections {:#x} has an unknown bit", sections_));
    if (outcome_name(header.kind, header.outcome) == "unknown")
      return wrong(fmt::format("outcome {} is not known for kind {}",
                               static_cast<unsigned>(header.outcome), kind_number()));
    bool is_event = header.kind == CommandKind::append_event;
    if (!is_event && (header.classification != 0 || header.retention != 0))
      return wrong("classification and retention must be zero: only events have them");
    if (is_event && created() && header.classification > classification_max)
      return wrong(fmt::format("classification {} of a created event, at most {}",
                               header.classification, classification_max));
    if (header.record_index == no_record) return wrong("record_index 2^64-1 is no position");
    if (header.attester < Attester::door || header.attester > Attester::replica)
      return wrong(
          fmt::format("attester {} is not 1, 2 or 3", static_cast<unsigned>(header.attester)));
    if (header.decision > static_cast<std::uint8_t>(Decision::flagged))
      return wrong(fmt::format("decision {} is not 0, 1, 2 or 3", header.decision));
    return {};
  }

  Status read_body() {
    switch (header_.kind) {
      case CommandKind::create_transfer:
      case CommandKind::expire_pending: return read_transfer();
      case CommandKind::create_account: return read_account();
      case CommandKind::append_event: return read_event();
      case CommandKind::delete_stream: return read_deletion();
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
      case CommandKind::entry_skipped: break;
    }
    return read_system();
  }

  // The first 120 bytes of an account or transfer; its timestamp comes later.
  template <typename Object>
  Object read_object() {
    std::array<Byte, command_size> bytes{};
    Bytes taken = reader_.take(layout::object_body_size);
    std::copy_n(taken.data(), taken.size(), bytes.begin());
    return load_command<Object>(bytes.data());
  }

  Status read_transfer() {
    TransferBody& body = header_.body.emplace<TransferBody>();
    body.transfer = read_object<Transfer>();
    body.requested_amount = body.transfer.amount;
    body.applied = created();
    bool expiry = header_.kind == CommandKind::expire_pending;
    if (expiry && body.transfer.pending_id != body.transfer.id)
      return wrong("pending_id of an expiry must be its id");
    if (!body.applied) {
      if (has(layout::wide_balances)) return wrong("section 0 (wide balances) without balances");
      if (has(layout::requested_amount))
        return wrong("section 1 (requested amount) of a transfer that was not created");
      Transfer bare{};
      bare.id = bare.pending_id = body.transfer.id;
      if (expiry && body.transfer != bare)
        return wrong("a refused expiry must have no field but id and pending_id");
      return {};
    }
    body.debit = read_balances();
    body.credit = read_balances();
    body.previous_debit = RecordIndex{reader_.u64()};
    body.previous_credit = RecordIndex{reader_.u64()};
    if (reader_.ok() && has(layout::wide_balances) != layout::needs_wide(body.debit, body.credit))
      return wrong("section 0 (wide balances) is set although every balance fits 64 bits");
    return {};
  }

  Balances read_balances() {
    auto next = [this] { return has(layout::wide_balances) ? reader_.id() : u128{reader_.u64()}; };
    Balances balances;
    balances.debits_pending = next();
    balances.debits_posted = next();
    balances.credits_pending = next();
    balances.credits_posted = next();
    return balances;
  }

  Status read_account() {
    header_.body.emplace<AccountBody>().account = read_object<Account>();
    return {};
  }

  Status check_stream_fields(std::uint64_t revision, RecordIndex previous, Expected expected) {
    if (!reader_.ok()) return {};  // too short: said once, at the end
    if (!created()) {
      if (revision != no_revision) return wrong("revision must be 2^64-1 unless created");
      if (previous != no_record) return wrong("previous must be 2^64-1 unless created");
      return {};
    }
    if (expected > Expected::exact)
      return wrong(fmt::format("expected {} is not 0 to 3", static_cast<unsigned>(expected)));
    return {};
  }

  Status read_event() {
    EventBody& body = header_.body.emplace<EventBody>();
    body.event_id = reader_.id();
    body.stream = reader_.id();
    body.category = reader_.id();
    body.type = reader_.id();
    body.revision = reader_.u64();
    body.expected_revision = reader_.u64();
    body.previous = RecordIndex{reader_.u64()};
    body.payload_size = reader_.u32();
    body.expected = Expected{reader_.u8()};
    body.content_type = ContentType{reader_.u8()};
    body.flags = reader_.u16();
    TRY(check_stream_fields(body.revision, body.previous, body.expected));
    if (body.payload_size > payload_size_max)
      return wrong(
          fmt::format("payload_size is {}, at most {}", body.payload_size, payload_size_max));
    if (!created() || !reader_.ok()) return {};
    if (body.revision == no_revision) return wrong("revision of a created event is 2^64-1");
    if (body.content_type != ContentType::bytes && body.content_type != ContentType::json)
      return wrong(
          fmt::format("content_type {} is not 1 or 2", static_cast<unsigned>(body.content_type)));
    return {};
  }

  Status read_deletion() {
    DeletionBody& body = header_.body.emplace<DeletionBody>();
    body.event_id = reader_.id();
    body.stream = reader_.id();
    body.revision = reader_.u64();
    body.expected_revision = reader_.u64();
    body.previous = RecordIndex{reader_.u64()};
    std::uint32_t reserved = reader_.u32();
    body.expected = Expected{reader_.u8()};
    reserved |= reader_.u8();
    body.flags = reader_.u16();
    if (reserved != 0) return wrong("a reserved byte of the stream deletion is not zero");
    return check_stream_fields(body.revision, body.previous, body.expected);
  }

  Status read_system() {
    SystemBody& body = header_.body.emplace<SystemBody>();
    body.command = reader_.array<command_size>();
    if (!reserved_bytes_are_zero(header_.kind, body.command.data()))
      return wrong(
          fmt::format("a reserved byte of the command of kind {} is not zero", kind_number()));
    return {};
  }

  Status read_sections() {
    if (has(layout::wide_balances | layout::requested_amount) && !layout::is_transfer(header_.kind))
      return wrong("sections 0 and 1 belong to transfers");
    if (has(layout::requested_amount)) {
      if (header_.kind != CommandKind::create_transfer)
        return wrong("section 1 (requested amount) of an expiry");
      std::get<TransferBody>(header_.body).requested_amount = reader_.id();
    }
    if (has(layout::imported_time)) header_.imported_time = reader_.u64();
    if (has(layout::facts)) {
      std::uint16_t size = reader_.u16();
      if (size == 0 || size > facts_size_max)
        return reader_.ok() ? Status(wrong(fmt::format("facts: size is {}, must be 1 to {}", size,
                                                       facts_size_max)))
                            : Status();
      header_.facts = to_buffer(reader_.take(size));
    }
    if (has(layout::client_signature)) header_.signature_digest = reader_.array<32>();
    if (has(layout::rules)) {
      header_.rule_set = reader_.array<32>();
      std::uint16_t size = reader_.u16();
      if (size > layout::aggregates_size_max)
        return wrong(fmt::format("rules: {} bytes of aggregates, at most {}", size,
                                 layout::aggregates_size_max));
      header_.rule_aggregates = to_buffer(reader_.take(size));
    }
    if (has(layout::payload)) header_.payload_commitment = reader_.array<32>();
    return {};
  }

  // A section that says nothing must be absent: one encoding of a value.
  Status check_sections() {
    if (has(layout::requested_amount)) {
      const auto& body = std::get<TransferBody>(header_.body);
      if (body.requested_amount == body.transfer.amount)
        return wrong("section 1 (requested amount) is the amount applied: leave it out");
    }
    if (has(layout::imported_time)) {
      if (header_.kind != CommandKind::create_account &&
          header_.kind != CommandKind::create_transfer)
        return wrong("section 2 (imported time) belongs to accounts and transfers");
      if (header_.imported_time == 0) return wrong("section 2 (imported time) is zero");
    }
    if (has(layout::facts))
      if (Status status = Facts::check(header_.facts); !status)
        return with_context(status.error(), "header");
    if (has(layout::client_signature) && all_zero(header_.signature_digest))
      return wrong("section 4 (client signature) is zero");
    if (has(layout::rules) && all_zero(header_.rule_set)) return wrong("section 5 (rules) is zero");
    if (has(layout::rules) != (header_.decision != 0))
      return wrong("section 5 (rules) must be there if and only if decision is not 0");
    if (has(layout::payload)) {
      if (header_.kind != CommandKind::append_event)
        return wrong("section 6 (payload) belongs to events");
      if (all_zero(header_.payload_commitment)) return wrong("section 6 (payload) is zero");
    }
    return check_attester();
  }

  Status check_attester() {
    bool is_signed = has(layout::client_signature);
    if (header_.attester == Attester::client_signature && !is_signed)
      return wrong("attester is client_signature, but section 4 (client signature) is missing");
    if (header_.attester == Attester::replica && is_signed)
      return wrong("attester is replica, but section 4 (client signature) is there");
    if (header_.attester == Attester::client_signature && !made_by_clients(header_.kind))
      return wrong(fmt::format("attester of kind {} must not be a client", kind_number()));
    return {};
  }

  void set_timestamp() {
    std::uint64_t time = header_.imported_time != 0 ? header_.imported_time : header_.time;
    if (auto* transfer = std::get_if<TransferBody>(&header_.body))
      transfer->transfer.timestamp = time;
    if (auto* account = std::get_if<AccountBody>(&header_.body)) account->account.timestamp = time;
  }

  std::size_t size_;
  ByteReader reader_;
  std::uint16_t sections_ = 0;
  Header header_;
};

}  // namespace

Result<Header> Header::decode(Bytes bytes) { return HeaderReader(bytes).read(); }

}  // namespace meridian::ledger
