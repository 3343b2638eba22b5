#include "demo_intruder.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <memory>
#include <vector>

#include "identity_directory.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::app {

namespace {

namespace tls = grpc::experimental;

}  // namespace

Result<std::string> knock(const std::string& address, const std::string& directory) {
  const std::unique_ptr<HeldIdentity> held =
      TRY(HeldIdentity::open(directory, nullptr, [](const IdentityDirectory::Change&) {}));
  const std::shared_ptr<const mesh::OwnIdentity> own = held->credentials().own();
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<tls::StaticDataCertificateProvider>(std::vector<tls::IdentityKeyCertPair>{
          {std::string(as_text(own->key_pem.bytes())), own->chain_pem}}));
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
