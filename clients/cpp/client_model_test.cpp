// Under random faults every command ends as it is told, and nothing is done twice or lost.
#include <gtest/gtest.h>

#include <random>

#include "fake_cell_rig.h"

namespace meridian::client {
namespace {

constexpr int servers = 3;
constexpr int writers = 4;
constexpr int batches_per_writer = 40;

struct Told {
  Kind kind;
  CommandEnd end;
};

class Model {
 public:
  explicit Model(std::uint32_t seed) : random_(seed) {
    cell_.delay = milliseconds(25);
    cell_.script = [this](int server, bool is_write) { return act(server, is_write); };
    cell_.verdict = [this](const Transfer&) { return verdict(); };
    for (int i = 0; i < servers; ++i) servers_.push_back(std::make_unique<FakeServer>(cell_, i));
    ClientOptions options;
    options.endpoints = cell_.addresses;
    options.attempt_timeout = milliseconds(60);
    options.pause_first = milliseconds(1);
    options.pause_max = milliseconds(10);
    options.settle = settle;
    client_ = std::move(*Client::create(std::move(options)));
  }

  void run() {
    std::vector<std::jthread> threads;
    for (int i = 0; i < writers; ++i)
      threads.emplace_back([this, seed = roll(1'000'000)] { write(seed); });
    threads.clear();
    is_calm_ = true;
    cell_.come_to_rest();
  }

  void check() {
    const std::map<u128, Transfer> transfers = cell_.transfers();
    const std::map<u128, Record> events = cell_.events();
    std::size_t unknown = 0;
    for (const Told& told : told_) {
      const bool is_kept = told.kind == Kind::transfer ? transfers.contains(told.end.id)
                                                       : events.contains(told.end.id);
      switch (told.end.state) {
        case State::done: {
          ASSERT_TRUE(is_kept) << told.end.name;
          const std::uint64_t timestamp = told.kind == Kind::transfer
                                              ? transfers.at(told.end.id).timestamp
                                              : events.at(told.end.id).timestamp;
          ASSERT_TRUE(told.end.timestamp == 0 || told.end.timestamp == timestamp);
          break;
        }
        case State::refused:
        case State::not_done: ASSERT_FALSE(is_kept) << told.end.name; break;
        case State::unknown: ++unknown; break;
      }
      ++ends[static_cast<std::size_t>(told.end.state)];
    }
    ends_resolved += unknown_at_first_;
    EXPECT_EQ(told_.size(), commands_);
  }

  static constexpr milliseconds settle{150};
  std::array<std::size_t, 4> ends{};
  std::size_t ends_resolved = 0;

 private:
  std::uint32_t roll(std::uint32_t below) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::uint32_t>(random_() % below);
  }

  Do act(int server, bool is_write) {
    if (is_calm_) return Do::serve;
    const std::uint32_t dice = roll(100);
    if (dice < 2) cell_.leader = static_cast<int>(roll(servers));
    if (server != cell_.leader) return dice < 60 ? Do::redirect : Do::refuse;
    if (dice < 55) return Do::serve;
    if (dice < 60) return Do::refuse;
    if (dice < 65) return Do::no_room;
    if (dice < 70) return Do::serve_slowly;
    if (dice < 75) return Do::hang;
    if (!is_write) return Do::serve;
    if (dice < 80) return Do::serve_and_lose;
    if (dice < 85) return Do::serve_late;
    if (dice < 91) return Do::take_late;
    if (dice < 98) return Do::arrive_later;
    return Do::fail;
  }

  std::uint32_t verdict() {
    const std::uint32_t dice = roll(100);
    if (dice < 80) return status_created;
    if (dice < 90) return 54;  // sticks to the id
    return 47;                 // passes
  }

  void write(std::uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<Unknown> unknown;
    for (int i = 0; i < batches_per_writer; ++i) {
      const WriteOptions options{.timeout = milliseconds(20 + random() % 200)};
      const bool is_events = random() % 4 == 0;
      const std::size_t count = 1 + random() % 4;
      WriteResult result;
      if (is_events) {
        std::vector<NewEvent> events(count, NewEvent{.stream = "s", .type = "t", .data = "{}"});
        for (NewEvent& event : events) {
          event.expected = random() % 2 == 0 ? Expected::any : Expected::exact;
          event.revision = cell_.events().size() - 1;
        }
        result = client_->append_events(std::move(events), options);
      } else {
        std::vector<Transfer> transfers(count);
        for (Transfer& transfer : transfers) {
          transfer.debit_account_id = 1;
          transfer.amount = random();
          transfer.flags = random() % 2 == 0 ? transfer_flags::linked : 0;
        }
        transfers.back().flags = 0;
        result = client_->create_transfers(std::move(transfers), options);
      }
      tell(is_events ? Kind::event : Kind::transfer, result, &unknown, true);
    }
    for (int round = 0; !unknown.empty() && round < 50; ++round) {
      std::vector<Unknown> still;
      for (const Unknown& one : unknown)
        tell(one.kind, client_->resolve(one, {.timeout = milliseconds(500)}), &still, false);
      unknown = std::move(still);
    }
    const std::lock_guard lock(mutex_);
    for (const Unknown& one : unknown)
      for (const u128 id : one.ids) told_.push_back({one.kind, {.id = id, .name = {}}});
  }

  /// Keeps what is certain; what is unknown is to be asked for.
  void tell(Kind kind, const WriteResult& result, std::vector<Unknown>* unknown, bool is_first) {
    const std::lock_guard lock(mutex_);
    for (const CommandEnd& end : result.commands)
      if (end.state != State::unknown) told_.push_back({kind, end});
    if (is_first) commands_ += result.commands.size();
    if (is_first) unknown_at_first_ += result.unknown.ids.size();
    if (!result.unknown.empty()) unknown->push_back(result.unknown);
  }

  std::mutex mutex_;
  std::mt19937 random_;
  std::atomic<bool> is_calm_ = false;
  FakeCell cell_;
  std::vector<std::unique_ptr<FakeServer>> servers_;
  std::unique_ptr<Client> client_;
  std::vector<Told> told_;
  std::size_t commands_ = 0;
  std::size_t unknown_at_first_ = 0;
};

TEST(ClientModel, what_is_told_of_each_command_is_true_under_random_faults) {
  const char* seeds = std::getenv("MERIDIAN_CLIENT_SEEDS");
  const int count = seeds == nullptr ? 3 : std::atoi(seeds);
  std::array<std::size_t, 4> ends{};
  std::size_t resolved = 0;
  for (int seed = 1; seed <= count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model model(static_cast<std::uint32_t>(seed));
    model.run();
    ASSERT_NO_FATAL_FAILURE(model.check());
    for (std::size_t i = 0; i < ends.size(); ++i) ends[i] += model.ends[i];
    resolved += model.ends_resolved;
  }
  std::printf("done %zu refused %zu not done %zu still unknown %zu; first unknown %zu\n", ends[0],
              ends[1], ends[2], ends[3], resolved);
  EXPECT_GT(ends[0], 0U);
  EXPECT_GT(ends[1], 0U);
  EXPECT_GT(ends[2], 0U);
  EXPECT_GT(resolved, 0U);
}

}  // namespace
}  // namespace meridian::client
