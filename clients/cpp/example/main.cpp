// Two accounts, a batch of transfers, an event, and what the cell says of them afterwards.
//   example IDENTITY HOST:PORT [HOST:PORT...]      the replicas of one cell, nearest first
// IDENTITY: the directory of who this is; `meridian serve --dev` makes
// ~/.local/state/meridian/dev/caller.
#include <cstdio>
#include <string>
#include <vector>

#include "meridian/client.h"
#include "meridian/identity.h"

namespace {

namespace client = meridian::client;

/// Asks until it is known: what a program does that must know.
client::WriteResult settle(client::Client& cell, client::WriteResult result) {
  while (!result.unknown.empty()) {
    std::printf("%zu are unknown (%s), asking\n", result.unknown.ids.size(),
                result.error ? result.error->message.c_str() : "");
    result = cell.resolve(result.unknown);
  }
  return result;
}

bool show(const char* what, const client::WriteResult& result) {
  std::size_t done = 0;
  for (const client::CommandEnd& end : result.commands) {
    if (end.state == client::State::done) ++done;
    if (end.state == client::State::refused)
      std::printf("refused: %.*s\n", static_cast<int>(end.name.size()), end.name.data());
  }
  std::printf("%s: %zu of %zu done%s%s\n", what, done, result.commands.size(),
              result.error ? ": " : "", result.error ? result.error->message.c_str() : "");
  return done == result.commands.size();
}

bool run(client::Client& cell) {
  std::vector<client::Account> accounts(2, client::Account{.ledger = 978, .code = 1});
  for (client::Account& account : accounts) account.id = cell.make_id();
  if (!show("accounts", settle(cell, cell.create_accounts(accounts)))) return false;

  std::vector<client::Transfer> transfers(100);
  for (client::Transfer& transfer : transfers) {
    transfer.debit_account_id = accounts[0].id;
    transfer.credit_account_id = accounts[1].id;
    transfer.amount = 3;
    transfer.ledger = 978;
    transfer.code = 1;
    transfer.id = cell.make_id();
  }
  if (!show("transfers", settle(cell, cell.create_transfers(transfers)))) return false;
  if (!show("the same again", settle(cell, cell.create_transfers(transfers)))) return false;

  client::NewEvent event{.stream = "order-1", .type = "paid", .data = R"({"total":"3.00"})"};
  event.id = cell.make_id();
  if (!show("events", settle(cell, cell.append_events({event})))) return false;

  const client::Client::Accounts found = cell.lookup_accounts({accounts[0].id, accounts[1].id});
  if (!found || found->value.size() != 2) return false;
  std::printf("debits posted: %llu\n",
              static_cast<unsigned long long>(found->value[0].debits_posted));
  const client::Client::Events events = cell.read_events({.stream = "order-1"});
  if (!events) return false;
  std::printf("events in order-1: %zu\n", events->value.events.size());
  const client::Client::Outcome outcome = cell.outcome(client::Kind::transfer, transfers[0].id);
  if (!outcome || !outcome->value) return false;
  std::printf("first transfer: %s\n", outcome->value->name.c_str());
  const client::Client::Text note = cell.checkpoint({.local = true});
  const client::Client::Text receipt = cell.receipt(client::Kind::transfer, transfers[0].id);
  if (!note || !receipt) {
    std::printf("%s\n", (note ? receipt : note).error().message.c_str());
    return false;
  }
  std::printf("%s", receipt->value.c_str());
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: example IDENTITY HOST:PORT [HOST:PORT...]\n");
    return 2;
  }
  client::Result<client::TlsOptions> identity = client::read_identity(arguments[1]);
  if (!identity) {
    std::fprintf(stderr, "%s\n", identity.error().message.c_str());
    return 2;
  }
  client::ClientOptions options;
  options.tls = *identity;
  options.endpoints.assign(arguments + 2, arguments + count);
  client::Result<std::unique_ptr<client::Client>> cell = client::Client::create(options);
  if (!cell) {
    std::fprintf(stderr, "%s\n", cell.error().message.c_str());
    return 2;
  }
  return run(**cell) ? 0 : 1;
}
