#include "mesh/tls_context.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <atomic>
#include <functional>

#include "io/executor.h"
#include "mesh/internal/certificate_rig.h"
#include "mesh/internal/openssl.h"
#include "metrics/registry.h"
#include "sim/clock.h"

namespace meridian::mesh {
namespace {

using namespace internal;
using Connection = std::unique_ptr<SSL, Free<SSL_free>>;
using Context = std::shared_ptr<SSL_CTX>;

/// One end of a connection whose other end is in this process.
struct End {
  Connection ssl;
  bool is_done = false;
  bool has_failed = false;

  static End make(const Context& context, bool accepts) {
    End end{Connection(SSL_new(context.get()))};
    SSL_set_bio(end.ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (accepts)
      SSL_set_accept_state(end.ssl.get());
    else
      SSL_set_connect_state(end.ssl.get());
    return end;
  }
  void step() {
    if (is_done || has_failed) return;
    int result = SSL_do_handshake(ssl.get());
    if (result == 1)
      is_done = true;
    else
      has_failed = SSL_get_error(ssl.get(), result) != SSL_ERROR_WANT_READ;
    ERR_clear_error();
  }
  void send_to(End& other) {
    std::array<Byte, 4096> bytes;
    while (true) {
      int size = BIO_read(SSL_get_wbio(ssl.get()), bytes.data(), bytes.size());
      if (size <= 0) return;
      BIO_write(SSL_get_rbio(other.ssl.get()), bytes.data(), size);
    }
  }
};

struct Pair {
  End server;
  End client;

  Pair(const Context& server_context, const Context& client_context)
      : server(End::make(server_context, true)), client(End::make(client_context, false)) {}
  /// True if both are through, and a byte from each reached the other.
  bool run() {
    for (int round = 0; round < 6; ++round) {
      client.step();
      client.send_to(server);
      server.step();
      server.send_to(client);
    }
    return client.is_done && server.is_done && passes(client, server) && passes(server, client);
  }
  static bool passes(End& from, End& to) {
    Byte sent = 7, got = 0;
    if (SSL_write(from.ssl.get(), &sent, 1) != 1) return false;
    from.send_to(to);
    bool read = SSL_read(to.ssl.get(), &got, 1) == 1 && got == 7;
    ERR_clear_error();
    return read;
  }
};

class Tls : public ::testing::Test {
 protected:
  struct Party {
    metrics::Registry metrics;
    Credentials credentials;
    explicit Party(io::Clock& clock) : credentials(clock, metrics) {}
  };
  sim::Clock clock_;
  Holder root_ = self_signed(root_spec());
  Region west_ = Region::make(root_, "eu-west.bank.example");
  Region east_ = Region::make(root_, "eu-east.bank.example");
  TrustBundles bundles_ = value_of(value_of(TrustBundles().with(west_.bundle)).with(east_.bundle));

  std::unique_ptr<Party> party(const Holder& holder) {
    auto made = std::make_unique<Party>(clock_);
    made->credentials.replace_bundles(bundles_);
    Status status = made->credentials.replace_own({holder.certificate}, holder.key);
    EXPECT_TRUE(status.has_value()) << status.error().message;
    return made;
  }
  std::unique_ptr<Party> server_ = party(west_.leaf("/node/server"));
  std::unique_ptr<Party> client_ = party(east_.leaf("/service/client"));

  Context server_context(const WantedPeer& wanted = {}) {
    return value_of(make_tls_context(server_->credentials, wanted)).context;
  }
  Context client_context(WantedPeer wanted = {}) {
    wanted.side = WantedPeer::Side::server;
    return value_of(make_tls_context(client_->credentials, wanted)).context;
  }
  /// A side that shows what ours never would, and checks nothing.
  static Context careless(const Holder* shown, int version_max = TLS1_3_VERSION) {
    Context context(SSL_CTX_new(TLS_method()), SSL_CTX_free);
    SSL_CTX_set_max_proto_version(context.get(), version_max);
    if (shown != nullptr) {
      EXPECT_EQ(SSL_CTX_use_certificate(context.get(), shown->certificate.handle()), 1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), shown->key.handle()), 1);
    }
    return context;
  }
  static std::string metric(Party& party, RefusalReason reason) {
    std::string text = party.metrics.text();
    std::string line =
        "\nmeridian_mesh_refusals_total{reason=\"" + std::string(name(reason)) + "\"} ";
    std::size_t at = text.find(line);
    EXPECT_NE(at, std::string::npos);
    at += line.size();
    return text.substr(at, text.find('\n', at) - at);
  }
  /// Both as a client and as a server, who shows `shown` is refused for `reason`.
  void expect_refused(const Holder* shown, RefusalReason reason) {
    Pair as_client(server_context(), careless(shown));
    EXPECT_FALSE(as_client.run());
    expect_reason(as_client.server, *server_, reason);
    if (shown == nullptr) return;  // a server always shows one
    Pair as_server(careless(shown), client_context());
    EXPECT_FALSE(as_server.run());
    expect_reason(as_server.client, *client_, reason);
  }
  static void expect_reason(const End& end, Party& party, RefusalReason reason) {
    EXPECT_TRUE(end.has_failed);
    EXPECT_FALSE(peer_of(*end.ssl).has_value());
    std::optional<Refusal> refusal = refusal_of(*end.ssl);
    ASSERT_TRUE(refusal.has_value());
    EXPECT_EQ(name(refusal->reason), name(reason)) << refusal->message;
    EXPECT_EQ(metric(party, reason), "1");
  }
};

TEST_F(Tls, two_members_learn_who_the_other_is) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.run());
  PeerIdentity client = value_of(peer_of(*pair.server.ssl));
  PeerIdentity server = value_of(peer_of(*pair.client.ssl));
  EXPECT_EQ(format_spiffe_id(client.id), "spiffe://eu-east.bank.example/service/client");
  EXPECT_EQ(format_spiffe_id(server.id), "spiffe://eu-west.bank.example/node/server");
  EXPECT_STREQ(SSL_get_version(pair.client.ssl.get()), "TLSv1.3");
  EXPECT_FALSE(refusal_of(*pair.server.ssl).has_value());
}

