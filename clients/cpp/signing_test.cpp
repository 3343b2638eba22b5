// What the library signs, read and verified by the ledger's own code.
#include "signing.h"

#include <gtest/gtest.h>

#include <bit>

#include "canonical_json.h"
#include "door/canonical_json.h"
#include "door/signed_text.h"
#include "mesh/identity_rig.h"
#include "mesh/jws.h"

namespace meridian::client {
namespace {

constexpr const char* domain = "eu-west.bank.example";
constexpr const char* cell = "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11";
constexpr const char* id = "spiffe://eu-west.bank.example/service/payments";

class SigningTest : public testing::Test {
 protected:
  const mesh::IdentityRig payments = mesh::make_identity(domain, "/service/payments");
  const crypto::P256PrivateKey& key = payments.key;
  const mesh::CertificateChain chain{payments.leaf, payments.authority};
  TlsOptions tls{mesh::format_pem_chain(chain), std::string(as_text(key.pem().bytes())),
                 payments.authority.pem(), domain};
};

TEST_F(SigningTest, the_text_is_the_one_that_servers_make) {
  for (std::size_t bit = 0; bit < 8 * sizeof(Packed); ++bit) {
    Packed packed{};
    packed[bit / 8] = static_cast<std::byte>(1u << bit % 8);
    for (const Kind kind : {Kind::account, Kind::transfer}) {
      const auto bytes = std::bit_cast<std::array<Byte, 128>>(packed);
      std::vector<door::SignedCommand> theirs;
      if (kind == Kind::account)
        theirs.emplace_back(ledger::load_command<ledger::Account>(bytes.data()));
      else
        theirs.emplace_back(ledger::load_command<ledger::Transfer>(bytes.data()));
      const Result<std::string> ours =
          signed_text(cell, id, 1'796'013'097, *signed_lines(kind, {packed}));
      ASSERT_TRUE(ours.has_value());
      const auto read = door::parse_signed_text(*ours);
      ASSERT_TRUE(read.has_value()) << *ours;
      EXPECT_EQ(read->commands, theirs) << bit;
    }
  }
}

TEST_F(SigningTest, of_an_event_it_is_the_one_that_servers_make) {
  NewEvent event{.id = 77,
                 .stream = "patient-17",
                 .type = "visited",
                 .data = "{\"name\":\"Ada\", \"a\":1.50}",
                 .metadata = "{}",
                 .subject = "Ada Example",
                 .retention = 7,
                 .classification = 3,
                 .expected = Expected::exact,
                 .revision = 5};
  const auto both_agree = [&] {
    const Salt salt = make_salt();
    door::EventDraft theirs;
    theirs.event_id = event.id;
    theirs.stream = event.stream;
    theirs.type = event.type;
    theirs.content_type = event.content_type;
    theirs.metadata = to_buffer(as_bytes(event.metadata));
    theirs.data = to_buffer(as_bytes(event.data));
    theirs.subject = event.subject;
    theirs.retention = static_cast<std::uint8_t>(event.retention);
    theirs.classification = static_cast<std::uint8_t>(event.classification);
    theirs.expected = static_cast<ledger::Expected>(event.expected);
    theirs.expected_revision = event.revision;
    theirs.signature_salt.assign(salt.begin(), salt.end());
    const auto lines = signed_lines({event, event}, {salt, salt});
    ASSERT_TRUE(lines.has_value()) << lines.error().message;
    const auto read = door::parse_signed_text(*signed_text(cell, id, 1'796'013'097, *lines));
    ASSERT_TRUE(read.has_value()) << lines->text;
    ASSERT_EQ(read->commands.size(), 2u);
    for (const door::SignedCommand& one : read->commands)
      EXPECT_EQ(std::get<door::SignedEvent>(one), *door::signed_event(theirs)) << lines->text;
  };
  both_agree();
  event.expected = Expected::none;
  event.subject.clear();
  both_agree();
  event.content_type = "application/octet-stream";
  event.data = std::string("\0\xff{", 3);
  both_agree();
  event.content_type = "application/json";
  EXPECT_NE(make_salt(), make_salt());
  const auto refused = signed_lines({event}, {make_salt()});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "event 77 cannot be signed: data is no JSON in UTF-8");
}

TEST_F(SigningTest, json_has_the_canonical_text_that_it_has_for_servers) {
  const std::string deep = std::string(32, '[') + std::string(32, ']');
  for (const std::string& text : std::vector<std::string>{
           " { \"b\" : [ 1 , {} , [ ] ],\n\t\"a\":null}\r\n", "[1.0,1,1E+5,-0,0.10,-12.5e-07]",
           R"("\u0041\/\u00e9\ud83d\ude00\uFB33\u0000\u001F\u007f\b\f\n\r\t\"\\")",
           "{\"\U0001F600\":true,\"\uFB33\":false,\"\\u0061\":\"\u00e9\",\"\":4,\"B\":5}", deep,
           // None of them is one:
           "", "[", "{", "[1,]", "[,1]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "01", "-", "1.", ".5",
           "1e", "+1", "nul", "nulll", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"",
           "\"\\ud800\\u0041\"", "\"\n\"", "{} {}", "[1 2]", '[' + deep + ']',
           R"({"a":1,"b":2,"\u0061":3})"}) {
    const auto ours = canonical_json(text);
    const auto theirs = door::canonical_json(text);
    ASSERT_EQ(ours.has_value(), theirs.has_value()) << text;
    EXPECT_EQ(ours.has_value() ? *ours : "", theirs.value_or(""));
  }
}

TEST_F(SigningTest, what_it_signs_is_verified_by_servers) {
  const auto signer = Signer::create(tls);
  ASSERT_TRUE(signer.has_value()) << signer.error().message;
  EXPECT_EQ((*signer)->id(), id);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    Transfer transfer{.id = i, .debit_account_id = 1, .credit_account_id = 2, .amount = 250};
    const std::vector<Packed> commands{std::bit_cast<Packed>(transfer)};
    const SignedLines lines = *signed_lines(Kind::transfer, commands);
    const Result<std::string> made = (*signer)->sign(cell, 1'796'013'097, lines);
    ASSERT_TRUE(made.has_value());
    ASSERT_TRUE(made->starts_with("1796013097 "));
    const auto parts = mesh::split_detached_jws(std::string_view(*made).substr(11));
    ASSERT_TRUE(parts.has_value());
    const std::string text = *signed_text(cell, id, 1'796'013'097, lines);
    const auto jws = mesh::open_jws(mesh::attach_payload(*parts, text));
    ASSERT_TRUE(jws.has_value()) << jws.error().message;
    EXPECT_EQ(jws->chain, chain);
  }
}

TEST_F(SigningTest, what_cannot_sign_says_why) {
  TlsOptions other = tls;
  other.private_key = std::string(as_text(crypto::P256PrivateKey::generate().pem().bytes()));
  EXPECT_EQ(Signer::create(other).error().message,
            "tls.private_key: is not the key of the certificate");
  other = tls;
  other.certificate_chain = "nothing";
  EXPECT_FALSE(Signer::create(other).has_value());
  EXPECT_FALSE(signed_lines(Kind::transfer, std::vector<Packed>(8190)).has_value());
  const SignedLines one = *signed_lines(Kind::transfer, std::vector<Packed>(1));
  EXPECT_EQ(*signed_text("5D8F0F5E91FF4A469C8E5F3B6F9B1C11", id, 1, one),
            *signed_text(cell, id, 1, one));
  EXPECT_FALSE(signed_text("the cell", id, 1, one).has_value());
}

TEST_F(SigningTest, without_a_key_or_a_cell_nothing_is_sent_unsigned) {
  const auto refused = [](ClientOptions options) {
    const auto client = std::move(*Client::create(std::move(options)));
    const WriteResult result = client->create_transfers({{.id = 1}}, {.sign = true});
    EXPECT_EQ(result.commands.at(0).state, State::not_done);
    return result.error ? result.error->message : "";
  };
  EXPECT_EQ(refused({.endpoints = {"127.0.0.1:1"}}),
            "sign: ClientOptions::tls has no key that can sign");
  EXPECT_EQ(refused({.endpoints = {"127.0.0.1:1"}, .tls = tls}),
            "sign: ClientOptions::cell says which cell is meant");
}

}  // namespace
}  // namespace meridian::client
