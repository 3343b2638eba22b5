// gRPC over mutual TLS, by real handshakes: who is let in, who is told why not, and what happens
// to calls while certificates are renewed, end and are denied.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <atomic>
#include <functional>

#include "api/grpc_channel.h"
#include "api/internal/api_rig.h"
#include "api/internal/mesh_rig.h"
#include "api/tls13.h"
#include "meridian/v1/ledger.grpc.pb.h"

// (below: <utility> before Boost)
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace meridian::api {
namespace {

namespace tls = grpc::experimental;
namespace net = boost::asio;

class GrpcTlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { require_tls13(); }
  GrpcTlsTest() {
    rig_.backend->callers = &callers_;
    rig_.backend->access.replace(MeshRig::everything());
    rig_.start_grpc();
  }

  std::string address() const { return format_listen_address(rig_.grpc->address()); }
  static grpc::ChannelArguments apart() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return arguments;
  }
  std::shared_ptr<grpc::Channel> channel_of(const mesh::Credentials& holder) const {
    return make_mesh_channel(holder, address(), apart());
  }
  /// Shows anything, or nothing, and takes any server.
  std::shared_ptr<grpc::Channel> careless(const MeshRig::Shown* shown) const {
    tls::TlsChannelCredentialsOptions options;
    if (shown != nullptr) {
      options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(
          std::vector<tls::IdentityKeyCertPair>{{shown->key_pem(), shown->certificate.pem()}}));
      options.watch_identity_key_cert_pairs();
    }
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
    options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
    return grpc::CreateCustomChannel(address(), tls::TlsCredentials(options), apart());
  }
  static void limit(grpc::ClientContext& context) {
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(20, GPR_TIMESPAN)));
  }
  static grpc::Status call(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    limit(context);
    v1::StatusReply reply;
    return v1::Admin::NewStub(channel)->Status(&context, v1::StatusRequest(), &reply);
  }
  static std::string outcome(const std::shared_ptr<grpc::Channel>& channel) {
    const grpc::Status status = call(channel);
    return std::to_string(status.error_code()) + " " + status.error_message();
  }
  testing::AssertionResult refused(const MeshRig::Shown& shown, const std::string& why) const {
    const std::string got = outcome(careless(&shown));
    if (got.starts_with("16 ") && got.find(why) != std::string::npos)
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << got;
  }

  MeshRig mesh_;
  std::unique_ptr<mesh::Credentials> server_ = mesh_.holder_of(mesh_.issue(rig_node));
  std::unique_ptr<mesh::Credentials> client_ = mesh_.holder_of(mesh_.issue("/service/payments"));
  Callers callers_{*server_};
  ApiRig rig_;
};

TEST_F(GrpcTlsTest, who_shows_a_good_certificate_is_served_and_known) {
  EXPECT_EQ(outcome(channel_of(*client_)), "0 ");
  const CallerRef caller = callers_.known(client_->own()->chain_pem);
  ASSERT_NE(caller, nullptr);
  EXPECT_EQ(mesh::format_spiffe_id(caller->identity.id),
            "spiffe://eu-west.bank.example/service/payments");
}

TEST_F(GrpcTlsTest, every_other_certificate_is_refused_with_its_reason) {
  EXPECT_TRUE(refused(mesh_.issue_foreign("/service/payments"), "eu-east.bank.example"));
  EXPECT_TRUE(refused(mesh_.issue("/witness/w1"), "/witness/w1"));
  MeshRig other;
  EXPECT_TRUE(refused(other.issue("/service/payments"), "/service/payments"));
  MeshRig::Shown expired = mesh_.issue("/service/payments", 60);
  mesh_.clock.advance(io::seconds(120));
  EXPECT_TRUE(refused(expired, "ended at "));
  mesh_.deny(*server_, "/service/thief");
  EXPECT_TRUE(refused(mesh_.issue("/service/thief"), "stolen"));
  const std::string nothing = outcome(careless(nullptr));
  EXPECT_TRUE(nothing.starts_with("14 ")) << nothing;
  const std::string plain =
      outcome(grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), apart()));
  EXPECT_TRUE(plain.starts_with("14 ")) << plain;
}

TEST_F(GrpcTlsTest, health_and_reflection_are_behind_it_too) {
  const MeshRig::Shown foreign = mesh_.issue_foreign("/service/payments");
  for (const char* method : {"/grpc.health.v1.Health/Check",
                             "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                             "/no.such.Service/Method"}) {
    for (bool is_known : {true, false}) {
      auto channel = is_known ? channel_of(*client_) : careless(&foreign);
      grpc::GenericStub stub(channel);
      grpc::ClientContext context;
      limit(context);
      grpc::CompletionQueue queue;
      auto begun = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(), &queue);
      begun->StartCall();
      grpc::ByteBuffer reply;
      grpc::Status status;
      begun->Finish(&reply, &status, nullptr);
      void* tag = nullptr;
      bool ok = false;
      ASSERT_TRUE(queue.Next(&tag, &ok));
      EXPECT_EQ(status.error_code() == grpc::StatusCode::UNAUTHENTICATED, !is_known)
          << method << ": " << status.error_message();
    }
  }
}

