#include "ledger/describe.h"

#include <gtest/gtest.h>

#include <ctime>

#include "ledger/internal/golden_bytes.h"
#include "ledger/internal/sample_records.h"

namespace meridian::ledger {
namespace {

std::string json_of(const std::string& golden) {
  Result<Header> header = Header::decode(golden_bytes(golden));
  return header ? to_json(*header) : header.error().message;
}

// A reader of the JSON that describe writes: true if `text` is one whole value.
class JsonChecker {
 public:
  explicit JsonChecker(std::string_view text) : rest_(text) {}
  bool is_whole_value() { return value() && rest_.empty(); }

 private:
  bool eat(char letter) {
    if (rest_.empty() || rest_.front() != letter) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool text() {
    if (!eat('"')) return false;
    std::size_t end = rest_.find('"');
    if (end == std::string_view::npos) return false;
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool list(char close, bool named) {
    if (eat(close)) return true;
    do {
      if (named && !(text() && eat(':'))) return false;
      if (!value()) return false;
    } while (eat(','));
    return eat(close);
  }
  bool value() {
    if (eat('{')) return list('}', true);
    if (eat('[')) return list(']', false);
    if (!rest_.empty() && rest_.front() == '"') return text();
    std::size_t digits = rest_.find_first_not_of("0123456789");
    if (digits == 0 || rest_.empty()) return false;
    rest_.remove_prefix(std::min(digits, rest_.size()));
    return true;
  }
  std::string_view rest_;
};

TEST(Describe, a_transfer_reads_as_json) {
  EXPECT_EQ(
      json_of("header-transfer.hex"),
      R"({"record_index":"5002","kind":"create_transfer","outcome":"created",)"
      R"("status_code":4294967295,"time_ns":"1700000000000000002",)"
      R"("time":"2023-11-14T22:13:20.000000002Z","clock_uncertainty_us":250,)"
      R"("cell":"000102030405060708090a0b0c0d0e0f","term":"3","entry_index":"77",)"
      R"("actor":"1112131415161718191a1b1c1d1e1f20","attester":"door",)"
      R"("id":"2055173893344869597000499200000000001","debit_account_id":"1001",)"
      R"("credit_account_id":"1002","amount":"2500","pending_id":"0","user_data_128":"11",)"
      R"("user_data_64":"12","user_data_32":13,"timeout":0,"ledger":700,"code":1,"flags":1,)"
      R"("flag_names":["linked"],"debit_balances":{"debits_pending":"100","debits_posted":"101",)"
      R"("credits_pending":"102","credits_posted":"103"},"credit_balances":{)"
      R"("debits_pending":"104","debits_posted":"105","credits_pending":"106",)"
      R"("credits_posted":"107"},"previous_debit":"4000","previous_credit":"4001",)"
      R"("facts":{"country":"DE","channel":"web","screening_list":"eu-sanctions",)"
      R"("screening_verdict":"clear","purpose":"invoice-payment"},)"
      R"("salt":"fa0d7d0a7e2001200e0ded1ffd3684df"})");
}

TEST(Describe, an_event_has_opaque_ids_in_storage_order) {
  std::string json = json_of("header-event.hex");
  EXPECT_NE(json.find(R"("stream":"202122232425262728292a2b2c2d2e2f")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("classification":"confidential","retention":3)"), std::string::npos);
  EXPECT_NE(json.find(R"("revision":"42","expected":"exact","expected_revision":"41")"),
            std::string::npos);
  EXPECT_NE(json.find(R"("content_type":"json")"), std::string::npos);
}

TEST(Describe, what_is_not_there_is_left_out) {
  std::string json = json_of("header-system.hex");
  for (const char* name : {"facts", "signature_digest", "decision", "payload_commitment",
                           "imported_time", "classification", "revision"})
    EXPECT_EQ(json.find('"' + std::string(name) + '"'), std::string::npos) << name;
  EXPECT_NE(json.find(R"("advance_to":"2023-11-14T22:14:50.000000000Z")"), std::string::npos);
  EXPECT_NE(json_of("header-account-refused.hex").find(R"("outcome":"code_must_not_be_zero")"),
            std::string::npos);
  EXPECT_NE(json_of("header-transfer-wide.hex")
                .find(R"("requested_amount":"340282366920938463463374607431768211455")"),
            std::string::npos);
}

TEST(Describe, every_header_gives_one_whole_json_object_with_names_once) {
  EXPECT_FALSE(JsonChecker("{\"a\":}").is_whole_value());
  EXPECT_FALSE(JsonChecker("{\"a\":1}}").is_whole_value());
  Sampler sampler(1);
  for (int round = 0; round < 100; ++round)
    for (CommandKind kind : all_kinds) {
      Header header = sampler.header(kind);
      std::string json = to_json(header);
      ASSERT_TRUE(JsonChecker(json).is_whole_value()) << json;
      std::vector<JsonField> fields = describe(header);
      for (std::size_t i = 0; i < fields.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) ASSERT_NE(fields[i].first, fields[j].first);
    }
}

TEST(Describe, iso_time_agrees_with_the_c_library) {
  Sampler sampler(2);
  for (int round = 0; round < 20'000; ++round) {
    std::uint64_t time = sampler.u64();
    auto seconds = static_cast<std::time_t>(time / 1'000'000'000);
    std::tm parts{};
    ASSERT_NE(gmtime_r(&seconds, &parts), nullptr);
    std::array<char, 64> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    ASSERT_EQ(iso_time(time).substr(0, 19), text.data()) << time;
  }
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(iso_time(951'782'400'000'000'001), "2000-02-29T00:00:00.000000001Z");
  EXPECT_EQ(iso_time(~std::uint64_t{0}), "2554-07-21T23:34:33.709551615Z");
}

TEST(Describe, kinds_have_names) {
  for (CommandKind kind : all_kinds) EXPECT_NE(kind_name(kind), "unknown");
  EXPECT_EQ(kind_name(CommandKind{5}), "unknown");
}

}  // namespace
}  // namespace meridian::ledger
