// Joining, renewing and keeping trust, by real handshakes with a real authority.
#include "api/authority_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <semaphore>
#include <thread>

#include "api/authority_client.h"
#include "api/internal/mesh_rig.h"
#include "api/tls13.h"
#include "mesh/join_token.h"
#include "sim/disk.h"

namespace meridian::api {
namespace {

const mesh::SpiffeId pay{MeshRig::west, "/service/pay"};

class AuthorityServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { require_tls13(); }
  AuthorityServerTest() {
    show_own(mesh_.authority->issue_own(*mesh::make_csr(key_, ""), 3600));
    start();
  }

  void show_own(const Result<mesh::Certificate>& certificate) {
    ASSERT_TRUE(certificate.has_value());
    server_credentials_.replace_bundles(mesh_.bundles);
    ASSERT_TRUE(server_credentials_.replace_own({*certificate}, key_).has_value());
  }
  void start(const std::function<void(AuthorityDesk&)>& add = [](AuthorityDesk&) {}) {
    AuthorityDesk desk;
    desk.join = [this](const AuthorityDesk::JoinAsk& ask) -> Result<mesh::CertificateChain> {
      ++joins_;
      if (is_slow_) slow_.acquire();
      Result<crypto::Digest> used = tokens_.redeem(ask.token, ask.id);
      if (!used) return used.error();
      Result<mesh::Certificate> leaf = mesh_.authority->issue(ask.csr, ask.id, 3600);
      if (!leaf) return leaf.error();
      return mesh::CertificateChain{*leaf};
    };
    desk.renew = [this](const mesh::PeerIdentity& caller,
                        Bytes csr) -> Result<mesh::CertificateChain> {
      Result<mesh::Certificate> leaf = mesh_.authority->issue(csr, caller.id, 3600);
      if (!leaf) return leaf.error();
      return mesh::CertificateChain{*leaf};
    };
    desk.newer = [this](const std::vector<HeldTrust>& held) -> TrustNotes {
      const std::uint64_t has = held.empty() ? 0 : held[0].bundle_sequence;
      if (has >= newest_) return {};
      return {{{MeshRig::west, "bundle"}}, {{MeshRig::west, "denied"}}};
    };
    desk.tick = [this] { return has_news_.exchange(false); };
    add(desk);
    auto started = AuthorityServer::start({desk, server_credentials_, *clock_, calls_},
                                          *parse_listen_address("127.0.0.1:0"));
    ASSERT_TRUE(started.has_value()) << started.error().message;
    server_ = *std::move(started);
    client_ = std::make_unique<AuthorityClient>(format_listen_address(server_->address()));
  }
  /// Knows the bundles, and is nobody.
  std::unique_ptr<mesh::Credentials> nobody() {
    auto made = std::make_unique<mesh::Credentials>(mesh_.clock, more_metrics_);
    made->replace_bundles(mesh_.bundles);
    return made;
  }
  AuthorityDesk::JoinAsk ask_for(const mesh::SpiffeId& id) {
    Result<crypto::Secret> token = tokens_.make(id, 60, *mesh_.entropy);
    EXPECT_TRUE(token.has_value());
    return {std::string(as_text(token->bytes())), id, *mesh::make_csr(key_, "pay")};
  }
  Result<mesh::CertificateChain> renew(const mesh::Credentials& as) {
    return client_->renew(as, MeshRig::west, *mesh::make_csr(key_, ""));
  }

