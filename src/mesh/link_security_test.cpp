// Replicas that know each other by their certificates, over real sockets.
#include "mesh/link_security.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>

#include "io/network.h"
#include "mesh/internal/certificate_rig.h"
#include "mesh/tls_context.h"
#include "sim/clock.h"

namespace meridian::mesh {
namespace {

using namespace internal;

constexpr std::string_view cell = "00000000-0000-0000-0000-0000000000c1";

/// A process with credentials and a clock of its own.
struct Party {
  sim::Clock clock;
  metrics::Registry metrics;
  Credentials credentials{clock, metrics};
  std::shared_ptr<io::LinkSecurity> security;

  Party(const Holder& holder, const TrustBundles& bundles, std::vector<std::string> domains = {}) {
    credentials.replace_bundles(bundles);
    Status status = credentials.replace_own({holder.certificate}, holder.key);
    EXPECT_TRUE(status.has_value()) << status.error().message;
    security = make_link_security(credentials, std::move(domains));
  }
};

/// Shows any certificate, or none, and lets everybody in.
class Careless final : public io::LinkSecurity {
 public:
  explicit Careless(const Holder* shown) : context_(SSL_CTX_new(TLS_method()), SSL_CTX_free) {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
    if (shown == nullptr) return;
    SSL_CTX_use_certificate(context_.get(), shown->certificate.handle());
    SSL_CTX_use_PrivateKey(context_.get(), shown->key.handle());
  }
  Result<io::TlsContext> context() override { return context_; }
  Result<io::LinkPeer> judge(const ssl_st&) override {
    return io::LinkPeer{"anybody", 0xc1, io::PeerId{1}, nullptr};
  }
  Result<Advice> review(const io::LinkPeer&, const io::TlsContext&) override {
    return Advice::go_on;
  }

 private:
  io::TlsContext context_;
};

/// A replica that writes down what it is told.
class Replica {
 public:
  Replica(std::uint64_t id, std::shared_ptr<io::LinkSecurity> security)
      : id_(id), executor_(io::os_executor("replica")) {
    io::OsNetworkOptions options;
    options.limits.reconnect_after = io::milliseconds(5);
    options.security = std::move(security);
    network_ = io::os_network(options);
    io::Network::Handler handler;
    handler.admit = [this](Bytes, const io::LinkPeer* shown) -> Result<io::PeerId> {
      ++admitted;
      return shown->id;
    };
    handler.received = [this](io::PeerId, io::Channel, const io::Parts& parts) {
      std::lock_guard lock(mutex_);
      received_.emplace_back(as_text(*parts[0]));
      changed_.notify_all();
    };
    handler.link = [this](io::PeerId, io::Channel, bool is_up, const std::string& why) {
      std::lock_guard lock(mutex_);
      links_.push_back(is_up ? "up" : why);
      changed_.notify_all();
    };
    Status started = network_->start("127.0.0.1:0", {}, *executor_, handler);
    EXPECT_TRUE(started.has_value());
  }
  ~Replica() { network_.reset(); }

  bool send(const Replica& to, std::string_view text) {
    return network_->send(io::PeerId{to.id_}, io::Channel::control,
                          {std::make_shared<Buffer>(to_buffer(as_bytes(text)))});
  }
  std::uint64_t queued(const Replica& to) const {
    return network_->queued_bytes(io::PeerId{to.id_}, io::Channel::control);
  }
  /// Sets out to talk to `peer`, and waits until told `what` about it.
  testing::AssertionResult told(const Replica& peer, const std::string& what) {
    network_->set_peer(io::PeerId{peer.id_}, peer.network_->address());
    send(peer, "wake");
    std::unique_lock lock(mutex_);
    bool ok = changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::ranges::any_of(
          links_, [&](const std::string& link) { return link.find(what) != std::string::npos; });
    });
    if (ok) return testing::AssertionSuccess();
    return testing::AssertionFailure() << (links_.empty() ? "nothing" : links_.back());
  }
  bool has_received(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return received_.size() >= count; });
  }
  std::vector<std::string> received() {
    std::lock_guard lock(mutex_);
    return received_;
  }
  std::vector<std::string> links() {
    std::lock_guard lock(mutex_);
    return links_;
  }
  std::atomic<int> admitted = 0;

 private:
  const std::uint64_t id_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> received_;
  std::vector<std::string> links_;
  std::unique_ptr<io::Executor> executor_;
  std::unique_ptr<io::Network> network_;
};

