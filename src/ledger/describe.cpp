#include "ledger/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "ledger/internal/command_checks.h"
#include "ledger/payload.h"

namespace meridian::ledger {
namespace {

struct FlagName {
  std::uint16_t bit;
  std::string_view name;
};
constexpr std::array<FlagName, 7> account_flag_names{{
    {account_flags::linked, "linked"},
    {account_flags::debits_must_not_exceed_credits, "debits_must_not_exceed_credits"},
    {account_flags::credits_must_not_exceed_debits, "credits_must_not_exceed_debits"},
    {account_flags::history, "history"},
    {account_flags::imported, "imported"},
    {account_flags::closed, "closed"},
    {account_flags::requires_signature, "requires_signature"},
}};
constexpr std::array<FlagName, 9> transfer_flag_names{{
    {transfer_flags::linked, "linked"},
    {transfer_flags::pending, "pending"},
    {transfer_flags::post_pending_transfer, "post_pending_transfer"},
    {transfer_flags::void_pending_transfer, "void_pending_transfer"},
    {transfer_flags::balancing_debit, "balancing_debit"},
    {transfer_flags::balancing_credit, "balancing_credit"},
    {transfer_flags::closing_debit, "closing_debit"},
    {transfer_flags::closing_credit, "closing_credit"},
    {transfer_flags::imported, "imported"},
}};
constexpr std::array<FlagName, 1> event_flag_names{{{event_flag_linked, "linked"}}};

constexpr std::array<std::string_view, 5> classification_names{"none", "public", "internal",
                                                               "confidential", "restricted"};
constexpr std::array<std::string_view, 4> decision_names{"none", "allowed", "refused", "flagged"};
constexpr std::array<std::string_view, 4> expected_names{"any", "none", "exists", "exact"};
constexpr std::array<std::string_view, 3> content_type_names{"unknown", "bytes", "json"};
constexpr std::array<std::string_view, 4> attester_names{"unknown", "door", "client_signature",
                                                         "replica"};
constexpr std::array<std::string_view, 4> verdict_names{"unknown", "clear", "possible", "hit"};

template <typename Value>
std::string_view name_in(std::span<const std::string_view> names, Value value) {
  auto number = static_cast<std::size_t>(value);
  return number < names.size() ? names[number] : "unknown";
}

std::string quoted(std::string_view plain) { return fmt::format("\"{}\"", plain); }
std::string hex(Bytes bytes) { return quoted(to_hex(bytes)); }

std::string join_object(const std::vector<JsonField>& fields) {
  std::string json = "{";
  for (const auto& [name, value] : fields) {
    if (json.size() > 1) json += ',';
    json += quoted(name) + ':' + value;
  }
  return json + '}';
}

class Description {
 public:
  void text(std::string_view name, std::string_view value) { add(name, quoted(value)); }
  void number(std::string_view name, std::uint32_t value) { add(name, fmt::format("{}", value)); }
  void decimal(std::string_view name, u128 value) { add(name, quoted(to_decimal(value))); }
  void opaque(std::string_view name, u128 value) { add(name, quoted(opaque_hex(value))); }
  void bytes(std::string_view name, Bytes value) { add(name, hex(value)); }
  void time(std::string_view name, std::uint64_t value) {
    decimal(std::string(name) + "_ns", value);
    text(name, iso_time(value));
  }
  /// Left out if there is no such record.
  void record(std::string_view name, RecordIndex value) {
    if (value != no_record) decimal(name, raw(value));
  }
  void revision(std::string_view name, std::uint64_t value) {
    if (value != no_revision) decimal(name, value);
  }
  void balances(std::string_view name, const Balances& value) {
    Description inner;
    inner.decimal("debits_pending", value.debits_pending);
    inner.decimal("debits_posted", value.debits_posted);
    inner.decimal("credits_pending", value.credits_pending);
    inner.decimal("credits_posted", value.credits_posted);
    add(name, join_object(inner.fields));
  }
  void flags(std::uint16_t value, std::span<const FlagName> names) {
    std::string list;
    for (const FlagName& flag : names)
      if ((value & flag.bit) != 0) list += (list.empty() ? "" : ",") + quoted(flag.name);
    number("flags", value);
    add("flag_names", '[' + list + ']');
  }
  /// A field padded with zeros, if it is plain text; whatever else stands there is shown as it is.
  void padded(std::string_view name, std::string_view field) {
    const std::string_view value = field.substr(0, field.find('\0'));
    const bool is_plain = std::all_of(value.begin(), value.end(), [](char c) {
      return c >= ' ' && c < 127 && c != '"' && c != '\\';
    });
    if (is_plain)
      text(name, value);
    else
      bytes(name, as_bytes(field));
  }
  void add(std::string_view name, std::string value) {
    fields.emplace_back(name, std::move(value));
  }