  MeshRig mesh_;
  crypto::P256PrivateKey key_ = crypto::P256PrivateKey::generate();
  sim::Disk disk_;
  mesh::JoinTokens tokens_ = *mesh::JoinTokens::open(disk_, "tokens", mesh_.clock);
  metrics::Registry metrics_, more_metrics_;
  CallCounts calls_{metrics_, "authority"};
  mesh::Credentials server_credentials_{mesh_.clock, metrics_};
  std::unique_ptr<io::Clock> clock_ = io::os_clock();
  std::atomic<int> joins_ = 0;
  std::atomic<bool> is_slow_ = false, has_news_ = false;
  std::counting_semaphore<> slow_{0};
  std::atomic<std::uint64_t> newest_ = 1;
  std::unique_ptr<AuthorityServer> server_;
  std::unique_ptr<AuthorityClient> client_;
};

TEST_F(AuthorityServerTest, who_has_a_token_and_no_certificate_joins_once) {
  const auto joiner = nobody();
  const AuthorityDesk::JoinAsk ask = ask_for(pay);
  const Result<mesh::CertificateChain> chain = client_->join(*joiner, ask);
  ASSERT_TRUE(chain.has_value()) << chain.error().message;
  EXPECT_EQ(chain->front().claimed_id(), pay);
  EXPECT_EQ(chain->front().spki_digest(), key_.spki_digest());
  const Error again = client_->join(*joiner, ask).error();
  EXPECT_EQ(again.code, Code::permission_denied);
  EXPECT_NE(again.message.find("it was used at"), std::string::npos) << again.message;
  AuthorityDesk::JoinAsk other = ask_for(pay);
  other.id.path = "/service/other";
  EXPECT_NE(client_->join(*joiner, other).error().message.find("not for"), std::string::npos);
}

TEST_F(AuthorityServerTest, a_token_goes_to_the_authority_and_to_nobody_else) {
  Result<mesh::Certificate> other =
      mesh_.authority->issue(*mesh::make_csr(key_, ""), {MeshRig::west, "/node/a"}, 3600);
  show_own(other);  // a node of the same region, where the authority should be
  const Error refused = client_->join(*nobody(), ask_for(pay)).error();
  EXPECT_EQ(refused.code, Code::unavailable);
  EXPECT_EQ(joins_, 0);
}

TEST_F(AuthorityServerTest, who_is_known_renews_its_own_name) {
  const auto service = mesh_.holder_of(mesh_.issue("/service/pay"));
  const Result<mesh::CertificateChain> chain = renew(*service);
  ASSERT_TRUE(chain.has_value()) << chain.error().message;
  EXPECT_EQ(chain->front().claimed_id(), pay);
}

TEST_F(AuthorityServerTest, nobody_else_renews) {
  const auto why = [this](const mesh::Credentials& as) {
    const Result<mesh::CertificateChain> chain = renew(as);
    EXPECT_FALSE(chain.has_value());
    return chain ? "" : chain.error().message;
  };
  EXPECT_NE(why(*nobody()).find("no certificate"), std::string::npos);
  const auto brief = mesh_.holder_of(mesh_.issue("/service/brief", 60));
  const auto thief = mesh_.holder_of(mesh_.issue("/service/thief"));
  mesh_.deny(server_credentials_, "/service/thief");
  EXPECT_NE(why(*thief).find("stolen"), std::string::npos);
  mesh_.clock.advance(io::seconds(90));
  EXPECT_NE(why(*brief).find("ended at"), std::string::npos);
  EXPECT_NE(metrics_.text().find(
                R"(meridian_api_calls_total{code="permission_denied",interface="authority"} 3)"),
            std::string::npos)
      << metrics_.text();
}

TEST_F(AuthorityServerTest, bundles_are_for_everybody_and_who_is_denied_is_not) {
  const Result<TrustNotes> notes = client_->fetch_bundles({});
  ASSERT_TRUE(notes.has_value()) << notes.error().message;
  EXPECT_EQ(notes->bundles, (std::vector<TrustNote>{{MeshRig::west, "bundle"}}));
  EXPECT_TRUE(notes->deny_lists.empty());
  EXPECT_EQ(client_->wait_for_trust(*nobody(), MeshRig::west, {}).error().code,
            Code::permission_denied);
}

TEST_F(AuthorityServerTest, where_nobody_signs_in_it_says_so) {
  const auto person = nobody();
  EXPECT_EQ(client_->sign_in_terms(*person, MeshRig::west).error().code, Code::failed_precondition);
  EXPECT_EQ(client_->sign_in(*person, MeshRig::west, {"token", {}, {}}).error().code,
            Code::failed_precondition);
}

TEST_F(AuthorityServerTest, who_waits_for_a_sign_in_keeps_nobody_from_renewing) {
  const SignInTerms terms{"https://login.bank.example", "meridian", {"a"}, {"b", "c"}, "PEM"};
  std::counting_semaphore<> provider(0);
  start([&](AuthorityDesk& desk) {
    desk.sign_in_terms = terms;
    desk.sign_in = [&](const AuthorityDesk::SignInAsk& ask) -> Result<mesh::CertificateChain> {
      provider.acquire();
      EXPECT_EQ(ask.id_token, "token");
      EXPECT_EQ(ask.nonce_random, Buffer(32, 7));
      const mesh::PersonEvidence evidence{"https://login.bank.example", true, {"otp"}, 1};
      return mesh::CertificateChain{
          *mesh_.authority->issue(ask.csr, {MeshRig::west, "/person/ada"}, 60, evidence)};
    };
  });
  const auto person = nobody();
  EXPECT_EQ(*client_->sign_in_terms(*person, MeshRig::west), terms);
  AuthorityClient other(client_->address());
  auto signed_in = std::async(std::launch::async, [&] {
    return other.sign_in(*person, MeshRig::west,
                         {"token", Buffer(32, 7), *mesh::make_csr(key_, "")});
  });
  const auto service = mesh_.holder_of(mesh_.issue("/service/pay"));
  EXPECT_TRUE(renew(*service).has_value());
  EXPECT_EQ(signed_in.wait_for(std::chrono::milliseconds(0)), std::future_status::timeout);
  provider.release();
  const Result<mesh::CertificateChain> chain = signed_in.get();
  ASSERT_TRUE(chain.has_value()) << chain.error().message;
  EXPECT_EQ(chain->front().claimed_id(), (mesh::SpiffeId{MeshRig::west, "/person/ada"}));
  server_.reset();  // before what its desk uses
}

TEST_F(AuthorityServerTest, who_waits_for_trust_is_told_at_once) {
  const auto service = mesh_.holder_of(mesh_.issue("/service/pay"));
  auto news = std::async(std::launch::async, [&] {
    return client_->wait_for_trust(*service, MeshRig::west, {{MeshRig::west, 1, 0}});
  });
  ASSERT_EQ(news.wait_for(std::chrono::milliseconds(700)), std::future_status::timeout);
  newest_ = 2;
  has_news_ = true;
  ASSERT_EQ(news.wait_for(std::chrono::seconds(3)), std::future_status::ready);
  const Result<TrustNotes> notes = news.get();
  ASSERT_TRUE(notes.has_value()) << notes.error().message;
  EXPECT_EQ(notes->bundles.size(), 1U);
  EXPECT_EQ(notes->deny_lists.size(), 1U);
}

TEST_F(AuthorityServerTest, who_waits_can_be_called_off) {
  const auto service = mesh_.holder_of(mesh_.issue("/service/pay"));
  auto news = std::async(std::launch::async, [&] {
    return client_->wait_for_trust(*service, MeshRig::west, {{MeshRig::west, 1, 0}});
  });
  ASSERT_EQ(news.wait_for(std::chrono::milliseconds(500)), std::future_status::timeout);
  client_->cancel();
  ASSERT_EQ(news.wait_for(std::chrono::seconds(3)), std::future_status::ready);
  EXPECT_FALSE(news.get().has_value());
}

TEST_F(AuthorityServerTest, a_flood_of_joins_is_refused_and_renewals_are_not) {
  const auto service = mesh_.holder_of(mesh_.issue("/service/pay"));
  const auto joiner = nobody();
  is_slow_ = true;
  constexpr int flood = static_cast<int>(AuthorityServer::joins_max) + 8;
  std::vector<std::future<Error>> asked;
  std::vector<std::unique_ptr<AuthorityClient>> clients;
  for (int i = 0; i < flood; ++i) {
    clients.push_back(std::make_unique<AuthorityClient>(client_->address()));
    asked.push_back(std::async(std::launch::async, [&, one = clients.back().get()] {
      return one->join(*joiner, {"mjoin-no", pay, *mesh::make_csr(key_, "")}).error();
    }));
  }
  int refused = 0;
  for (int i = 0; i < flood * 2 && refused < 8; ++i)
    if (asked[static_cast<std::size_t>(i % flood)].wait_for(std::chrono::milliseconds(200)) ==
        std::future_status::ready)
      refused = static_cast<int>(std::ranges::count_if(asked, [](const auto& one) {
        return one.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
      }));
  EXPECT_EQ(refused, 8);
  auto renewed = std::async(std::launch::async, [&] { return renew(*service); });
  is_slow_ = false;
  slow_.release(flood);
  EXPECT_TRUE(renewed.get().has_value());
  int exhausted = 0;
  for (auto& one : asked) exhausted += one.get().code == Code::resource_exhausted ? 1 : 0;
  EXPECT_EQ(exhausted, 8);
}

TEST_F(AuthorityServerTest, big_messages_are_refused) {
  const auto service = mesh_.holder_of(mesh_.issue("/service/pay"));
  const Buffer big(static_cast<std::size_t>(AuthorityServer::receive_bytes_max) + 1);
  EXPECT_EQ(client_->renew(*service, MeshRig::west, big).error().code, Code::resource_exhausted);
}

TEST_F(AuthorityServerTest, stopping_answers_who_waits) {
  const auto service = mesh_.holder_of(mesh_.issue("/service/pay"));
  auto news = std::async(std::launch::async, [&] {
    return client_->wait_for_trust(*service, MeshRig::west, {{MeshRig::west, 1, 0}});
  });
  ASSERT_EQ(news.wait_for(std::chrono::milliseconds(500)), std::future_status::timeout);
  server_->stop(io::seconds(5));
  ASSERT_EQ(news.wait_for(std::chrono::seconds(3)), std::future_status::ready);
  EXPECT_TRUE(news.get().has_value());
}

}  // namespace
}  // namespace meridian::api
