// Inwards: what a stranger sent becomes ledger values, or an error that names the field.
#include "api/convert.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "base/assert.h"

namespace meridian::api {
namespace {

/// Says where a field stands: "transfers[3].amount". Built only when something is wrong, since a
/// request has up to 8,190 commands of 13 fields.
std::string at(std::string_view parent, std::string_view field) {
  return parent.empty() ? std::string(field) : fmt::format("{}.{}", parent, field);
}

/// Reads the fields of one message and keeps the first error, so that a conversion reads straight
/// through and checks once.
class Fields {
 public:
  explicit Fields(std::string_view parent) : parent_(parent) {}

  u128 id(std::string_view bytes, std::string_view field) {
    if (bytes.size() > sizeof(u128)) [[unlikely]] {
      refuse(field, fmt::format("{} bytes, at most 16 are allowed", bytes.size()));
      return 0;
    }
    u128 value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  template <typename Small>
  Small small(std::uint64_t value, std::string_view field) {
    constexpr std::uint64_t max = static_cast<Small>(~Small{0});
    if (value > max) [[unlikely]]
      refuse(field, fmt::format("{} is above {}", value, max));
    return static_cast<Small>(value);
  }
  void refuse(std::string_view field, std::string why) {
    if (status_.has_value()) {
      status_ = fail(Code::invalid_argument, fmt::format("{}: {}", at(parent_, field), why));
    }
  }
  const Status& status() const { return status_; }

 private:
  std::string_view parent_;
  Status status_;
};

template <typename Value>
Result<Value> finished(const Fields& fields, Value value) {
  if (!fields.status().has_value()) return fields.status().error();
  return value;
}

std::string element(std::string_view list, int index) { return fmt::format("{}[{}]", list, index); }

Status check_count(int count, std::string_view list) {
  if (count == 0) {
    return fail(Code::invalid_argument, fmt::format("{}: empty, nothing was asked for", list));
  }
  if (static_cast<std::uint32_t>(count) > ledger::entry_commands_max) {
    return fail(Code::invalid_argument,
                fmt::format("{}: {} commands, a request holds at most {}; send them in parts", list,
                            count, ledger::entry_commands_max));
  }
  return {};
}

ledger::Expected expected_of(v1::ExpectedRevision value, Fields& fields) {
  switch (static_cast<int>(value)) {  // proto3 enums are open: any number may come
    case v1::EXPECTED_REVISION_ANY: return ledger::Expected::any;
    case v1::EXPECTED_REVISION_NONE: return ledger::Expected::none;
    case v1::EXPECTED_REVISION_EXISTS: return ledger::Expected::exists;
    case v1::EXPECTED_REVISION_EXACT: return ledger::Expected::exact;
    default:
      fields.refuse("expected", fmt::format("{} is none of 0 any, 1 none, 2 exists, 3 exact",
                                            static_cast<int>(value)));
      return ledger::Expected::any;
  }
}

template <typename Command, typename Messages, typename Parse>
Result<Buffer> pack_all(const Messages& messages, std::string_view list, Parse parse) {
  TRY(check_count(messages.size(), list));
  Buffer out(static_cast<std::size_t>(messages.size()) * ledger::command_size);
  Byte* at_command = out.data();
  for (int i = 0; i < messages.size(); ++i, at_command += ledger::command_size) {
    Result<Command> command = parse(messages[i], std::string_view{});
    // The name of the element is worth building only now.
    if (!command) return parse(messages[i], element(list, i)).error();
    store_le(at_command, *command);
  }
  return out;
}

}  // namespace

Result<u128> parse_u128(std::string_view bytes, std::string_view field) {
  Fields fields{std::string_view{}};
  u128 value = fields.id(bytes, field);
  return finished(fields, value);
}

Result<std::uint64_t> check_max(std::uint64_t value, std::uint64_t max, std::string_view field) {
  if (value <= max) return value;
  return fail(Code::invalid_argument, fmt::format("{}: {} is above {}", field, value, max));
}

Result<ledger::Account> parse_account(const v1::Account& message, std::string_view field) {
  Fields fields(field);
  ledger::Account account{};
  account.id = fields.id(message.id(), "id");
  account.debits_pending = fields.id(message.debits_pending(), "debits_pending");
  account.debits_posted = fields.id(message.debits_posted(), "debits_posted");
  account.credits_pending = fields.id(message.credits_pending(), "credits_pending");
  account.credits_posted = fields.id(message.credits_posted(), "credits_posted");
  account.user_data_128 = fields.id(message.user_data_128(), "user_data_128");
  account.user_data_64 = message.user_data_64();
  account.user_data_32 = message.user_data_32();
  account.ledger = message.ledger();
  account.code = fields.small<std::uint16_t>(message.code(), "code");
  account.flags = fields.small<std::uint16_t>(message.flags(), "flags");
  account.timestamp = message.timestamp();
  return finished(fields, account);
}

Result<ledger::Transfer> parse_transfer(const v1::Transfer& message, std::string_view field) {
  Fields fields(field);
  ledger::Transfer transfer{};
  transfer.id = fields.id(message.id(), "id");
  transfer.debit_account_id = fields.id(message.debit_account_id(), "debit_account_id");
  transfer.credit_account_id = fields.id(message.credit_account_id(), "credit_account_id");
  transfer.amount = fields.id(message.amount(), "amount");
  transfer.pending_id = fields.id(message.pending_id(), "pending_id");
  transfer.user_data_128 = fields.id(message.user_data_128(), "user_data_128");
  transfer.user_data_64 = message.user_data_64();
  transfer.user_data_32 = message.user_data_32();
  transfer.timeout = message.timeout();
  transfer.ledger = message.ledger();
  transfer.code = fields.small<std::uint16_t>(message.code(), "code");
  transfer.flags = fields.small<std::uint16_t>(message.flags(), "flags");
  transfer.timestamp = message.timestamp();
  return finished(fields, transfer);
}

Result<door::EventDraft> parse_event(const v1::NewEvent& message, std::string_view field) {
  Fields fields(field);
  door::EventDraft draft;
  draft.event_id = fields.id(message.event_id(), "event_id");
  draft.stream = message.stream();
  draft.type = message.type();
  if (!message.content_type().empty()) draft.content_type = message.content_type();
  draft.metadata = to_buffer(as_bytes(message.metadata()));
  draft.data = to_buffer(as_bytes(message.data()));
  draft.subject = message.subject();
  draft.retention = fields.small<std::uint8_t>(message.retention(), "retention");
  draft.classification = fields.small<std::uint8_t>(message.classification(), "classification");
  for (int i = 0; i < message.more_size(); ++i) {
    const v1::Compartment& more = message.more(i);
    if (more.retention() > 255) fields.small<std::uint8_t>(more.retention(), "more.retention");
    if (more.forgotten()) fields.refuse("more.forgotten", "set by reads only, leave it out");
    draft.more.push_back({more.subject(), static_cast<std::uint8_t>(more.retention()),
                          to_buffer(as_bytes(more.content()))});
  }
  draft.expected = expected_of(message.expected(), fields);
  draft.expected_revision = message.revision();
  const v1::Facts& facts = message.facts();
  draft.facts.country = facts.country();
  draft.facts.channel = facts.channel();
  draft.facts.screening_list = facts.screening_list();
  draft.facts.purpose = facts.purpose();
  draft.facts.screening_verdict =
      fields.small<std::uint8_t>(facts.screening_verdict(), "facts.screening_verdict");
  draft.signature_salt = to_buffer(as_bytes(message.signature_salt()));
  return finished(fields, std::move(draft));
}

Result<door::DeletionDraft> parse_deletion(const v1::StreamDeletion& message,
                                           std::string_view field) {
  Fields fields(field);
  door::DeletionDraft draft;
  draft.event_id = fields.id(message.event_id(), "event_id");
  draft.stream = message.stream();
  draft.expected = expected_of(message.expected(), fields);
  draft.expected_revision = message.revision();
  return finished(fields, std::move(draft));
}

Result<Buffer> pack(const v1::CreateAccountsRequest& request) {
  return pack_all<ledger::Account>(request.accounts(), "accounts", parse_account);
}

Result<Buffer> pack(const v1::CreateTransfersRequest& request) {
  return pack_all<ledger::Transfer>(request.transfers(), "transfers", parse_transfer);
}

Status check_packed(std::string_view commands) {
  if (commands.empty() || commands.size() % ledger::command_size != 0) {
    return fail(
        Code::invalid_argument,
        fmt::format("commands: {} bytes, expected a multiple of 128 above zero", commands.size()));
  }
  std::size_t count = commands.size() / ledger::command_size;
  if (count > ledger::entry_commands_max) {
    return fail(Code::invalid_argument,
                fmt::format("commands: {} commands, a request holds at most {}; send them in parts",
                            count, ledger::entry_commands_max));
  }
  return {};
}

ledger::CommandKind kind_of(const door::CommandDraft& draft) {
  static_assert(std::variant_size_v<door::CommandDraft> == 4);
  constexpr ledger::CommandKind kinds[] = {
      ledger::CommandKind::create_account, ledger::CommandKind::create_transfer,
      ledger::CommandKind::append_event, ledger::CommandKind::delete_stream};
  return kinds[draft.index()];
}

Result<Drafts> parse_append(const v1::AppendRequest& request) {
  TRY(check_count(request.events_size(), "events"));
  Drafts drafts;
  drafts.commands.reserve(static_cast<std::size_t>(request.events_size()));
  for (int i = 0; i < request.events_size(); ++i) {
    Result<door::EventDraft> draft = parse_event(request.events(i), std::string_view{});
    // The name of the element is worth building only now.
    if (!draft) return parse_event(request.events(i), element("events", i)).error();
    drafts.commands.emplace_back(std::move(*draft));
  }
  drafts.kinds.assign(drafts.commands.size(), ledger::CommandKind::append_event);
  return drafts;
}

Result<Drafts> parse_delete(const v1::DeleteStreamRequest& request) {
  if (!request.has_deletion()) return fail(Code::invalid_argument, "deletion: missing");
  Drafts drafts;
  drafts.commands.emplace_back(TRY(parse_deletion(request.deletion(), "deletion")));
  drafts.kinds.push_back(ledger::CommandKind::delete_stream);
  return drafts;
}

Status link_chain(std::vector<door::CommandDraft>& commands, std::size_t first,
                  std::string_view field) {
  ASSERT(first < commands.size());
  auto set_linked = [](auto& draft) {
    using Draft = std::decay_t<decltype(draft)>;
    if constexpr (std::is_same_v<Draft, ledger::Account>) {
      draft.flags |= ledger::account_flags::linked;
    } else if constexpr (std::is_same_v<Draft, ledger::Transfer>) {
      draft.flags |= ledger::transfer_flags::linked;
    } else {
      draft.linked = true;
    }
  };
  auto is_linked = [](const auto& draft) {
    using Draft = std::decay_t<decltype(draft)>;
    if constexpr (std::is_same_v<Draft, ledger::Account> ||
                  std::is_same_v<Draft, ledger::Transfer>) {
      static_assert(ledger::account_flags::linked == ledger::transfer_flags::linked);
      return (draft.flags & ledger::transfer_flags::linked) != 0;
    } else {
      return draft.linked;
    }
  };
  for (std::size_t i = first; i + 1 < commands.size(); ++i) std::visit(set_linked, commands[i]);
  if (std::visit(is_linked, commands.back())) {
    return fail(Code::invalid_argument,
                fmt::format("{}: its last command is flagged linked, and a transaction ends with "
                            "its last command; leave the flag out",
                            field));
  }
  return {};
}

Result<Drafts> parse_transact(const v1::TransactRequest& request) {
  TRY(check_count(request.transactions_size(), "transactions"));
  Drafts drafts;
  for (int t = 0; t < request.transactions_size(); ++t) {
    const v1::Transaction& transaction = request.transactions(t);
    std::string name = element("transactions", t);
    TRY(check_count(transaction.commands_size(), name + ".commands"));
    std::size_t first = drafts.commands.size();
    // Before they become drafts, which take a hundred times the bytes of an empty command.
    TRY(check_count(static_cast<int>(first) + transaction.commands_size(), "transactions"));
    for (int i = 0; i < transaction.commands_size(); ++i) {
      const v1::TransactionCommand& command = transaction.commands(i);
      std::string field = element(name + ".commands", i);
      switch (command.command_case()) {
        case v1::TransactionCommand::kCreateAccount:
          drafts.commands.emplace_back(TRY(parse_account(command.create_account(), field)));
          break;
        case v1::TransactionCommand::kCreateTransfer:
          drafts.commands.emplace_back(TRY(parse_transfer(command.create_transfer(), field)));
          break;
        case v1::TransactionCommand::kAppendEvent:
          drafts.commands.emplace_back(TRY(parse_event(command.append_event(), field)));
          break;
        case v1::TransactionCommand::kDeleteStream:
          drafts.commands.emplace_back(TRY(parse_deletion(command.delete_stream(), field)));
          break;
        case v1::TransactionCommand::COMMAND_NOT_SET:
          return fail(Code::invalid_argument,
                      field +
                          ": none of create_account, create_transfer, append_event, "
                          "delete_stream is set");
      }
    }
    TRY(link_chain(drafts.commands, first, name));
  }
  for (const door::CommandDraft& draft : drafts.commands) drafts.kinds.push_back(kind_of(draft));
  return drafts;
}

Result<std::vector<u128>> parse_ids(const v1::LookupRequest& request) {
  TRY(check_count(request.ids_size(), "ids"));
  std::vector<u128> ids;
  ids.reserve(static_cast<std::size_t>(request.ids_size()));
  for (int i = 0; i < request.ids_size(); ++i) {
    if (request.ids(i).size() > sizeof(u128))
      return parse_u128(request.ids(i), element("ids", i)).error();
    ids.push_back(TRY(parse_u128(request.ids(i), "ids")));
  }
  return ids;
}

namespace {

std::uint32_t limit_of(std::uint32_t limit, Fields& fields) {
  if (limit > ledger::query_limit_max) {
    fields.refuse("limit", fmt::format("{} is above {}", limit, ledger::query_limit_max));
  }
  return limit == 0 ? ledger::query_limit_max : limit;
}

}  // namespace

Result<ledger::AccountFilter> parse_filter(const v1::AccountFilter& message) {
  Fields fields("filter");
  ledger::AccountFilter filter;
  filter.account_id = fields.id(message.account_id(), "account_id");
  if (filter.account_id == 0) fields.refuse("account_id", "missing");
  filter.user_data_128 = fields.id(message.user_data_128(), "user_data_128");
  filter.user_data_64 = message.user_data_64();
  filter.user_data_32 = message.user_data_32();
  filter.code = fields.small<std::uint16_t>(message.code(), "code");
  filter.timestamp_min = message.timestamp_min();
  filter.timestamp_max = message.timestamp_max();
  filter.limit = limit_of(message.limit(), fields);
  const bool both = !message.debits() && !message.credits();
  if (both || message.debits()) filter.flags |= ledger::account_filter_flags::debits;
  if (both || message.credits()) filter.flags |= ledger::account_filter_flags::credits;
  if (message.reversed()) filter.flags |= ledger::account_filter_flags::reversed;
  return finished(fields, filter);
}

Result<ledger::QueryFilter> parse_filter(const v1::QueryFilter& message) {
  Fields fields("filter");
  ledger::QueryFilter filter;
  filter.user_data_128 = fields.id(message.user_data_128(), "user_data_128");
  filter.user_data_64 = message.user_data_64();
  filter.user_data_32 = message.user_data_32();
  filter.ledger = message.ledger();
  filter.code = fields.small<std::uint16_t>(message.code(), "code");
  filter.timestamp_min = message.timestamp_min();
  filter.timestamp_max = message.timestamp_max();
  filter.limit = limit_of(message.limit(), fields);
  if (message.reversed()) filter.flags |= ledger::query_filter_flags::reversed;
  return finished(fields, filter);
}

Result<cell::ReadQuery> parse_read(const v1::ReadRequest& request) {
  cell::ReadQuery query;
  switch (request.source_case()) {
    case v1::ReadRequest::kStream:
      query.source = cell::ReadQuery::Source::stream;
      query.name = request.stream();
      break;
    case v1::ReadRequest::kCategory:
      query.source = cell::ReadQuery::Source::category;
      query.name = request.category();
      break;
    case v1::ReadRequest::kAll: break;
    case v1::ReadRequest::SOURCE_NOT_SET:
      return fail(Code::invalid_argument, "source: none of stream, category, all is set");
  }
  if (query.source != cell::ReadQuery::Source::all && query.name.empty()) {
    return fail(Code::invalid_argument, "source: the name is empty");
  }
  if (request.from_end() && !request.backwards()) {
    return fail(Code::invalid_argument, "from_end: needs backwards; nothing comes after the end");
  }
  query.position = request.position();
  query.from_end = request.from_end();
  query.backwards = request.backwards();
  if (request.limit() != 0) {
    query.limit =
        static_cast<std::uint32_t>(TRY(check_max(request.limit(), cell::read_limit_max, "limit")));
  }
  return query;
}

}  // namespace meridian::api
