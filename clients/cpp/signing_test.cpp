// What the library signs, read and verified by the ledger's own code.
#include "signing.h"

#include <gtest/gtest.h>

#include <bit>

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
      const Result<std::string> ours = signed_text(cell, id, 1'796'013'097, kind, {packed});
      ASSERT_TRUE(ours.has_value());
      const auto read = door::parse_signed_text(*ours);
      ASSERT_TRUE(read.has_value()) << *ours;
      EXPECT_EQ(read->commands, theirs) << bit;
    }
  }
}

TEST_F(SigningTest, what_it_signs_is_verified_by_servers) {
  const auto signer = Signer::create(tls);
  ASSERT_TRUE(signer.has_value()) << signer.error().message;
  EXPECT_EQ((*signer)->id(), id);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    Transfer transfer{.id = i, .debit_account_id = 1, .credit_account_id = 2, .amount = 250};
    const std::vector<Packed> commands{std::bit_cast<Packed>(transfer)};
    const Result<std::string> made = (*signer)->sign(cell, 1'796'013'097, Kind::transfer, commands);
    ASSERT_TRUE(made.has_value());
    ASSERT_TRUE(made->starts_with("1796013097 "));
    const auto parts = mesh::split_detached_jws(std::string_view(*made).substr(11));
    ASSERT_TRUE(parts.has_value());
    const std::string text = *signed_text(cell, id, 1'796'013'097, Kind::transfer, commands);
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
  EXPECT_FALSE(signed_text(cell, id, 1, Kind::transfer, std::vector<Packed>(8190)).has_value());
  const std::vector<Packed> one(1);
  EXPECT_EQ(*signed_text("5D8F0F5E91FF4A469C8E5F3B6F9B1C11", id, 1, Kind::transfer, one),
            *signed_text(cell, id, 1, Kind::transfer, one));
  EXPECT_FALSE(signed_text("the cell", id, 1, Kind::transfer, one).has_value());
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
