#include "client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meridian::app {
namespace {

using ::testing::HasSubstr;

/// Nothing listens there, and nothing is sent: what is tested is whom a client would ask.
struct ClientTest : ::testing::Test {
  Client::Attempts attempts(Client& client) { return {client.deadline()}; }
  grpc::ClientContext context;
  const grpc::Status broke{grpc::StatusCode::UNAVAILABLE, "Socket closed"};
  const grpc::Status undone{grpc::StatusCode::UNAVAILABLE,
                            "replica 2 leads the cell: nothing was done"};
  const grpc::Status late{grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded"};
  const grpc::Status full{grpc::StatusCode::RESOURCE_EXHAUSTED, "try again"};
  const grpc::Status wrong{grpc::StatusCode::INVALID_ARGUMENT, "amount: not a number"};
};

TEST_F(ClientTest, a_single_server_is_asked_again_only_if_it_had_no_room) {
  Client client({{"127.0.0.1:1"}, 30});
  Client::Attempts tries = attempts(client);
  EXPECT_TRUE(client.may_repeat(tries, client.connection(), context, full));
  EXPECT_FALSE(client.may_repeat(tries, client.connection(), context, broke));
  EXPECT_FALSE(client.may_repeat(tries, client.connection(), context, wrong));
}

TEST_F(ClientTest, of_several_the_next_is_asked_until_the_time_is_over) {
  Client client({{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}, 30});
  Client::Attempts tries = attempts(client);
  for (const char* next : {"127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:1"}) {
    EXPECT_TRUE(client.may_repeat(tries, client.connection(), context, broke));
    EXPECT_EQ(client.connection().address(), next);
  }
  tries.end = client.clock().monotonic();
  EXPECT_FALSE(client.may_repeat(tries, client.connection(), context, broke));
}

TEST_F(ClientTest, calls_under_way_at_one_server_leave_it_together) {
  Client client({{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}, 30});
  Connection& first = client.connection();
  Client::Attempts one = attempts(client), other = attempts(client);
  EXPECT_TRUE(client.may_repeat(one, first, context, broke));
  EXPECT_TRUE(client.may_repeat(other, first, context, late));
  EXPECT_EQ(client.connection().address(), "127.0.0.1:2");
}

TEST_F(ClientTest, an_outcome_that_an_earlier_attempt_left_open_stays_open) {
  Client client({{"127.0.0.1:1", "127.0.0.1:2"}, 30});
  Client::Attempts tries = attempts(client);
  client.may_repeat(tries, client.connection(), context, undone);
  client.may_repeat(tries, client.connection(), context, undone);
  EXPECT_EQ(Client::last_error(tries, undone).code, Code::unavailable);
  client.may_repeat(tries, client.connection(), context, broke);
  client.may_repeat(tries, client.connection(), context, undone);
  const Error last = Client::last_error(tries, undone);
  EXPECT_EQ(last.code, Code::deadline_exceeded);
  EXPECT_THAT(last.message, HasSubstr("unknown"));
}

TEST_F(ClientTest, who_answers_nothing_has_longer_each_time_but_never_past_the_end) {
  Client client({{"127.0.0.1:1", "127.0.0.1:2"}, 30});
  Client::Attempts tries = attempts(client);
  const io::MonotonicTime start = client.clock().monotonic();
  EXPECT_LT(client.attempt_deadline(tries), start + io::seconds(7));
  client.may_repeat(tries, client.connection(), context, late);
  EXPECT_GT(client.attempt_deadline(tries), start + io::seconds(9));
  tries.timed_out = 20;
  EXPECT_EQ(client.attempt_deadline(tries), tries.end);
}

}  // namespace
}  // namespace meridian::app