  std::vector<JsonField> fields;
};

void describe_common(Description& out, const Header& header) {
  out.decimal("record_index", raw(header.record_index));
  out.text("kind", kind_name(header.kind));
  out.text("outcome", outcome_name(header.kind, header.outcome));
  out.number("status_code", status_code(header.outcome));
  out.time("time", header.time);
  out.number("clock_uncertainty_us", header.clock_uncertainty_us);
  out.opaque("cell", header.cell);
  out.decimal("term", header.term);
  out.decimal("entry_index", header.entry_index);
  out.opaque("actor", header.actor);
  out.text("attester", name_in(attester_names, header.attester));
  if (header.kind == CommandKind::append_event) {
    out.text("classification", name_in(classification_names, header.classification));
    out.number("retention", header.retention);
  }
}

class BodyDescriber {
 public:
  BodyDescriber(Description& out, const Header& header) : out_(out), header_(header) {}

  void operator()(const TransferBody& body) {
    const Transfer& transfer = body.transfer;
    out_.decimal("id", transfer.id);
    out_.decimal("debit_account_id", transfer.debit_account_id);
    out_.decimal("credit_account_id", transfer.credit_account_id);
    out_.decimal("amount", transfer.amount);
    if (body.requested_amount != transfer.amount)
      out_.decimal("requested_amount", body.requested_amount);
    out_.decimal("pending_id", transfer.pending_id);
    user_data(transfer.user_data_128, transfer.user_data_64, transfer.user_data_32);
    out_.number("timeout", transfer.timeout);
    out_.number("ledger", transfer.ledger);
    out_.number("code", transfer.code);
    out_.flags(transfer.flags, transfer_flag_names);
    if (!body.applied) return;
    out_.balances("debit_balances", body.debit);
    out_.balances("credit_balances", body.credit);
    out_.record("previous_debit", body.previous_debit);
    out_.record("previous_credit", body.previous_credit);
  }
  void operator()(const AccountBody& body) {
    const Account& account = body.account;
    out_.decimal("id", account.id);
    out_.balances("balances", {account.debits_pending, account.debits_posted,
                               account.credits_pending, account.credits_posted});
    user_data(account.user_data_128, account.user_data_64, account.user_data_32);
    if (account.reserved != 0) out_.number("reserved", account.reserved);
    out_.number("ledger", account.ledger);
    out_.number("code", account.code);
    out_.flags(account.flags, account_flag_names);
  }
  void operator()(const EventBody& body) {
    out_.decimal("event_id", body.event_id);
    out_.opaque("stream", body.stream);
    out_.opaque("category", body.category);
    out_.opaque("type", body.type);
    revisions(body.revision, body.expected, body.expected_revision, body.previous);
    out_.number("payload_size", body.payload_size);
    out_.text("content_type", name_in(content_type_names, body.content_type));
    out_.flags(body.flags, event_flag_names);
  }
  void operator()(const DeletionBody& body) {
    out_.decimal("event_id", body.event_id);
    out_.opaque("stream", body.stream);
    revisions(body.revision, body.expected, body.expected_revision, body.previous);
    out_.flags(body.flags, event_flag_names);
  }
  void operator()(const SystemBody& body);

 private:
  void user_data(u128 of_128, std::uint64_t of_64, std::uint32_t of_32) {
    out_.decimal("user_data_128", of_128);
    out_.decimal("user_data_64", of_64);
    out_.number("user_data_32", of_32);
  }
  void revisions(std::uint64_t revision, Expected expected, std::uint64_t expected_revision,
                 RecordIndex previous) {
    out_.revision("revision", revision);
    out_.text("expected", name_in(expected_names, expected));
    if (expected == Expected::exact) out_.decimal("expected_revision", expected_revision);
    out_.record("previous", previous);
  }

