#include "api/convert_json.h"

#include <gtest/gtest.h>

#include "api/http_target.h"
#include "api/internal/json_slices.h"

namespace meridian::api {
namespace {

std::string error_of(const auto& result) {
  return result ? std::string("no error") : result.error().message;
}

TEST(ConvertJson, transfers_round_trip_exactly) {
  ledger::Transfer transfer{};
  transfer.id = u128_max - 1;
  transfer.debit_account_id = 1;
  transfer.credit_account_id = 2;
  transfer.amount = u128_max;
  transfer.user_data_64 = ~std::uint64_t{0};
  transfer.ledger = 700;
  transfer.code = 10;
  transfer.flags = ledger::transfer_flags::pending | ledger::transfer_flags::linked;
  std::string body = R"({"transfers":[)" + transfer_json(transfer).dump() + "]}";
  Result<Buffer> packed = parse_transfers_json(body);
  ASSERT_TRUE(packed.has_value()) << packed.error().message;
  EXPECT_EQ(ledger::load_command<ledger::Transfer>(packed->data()), transfer);
}

TEST(ConvertJson, what_is_wrong_is_named) {
  EXPECT_EQ(error_of(parse_transfers_json("{")), "body: no JSON at byte 2");
  EXPECT_EQ(error_of(parse_transfers_json(R"({"transfers":[]})")),
            "transfers: expected a list that is not empty");
  EXPECT_EQ(error_of(parse_transfers_json(R"({"transfers":[{"id":"1"},{"amont":"5"}]})")),
            "transfers[1].amont: there is no such member here; see docs/api.md");
  EXPECT_EQ(error_of(parse_transfers_json(R"({"transfers":[{"code":70000}]})")),
            "transfers[0].code: 70000 is above 65535");
  // A number that JSON cannot hold exactly is refused, never rounded.
  EXPECT_NE(
      error_of(parse_transfers_json(R"({"transfers":[{"amount":123456789012345678901234}]})")),
      "no error");
  EXPECT_NE(error_of(parse_transfers_json(R"({"transfers":[{"amount":1.5}]})")), "no error");
  EXPECT_NE(error_of(parse_transfers_json(R"({"transfers":[{"amount":-1}]})")), "no error");
  EXPECT_NE(error_of(parse_transfers_json(R"({"transfers":[{"flags":["pendng"]}]})")), "no error");
  EXPECT_EQ(error_of(parse_transfers_json(R"({"transfers":[{"amount":1e999}]})")),
            "body: a number is beyond what a double holds; send it as a string");
  EXPECT_EQ(error_of(parse_transfers_json(std::string(65, '['))),
            "body: nests deeper than 64 levels");
  EXPECT_EQ(error_of(parse_transfers_json("7")), "body: expected an object, got number");
}

TEST(ConvertJson, data_of_an_event_is_kept_byte_for_byte) {
  const std::string data =
      "{ \"b\": 1.10,\n \"a\": 123456789012345678901234567890, \"s\": \"}]\\\"\" }";
  Result<Drafts> drafts =
      parse_events_json(R"({"events":[{"event_id":"1","stream":"a-1","type":"t","data":7},)"
                        R"({"event_id":"2","stream":"a-1","type":"t","d\u0061ta":)" +
                        data + R"(,"expected":"exact","revision":3}]})");
  ASSERT_TRUE(drafts.has_value()) << drafts.error().message;
  EXPECT_EQ(as_text(std::get<door::EventDraft>(drafts->commands[0]).data), "7");
  const auto& event = std::get<door::EventDraft>(drafts->commands[1]);
  EXPECT_EQ(as_text(event.data), data);
  EXPECT_EQ(event.expected, ledger::Expected::exact);
  EXPECT_EQ(event.expected_revision, 3U);
}

TEST(ConvertJson, null_is_data_like_any_other) {
  Result<Drafts> drafts = parse_events_json(
      R"({"events":[{"event_id":"1","stream":"a-1","type":"t","data":null,"metadata":null}]})");
  ASSERT_TRUE(drafts.has_value()) << drafts.error().message;
  const auto& event = std::get<door::EventDraft>(drafts->commands[0]);
  EXPECT_EQ(as_text(event.data), "null");
  EXPECT_EQ(as_text(event.metadata), "");  // as if it were left out
}

TEST(ConvertJson, errors_inside_a_member_name_their_path_once) {
  EXPECT_EQ(error_of(parse_events_json(R"({"events":[{"facts":{"x":1}}]})")),
            "events[0].facts.x: there is no such member here; see docs/api.md");
  EXPECT_EQ(error_of(parse_events_json(R"({"events":[{"more":[{},{"retention":300}]}]})")),
            "events[0].more[1].retention: 300 is above 255");
}

TEST(ConvertJson, a_transaction_mixes_commands) {
  Result<Drafts> drafts = parse_transactions_json(
      R"({"transactions":[{"commands":[{"create_transfer":{"id":"9"}},)"
      R"({"append_event":{"event_id":"1","stream":"s","type":"t","data":[1 , 2]}}]}]})");
  ASSERT_TRUE(drafts.has_value()) << drafts.error().message;
  EXPECT_EQ(std::get<ledger::Transfer>(drafts->commands[0]).flags, ledger::transfer_flags::linked);
  EXPECT_EQ(as_text(std::get<door::EventDraft>(drafts->commands[1]).data), "[1 , 2]");
  EXPECT_NE(error_of(parse_transactions_json(R"({"transactions":[{"commands":[{"pay":{}}]}]})")),
            "no error");
}

TEST(ConvertJson, errors_are_json_whatever_they_hold) {
  EXPECT_EQ(error_json_text(fail(Code::not_found, "a\"b\n\xff")),
            "{\"error\":{\"code\":\"not_found\",\"message\":\"a\\\"b\\n\xEF\xBF\xBD\"}}\n");
}

TEST(HttpTarget, targets_are_taken_apart_strictly) {
  Result<HttpTarget> target = parse_http_target("/v1/streams/a%2Fb%20c?position=7&backwards");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->segments, (std::vector<std::string>{"v1", "streams", "a/b c"}));
  QueryFields fields(*target);
  EXPECT_EQ(fields.number("position"), 7U);
  EXPECT_EQ(error_of(fields.finish()),
            "parameter backwards: there is no such parameter here; see docs/api.md");
  for (const char* bad : {"", "v1", "//", "/a/", "/%", "/%4", "/%zz", "/a?x=1&x=2", "/a?=1",
                          "/a?%=1", "http://a/b"}) {
    EXPECT_FALSE(parse_http_target(bad).has_value()) << bad;
  }
  EXPECT_FALSE(parse_http_target("/" + std::string(target_size_max, 'a')).has_value());
}

}  // namespace
}  // namespace meridian::api
