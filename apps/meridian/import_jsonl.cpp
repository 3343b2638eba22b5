// Bulk commands, one JSON value a line: what `POST /v1/transactions` takes, without the wrapping.
//
// line = {"create_account":{...}} | {"create_transfer":{...}} | {"append_event":{...}}
//      | {"delete_stream":{...}} | {"transaction":[line, ...]}
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/convert_json.h"
#include "import.h"

namespace meridian::app {

namespace {

constexpr std::size_t request_bytes_target = 400 << 10;
constexpr int request_commands_max = 6'000;
constexpr std::size_t line_bytes_max = 1 << 20;
constexpr std::size_t event_overhead = 600;

struct ToMessage {
  v1::TransactionCommand& out;

  void operator()(ledger::Account account) const {
    account.flags &= static_cast<std::uint16_t>(~ledger::account_flags::linked);
    api::fill(account, *out.mutable_create_account());
  }
  void operator()(ledger::Transfer transfer) const {
    transfer.flags &= static_cast<std::uint16_t>(~ledger::transfer_flags::linked);
    api::fill(transfer, *out.mutable_create_transfer());
  }
  void operator()(const door::EventDraft& draft) const {
    v1::NewEvent& event = *out.mutable_append_event();
    event.set_event_id(api::format_u128(draft.event_id));
    event.set_stream(draft.stream);
    event.set_type(draft.type);
    event.set_content_type(draft.content_type);
    event.set_metadata(std::string(as_text(draft.metadata)));
    event.set_data(std::string(as_text(draft.data)));
    event.set_subject(draft.subject);
    event.set_retention(draft.retention);
    event.set_classification(draft.classification);
    for (const door::CompartmentDraft& more : draft.more) {
      v1::Compartment& compartment = *event.add_more();
      compartment.set_subject(more.subject);
      compartment.set_retention(more.retention);
      compartment.set_content(std::string(as_text(more.content)));
    }
    event.set_expected(static_cast<v1::ExpectedRevision>(draft.expected));
    event.set_revision(draft.expected_revision);
    v1::Facts& facts = *event.mutable_facts();
    facts.set_country(draft.facts.country);
    facts.set_channel(draft.facts.channel);
    facts.set_screening_list(draft.facts.screening_list);
    facts.set_screening_verdict(draft.facts.screening_verdict);
    facts.set_purpose(draft.facts.purpose);
  }
  void operator()(const door::DeletionDraft& draft) const {
    v1::StreamDeletion& deletion = *out.mutable_delete_stream();
    deletion.set_event_id(api::format_u128(draft.event_id));
    deletion.set_stream(draft.stream);
    deletion.set_expected(static_cast<v1::ExpectedRevision>(draft.expected));
    deletion.set_revision(draft.expected_revision);
  }
};

std::string_view trimmed(std::string_view line) {
  const std::string_view blanks = " \t\r";
  const std::size_t first = line.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(blanks) - first + 1);
}

/// The list inside {"transaction": [...]}, as it was written.
Result<std::string_view> transaction_list(std::string_view line) {
  const std::size_t open = line.find('[');
  const std::size_t close = line.rfind(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return fail(Code::invalid_argument,
                "transaction: a list of commands is expected: {\"transaction\":[...]}");
  return line.substr(open + 1, close - open - 1);
}

Result<std::string> wrap(std::string_view line) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  if (json.is_discarded())
    return fail(Code::invalid_argument, "the line is no JSON. write one command a line");
  if (!json.is_object() || json.size() != 1)
    return fail(Code::invalid_argument,
                "one object with one member is expected: create_account, create_transfer, "
                "append_event, delete_stream or transaction");
  if (json.begin().key() == "transaction") {
    if (!json.begin().value().is_array() || json.begin().value().empty())
      return fail(Code::invalid_argument,
                  "transaction: a list of at least one command is expected");
    line = TRY(transaction_list(line));
  }
  return fmt::format("{{\"transactions\":[{{\"commands\":[{}]}}]}}", line);
}

/// Calls `visit(number, text)` for every line that is not blank.
Status each_line(const std::string& text, const std::string& file_name,
                 const std::function<Status(std::uint64_t, std::string_view)>& visit) {
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trimmed(std::string_view(text).substr(at, end - at));
    at = end + 1;
    ++number;
    if (line.empty()) continue;
    if (line.size() > line_bytes_max)
      return fail(Code::invalid_argument,
                  fmt::format("{}:{}: the line has {} bytes, the limit is {}", file_name, number,
                              line.size(), line_bytes_max));
    Status status = visit(number, line);
    if (!status && status.error().code == Code::invalid_argument)
      return with_context(status.error(), fmt::format("{}:{}", file_name, number));
    if (!status) return status;
  }
  return {};
}

