// Drives a cell through the library, for tests/cluster/client.py.
//   client_load SECONDS IDENTITY[@CELL] HOST:PORT [HOST:PORT...]
// Four chains of calls move 1 from account 1 to account 2, ten transfers a call, with a deadline
// short enough that some end unknown, and then ask until it is known. With a CELL all of it is
// signed, an event before it too, and the accounts require it. One line per transfer: "ID
// STATE". Between them account 2 is read, whose balance must never go back. The last line: "asked
// N". Ends with 1 if anything is wrong.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "meridian/client.h"
#include "meridian/identity.h"

namespace {

namespace client = meridian::client;
using Clock = std::chrono::steady_clock;

const char* name(client::State state) {
  switch (state) {
    case client::State::done: return "done";
    case client::State::refused: return "refused";
    case client::State::not_done: return "not_done";
    case client::State::unknown: return "unknown";
  }
  return "?";
}

bool open_accounts(client::Client& cell, bool sign) {
  std::vector<client::Account> accounts(2, client::Account{.ledger = 978, .code = 1});
  if (sign)
    for (client::Account& account : accounts)
      account.flags = client::account_flags::requires_signature;
  accounts[0].id = 1;
  accounts[1].id = 2;
  const client::WriteResult made = cell.create_accounts(accounts, {.sign = sign});
  for (const client::CommandEnd& end : made.commands)
    if (end.state != client::State::done) return false;
  return true;
}

bool append_signed(client::Client& cell) {
  client::NewEvent event;
  event.stream = "load-1";
  event.type = "began";
  event.data = R"({ "who": "Ada Example", "what": [1.50, "\u00e9"] })";
  event.subject = "Ada Example";
  const client::WriteResult made = cell.append_events({event}, {.sign = true});
  return made.commands.size() == 1 && made.commands[0].state == client::State::done;
}

class Load {
 public:
  Load(client::Client& cell, Clock::time_point end, bool sign)
      : cell_(cell), end_(end), sign_(sign) {}

  /// False if anything was wrong.
  bool run() {
    constexpr int chains = 4;
    running_ = chains;
    for (int i = 0; i < chains; ++i) write(0);
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
    std::printf("asked %llu\n", static_cast<unsigned long long>(asked_));
    return is_right_;
  }

 private:
  /// `balance`: of account 2 as this chain read it last.
  void write(std::uint64_t balance) {
    if (Clock::now() >= end_) return end();
    std::vector<client::Transfer> transfers(10);
    for (client::Transfer& transfer : transfers) {
      transfer.id = cell_.make_id();
      transfer.debit_account_id = 1;
      transfer.credit_account_id = 2;
      transfer.amount = 1;
      transfer.ledger = 978;
      transfer.code = 1;
    }
    constexpr std::chrono::milliseconds deadline{300};
    cell_.create_transfers(
        std::move(transfers), {.timeout = deadline, .sign = sign_},
        [this, balance](const client::WriteResult& result) { written(result, balance); });
  }
  void written(const client::WriteResult& result, std::uint64_t balance) {
    print(result);
    if (result.unknown.empty()) return read(balance);
    ++asked_;
    cell_.resolve(result.unknown, {}, [this, balance](const client::WriteResult& resolved) {
      written(resolved, balance);
    });
  }
  void read(std::uint64_t balance) {
    cell_.lookup_accounts({2}, {}, [this, balance](const client::Client::Accounts& found) {
      if (!found) return write(balance);
      const std::uint64_t now =
          found->value.empty() ? 0 : static_cast<std::uint64_t>(found->value[0].credits_posted);
      if (now < balance) wrong("account 2 went back", balance, now);
      write(now);
    });
  }
  void wrong(const char* what, std::uint64_t before, std::uint64_t now) {
    std::fprintf(stderr, "%s: %llu, then %llu\n", what, static_cast<unsigned long long>(before),
                 static_cast<unsigned long long>(now));
    const std::lock_guard lock(mutex_);
    is_right_ = false;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    --running_;
    ended_.notify_one();
  }
  void print(const client::WriteResult& result) {
    const std::lock_guard lock(mutex_);
    for (const client::CommandEnd& end : result.commands)
      if (end.state != client::State::unknown)
        std::printf("%llx%016llx %s\n", static_cast<unsigned long long>(end.id >> 64),
                    static_cast<unsigned long long>(end.id), name(end.state));
  }

  client::Client& cell_;
  const Clock::time_point end_;
  const bool sign_;
  std::mutex mutex_;
  std::condition_variable ended_;
  int running_ = 0;
  bool is_right_ = true;
  std::atomic<std::uint64_t> asked_{0};
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const auto end = Clock::now() + std::chrono::seconds(std::atoi(arguments[1]));
  client::ClientOptions options;
  for (int i = 3; i < count; ++i) options.endpoints.emplace_back(arguments[i]);
  const std::string who = arguments[2];
  const std::size_t at = who.rfind('@');
  if (at != who.npos) options.cell = who.substr(at + 1);
  const bool sign = !options.cell.empty();
  client::Result<client::TlsOptions> identity = client::read_identity(who.substr(0, at));
  if (!identity) {
    std::fprintf(stderr, "%s\n", identity.error().message.c_str());
    return 1;
  }
  options.tls = *identity;
  auto made = client::Client::create(options);
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().message.c_str());
    return 1;
  }
  if (!open_accounts(**made, sign)) {
    std::fprintf(stderr, "the accounts cannot be made\n");
    return 1;
  }
  if (sign && !append_signed(**made)) {
    std::fprintf(stderr, "the event cannot be appended\n");
    return 1;
  }
  return Load(**made, end, sign).run() ? 0 : 1;
}
