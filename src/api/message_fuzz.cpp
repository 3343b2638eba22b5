// Bytes from a gRPC caller, read as every request there is: what converts is whole and in range and
// comes back from its reply form; what does not is refused as invalid_argument, naming a field.
#include <google/protobuf/stubs/logging.h>

#include <initializer_list>

#include "api/convert.h"
#include "base/assert.h"

namespace meridian::api {
namespace {

/// One of `roots` is what the message begins with: "transfers[3].code: 70000 is above 65535".
void check_refusal(const Error& error, std::initializer_list<std::string_view> roots) {
  ASSERT(error.code == Code::invalid_argument);
  ASSERT(error.message.size() <= 256);
  ASSERT(error.message.find(": ") != std::string::npos);
  bool names_a_field = false;
  for (std::string_view root : roots) names_a_field |= error.message.starts_with(root);
  ASSERT(names_a_field);
}

template <typename Command, typename Request, typename Add>
void check_pack(const Request& request, std::string_view list, Add add) {
  Result<Buffer> packed = pack(request);
  if (!packed) return check_refusal(packed.error(), {list});
  ASSERT(check_packed(as_text(*packed)).has_value());
  Request again;
  for (std::size_t at = 0; at < packed->size(); at += ledger::command_size) {
    fill(ledger::load_command<Command>(packed->data() + at), *add(again));
  }
  ASSERT(pack(again).value() == *packed);
}

void check_chain(const std::vector<door::CommandDraft>& commands, std::size_t first,
                 std::size_t end) {
  auto is_linked = [](const auto& draft) {
    if constexpr (requires { draft.linked; }) {
      return draft.linked;
    } else {
      return (draft.flags & ledger::transfer_flags::linked) != 0;
    }
  };
  for (std::size_t i = first; i < end; ++i) {
    ASSERT(std::visit(is_linked, commands[i]) == (i + 1 < end));
  }
}

void check_kinds(const Drafts& drafts) {
  ASSERT(!drafts.commands.empty());
  ASSERT(drafts.commands.size() <= ledger::entry_commands_max);
  ASSERT(drafts.kinds.size() == drafts.commands.size());
  for (std::size_t i = 0; i < drafts.kinds.size(); ++i) {
    ASSERT(drafts.kinds[i] == kind_of(drafts.commands[i]));
  }
}

void check_append(const v1::AppendRequest& request) {
  Result<Drafts> drafts = parse_append(request);
  if (!drafts) return check_refusal(drafts.error(), {"events"});
  check_kinds(*drafts);
  ASSERT(drafts->commands.size() == static_cast<std::size_t>(request.events_size()));
  for (int i = 0; i < request.events_size(); ++i) {
    const v1::NewEvent& from = request.events(i);
    const auto& draft = std::get<door::EventDraft>(drafts->commands[static_cast<std::size_t>(i)]);
    ASSERT(parse_u128(from.event_id(), "").value() == draft.event_id);
    ASSERT(as_text(draft.data) == from.data());
    ASSERT(as_text(draft.metadata) == from.metadata());
    ASSERT(draft.more.size() == static_cast<std::size_t>(from.more_size()));
    ASSERT(draft.retention == from.retention());
  }
}

void check_delete(const v1::DeleteStreamRequest& request) {
  Result<Drafts> drafts = parse_delete(request);
  if (!drafts) return check_refusal(drafts.error(), {"deletion"});
  check_kinds(*drafts);
  ASSERT(std::get<door::DeletionDraft>(drafts->commands[0]).stream == request.deletion().stream());
}

void check_transact(const v1::TransactRequest& request) {
  Result<Drafts> drafts = parse_transact(request);
  if (!drafts) return check_refusal(drafts.error(), {"transactions"});
  check_kinds(*drafts);
  std::size_t first = 0;
  for (const v1::Transaction& transaction : request.transactions()) {
    std::size_t end = first + static_cast<std::size_t>(transaction.commands_size());
    ASSERT(end <= drafts->commands.size());
    check_chain(drafts->commands, first, end);
    first = end;
  }
  ASSERT(first == drafts->commands.size());
}

void check_ids(const v1::LookupRequest& request) {
  Result<std::vector<u128>> ids = parse_ids(request);
  if (!ids) return check_refusal(ids.error(), {"ids"});
  ASSERT(ids->size() <= lookup_ids_max);
  v1::LookupRequest again;
  for (u128 id : *ids) again.add_ids(format_u128(id));
  ASSERT(parse_ids(again).value() == *ids);
}

template <typename Filter>
void check_filter(const Filter& message) {
  auto filter = parse_filter(message);
  if (!filter) return check_refusal(filter.error(), {"filter."});
  ASSERT(filter->limit >= 1);
  ASSERT(filter->limit <= ledger::query_limit_max);
}

void check_read(const v1::ReadRequest& request) {
  Result<cell::ReadQuery> query = parse_read(request);
  if (!query) return check_refusal(query.error(), {"source", "from_end", "limit"});
  ASSERT(query->limit >= 1);
  ASSERT(query->limit <= cell::read_limit_max);
  ASSERT(query->name.empty() == (query->source == cell::ReadQuery::Source::all));
}

void check_packed_request(const v1::PackedRequest& request) {
  Status status = check_packed(request.commands());
  if (!status) return check_refusal(status.error(), {"commands"});
  ASSERT(request.commands().size() % ledger::command_size == 0);
}

/// Reads `input` as one `Request`; bytes that are none are gRPC's to refuse.
template <typename Request, typename Check>
void as(std::string_view input, Check check) {
  // Else each text that is not UTF-8 is a line on stderr.
  static const google::protobuf::LogSilencer silence;
  Request request;
  if (request.ParseFromArray(input.data(), static_cast<int>(input.size()))) check(request);
}

}  // namespace
}  // namespace meridian::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  using namespace meridian::api;
  std::string_view input = as_text(Bytes(data, size));
  as<v1::CreateAccountsRequest>(input, [](const auto& request) {
    check_pack<ledger::Account>(request, "accounts",
                                [](auto& again) { return again.add_accounts(); });
  });
  as<v1::CreateTransfersRequest>(input, [](const auto& request) {
    check_pack<ledger::Transfer>(request, "transfers",
                                 [](auto& again) { return again.add_transfers(); });
  });
  as<v1::PackedRequest>(input, check_packed_request);
  as<v1::AppendRequest>(input, check_append);
  as<v1::DeleteStreamRequest>(input, check_delete);
  as<v1::TransactRequest>(input, check_transact);
  as<v1::LookupRequest>(input, check_ids);
  as<v1::AccountFilter>(input, check_filter<v1::AccountFilter>);
  as<v1::QueryFilter>(input, check_filter<v1::QueryFilter>);
  as<v1::ReadRequest>(input, check_read);
  return 0;
}
