#include "ca_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deployment_rig.h"
#include "mesh/join_token.h"

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
  Buffer csr_ = mesh::make_csr(key_, "pay");
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