TEST_F(GrpcTlsTest, an_open_channel_is_refused_as_soon_as_its_certificate_ends_or_is_denied) {
  auto channel = channel_of(*client_);
  EXPECT_EQ(outcome(channel), "0 ");
  mesh_.deny(*server_, "/service/payments");
  EXPECT_TRUE(outcome(channel).starts_with("16 "));
  auto other = mesh_.holder_of(mesh_.issue("/service/other"));
  channel = channel_of(*other);
  EXPECT_EQ(outcome(channel), "0 ");
  mesh_.clock.advance(io::seconds(3601));
  EXPECT_NE(outcome(channel).find("ended at "), std::string::npos);
}

TEST_F(GrpcTlsTest, a_subscription_ends_within_seconds_when_its_caller_is_denied) {
  auto channel = channel_of(*client_);
  grpc::ClientContext context;
  limit(context);
  auto reader = v1::Feed::NewStub(channel)->Follow(&context, v1::FeedRequest());
  v1::FeedBatch batch;
  ASSERT_TRUE(reader->Read(&batch));  // record 0
  const io::MonotonicTime begin = rig_.clock->monotonic();
  mesh_.deny(*server_, "/service/payments");
  while (reader->Read(&batch)) continue;
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
  EXPECT_NE(status.error_message().find("stolen"), std::string::npos) << status.error_message();
  EXPECT_LT(rig_.clock->monotonic() - begin, io::seconds(5));
}

TEST_F(GrpcTlsTest, a_server_of_the_wrong_kind_or_domain_is_refused_by_the_client_with_a_reason) {
  MeshRig::renew(*server_, mesh_.issue("/service/pretender"));
  std::string got = outcome(channel_of(*client_));
  EXPECT_TRUE(got.starts_with("14 ")) << got;
  EXPECT_NE(got.find("/service/pretender"), std::string::npos) << got;
  MeshRig::renew(*server_, mesh_.issue(rig_node));
  EXPECT_EQ(outcome(channel_of(*client_)), "0 ");
  mesh_.deny(*client_, rig_node);
  got = outcome(channel_of(*client_));
  EXPECT_NE(got.find("stolen"), std::string::npos) << got;
}

/// The certificate that a server shows to OpenSSL's client, which speaks up to `version`; nothing
/// if there is no handshake.
std::optional<Buffer> shown_by(const ListenAddress& to, const mesh::OwnIdentity& own, int version) {
  net::io_context context;
  net::ip::tcp::socket socket(context);
  socket.connect({net::ip::make_address(to.ip), to.port});
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> made(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_max_proto_version(made.get(), version);
  SSL_CTX_use_certificate(made.get(), own.chain[0].handle());
  SSL_CTX_use_PrivateKey(made.get(), own.key.handle());
  std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(made.get()), SSL_free);
  const std::array<unsigned char, 3> h2{2, 'h', '2'};
  SSL_set_alpn_protos(ssl.get(), h2.data(), h2.size());
  SSL_set_fd(ssl.get(), socket.native_handle());
  if (SSL_connect(ssl.get()) != 1) return std::nullopt;
  Buffer der(16'384);
  unsigned char* end = der.data();
  const int size = i2d_X509(SSL_get0_peer_certificate(ssl.get()), &end);
  der.resize(static_cast<std::size_t>(size));
  return der;
}

TEST_F(GrpcTlsTest, hundred_renewals_under_load_fail_no_call) {
  const std::unique_ptr<io::Executor> renewing = io::os_executor("renewing");
  std::atomic<int> renewals = 0;
  std::function<void()> renew = [&] {
    MeshRig::renew(*server_, mesh_.issue(rig_node));
    MeshRig::renew(*client_, mesh_.issue("/service/payments"));
    if (++renewals < 100) renewing->post_after(io::milliseconds(30), renew);
  };
  std::uint64_t version = 0;
  std::shared_ptr<grpc::Channel> channel;
  renewing->post(renew);
  int calls = 0;
  while (renewals < 100) {
    if (std::exchange(version, client_->own()->version) != version || !channel)
      channel = channel_of(*client_);
    const grpc::Status status = call(channel);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ++calls;
  }
  renewing->drain();
  EXPECT_GT(calls, 100);
  const std::optional<Buffer> shown =
      shown_by(rig_.grpc->address(), *client_->own(), TLS1_3_VERSION);
  ASSERT_TRUE(shown.has_value());
  EXPECT_TRUE(equal(*shown, server_->own()->chain[0].der()));
}

TEST_F(GrpcTlsTest, an_older_tls_is_not_spoken) {
  EXPECT_FALSE(shown_by(rig_.grpc->address(), *client_->own(), TLS1_2_VERSION).has_value());
  EXPECT_TRUE(shown_by(rig_.grpc->address(), *client_->own(), TLS1_3_VERSION).has_value());
}

TEST_F(GrpcTlsTest, who_connects_and_says_nothing_is_cut_off) {
  net::io_context context;
  net::ip::tcp::socket socket(context);
  const ListenAddress& to = rig_.grpc->address();
  socket.connect({net::ip::make_address(to.ip), to.port});
  char byte = 0;
  boost::system::error_code error;
  std::size_t count = 1;
  socket.async_read_some(net::buffer(&byte, 1), [&](auto failed, std::size_t got) {
    error = failed;
    count = got;
  });
  context.run_for(std::chrono::seconds(10));
  EXPECT_TRUE(context.stopped());
  EXPECT_TRUE(error);
  EXPECT_EQ(count, 0U);
  EXPECT_EQ(outcome(channel_of(*client_)), "0 ");
}

}  // namespace
}  // namespace meridian::api