class LinkSecurityTest : public ::testing::Test {
 protected:
  static std::string node(std::uint64_t id, std::string_view of_cell = cell) {
    return fmt::format("/node/{}/{}", of_cell, id);
  }
  Holder root_ = self_signed(root_spec());
  Region west_ = Region::make(root_, "eu-west.bank.example");
  Region east_ = Region::make(root_, "eu-east.bank.example");
  Region foreign_ = Region::make(root_, "us.bank.example");
  TrustBundles bundles_ = value_of(value_of(TrustBundles().with(west_.bundle)).with(east_.bundle));
  Party one_{west_.leaf(node(1)), bundles_};
  Party two_{west_.leaf(node(2)), bundles_};

  /// What who shows `holder` (null: nothing) is told by replica 2.
  testing::AssertionResult refused(const Holder* holder, const std::string& why) {
    Replica other(1, std::make_shared<Careless>(holder));
    // Who lets everybody in takes any replica for number 1.
    Replica answers(1, two_.security);
    testing::AssertionResult told = other.told(answers, why);
    if (told && answers.admitted != 0) return testing::AssertionFailure() << "admitted";
    return told;
  }
};

TEST_F(LinkSecurityTest, replicas_of_one_cell_talk_and_know_who_it_is) {
  Replica one(1, one_.security);
  Replica two(2, two_.security);
  ASSERT_TRUE(one.told(two, "up"));
  ASSERT_TRUE(two.told(one, "up"));
  ASSERT_TRUE(one.send(two, "hello"));
  ASSERT_TRUE(two.has_received(1));
  EXPECT_EQ(two.received(), std::vector<std::string>{"hello"});
}

TEST_F(LinkSecurityTest, every_other_certificate_is_refused_with_its_reason) {
  EXPECT_TRUE(refused(nullptr, "refused: "));
  CertificateSpec spec = leaf_spec(west_.uri(node(3)));
  spec.not_after = rig_now - 1;
  Holder expired = signed_by(west_.authority, spec);
  EXPECT_TRUE(refused(&expired, "ended at "));
  Holder self = self_signed(leaf_spec(west_.uri(node(3))));
  EXPECT_TRUE(refused(&self, "ends at one that signed itself"));
  Holder foreign = foreign_.leaf(node(3));
  EXPECT_TRUE(refused(&foreign, "us.bank.example"));
  Holder service = west_.leaf("/service/payments");
  EXPECT_TRUE(refused(&service, "/service/payments"));
  Holder other_cell = west_.leaf(node(3, "00000000-0000-0000-0000-0000000000c2"));
  EXPECT_TRUE(refused(&other_cell, "is no replica of the cell of spiffe://eu-west"));
  Holder other_region = east_.leaf(node(3));
  EXPECT_TRUE(refused(&other_region, "whose CA names no replicas of this cell"));
  for (const char* reason :
       {"no_certificate", "expired", "self_signed", "unknown_trust_domain", "wrong_kind"}) {
    std::string count = fmt::format("meridian_mesh_refusals_total{{reason=\"{}\"}} 0", reason);
    EXPECT_EQ(two_.metrics.text().find(count), std::string::npos) << reason;
  }
}

TEST_F(LinkSecurityTest, a_cell_may_span_regions_that_it_is_told_of) {
  Party west(west_.leaf(node(1)), bundles_, {"eu-east.bank.example"});
  Party east(east_.leaf(node(2)), bundles_, {"eu-west.bank.example"});
  Replica one(1, west.security);
  Replica two(2, east.security);
  EXPECT_TRUE(one.told(two, "up"));
}