  Description& out_;
  const Header& header_;
};

void BodyDescriber::operator()(const SystemBody& body) {
  const Byte* bytes = body.command.data();
  switch (header_.kind) {
    case CommandKind::open_generation: {
      auto command = load_command<OpenGeneration>(bytes);
      out_.opaque("new_cell", command.cell);
      out_.decimal("generation", command.generation);
      out_.decimal("predecessor_size", command.predecessor_size);
      out_.bytes("predecessor_root", command.predecessor_root);
      out_.number("feature_level", command.feature_level);
      return out_.decimal("lost_count", command.lost_count);
    }
    case CommandKind::set_feature_level:
      return out_.number("feature_level", load_command<SetFeatureLevel>(bytes).feature_level);
    case CommandKind::state_digest: {
      auto command = load_command<StateDigest>(bytes);
      out_.decimal("state_record_index", command.record_index);
      return out_.bytes("state_digest", command.digest);
    }
    case CommandKind::time_advance:
      return out_.time("advance_to", load_command<TimeAdvance>(bytes).time);
    case CommandKind::erase_subject: {
      auto command = load_command<EraseSubject>(bytes);
      out_.opaque("subject", command.subject);
      out_.opaque("proposal", command.proposal);
      out_.bytes("classes", command.classes);
      out_.number("keys_destroyed", command.keys_destroyed);
      return out_.number("epoch", command.epoch);
    }
    case CommandKind::door_refusals: {
      auto command = load_command<DoorRefusals>(bytes);
      out_.opaque("refused_actor", command.actor);
      out_.decimal("minute", command.minute);
      out_.decimal("count", command.count);
      out_.number("reason", command.reason);
      return out_.number("action", command.action);
    }
    case CommandKind::dropped_tail: {
      auto command = load_command<DroppedTail>(bytes);
      out_.decimal("wal_index", command.wal_index);
      out_.decimal("bytes", command.bytes);
      return out_.number("reason", command.reason);
    }
    case CommandKind::member_change: {
      auto command = load_command<MemberChange>(bytes);
      out_.decimal("member", command.member);
      out_.number("change", command.change);
      out_.padded("region", {command.region.data(), command.region.size()});
      out_.padded("address", {command.address.data(), command.address.size()});
      if (command.storage != 0) out_.opaque("storage", command.storage);
      return;
    }
    case CommandKind::cell_key_grant: {
      auto command = load_command<CellKeyGrant>(bytes);
      out_.decimal("member", command.member);
      out_.opaque("check", command.check);
      return out_.bytes("box", command.box);
    }
    case CommandKind::subject_key: {
      auto command = load_command<SubjectKey>(bytes);
      out_.opaque("subject", command.subject);
      out_.number("retention", command.retention);
      out_.number("version", command.version);
      out_.bytes("wrapped", command.wrapped);
      return out_.opaque("check", command.check);
    }
    case CommandKind::turn_epoch: {
      auto command = load_command<TurnEpoch>(bytes);
      out_.number("epoch", command.number);
      return out_.opaque("check", command.check);
    }
    case CommandKind::entry_skipped: {
      auto command = load_command<EntrySkipped>(bytes);
      out_.decimal("skipped_entry_index", command.entry_index);
      out_.decimal("skipped_term", command.term);
      out_.bytes("entry_digest", command.digest);
      return out_.number("feature_level", command.feature_level);
    }
    case CommandKind::set_retention: {
      auto command = load_command<SetRetention>(bytes);
      out_.number("retention", command.retention);
      out_.padded("name", {command.name.data(), command.name.size()});
      out_.padded("basis", {command.basis.data(), command.basis.size()});
      out_.number("is_by_month", command.is_by_month);
      if (command.residency != 0) out_.number("jurisdiction", command.residency);
      out_.number("keep_months", command.keep_months);
      out_.number("keep_days", command.keep_days);
      out_.number("erase_months", command.erase_months);
      out_.number("erase_days", command.erase_days);
      return out_.number("defined_day", command.defined);
    }
    case CommandKind::place_hold: {
      auto command = load_command<PlaceHold>(bytes);
      out_.opaque("subject", command.subject);
      out_.opaque("hold", command.hold);
      out_.bytes("classes", command.classes);
      return out_.padded("reference", {command.reference.data(), command.reference.size()});
    }
    case CommandKind::release_hold: {
      auto command = load_command<ReleaseHold>(bytes);
      out_.opaque("subject", command.subject);
      return out_.opaque("hold", command.hold);
    }
    case CommandKind::forget_subject: {
      auto command = load_command<ForgetSubject>(bytes);
      out_.opaque("subject", command.subject);
      out_.opaque("proposal", command.proposal);
      out_.number("day", command.day);
      return out_.number("keys_kept", command.keys_kept);
    }
    case CommandKind::erase_key: {
      auto command = load_command<EraseKey>(bytes);
      out_.opaque("subject", command.subject);
      out_.number("retention", command.retention);
      out_.number("version", command.version);
      return out_.number("epoch", command.epoch);
    }
    case CommandKind::expire_class: {
      auto command = load_command<ExpireClass>(bytes);
      out_.number("retention", command.retention);
      out_.number("through", command.through);
      out_.number("epoch", command.epoch);
      return out_.number("keys_destroyed", command.keys_destroyed);
    }
    case CommandKind::set_residency: {
      auto command = load_command<SetResidency>(bytes);
      out_.number("jurisdiction", command.jurisdiction);
      out_.padded("name", {command.name.data(), command.name.size()});
      return out_.padded("region", {command.region.data(), command.region.size()});
    }
    case CommandKind::residency_key: {
      auto command = load_command<ResidencyKey>(bytes);
      out_.number("jurisdiction", command.jurisdiction);
      out_.number("turn", command.turn);
      return out_.opaque("check", command.check);
    }
    case CommandKind::turn_residency: {
      auto command = load_command<TurnResidency>(bytes);
      out_.number("jurisdiction", command.jurisdiction);
      return out_.number("turn", command.turn);
    }
    case CommandKind::create_account:
    case CommandKind::create_transfer:
    case CommandKind::append_event:
    case CommandKind::delete_stream:
    case CommandKind::expire_pending: return out_.bytes("command", body.command);
  }
}

void describe_sections(Description& out, const Header& header) {
  if (header.imported_time != 0) out.time("imported_time", header.imported_time);
  if (!header.facts.empty()) {
    Description inner;
    if (Result<Facts> facts = Facts::decode(header.facts)) {
      if (!facts->country.empty()) inner.text("country", facts->country);
      if (!facts->channel.empty()) inner.text("channel", facts->channel);
      if (!facts->screening_list.empty()) inner.text("screening_list", facts->screening_list);
      if (facts->screening_verdict != 0)
        inner.text("screening_verdict", name_in(verdict_names, facts->screening_verdict));
      if (!facts->purpose.empty()) inner.text("purpose", facts->purpose);
    }
    out.add("facts", join_object(inner.fields));
  }
  if (!all_zero(header.signature_digest)) out.bytes("signature_digest", header.signature_digest);
  if (header.decision != 0) {
    out.text("decision", name_in(decision_names, header.decision));
    out.bytes("rule_set", header.rule_set);
    out.bytes("rule_aggregates", header.rule_aggregates);
  }
  if (!all_zero(header.payload_commitment))
    out.bytes("payload_commitment", header.payload_commitment);
  out.bytes("salt", header.salt);
}

}  // namespace

std::vector<JsonField> describe(const Header& header) {
  Description out;
  describe_common(out, header);
  std::visit(BodyDescriber(out, header), header.body);
  describe_sections(out, header);
  return std::move(out.fields);
}

std::string to_json(const Header& header) { return join_object(describe(header)); }

std::string_view kind_name(CommandKind kind) {
  switch (kind) {
    case CommandKind::create_account: return "create_account";
    case CommandKind::create_transfer: return "create_transfer";
    case CommandKind::append_event: return "append_event";
    case CommandKind::delete_stream: return "delete_stream";
    case CommandKind::open_generation: return "open_generation";
    case CommandKind::set_feature_level: return "set_feature_level";
    case CommandKind::expire_pending: return "expire_pending";
    case CommandKind::state_digest: return "state_digest";
    case CommandKind::time_advance: return "time_advance";
    case CommandKind::erase_subject: return "erase_subject";
    case CommandKind::door_refusals: return "door_refusals";
    case CommandKind::dropped_tail: return "dropped_tail";
    case CommandKind::member_change: return "member_change";
    case CommandKind::cell_key_grant: return "cell_key_grant";
    case CommandKind::subject_key: return "subject_key";
    case CommandKind::turn_epoch: return "turn_epoch";
    case CommandKind::entry_skipped: return "entry_skipped";
    case CommandKind::set_retention: return "set_retention";
    case CommandKind::place_hold: return "place_hold";
    case CommandKind::release_hold: return "release_hold";
    case CommandKind::forget_subject: return "forget_subject";
    case CommandKind::erase_key: return "erase_key";
    case CommandKind::expire_class: return "expire_class";
    case CommandKind::set_residency: return "set_residency";
    case CommandKind::residency_key: return "residency_key";
    case CommandKind::turn_residency: return "turn_residency";
  }
  return "unknown";
}

std::string opaque_hex(u128 id) {
  std::array<Byte, 16> bytes;
  store_le(bytes.data(), id);
  return to_hex(bytes);
}

// Days to a civil date of the proleptic Gregorian calendar, in 400-year eras that start on 1 March.
std::string iso_time(std::uint64_t nanoseconds) {
  constexpr std::uint64_t second = 1'000'000'000, day = 86'400;
  std::uint64_t seconds = nanoseconds / second;
  std::uint64_t days = seconds / day + 719'468;  // from 0000-03-01
  std::uint64_t era = days / 146'097, day_of_era = days % 146'097;
  std::uint64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  std::uint64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  std::uint64_t march_month = (5 * day_of_year + 2) / 153;  // 0 = March
  std::uint64_t date = day_of_year - (153 * march_month + 2) / 5 + 1;
  std::uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  std::uint64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  std::uint64_t of_day = seconds % day;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", year, month, date,
                     of_day / 3'600, of_day / 60 % 60, of_day % 60, nanoseconds % second);
}

}  // namespace meridian::ledger
