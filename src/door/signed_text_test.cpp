#include "door/signed_text.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/uuid.h"

namespace meridian::door {
namespace {

using ledger::Account;
using ledger::CommandKind;
using ledger::Transfer;
namespace flags = ledger::transfer_flags;

std::string golden(const std::string& file = "signed_text.txt") {
  std::ifstream in(MERIDIAN_SOURCE_DIR "/docs/formats/golden/" + file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

SignedRequest parsed(std::string_view text) {
  Result<SignedRequest> request = parse_signed_text(text);
  EXPECT_TRUE(request.has_value()) << request.error().message;
  return request ? *std::move(request) : SignedRequest();
}
std::string written(const SignedRequest& request) {
  const Result<std::string> text = format_signed_text(request);
  EXPECT_TRUE(text.has_value());
  return text.value_or("");
}

TEST(SignedText, the_golden_text_reads_and_is_written_the_same) {
  const SignedRequest request = parsed(golden());
  ASSERT_EQ(request.commands.size(), 4u);
  EXPECT_EQ(format_uuid(request.cell), "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11");
  EXPECT_EQ(request.by, "spiffe://eu-west.bank.example/service/payments");
  EXPECT_EQ(request.at_s, 1'796'013'097);
  const auto& account = std::get<Account>(request.commands[0]);
  EXPECT_EQ(account.id, u128_max - 1);
  EXPECT_EQ(account.user_data_64, ~std::uint64_t{0});
  EXPECT_EQ(account.flags, ledger::account_flags::requires_signature |
                               ledger::account_flags::debits_must_not_exceed_credits);
  const auto& last = std::get<Transfer>(request.commands[3]);
  EXPECT_EQ(last.amount, u128{1} << 64);
  EXPECT_EQ(last.timeout, 60u);
  EXPECT_EQ(last.timestamp, 1'796'013'000'000'000'000u);
  EXPECT_EQ(written(request), golden());
}

TEST(SignedText, every_bit_of_a_command_is_in_its_line) {
  for (std::size_t bit = 0; bit < 8 * ledger::command_size; ++bit) {
    std::array<Byte, ledger::command_size> bytes{};
    bytes[bit / 8] = static_cast<Byte>(1u << bit % 8);
    for (const SignedCommand& command :
         {SignedCommand(ledger::load_command<Account>(bytes.data())),
          SignedCommand(ledger::load_command<Transfer>(bytes.data()))}) {
      const SignedRequest request{1, "spiffe://a.b/service/c", 1, {command}};
      EXPECT_EQ(parsed(written(request)), request) << bit;
    }
  }
}

TEST(SignedText, a_text_written_in_another_way_is_refused) {
  const std::string right = golden();
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = right;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    text.replace(at, from.size(), to);
    return parse_signed_text(text).has_value();
  };
  EXPECT_TRUE(changed("id=77", "id=76")) << "as long as it is a text";
  EXPECT_FALSE(changed("meridian-request 1", "meridian-request 2"));
  EXPECT_FALSE(changed("5d8f0f5e-", "5D8F0F5E-"));
  EXPECT_FALSE(changed("5d8f0f5e-", "5d8f0f5e"));
  EXPECT_FALSE(changed("spiffe://eu-west.bank.example/service/payments", "payments"));
  EXPECT_FALSE(changed("at 1796013097", "at 01796013097"));
  EXPECT_FALSE(changed("commands 4", "commands 3"));
  EXPECT_FALSE(changed("commands 4", "commands 5"));
  EXPECT_FALSE(changed("transfer id=77 debit_account_id=1", "transfer debit_account_id=1 id=77"));
  EXPECT_FALSE(changed("id=77", "id=077"));
  EXPECT_FALSE(changed("id=77", "id=+77"));
  EXPECT_FALSE(changed("id=77", "id=77 id=77"));
  EXPECT_FALSE(changed("code=1 ", "code=0 "));
  EXPECT_FALSE(changed("code=1 ", "code=65536 "));
  EXPECT_FALSE(changed("amount=500", "amount=500 "));
  EXPECT_FALSE(changed("amount=500", "amount=340282366920938463463374607431768211456"));
  EXPECT_FALSE(changed("transfer id=77", "transfers id=77"));
  EXPECT_FALSE(changed("amount=500", "sum=500"));
  EXPECT_FALSE(changed("user_data_32=7 ", "reserved=7 ")) << "of an account";
  EXPECT_FALSE(parse_signed_text(right + "\n").has_value());
  EXPECT_FALSE(parse_signed_text(right.substr(0, right.size() - 1)).has_value());
  EXPECT_FALSE(parse_signed_text("").has_value());
  for (std::size_t size = 0; size < right.size(); ++size)
    EXPECT_FALSE(parse_signed_text(right.substr(0, size)).has_value()) << size;
}

TEST(SignedText, what_is_too_large_is_not_written) {
  SignedRequest request{1, "spiffe://a.b/service/c", 1, {}};
  Transfer transfer{};
  transfer.id = u128_max - 1;
  transfer.debit_account_id = transfer.credit_account_id = transfer.amount = u128_max - 1;
  request.commands.assign(1'000, transfer);
  EXPECT_TRUE(format_signed_text(request).has_value()) << "a thousand random ids fit";
  request.commands.assign(2'000, transfer);
  EXPECT_FALSE(format_signed_text(request).has_value());
  request.commands.assign(signed_commands_max + 1, Transfer{});
  EXPECT_FALSE(format_signed_text(request).has_value());
}

TEST(SignedText, with_an_event_it_is_version_2) {
  const SignedRequest request = parsed(golden("signed_text_2.txt"));
  ASSERT_EQ(request.commands.size(), 3u);
  const auto& event = std::get<SignedEvent>(request.commands[1]);
  EXPECT_EQ(event.id, u128_max - 1);
  EXPECT_EQ(event.expected, ledger::Expected::exact);
  EXPECT_EQ(event.revision, ~std::uint64_t{0});
  EXPECT_EQ(event.retention, 254);
  EXPECT_EQ(event.classification, 4);
  EXPECT_TRUE(event.linked);
  EXPECT_EQ(event.facts, (ledger::Facts{"DE", "icu-2", "ofac", "treatment", 1}));
  EXPECT_EQ(written(request), golden("signed_text_2.txt"));
}

TEST(SignedText, an_event_written_in_another_way_is_refused) {
  const std::string right = golden("signed_text_2.txt");
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = right;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    text.replace(at, from.size(), to);
    return parse_signed_text(text).has_value();
  };
  EXPECT_TRUE(changed("id=78", "id=79")) << "as long as it is a text";
  EXPECT_TRUE(changed("purpose=treatment ", ""));
  EXPECT_FALSE(changed("meridian-request 2", "meridian-request 1"));
  EXPECT_FALSE(changed("meridian-request 2", "meridian-request 3"));
  EXPECT_FALSE(changed("expected=3 revision", "revision"));
  EXPECT_FALSE(changed("expected=3", "expected=4"));
  EXPECT_FALSE(changed("revision=18446744073709551615", "revision=18446744073709551616"));
  EXPECT_FALSE(changed("retention=254", "retention=256"));
  EXPECT_FALSE(changed("retention=254", "retention=0254"));
  EXPECT_FALSE(changed("retention=254", "retention=0"));
  EXPECT_FALSE(changed("classification=4 flags=1 country", "classification=4 flags=2 country"));
  EXPECT_FALSE(changed("country=DE channel=icu-2", "channel=icu-2 country=DE"));
  EXPECT_FALSE(changed("country=DE", "country=de"));
  EXPECT_FALSE(changed("country=DE", "country="));
  EXPECT_FALSE(changed("purpose=treatment", "purpose=Treatment"));
  EXPECT_FALSE(changed("content=97af", "content=97AF"));
  EXPECT_FALSE(changed("content=97af", "content=97"));
  EXPECT_FALSE(changed("event id=78 content=97af", "event id=78 data=97af"));
  EXPECT_FALSE(changed("event id=78 ", "event id=78 id=78 "));
  EXPECT_FALSE(changed("event id=78 ", "events id=78 "));
  const std::size_t last = right.rfind(" content=");
  EXPECT_FALSE(parse_signed_text(right.substr(0, last) + "\n").has_value()) << "no content";
}

TEST(SignedText, deletions_are_not_signed_and_events_have_a_salt) {
  std::vector<CommandDraft> drafts{Transfer{}, Account{}};
  EXPECT_TRUE(signed_commands(drafts).has_value());
  EventDraft event;
  event.event_id = 7;
  event.content_type = "application/octet-stream";
  drafts.emplace_back(event);
  const auto unsalted = signed_commands(drafts);
  ASSERT_FALSE(unsalted.has_value());
  EXPECT_NE(unsalted.error().message.find("signature_salt of event 7"), std::string::npos);
  event.signature_salt.assign(32, 1);
  event.signature_salt[0] = 2;
  drafts.back() = event;
  ASSERT_TRUE(signed_commands(drafts).has_value());
  EXPECT_EQ(std::get<SignedEvent>(signed_commands(drafts)->back()), *signed_event(event));
  drafts.emplace_back(DeletionDraft{});
  const auto refused = signed_commands(drafts);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("deletions of streams are not signed"), std::string::npos);
}

class SignedRecord : public testing::Test {
 protected:
  SignedRecord() {
    header.kind = CommandKind::create_transfer;
    header.cell = 5;
    header.time = 1'796'013'100'000'000'000;
    ledger::TransferBody body;
    body.transfer = transfer;
    body.requested_amount = transfer.amount;
    body.applied = true;
    header.body = body;
    request.commands.emplace_back(transfer);
  }
  static Transfer sample() {
    Transfer made{};
    made.id = 77;
    made.debit_account_id = 1;
    made.credit_account_id = 2;
    made.amount = 500;
    made.ledger = 978;
    made.code = 1;
    return made;
  }
  ledger::TransferBody& body() { return std::get<ledger::TransferBody>(header.body); }
  Transfer& meant() { return std::get<Transfer>(request.commands[0]); }
  std::string verdict() const {
    const Status same = check_signed_record(request, header);
    return same ? "same" : same.error().message;
  }
  bool differs(std::string_view in) const { return verdict().find(in) != std::string::npos; }

  Transfer transfer = sample();
  SignedRequest request{5, "spiffe://a.b/service/c", 1'796'013'097, {}};
  ledger::Header header;
};

TEST_F(SignedRecord, every_field_of_a_transfer_counts) {
  EXPECT_EQ(verdict(), "same");
  const auto off = [&](auto member) {
    auto& field = meant().*member;
    ++field;
    const bool told = differs("another transfer");
    --field;
    return told;
  };
  EXPECT_TRUE(off(&Transfer::debit_account_id));
  EXPECT_TRUE(off(&Transfer::credit_account_id));
  EXPECT_TRUE(off(&Transfer::amount));
  EXPECT_TRUE(off(&Transfer::pending_id));
  EXPECT_TRUE(off(&Transfer::user_data_128));
  EXPECT_TRUE(off(&Transfer::user_data_64));
  EXPECT_TRUE(off(&Transfer::user_data_32));
  EXPECT_TRUE(off(&Transfer::timeout));
  EXPECT_TRUE(off(&Transfer::ledger));
  EXPECT_TRUE(off(&Transfer::code));
  EXPECT_TRUE(off(&Transfer::flags));
  EXPECT_TRUE(off(&Transfer::timestamp));
  ++meant().id;
  EXPECT_TRUE(differs("no such command"));
}

TEST_F(SignedRecord, cell_and_time_count) {
  request.cell = 6;
  EXPECT_TRUE(differs("another cell"));
  request.cell = 5;
  request.at_s = 1'796'013'100 - signed_at_leeway_s;
  EXPECT_EQ(verdict(), "same");
  --request.at_s;
  EXPECT_TRUE(differs("301 s before"));
  request.at_s = 1'796'013'100 + signed_at_leeway_s + 1;
  EXPECT_TRUE(differs("301 s after"));
}

TEST_F(SignedRecord, what_was_moved_of_a_limit_is_not_what_was_asked) {
  meant().flags = body().transfer.flags = flags::balancing_debit;
  body().transfer.amount = 3;
  EXPECT_EQ(verdict(), "same");
  body().requested_amount = 3;
  EXPECT_TRUE(differs("another transfer"));
}

TEST_F(SignedRecord, a_post_says_what_it_left_out) {
  meant() = Transfer{};
  meant().id = 77;
  meant().pending_id = 70;
  meant().amount = u128_max;
  meant().flags = flags::post_pending_transfer;
  body().transfer.pending_id = 70;
  body().transfer.flags = flags::post_pending_transfer;
  body().requested_amount = u128_max;
  EXPECT_EQ(verdict(), "same");
  meant().debit_account_id = 9;
  EXPECT_TRUE(differs("another transfer"));
  meant().debit_account_id = 0;
  body().applied = false;
  EXPECT_TRUE(differs("another transfer")) << "a refused one stands there as it was";
}

TEST_F(SignedRecord, an_account_is_compared_as_one) {
  Account account{};
  account.id = 77;
  account.ledger = 1;
  header.kind = CommandKind::create_account;
  header.body = ledger::AccountBody{account};
  EXPECT_TRUE(differs("no such command")) << "a transfer of that id is none";
  request.commands.emplace_back(account);
  EXPECT_EQ(verdict(), "same");
  std::get<Account>(request.commands[1]).flags = 1;
  EXPECT_TRUE(differs("another account"));
}

TEST_F(SignedRecord, an_event_is_compared_as_one) {
  header.kind = CommandKind::append_event;
  ledger::EventBody event;
  event.event_id = 77;
  header.body = event;
  EXPECT_TRUE(differs("no such command")) << "a transfer of that id is none";
  EXPECT_EQ(find_signed_command(request, header), nullptr);
  request.commands.emplace_back(SignedEvent{.id = 77, .facts = {}});
  EXPECT_EQ(verdict(), "same");
  EXPECT_EQ(find_signed_command(request, header), &request.commands[1]);
  std::get<SignedEvent>(request.commands[1]).retention = 1;
  EXPECT_TRUE(differs("another retention class"));
}

}  // namespace
}  // namespace meridian::door