TEST_F(LinkSecurityTest, who_answers_is_judged_as_who_calls) {
  Replica one(1, one_.security);
  Holder other_cell = west_.leaf(node(2, "00000000-0000-0000-0000-0000000000c2"));
  Replica stranger(2, std::make_shared<Careless>(&other_cell));
  EXPECT_TRUE(one.told(stranger, "is no replica of the cell of"));
}

TEST_F(LinkSecurityTest, a_replica_denied_or_out_of_time_is_cut_off_within_seconds) {
  Replica one(1, one_.security);
  Replica two(2, two_.security);
  ASSERT_TRUE(one.told(two, "up"));
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  const io::MonotonicTime begin = clock->monotonic();
  ASSERT_TRUE(two_.credentials.replace_deny_list(
      value_of(DenyList::make(west_.domain, 1, {{west_.uri(node(1)), "stolen", rig_now}}))));
  EXPECT_TRUE(one.told(two, "refused: "));
  EXPECT_TRUE(one.told(two, "stolen"));
  EXPECT_LT(clock->monotonic() - begin, io::seconds(5));

  Replica back(2, one_.security);
  Party late(west_.leaf(node(1)), bundles_);
  Party three(west_.leaf(node(3)), bundles_);
  Replica first(1, late.security);
  Replica third(3, three.security);
  ASSERT_TRUE(first.told(third, "up"));
  three.clock.advance(io::seconds(3601));  // the other still takes its own for valid
  EXPECT_TRUE(first.told(third, "ended at "));
}

TEST_F(LinkSecurityTest, hundred_renewals_under_load_lose_nothing_and_nobody_is_told) {
  Replica one(1, one_.security);
  Replica two(2, two_.security);
  ASSERT_TRUE(one.told(two, "up"));
  const std::unique_ptr<io::Executor> renewing = io::os_executor("renewing");
  std::atomic<int> renewals = 0;
  std::function<void()> renew = [&] {
    for (auto [party, id] : {std::pair{&one_, 1U}, std::pair{&two_, 2U}}) {
      Holder renewed = west_.leaf(node(id));
      EXPECT_TRUE(party->credentials.replace_own({renewed.certificate}, renewed.key));
    }
    if (++renewals < 100) renewing->post_after(io::milliseconds(30), renew);
  };
  renewing->post(renew);
  std::size_t sent = 0;
  while (renewals < 100) {
    if (one.queued(two) < 100'000 && one.send(two, fmt::format("{:08}", sent))) ++sent;
  }
  ASSERT_TRUE(two.has_received(sent));
  std::vector<std::string> received = two.received();
  EXPECT_EQ(received.size(), sent);
  EXPECT_TRUE(std::ranges::is_sorted(received));
  EXPECT_EQ(one.links(), std::vector<std::string>{"up"});
  EXPECT_GT(two.admitted, 2);
}

TEST_F(LinkSecurityTest, a_link_is_made_again_at_half_of_what_was_left_of_the_peers_certificate) {
  Replica one(1, one_.security);
  Replica two(2, two_.security);
  ASSERT_TRUE(one.told(two, "up"));
  io::TlsContext ours = value_of(one_.security->context());
  two_.clock.advance(io::seconds(1900));
  one_.clock.advance(io::seconds(1900));
  while (two.admitted < 2) one.links();
  EXPECT_EQ(one.links(), std::vector<std::string>{"up"});
  EXPECT_EQ(value_of(one_.security->context()), ours);
}

TEST_F(LinkSecurityTest, without_a_nodes_certificate_there_is_no_link_and_it_says_why) {
  Party service(west_.leaf("/service/payments"), bundles_);
  Replica one(1, service.security);
  Replica two(2, two_.security);
  EXPECT_TRUE(one.told(two, "enrol it as a node"));
}

}  // namespace
}  // namespace meridian::mesh
