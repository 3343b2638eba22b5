#include "meridian/client.h"

#include <gtest/gtest.h>

#include <future>

#include "fake_cell_rig.h"

namespace meridian::client {
namespace {

using Clock = std::chrono::steady_clock;

class ClientTest : public ::testing::Test {
 protected:
  void start(int servers) {
    for (int i = 0; i < servers; ++i) servers_.push_back(std::make_unique<FakeServer>(cell_, i));
  }
  std::unique_ptr<Client> connect(ClientOptions options = {}) {
    if (options.endpoints.empty()) options.endpoints = cell_.addresses;
    options.settle = milliseconds(100);
    Result<std::unique_ptr<Client>> client = Client::create(std::move(options));
    EXPECT_TRUE(client.has_value());
    return std::move(*client);
  }
  static std::vector<Transfer> batch(std::size_t count, std::uint16_t flags = 0) {
    Transfer transfer{.debit_account_id = 1, .credit_account_id = 2, .amount = 5, .ledger = 1};
    transfer.flags = flags;
    std::vector<Transfer> all(count, transfer);
    if (!all.empty()) all.back().flags = 0;
    return all;
  }
  /// Does each of `acts` once, then serves.
  void script(std::vector<Do> acts) {
    auto next = std::make_shared<std::atomic<std::size_t>>(0);
    cell_.script = [next, acts = std::move(acts)](int, bool) {
      const std::size_t at = (*next)++;
      return at < acts.size() ? acts[at] : Do::serve;
    };
  }
  /// A port that nothing listens on.
  std::string nowhere() {
    FakeCell other;
    return FakeServer(other, 0).address();
  }