TEST_F(Tls, nobody_is_known_before_the_handshake) {
  Pair pair(server_context(), client_context());
  EXPECT_FALSE(peer_of(*pair.server.ssl).has_value());
  Connection foreign(SSL_new(careless(nullptr).get()));
  EXPECT_FALSE(peer_of(*foreign).has_value());
}

TEST_F(Tls, tls_1_2_is_refused_on_both_sides) {
  Holder good = west_.leaf("/service/old");
  Pair old_client(server_context(), careless(&good, TLS1_2_VERSION));
  EXPECT_FALSE(old_client.run());
  EXPECT_TRUE(old_client.server.has_failed);
  Pair old_server(careless(&good, TLS1_2_VERSION), client_context());
  EXPECT_FALSE(old_server.run());
  EXPECT_TRUE(old_server.client.has_failed);
  Pair now(server_context(), careless(&good));
  EXPECT_TRUE(now.run()) << "only the version was wrong";
}

TEST_F(Tls, a_client_without_a_certificate_is_refused_and_counted) {
  expect_refused(nullptr, RefusalReason::no_certificate);
}

TEST_F(Tls, each_bad_certificate_is_refused_for_its_reason_on_both_sides) {
  using Type = GeneralName::Type;
  struct Case {
    RefusalReason reason;
    std::function<Holder()> make;
  };
  auto changed = [&](const std::function<void(CertificateSpec&)>& change) {
    return [this, change] {
      CertificateSpec spec = leaf_spec(west_.uri("/service/x"));
      change(spec);
      return signed_by(west_.authority, spec);
    };
  };
  for (const Case& item : std::initializer_list<Case>{
           {RefusalReason::expired, changed([](auto& spec) { spec.not_after = rig_now - 1; })},
           {RefusalReason::not_yet_valid,
            changed([](auto& spec) { spec.not_before = rig_now + 5; })},
           {RefusalReason::no_spiffe_id, changed([](auto& spec) {
              spec.common_name = "x";
              spec.alternative_names = {};
            })},
           {RefusalReason::no_spiffe_id, changed([](auto& spec) {
              spec.alternative_names = {{Type::dns, "localhost"}};
            })},
           {RefusalReason::several_sans, changed([](auto& spec) {
              spec.alternative_names.push_back({Type::dns, "localhost"});
            })},
           {RefusalReason::not_a_leaf, [this] { return west_.authority; }},
           {RefusalReason::wrong_usage,
            changed([](auto& spec) { spec.extended_key_usage = "codeSigning"; })},
           {RefusalReason::unknown_trust_domain,
            [this] { return Region::make(root_, "dev.invalid").leaf("/node/x"); }},
           {RefusalReason::untrusted_chain,
            [this] { return signed_by(west_.authority, leaf_spec(east_.uri("/node/x"))); }},
           {RefusalReason::self_signed,
            [this] { return self_signed(leaf_spec(west_.uri("/service/x"))); }}}) {
    SCOPED_TRACE(name(item.reason));
    server_ = party(west_.leaf("/node/server"));
    client_ = party(east_.leaf("/service/client"));
    Holder holder = item.make();
    expect_refused(&holder, item.reason);
  }
}