class Batch {
 public:
  Batch(Client& client, const std::function<void(std::uint64_t, const std::string&)>& refused)
      : client_(client), refused_(refused) {}

  Status add(std::uint64_t line, std::size_t bytes, v1::Transaction transaction) {
    const int commands = transaction.commands_size();
    bytes += event_overhead * static_cast<std::size_t>(commands);
    if (bytes_ + bytes > request_bytes_target || commands_ + commands > request_commands_max)
      TRY(send());
    *request_.add_transactions() = std::move(transaction);
    lines_.emplace_back(line, commands);
    bytes_ += bytes;
    commands_ += commands;
    ++result.lines;
    return {};
  }

  Status send() {
    if (lines_.empty()) return {};
    const v1::CreateReply reply =
        TRY(client_.write(*client_.transactions, &v1::Transactions::Stub::Transact, request_));
    if (reply.results_size() != commands_)
      return fail(Code::internal, "the server answered with another number of results");
    int at = 0;
    for (const auto& [line, commands] : lines_) {
      // A transaction that was posted before is refused as a whole, its first command existing.
      const bool existed = commands > 1 && reply.results(at).name() == "exists";
      for (int i = at; i < at + commands; ++i) {
        const v1::CommandResult& outcome = reply.results(i);
        if (is_created(outcome)) {
          ++result.created;
        } else if (existed || outcome.name() == "exists") {
          ++result.existing;
        } else {
          ++result.refused;
          refused_(line, outcome.name());
        }
      }
      at += commands;
    }
    request_.Clear();
    lines_.clear();
    bytes_ = 0;
    commands_ = 0;
    return {};
  }

  JsonlImport result;

 private:
  Client& client_;
  const std::function<void(std::uint64_t, const std::string&)>& refused_;
  v1::TransactRequest request_;
  std::vector<std::pair<std::uint64_t, int>> lines_;
  std::size_t bytes_ = 0;
  int commands_ = 0;
};

}  // namespace

Result<v1::Transaction> parse_jsonl_line(std::string_view line) {
  Result<api::Drafts> drafts = api::parse_transactions_json(TRY(wrap(line)));
  if (!drafts) {
    // The wrapping is ours: the message names what stands in the line.
    Error error = drafts.error();
    const std::string_view ours = "transactions[0].";
    if (error.message.starts_with(ours)) error.message.erase(0, ours.size());
    return error;
  }
  v1::Transaction transaction;
  for (const door::CommandDraft& draft : drafts->commands)
    std::visit(ToMessage{*transaction.add_commands()}, draft);
  return transaction;
}

Result<JsonlImport> import_jsonl(
    Client& client, const std::string& text, const std::string& file_name,
    const std::function<void(std::uint64_t, const std::string&)>& refused) {
  const Status readable =
      each_line(text, file_name, [](std::uint64_t, std::string_view line) -> Status {
        TRY(parse_jsonl_line(line));
        return {};
      });
  if (!readable) return readable.error();
  Batch batch(client, refused);
  const Status sent =
      each_line(text, file_name, [&](std::uint64_t number, std::string_view line) -> Status {
        return batch.add(number, line.size(), TRY(parse_jsonl_line(line)));
      });
  if (!sent) return sent.error();
  TRY(batch.send());
  return batch.result;
}

}  // namespace meridian::app