  FakeCell cell_;
  std::vector<std::unique_ptr<FakeServer>> servers_;
};

constexpr WriteOptions for_ms(int ms) { return {.timeout = milliseconds(ms)}; }

TEST_F(ClientTest, a_batch_is_created_with_ids_of_the_clients_own_making) {
  start(1);
  const auto client = connect();
  const WriteResult result = client->create_transfers(batch(3));
  ASSERT_TRUE(result.all_done());
  for (const CommandEnd& end : result.commands) {
    EXPECT_NE(end.id >> 80, 0U);
    EXPECT_EQ(end.name, "created");
    EXPECT_EQ(cell_.transfers().at(end.id).timestamp, end.timestamp);
  }
  const Client::Transfers found = client->lookup_transfers({result.commands[1].id});
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->value.size(), 1U);
  EXPECT_EQ(found->value[0].amount, 5U);
  EXPECT_FALSE(found->position.has_value());
}

TEST_F(ClientTest, ids_come_from_the_given_randomness_and_grow_with_time) {
  start(1);
  ClientOptions options;
  options.random = [](std::span<std::byte> out) { std::ranges::fill(out, std::byte{0xAB}); };
  const auto client = connect(options);
  const u128 first = client->make_id();
  EXPECT_EQ(first & 0xFFFF'FFFF, 0xABAB'ABABU);
  std::this_thread::sleep_for(milliseconds(3));
  EXPECT_GT(client->make_id(), first);
}

TEST_F(ClientTest, the_leader_that_a_server_names_is_asked_next_and_remembered) {
  start(3);
  cell_.leader = 2;
  cell_.script = [this](int server, bool) {
    return server == cell_.leader ? Do::serve : Do::redirect;
  };
  ClientOptions options;
  options.endpoints = {cell_.addresses[0]};  // the others are learned
  const auto client = connect(options);
  ASSERT_TRUE(client->create_transfers(batch(1)).all_done());
  EXPECT_EQ(cell_.requests, 2);
  ASSERT_TRUE(client->create_transfers(batch(1)).all_done());
  EXPECT_EQ(cell_.requests, 3);
  cell_.leader = 1;
  ASSERT_TRUE(client->create_transfers(batch(1)).all_done());
  EXPECT_EQ(cell_.requests, 5);
}

TEST_F(ClientTest, without_a_hint_the_other_endpoints_are_tried) {
  start(3);
  cell_.script = [](int server, bool) { return server == 2 ? Do::serve : Do::refuse; };
  ClientOptions options;
  options.endpoints = {nowhere(), cell_.addresses[0], cell_.addresses[1], cell_.addresses[2]};
  const auto client = connect(options);
  EXPECT_TRUE(client->create_transfers(batch(1)).all_done());
}

TEST_F(ClientTest, two_servers_that_name_each_other_do_not_make_the_client_spin) {
  start(2);
  cell_.script = [this](int server, bool) {
    cell_.leader = 1 - server;
    return Do::redirect;
  };
  const auto client = connect();
  const WriteResult result = client->create_transfers(batch(1), for_ms(500));
  EXPECT_EQ(result.commands[0].state, State::not_done);
  EXPECT_LT(cell_.requests, 100);
}

TEST_F(ClientTest, a_repeated_batch_counts_what_exists_as_done_with_the_original_record) {
  start(1);
  script({Do::serve_and_lose});
  const auto client = connect();
  const WriteResult result = client->create_transfers(batch(3));
  ASSERT_TRUE(result.all_done());
  EXPECT_EQ(cell_.transfers().size(), 3U);
  for (const CommandEnd& end : result.commands) {
    EXPECT_TRUE(end.existed);
    EXPECT_EQ(end.timestamp, cell_.transfers().at(end.id).timestamp);
  }
}

TEST_F(ClientTest, a_repeated_chain_is_done_although_the_ledger_says_that_it_failed) {
  start(1);
  script({Do::serve_and_lose});
  const auto client = connect();
  const WriteResult result = client->create_transfers(batch(4, transfer_flags::linked));
  ASSERT_TRUE(result.all_done());
  EXPECT_EQ(result.commands[0].name, "exists");
  EXPECT_EQ(result.commands[3].name, "linked_event_failed");
  EXPECT_TRUE(result.commands[3].existed);
  EXPECT_EQ(cell_.transfers().size(), 4U);
}

TEST_F(ClientTest, a_chain_behind_a_taken_id_is_refused_and_not_taken_for_done) {
  start(1);
  const auto client = connect();
  std::vector<Transfer> chain = batch(2, transfer_flags::linked);
  chain[0].id = 77;
  const WriteResult single = client->create_transfers({chain[0]});
  ASSERT_TRUE(single.all_done());
  const WriteResult result = client->create_transfers(chain);
  EXPECT_EQ(result.commands[0].state, State::done);
  EXPECT_TRUE(result.commands[0].existed);
  EXPECT_EQ(result.commands[1].state, State::refused);
  EXPECT_FALSE(result.error.has_value());
}

TEST_F(ClientTest, an_id_that_something_else_has_taken_is_refused) {
  start(1);
  const auto client = connect();
  std::vector<Transfer> one = batch(1);
  one[0].id = 5;
  ASSERT_TRUE(client->create_transfers(one).all_done());
  one[0].amount = 6;
  const WriteResult result = client->create_transfers(one);
  EXPECT_EQ(result.commands[0].state, State::refused);
  EXPECT_EQ(result.commands[0].name, "exists_with_different_amount");
}

TEST_F(ClientTest, applied_but_out_of_time_is_unknown_and_resolves_to_done) {
  start(1);
  cell_.script = [](int, bool is_write) { return is_write ? Do::serve_late : Do::serve; };
  const auto client = connect();
  const WriteResult result = client->create_transfers(batch(2), for_ms(200));
  ASSERT_EQ(result.unknown.ids.size(), 2U);
  EXPECT_EQ(result.commands[0].state, State::unknown);
  EXPECT_EQ(result.error->code, Code::deadline_exceeded);
  const WriteResult resolved = client->resolve(result.unknown);
  ASSERT_TRUE(resolved.all_done());
  EXPECT_EQ(resolved.commands[1].timestamp, cell_.transfers().at(result.unknown.ids[1]).timestamp);
}

TEST_F(ClientTest, resolve_says_not_done_only_when_nothing_can_arrive_any_more) {
  start(1);
  script({Do::hang});
  ClientOptions options;
  options.attempt_timeout = milliseconds(5'000);
  const auto client = connect(options);
  const WriteResult result = client->create_transfers(batch(1), for_ms(50));
  ASSERT_EQ(result.unknown.ids.size(), 1U);
  const WriteResult early = client->resolve(result.unknown);
  EXPECT_EQ(early.commands[0].state, State::unknown);
  EXPECT_EQ(early.unknown.ids, result.unknown.ids);
  std::this_thread::sleep_for(milliseconds(150));
  const WriteResult later = client->resolve(early.unknown);
  EXPECT_EQ(later.commands[0].state, State::not_done);
  EXPECT_TRUE(later.unknown.empty());
}

TEST_F(ClientTest, resolve_waits_for_what_a_server_has_taken_and_not_applied) {
  start(1);
  cell_.script = [](int, bool) { return Do::take_late; };
  const auto client = connect();
  const WriteResult result = client->create_transfers(batch(1), for_ms(50));
  ASSERT_EQ(result.unknown.ids.size(), 1U);
  cell_.script = [](int, bool) { return Do::serve; };
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_TRUE(client->resolve(result.unknown).all_done());
}

TEST_F(ClientTest, resolve_does_not_take_another_commands_record_for_its_own) {
  start(1);
  const auto client = connect();
  std::vector<Transfer> one = batch(1);
  one[0].id = 5;
  ASSERT_TRUE(client->create_transfers(one).all_done());
  Unknown unknown{.kind = Kind::transfer, .ids = {5}, .commands = {}, .sent_last = {}};
  one[0].amount = 6;
  unknown.commands.push_back(std::bit_cast<std::array<std::byte, 128>>(one[0]));
  EXPECT_EQ(client->resolve(unknown).commands[0].state, State::refused);
}

TEST_F(ClientTest, a_refusal_that_may_pass_is_unknown_while_an_earlier_attempt_may_arrive) {
  start(1);
  script({Do::refuse, Do::refuse});
  const auto client = connect();
  NewEvent event{.stream = "s", .type = "t", .data = "{}"};
  event.expected = Expected::exact;
  event.revision = 9;
  const WriteResult result = client->append_events({event});
  EXPECT_EQ(result.commands[0].state, State::unknown);
  EXPECT_EQ(result.commands[0].name, "wrong_expected_revision");
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(client->resolve(result.unknown).commands[0].state, State::not_done);
  const WriteResult again = client->append_events({event});
  EXPECT_EQ(again.commands[0].state, State::refused);
  EXPECT_FALSE(again.error.has_value());
}

TEST_F(ClientTest, an_event_repeated_after_a_lost_answer_keeps_its_first_revision) {
  start(1);
  script({Do::serve_and_lose});
  const auto client = connect();
  const WriteResult result =
      client->append_events({NewEvent{.stream = "s", .type = "t", .data = "{}"}});
  ASSERT_TRUE(result.all_done());
  EXPECT_TRUE(result.commands[0].existed);
  EXPECT_EQ(result.commands[0].revision, 0U);
  EXPECT_EQ(result.commands[0].record_index, cell_.events().at(result.commands[0].id).record_index);
}

TEST_F(ClientTest, what_never_left_the_machine_is_not_done_instead_of_unknown) {
  ClientOptions options;
  options.endpoints = {nowhere(), nowhere()};
  const auto client = connect(options);
  const WriteResult result = client->create_transfers(batch(1), for_ms(300));
  EXPECT_EQ(result.commands[0].state, State::not_done);
  EXPECT_EQ(result.error->code, Code::unavailable);
  EXPECT_NE(result.error->message.find("attempt"), std::string::npos) << result.error->message;
}

TEST_F(ClientTest, a_server_without_room_is_asked_again_and_leaves_nothing_unknown) {
  start(1);
  script({Do::no_room, Do::no_room});
  const auto client = connect();
  EXPECT_TRUE(client->create_transfers(batch(1)).all_done());
  cell_.script = [](int, bool) { return Do::no_room; };
  const WriteResult result = client->create_transfers(batch(1), for_ms(100));
  EXPECT_EQ(result.commands[0].state, State::not_done);
  EXPECT_EQ(result.error->code, Code::resource_exhausted);
}

TEST_F(ClientTest, a_server_that_breaks_while_it_has_a_write_leaves_it_unknown_at_once) {
  start(1);
  script({Do::fail});
  const auto client = connect();
  const WriteResult result = client->create_transfers(batch(1));
  EXPECT_EQ(result.commands[0].state, State::unknown);
  EXPECT_EQ(result.error->code, Code::internal);
}

TEST_F(ClientTest, no_call_outlasts_its_deadline) {
  start(2);
  cell_.script = [](int, bool) { return Do::hang; };
  const auto client = connect();
  const auto begin = Clock::now();
  const WriteResult result = client->create_transfers(batch(1), for_ms(300));
  EXPECT_EQ(result.commands[0].state, State::unknown);
  EXPECT_FALSE(client->lookup_transfers({1}, {.timeout = milliseconds(300)}).has_value());
  EXPECT_LT(Clock::now() - begin, milliseconds(2'000));
  EXPECT_GT(Clock::now() - begin, milliseconds(400));
}

TEST_F(ClientTest, a_hanging_leader_is_left_for_another_within_the_attempt_timeout) {
  start(2);
  cell_.script = [](int server, bool) { return server == 0 ? Do::hang : Do::serve; };
  ClientOptions options;
  options.attempt_timeout = milliseconds(100);
  const auto client = connect(options);
  const auto begin = Clock::now();
  EXPECT_TRUE(client->create_transfers(batch(1)).all_done());
  EXPECT_LT(Clock::now() - begin, milliseconds(3'000));
}

TEST_F(ClientTest, a_connection_that_breaks_mid_call_is_survived_elsewhere) {
  start(2);
  cell_.script = [](int server, bool) { return server == 0 ? Do::hang : Do::serve; };
  const auto client = connect();
  std::promise<WriteResult> promise;
  client->create_transfers(batch(1), {}, [&](WriteResult r) { promise.set_value(std::move(r)); });
  while (cell_.requests == 0) std::this_thread::sleep_for(milliseconds(1));
  servers_[0]->stop();
  EXPECT_TRUE(promise.get_future().get().all_done());
}

TEST_F(ClientTest, local_reads_say_so_go_to_the_nearest_and_tell_the_position) {
  start(2);
  const auto client = connect();
  cell_.script = [](int server, bool is_write) {
    return is_write && server == 0 ? Do::refuse : Do::serve;
  };
  ASSERT_TRUE(client->create_transfers(batch(1)).all_done());  // 1 leads
  const Client::Text near = client->checkpoint({.timeout = milliseconds(5'000), .local = true});
  ASSERT_TRUE(near.has_value());
  EXPECT_EQ(near->value, "note of 0");
  EXPECT_EQ(near->position, "records=7 index=3 staleness-ms=40");
  ASSERT_TRUE(near->staleness.has_value());
  EXPECT_GE(*near->staleness, milliseconds(40));
  EXPECT_LT(*near->staleness, milliseconds(5'040));
  EXPECT_EQ(cell_.read_wish, "local");
  EXPECT_EQ(cell_.local_reads, 1);
  const Client::Text strict = client->checkpoint();
  ASSERT_TRUE(strict.has_value());
  EXPECT_EQ(strict->value, "note of 1");
  EXPECT_FALSE(strict->staleness.has_value());
  EXPECT_EQ(cell_.local_reads, 1);
  ASSERT_TRUE(client->checkpoint({.local = true, .staleness_max = milliseconds(250)}).has_value());
  EXPECT_EQ(cell_.read_wish, "local max-staleness-ms=250");
}

TEST_F(ClientTest, calls_beyond_the_bounds_are_refused_and_those_within_are_served) {
  start(1);
  cell_.script = [](int, bool) { return Do::serve_slowly; };
  cell_.delay = milliseconds(50);
  ClientOptions options;
  options.outstanding_max = 2;
  options.waiting_max = 3;
  const auto client = connect(options);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<WriteResult> results;
  for (int i = 0; i < 10; ++i) {
    client->create_transfers(batch(1), {}, [&](WriteResult result) {
      const std::lock_guard lock(mutex);
      results.push_back(std::move(result));
      changed.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return results.size() == 10; });
  const auto is_done = [](const WriteResult& result) { return result.all_done(); };
  EXPECT_EQ(std::ranges::count_if(results, is_done), 5);
  EXPECT_EQ(results[0].error->code, Code::resource_exhausted);
  EXPECT_EQ(results[0].commands[0].state, State::not_done);
}

TEST_F(ClientTest, a_call_that_waits_for_its_turn_ends_at_its_deadline) {
  start(1);
  cell_.script = [](int, bool) { return Do::hang; };
  ClientOptions options;
  options.outstanding_max = 1;
  const auto client = connect(options);
  std::promise<void> first;
  client->create_transfers(batch(1), for_ms(1'000), [&](const WriteResult&) { first.set_value(); });
  const auto begin = Clock::now();
  const WriteResult second = client->create_transfers(batch(1), for_ms(100));
  EXPECT_LT(Clock::now() - begin, milliseconds(800));
  EXPECT_EQ(second.commands[0].state, State::not_done);
  first.get_future().get();
}

TEST_F(ClientTest, destroying_the_client_ends_what_is_under_way_as_unknown) {
  start(1);
  cell_.script = [](int, bool) { return Do::hang; };
  ClientOptions options;
  options.outstanding_max = 1;
  auto client = connect(options);
  std::promise<WriteResult> running;
  std::promise<WriteResult> waiting;
  client->create_transfers(batch(1), {}, [&](WriteResult r) { running.set_value(std::move(r)); });
  client->create_transfers(batch(1), {}, [&](WriteResult r) { waiting.set_value(std::move(r)); });
  while (cell_.requests == 0) std::this_thread::sleep_for(milliseconds(1));
  const auto begin = Clock::now();
  client.reset();
  EXPECT_LT(Clock::now() - begin, milliseconds(5'000));
  EXPECT_EQ(running.get_future().get().commands[0].state, State::unknown);
  EXPECT_EQ(waiting.get_future().get().commands[0].state, State::not_done);
}

TEST_F(ClientTest, nonsense_is_refused_before_anything_is_sent) {
  for (const char* address :
       {"", "host", "host:", "host:0", "host:70000", ":1", "a b:1", "dns:///a:1", "host:1/x"})
    EXPECT_FALSE(Client::create({.endpoints = {address}}).has_value()) << address;
  EXPECT_FALSE(Client::create({}).has_value());
  start(1);
  const auto client = connect();
  EXPECT_EQ(client->create_transfers({}).error->code, Code::invalid_argument);
  EXPECT_EQ(client->create_transfers(batch(Client::batch_max + 1)).error->code,
            Code::invalid_argument);
  EXPECT_FALSE(client->lookup_transfers({}).has_value());
  EXPECT_EQ(cell_.requests, 0);
}

}  // namespace
}  // namespace meridian::client
