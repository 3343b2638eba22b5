// The client in TLS, against a server whose certificate is made for the purpose.
#include "tls.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/clock.h"
#include "io/entropy.h"
#include "meridian/identity.h"
#include "mesh/authority.h"

namespace meridian::client {
namespace {

using meridian::mesh::Authority;

constexpr const char* domain = "eu-west.bank.example";

/// A region that issues to whoever asks, by the clock of this machine.
class Region {
 public:
  struct Issued {
    std::string chain, key;
  };
  Issued issue(const std::string& path) {
    const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    const mesh::Certificate made =
        *authority_.issue(*mesh::make_csr(key, "test"), {domain, path}, 600);
    return {made.pem(), std::string(as_text(key.pem().bytes()))};
  }
  std::string authorities() const { return authority_.certificate().pem(); }
  TlsOptions tls(const std::string& path) {
    const Issued issued = issue(path);
    return {issued.chain, issued.key, authorities(), domain};
  }

 private:
  Authority open() {
    const mesh::CertificateAndKey root =
        *mesh::make_root({.common_name = "root"}, *clock_, *entropy_);
    const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    const mesh::Certificate certificate =
        *mesh::make_regional(root, *mesh::make_csr(key, "CA"),
                             {.trust_domain = domain, .common_name = "CA"}, *clock_, *entropy_);
    return std::move(*Authority::open(certificate, key, domain, *clock_, *entropy_));
  }

  const std::unique_ptr<io::Clock> clock_ = io::os_clock();
  const std::unique_ptr<io::Entropy> entropy_ = io::os_entropy();
  Authority authority_ = open();
};

/// Does not know a single method, and says so to whoever gets through the handshake.
class Server {
 public:
  Server(const Region::Issued& issued, const std::string& authorities) {
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = authorities;
    options.pem_key_cert_pairs = {{issued.key, issued.chain}};
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&generic_);
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
    server_ = builder.BuildAndStart();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  grpc::CallbackGenericService generic_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Code outcome(Client& client) {
  return client.checkpoint({.timeout = std::chrono::milliseconds(1'500)}).error().code;
}

std::unique_ptr<Client> client_of(const Server& server, const TlsOptions& tls) {
  return std::move(*Client::create({.endpoints = {server.address()}, .tls = tls}));
}

TEST(ClientTls, a_node_and_a_gateway_of_the_region_are_talked_to_and_nobody_else) {
  Region region;
  const TlsOptions tls = region.tls("/service/payments");
  for (const auto& [path, is_right] :
       {std::pair{"/node/00000000-0000-0000-0000-0000000000c1/1", true},
        {"/gateway/edge", true},
        {"/service/pretender", false},
        {"/witness/w1", false}}) {
    Server server(region.issue(path), region.authorities());
    EXPECT_EQ(outcome(*client_of(server, tls)) == Code::unimplemented, is_right) << path;
  }
}

TEST(ClientTls, a_server_of_other_authorities_is_not_talked_to) {
  Region region;
  Region foreign;  // of the same name, by other authorities
  Server server(foreign.issue("/gateway/edge"), region.authorities());
  EXPECT_NE(outcome(*client_of(server, region.tls("/service/payments"))), Code::unimplemented);
}

TEST(ClientTls, renewed_credentials_are_used_from_then_on) {
  Region region;
  Region other;
  Server server(region.issue("/gateway/edge"), region.authorities());
  const auto client = client_of(server, other.tls("/service/payments"));
  EXPECT_NE(outcome(*client), Code::unimplemented);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client->renew(region.tls("/service/payments")));
    ASSERT_EQ(outcome(*client), Code::unimplemented) << i;
  }
  TlsOptions broken = region.tls("/service/payments");
  broken.private_key.clear();
  EXPECT_EQ(client->renew(broken).error().code, Code::invalid_argument);
  EXPECT_EQ(outcome(*client), Code::unimplemented);
}

TEST(ClientTls, ids_that_only_look_like_a_server_of_the_domain_are_none) {
  EXPECT_TRUE(is_server_of("spiffe://bank.example/gateway/edge", "bank.example"));
  EXPECT_FALSE(is_server_of("spiffe://bank.example.evil/gateway/edge", "bank.example"));
  EXPECT_FALSE(is_server_of("spiffe://bank.example/service/node/x", "bank.example"));
  EXPECT_FALSE(is_server_of("spiffe://bank.example/nodes/x", "bank.example"));
  EXPECT_FALSE(is_server_of("https://bank.example/gateway/edge", "bank.example"));
  EXPECT_FALSE(is_server_of("", ""));
}

std::string identity_file(const std::string& content) {
  const std::string directory = testing::TempDir() + "client-identity";
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/identity.pem", std::ios::binary) << content;
  return directory;
}

TEST(ClientTls, an_identity_is_read_from_its_directory) {
  Region region;
  const TlsOptions shown = region.tls("/service/payments");
  const std::string whole = shown.private_key + shown.certificate_chain + shown.authorities;
  const Result<TlsOptions> read = read_identity(identity_file(whole));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->trust_domain, domain);
  Server server(region.issue("/gateway/edge"), region.authorities());
  EXPECT_EQ(outcome(*client_of(server, *read)), Code::unimplemented);
}

TEST(ClientTls, an_identity_that_is_not_whole_is_refused_by_name) {
  Region region;
  const TlsOptions shown = region.tls("/service/payments");
  const std::string no_san = region.authorities();
  for (const auto& [content, lacks] :
       {std::pair{std::string(), "private key"},
        {shown.certificate_chain, "private key"},
        {shown.private_key, "no certificate"},
        {shown.private_key + shown.certificate_chain, "its authority"},
        {shown.private_key + no_san + shown.certificate_chain, "SPIFFE id"}}) {
    const Result<TlsOptions> read = read_identity(identity_file(content));
    ASSERT_FALSE(read) << lacks;
    EXPECT_EQ(read.error().code, Code::invalid_argument);
    EXPECT_NE(read.error().message.find(lacks), std::string::npos) << read.error().message;
  }
  EXPECT_EQ(read_identity("/nowhere").error().code, Code::not_found);
}

}  // namespace
}  // namespace meridian::client
