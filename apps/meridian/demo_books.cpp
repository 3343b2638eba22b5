#include "demo_books.h"

#include <fmt/format.h>

#include "api/convert.h"
#include "child.h"
#include "client.h"
#include "files.h"
#include "names.h"
#include "output.h"
#include "sample_books.h"

namespace meridian::app {

namespace {

constexpr std::string_view payee = "Sushi Kawa";  // of the household's book

/// The payee's first event: a lunch.
struct Lunch {
  std::string event_id;
  std::uint64_t record = 0;
};

Result<Lunch> find_lunch(const std::string& server) {
  ClientOptions options;
  options.servers = {server};
  const std::unique_ptr<Client> client = TRY(Client::connect(options));
  v1::ReadRequest request;
  request.set_stream("journal-household");
  Lunch lunch;
  TRY(read_all(*client, request, [&](const v1::RecordedEvent& event) -> Status {
    if (!lunch.event_id.empty() || event.data().find(payee) == std::string::npos) return {};
    lunch = {to_decimal(to_u128(event.event_id())), event.record_index()};
    return {};
  }));
  if (lunch.event_id.empty())
    return fail(Code::not_found, fmt::format("the sample book has no lunch at {}", payee));
  return lunch;
}

Status import_books(Stage& stage, const std::string& server) {
  for (const SampleBook& book : sample_books()) {
    TRY(write_output(stage.at(book.file_name), book.text));
    TRY(stage.run({{"import", "journal", stage.at(book.file_name)}, Exit::ok, server}));
  }
  stage.line("Importing again changes nothing:");
  TRY(stage.run(
      {{"import", "journal", stage.at(sample_books().front().file_name)}, Exit::ok, server}));
  TRY(stage.run({{"balances", "--book", "household"}, Exit::ok, server, 6}));
  return {};
}

}  // namespace

Status show_books(Stage& stage) {
  stage.say("Real books, and a person who is forgotten.",
            fmt::format("On a ledger of its own, a single node. Each journal transaction becomes "
                        "an event (its text, sealed under its payee's key) and its transfers. "
                        "Then {0} asks to be forgotten: its keys are destroyed, and every copy "
                        "of its texts with them. Balances stay, and its old receipt still "
                        "verifies.",
                        payee));
  ChildServer server = TRY(ChildServer::start(stage.at("books"), stage.at("books.log")));
  stage.show_command({"serve", "--data", stage.at("books"), "--dev"});
  stage.line("  " + server.ready_line());
  TRY(import_books(stage, server.grpc()));
  const Lunch lunch = TRY(find_lunch(server.grpc()));
  const std::string receipt = stage.at("lunch.tlog-proof");
  TRY(stage.run(
      {{"receipt", "get", "--event", lunch.event_id, "-o", receipt}, Exit::ok, server.grpc()}));
  TRY(stage.run({{"log", "policy", "-o", stage.at("books.policy")}, Exit::ok, server.grpc()}));
  const Stage::Command read{
      {"read", "--all", "--from", std::to_string(lunch.record), "--limit", "1"},
      Exit::ok,
      server.grpc()};
  const auto shows_payee = [](const std::vector<std::string>& printed) {
    return std::any_of(printed.begin(), printed.end(), [](const std::string& line) {
      return line.find(payee) != std::string::npos;
    });
  };
  if (!shows_payee(TRY(stage.run(read))))
    return fail(Code::internal, "the text of the lunch cannot be read before it is forgotten");
  TRY(stage.run({{"subject", "forget", std::string(payee)}, Exit::ok, server.grpc()}));
  if (shows_payee(TRY(stage.run(read))))
    return fail(Code::internal, "the text of the lunch can still be read");
  TRY(stage.run(
      {{"receipt", "verify", receipt, "--policy", stage.at("books.policy")}, Exit::ok, "", 2}));
  server.stop();
  return {};
}

}  // namespace meridian::app
