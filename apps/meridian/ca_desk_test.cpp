#include "ca_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deployment_rig.h"
#include "io/unix_time.h"
#include "mesh/join_token.h"
#include "oidc/token_rig.h"

namespace meridian::app {
namespace {

using testing::HasSubstr;

const mesh::SpiffeId pay{Deployment::domain, "/service/pay"};

class CaDeskTest : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    auto opened = CaDesk::open({bank_.authority_options(), 60, [](const std::string&) {}},
                               *registries_.emplace_back(std::make_unique<metrics::Registry>()));
    ASSERT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    desk_ = *std::move(opened);
  }
  /// As `meridian ca token` does, beside the desk.
  std::string token_for(const mesh::SpiffeId& id) const {
    const CaDirectory ca = bank_.authority();
    auto tokens = mesh::JoinTokens::open(*ca.node.disk, std::string(tokens_path), *ca.node.clock);
    return std::string(as_text(tokens->make(id, 60, *ca.node.entropy)->bytes()));
  }
  mesh::PeerIdentity peer_of(const mesh::Certificate& leaf) const {
    return {*leaf.claimed_id(), leaf.serial(), leaf.fingerprint(), {}, leaf.not_after()};
  }
  mesh::Certificate join(const mesh::SpiffeId& id) {
    const auto chain = desk_->join({token_for(id), id, csr_});
    EXPECT_TRUE(chain.has_value()) << chain.error().message;
    return chain->front();
  }
  std::uint64_t journal_entries() const { return bank_.authority().journal->head().count; }

  Deployment bank_{"desk"};
  std::vector<std::unique_ptr<metrics::Registry>> registries_;
  std::unique_ptr<CaDesk> desk_;
  crypto::P256PrivateKey key_ = crypto::P256PrivateKey::generate();
  Buffer csr_ = *mesh::make_csr(key_, "pay");
};

TEST_F(CaDeskTest, it_is_the_authority_by_its_own_certificate_and_alone) {
  EXPECT_EQ(desk_->credentials().own()->id, mesh::authority_id(Deployment::domain));
  metrics::Registry metrics;
  const auto second = CaDesk::open({bank_.authority_options(), 60, {}}, metrics);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr("served by another process"));
}

TEST_F(CaDeskTest, commands_beside_it_and_it_write_one_journal) {
  const std::uint64_t before = journal_entries();
  join(pay);
  bank_.issue("other", bank_.place("other"));
  join({Deployment::domain, "/service/third"});
  EXPECT_EQ(journal_entries(), before + 3);
}

TEST_F(CaDeskTest, a_bad_request_uses_no_token_up) {
  const std::string token = token_for(pay);
  EXPECT_EQ(desk_->join({token, pay, to_buffer(as_bytes("no request"))}).error().code,
            Code::invalid_argument);
  EXPECT_TRUE(desk_->join({token, pay, csr_}).has_value());
  EXPECT_EQ(desk_->join({token, pay, csr_}).error().code, Code::permission_denied);
}

TEST_F(CaDeskTest, a_denial_holds_for_the_very_next_request) {
  const mesh::Certificate leaf = join(pay);
  EXPECT_TRUE(desk_->renew(peer_of(leaf), csr_).has_value());
  const std::string token = token_for(pay);
  bank_.deny(mesh::format_spiffe_id(pay));
  const std::uint64_t before = journal_entries();
  EXPECT_THAT(desk_->renew(peer_of(leaf), csr_).error().message, HasSubstr("deny list"));
  EXPECT_THAT(desk_->join({token, pay, csr_}).error().message, HasSubstr("deny list"));
  EXPECT_EQ(journal_entries(), before);
}

TEST_F(CaDeskTest, a_person_and_an_authority_are_not_renewed) {
  mesh::PeerIdentity peer = peer_of(join(pay));
  peer.id.path = "/person/ada";
  EXPECT_THAT(desk_->renew(peer, csr_).error().message, HasSubstr("signs in again"));
  peer.id = mesh::authority_id(Deployment::domain);
  EXPECT_EQ(desk_->renew(peer, csr_).error().code, Code::permission_denied);
}

/// Of people who sign in at a provider with one key.
class SignInTest : public CaDeskTest {
 protected:
  void SetUp() override {
    site_.show({signing_});
    open();
  }
  void open() {
    desk_.reset();
    oidc::Settings settings = oidc::rig::rig_settings();
    settings.lifetime_seconds = 900;
    auto opened = CaDesk::open({bank_.authority_options(), 60, [](const std::string&) {},
                                CaDesk::Options::SignIn{settings, "", site_.fetch()}},
                               *registries_.emplace_back(std::make_unique<metrics::Registry>()));
    ASSERT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    desk_ = *std::move(opened);
  }
  std::int64_t now() { return io::unix_seconds(desk_->clock()); }
  /// A token for the key of csr_.
  api::AuthorityDesk::SignInAsk ask() {
    nlohmann::json claims = oidc::rig::good_claims();
    claims["nonce"] = oidc::sign_in_nonce(key_.spki_digest(), random_);
    claims["iat"] = now();
    claims["exp"] = now() + 300;
    claims["auth_time"] = now() - 30;
    claims["jti"] = std::to_string(++tokens_);
    return {signing_.sign("ES256", claims.dump()), random_, csr_};
  }

  const mesh::SpiffeId ada_{Deployment::domain, "/person/ada"};
  oidc::rig::SigningKey signing_ = oidc::rig::SigningKey::p256("1");
  oidc::rig::Site site_;
  Buffer random_ = Buffer(oidc::nonce_random_size, 7);
  int tokens_ = 0;
};