TEST_F(Tls, a_weak_key_gets_as_far_as_being_told) {
  PublicKey rsa(EVP_RSA_gen(2048));
  Certificate leaf =
      value_of(build_certificate(leaf_spec(west_.uri("/service/x")), rsa.get(),
                                 &west_.authority.certificate, west_.authority.key.handle()));
  Context context = careless(nullptr);
  ASSERT_EQ(SSL_CTX_use_certificate(context.get(), leaf.handle()), 1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey(context.get(), rsa.get()), 1);
  Pair as_client(server_context(), context);
  EXPECT_FALSE(as_client.run());
  expect_reason(as_client.server, *server_, RefusalReason::weak_key);
  Pair as_server(context, client_context());
  EXPECT_FALSE(as_server.run());
  expect_reason(as_server.client, *client_, RefusalReason::weak_key);
}

TEST_F(Tls, who_is_denied_or_not_wanted_is_refused) {
  Holder denied = west_.leaf("/service/x");
  ASSERT_TRUE(server_->credentials
                  .replace_deny_list(value_of(
                      DenyList::make(west_.domain, 1, {{denied.certificate.serial(), "lost", 0}})))
                  .has_value());
  Pair first(server_context(), careless(&denied));
  EXPECT_FALSE(first.run());
  expect_reason(first.server, *server_, RefusalReason::denied);
  Pair second(server_context({.kinds = {IdKind::node}}), client_context());
  EXPECT_FALSE(second.run());
  expect_reason(second.server, *server_, RefusalReason::wrong_kind);
}

TEST_F(Tls, who_dials_a_replica_expects_that_one) {
  Pair right(server_context(), client_context());
  expect_peer(*right.client.ssl, {west_.domain, "/node/server"});
  EXPECT_TRUE(right.run());
  Pair wrong(server_context(), client_context());
  expect_peer(*wrong.client.ssl, {west_.domain, "/node/other"});
  EXPECT_FALSE(wrong.run());
  expect_reason(wrong.client, *client_, RefusalReason::wrong_kind);
}

TEST_F(Tls, a_renewed_certificate_is_shown_from_the_next_connection_on) {
  TlsContexts contexts(server_->credentials, {});
  Context before = value_of(contexts.current());
  EXPECT_EQ(value_of(contexts.current()), before);
  Pair old_pair(before, client_context());
  ASSERT_TRUE(old_pair.run());
  Holder renewed = west_.leaf("/node/server");
  ASSERT_TRUE(server_->credentials.replace_own({renewed.certificate}, renewed.key).has_value());
  Context after = value_of(contexts.current());
  EXPECT_NE(after, before);
  Pair new_pair(after, client_context());
  ASSERT_TRUE(new_pair.run());
  EXPECT_NE(value_of(peer_of(*old_pair.client.ssl)).serial, renewed.certificate.serial());
  EXPECT_EQ(value_of(peer_of(*new_pair.client.ssl)).serial, renewed.certificate.serial());
  EXPECT_TRUE(Pair::passes(old_pair.client, old_pair.server)) << "open ones go on";
}

TEST_F(Tls, no_session_is_ever_resumed) {
  Context server = server_context();
  Context client = client_context();
  Pair first(server, client);
  ASSERT_TRUE(first.run());
  SSL_SESSION* session = SSL_get1_session(first.client.ssl.get());
  EXPECT_EQ(SSL_SESSION_is_resumable(session), 0);
  Pair second(server, client);
  SSL_set_session(second.client.ssl.get(), session);
  ASSERT_TRUE(second.run());
  EXPECT_EQ(SSL_session_reused(second.client.ssl.get()), 0);
  SSL_SESSION_free(session);
}

TEST_F(Tls, a_process_without_a_certificate_makes_no_context) {
  Party fresh(clock_);
  Result<TlsContext> made = make_tls_context(fresh.credentials, {});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, Code::failed_precondition);
}

TEST_F(Tls, handshakes_go_on_in_many_threads_while_everything_is_replaced) {
  TlsContexts servers(server_->credentials, {});
  TlsContexts clients(client_->credentials, {.side = WantedPeer::Side::server});
  std::atomic<int> failed = 0;
  {
    std::vector<std::unique_ptr<io::Executor>> threads;
    for (int i = 0; i < 3; ++i) {
      threads.push_back(io::os_executor("handshakes"));
      threads.back()->post([&] {
        for (int round = 0; round < 15; ++round) {
          Pair pair(*servers.current(), *clients.current());
          if (!pair.run()) ++failed;
        }
      });
    }
    for (std::uint64_t round = 1; round <= 10; ++round) {
      Holder renewed = west_.leaf("/node/server");
      EXPECT_TRUE(server_->credentials.replace_own({renewed.certificate}, renewed.key).has_value());
      server_->credentials.replace_bundles(bundles_);
      EXPECT_TRUE(
          client_->credentials.replace_deny_list(value_of(DenyList::make(west_.domain, round, {})))
              .has_value());
    }
    for (const auto& thread : threads) thread->drain();
  }
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(server_->credentials.own()->version, 11U);
}

}  // namespace
}  // namespace meridian::mesh
