#include "demo_intruder.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <memory>
#include <vector>

#include "files.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::app {

namespace {

namespace tls = grpc::experimental;

constexpr std::uint64_t identity_size_max = 64 << 10;
constexpr std::string_view end_of_key = "-----END PRIVATE KEY-----\n";

}  // namespace

Result<std::string> knock(const std::string& address, const std::string& directory) {
  const std::string text = TRY(read_input(directory + "/identity.pem", identity_size_max));
  const std::size_t split = text.find(end_of_key) + end_of_key.size();
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(
      std::vector<tls::IdentityKeyCertPair>{{text.substr(0, split), text.substr(split)}}));
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  const auto channel = grpc::CreateChannel(address, tls::TlsCredentials(options));
  grpc::ClientContext context;
  context.set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(5, GPR_TIMESPAN)));
  v1::StatusReply reply;
  const grpc::Status told =
      v1::Admin::NewStub(channel)->Status(&context, v1::StatusRequest(), &reply);
  if (told.ok()) return fail(Code::internal, "a stranger was let in");
  return told.error_message();
}

}  // namespace meridian::app