TEST_F(SignInTest, a_person_gets_a_certificate_that_says_how_they_signed_in) {
  const auto chain = desk_->sign_in(ask());
  ASSERT_TRUE(chain.has_value()) << chain.error().message;
  const mesh::Certificate& leaf = chain->front();
  EXPECT_EQ(leaf.claimed_id(), ada_);
  EXPECT_EQ(leaf.spki_digest(), key_.spki_digest());
  EXPECT_NEAR(static_cast<double>(leaf.not_after()), static_cast<double>(now() + 900), 5);
  const auto evidence = mesh::person_evidence_of(leaf);
  ASSERT_TRUE(evidence.has_value() && evidence->has_value());
  EXPECT_EQ((*evidence)->issuer, oidc::rig::rig_issuer);
  EXPECT_TRUE((*evidence)->is_mfa_within(now(), 600));
  const CaDirectory ca = bank_.authority();
  const mesh::Issuance entry = ca.journal->read(ca.journal->head().count, 1)->front().issuance;
  EXPECT_EQ(entry.id, ada_);
  const auto grounds = mesh::parse_sign_in_text(entry.grounds.text);
  ASSERT_TRUE(grounds.has_value());
  EXPECT_EQ(grounds->issuer, oidc::rig::rig_issuer);
  EXPECT_EQ(grounds->subject,
            crypto::sha256(as_bytes(std::string(oidc::rig::rig_issuer) + "\n8f2c")));
}

TEST_F(SignInTest, a_token_is_good_once_also_after_a_restart) {
  const api::AuthorityDesk::SignInAsk first = ask();
  ASSERT_TRUE(desk_->sign_in(first).has_value());
  const std::uint64_t before = journal_entries();
  EXPECT_THAT(desk_->sign_in(first).error().message, HasSubstr("used before"));
  EXPECT_EQ(journal_entries(), before);
  open();
  EXPECT_THAT(desk_->sign_in(first).error().message, HasSubstr("used before"));
  // The same signature in other letters: the last has bits that mean nothing.
  api::AuthorityDesk::SignInAsk other = first;
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  other.id_token.back() = digits[digits.find(other.id_token.back()) ^ 1U];
  EXPECT_THAT(desk_->sign_in(other).error().message, HasSubstr("used before"));
  EXPECT_TRUE(desk_->sign_in(ask()).has_value());
}

TEST_F(SignInTest, a_token_is_good_for_the_key_it_was_asked_for_alone) {
  api::AuthorityDesk::SignInAsk stolen = ask();
  stolen.csr = *mesh::make_csr(crypto::P256PrivateKey::generate(), "");
  EXPECT_THAT(desk_->sign_in(stolen).error().message, HasSubstr("nonce"));
  stolen = ask();
  stolen.nonce_random = Buffer(oidc::nonce_random_size, 8);
  EXPECT_THAT(desk_->sign_in(stolen).error().message, HasSubstr("nonce"));
  stolen.nonce_random.pop_back();
  EXPECT_EQ(desk_->sign_in(stolen).error().code, Code::invalid_argument);
  stolen.csr = to_buffer(as_bytes("no request"));
  EXPECT_EQ(desk_->sign_in(stolen).error().code, Code::invalid_argument);
}

TEST_F(SignInTest, who_is_denied_does_not_sign_in) {
  bank_.deny(mesh::format_spiffe_id(ada_));
  EXPECT_THAT(desk_->sign_in(ask()).error().message, HasSubstr("deny list"));
}

TEST_F(SignInTest, without_the_provider_nobody_signs_in_and_the_rest_goes_on) {
  site_.is_down = true;
  EXPECT_EQ(desk_->sign_in(ask()).error().code, Code::unavailable);
  join(pay);
}

TEST_F(CaDeskTest, where_no_provider_is_named_nobody_signs_in) {
  EXPECT_FALSE(desk_->calls().sign_in_terms.has_value());
  EXPECT_EQ(desk_->calls().sign_in, nullptr);
}

TEST_F(CaDeskTest, what_commands_change_is_handed_on_and_what_was_before_too) {
  const api::HeldTrust first = desk_->held_of(Deployment::domain);
  EXPECT_EQ(first, (api::HeldTrust{Deployment::domain, 1, 0}));
  EXPECT_TRUE(desk_->newer({first}).is_empty());
  bank_.deny("spiffe://eu.dev.invalid/service/x");
  for (int i = 0; i < 2; ++i) {  // faster than it looks
    const mesh::AcceptedBundle held = *bank_.authority().bundle;
    const auto next = held.next(bank_.next_bundle(held));
    ASSERT_TRUE(next.has_value()) << next.error().message;
    const CaDirectory ca = bank_.authority();
    ASSERT_TRUE(write_next_bundle(*ca.node.disk, held, *next).has_value());
  }
  desk_.reset();
  open();
  const api::TrustNotes news = desk_->newer({first});
  EXPECT_EQ(news.bundles.size(), 2U);
  EXPECT_EQ(news.deny_lists.size(), 1U);
  EXPECT_EQ(desk_->newer({{Deployment::domain, 2, 1}}).bundles.size(), 1U);
  EXPECT_EQ(desk_->newer({}).bundles.size(), 1U);
  EXPECT_TRUE(desk_->newer({{"us.dev.invalid", 1, 0}}).is_empty());
}

}  // namespace
}  // namespace meridian::app
