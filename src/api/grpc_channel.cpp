#include "api/grpc_channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <string_view>
#include <utility>

namespace meridian::api {
namespace {

namespace tls = grpc::experimental;

std::string_view view(const grpc::string_ref& text) {
  return text.data() == nullptr ? std::string_view() : std::string_view(text.data(), text.size());
}

/// Judges a server's certificate at each handshake. gRPC deletes it.
class Verifier final : public tls::ExternalCertificateVerifier {
 public:
  Verifier(const mesh::Credentials& credentials, mesh::WantedPeer wanted)
      : credentials_(credentials), wanted_(std::move(wanted)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    const Result<mesh::PeerIdentity> judged = judge(*request);
    if (!judged) *status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, judged.error().message);
    return true;  // done, without waiting
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  Result<mesh::PeerIdentity> judge(const tls::TlsCustomVerificationCheckRequest& request) const {
    std::string_view shown = view(request.peer_cert_full_chain());
    if (shown.empty()) shown = view(request.peer_cert());
    mesh::CertificateChain chain;
    if (!shown.empty()) chain = TRY(mesh::parse_pem_chain(shown));
    std::vector<Bytes> ders;
    for (const mesh::Certificate& certificate : chain) ders.push_back(certificate.der());
    return credentials_.verify(ders, wanted_);
  }

  const mesh::Credentials& credentials_;
  const mesh::WantedPeer wanted_;
};

/// Shows `own` unless that is null.
std::shared_ptr<grpc::ChannelCredentials> make_credentials(const mesh::Credentials& credentials,
                                                           const mesh::OwnIdentity* own,
                                                           mesh::WantedPeer wanted) {
  tls::TlsChannelCredentialsOptions options;
  if (own != nullptr) {
    const tls::IdentityKeyCertPair pair{std::string(as_text(own->key_pem.bytes())), own->chain_pem};
    options.set_certificate_provider(
        std::make_shared<tls::StaticDataCertificateProvider>(std::vector{pair}));
    options.watch_identity_key_cert_pairs();
  }
  options.set_verify_server_certs(false);  // by OpenSSL; the verifier is asked all the same
  options.set_check_call_host(false);      // ids are no host names
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<Verifier>(credentials, std::move(wanted)));
  return tls::TlsCredentials(options);
}

}  // namespace

Result<std::shared_ptr<grpc::ChannelCredentials>> make_channel_credentials(
    const mesh::Credentials& credentials, std::vector<mesh::IdKind> kinds) {
  const std::shared_ptr<const mesh::OwnIdentity> own = credentials.own();
  if (own == nullptr)
    return fail(Code::failed_precondition,
                "this process has no certificate yet: enrol it with a join token");
  return make_credentials(credentials, own.get(),
                          {.side = mesh::WantedPeer::Side::server, .kinds = std::move(kinds)});
}

std::shared_ptr<grpc::ChannelCredentials> make_channel_credentials_to(
    const mesh::Credentials& credentials, mesh::SpiffeId server) {
  return make_credentials(credentials, credentials.own().get(),
                          {.side = mesh::WantedPeer::Side::server, .id = std::move(server)});
}

std::shared_ptr<grpc::Channel> make_mesh_channel(const mesh::Credentials& credentials,
                                                 const std::string& address,
                                                 const grpc::ChannelArguments& arguments) {
  const auto made = make_channel_credentials(credentials);
  return grpc::CreateCustomChannel(address, made ? *made : nullptr, arguments);
}

}  // namespace meridian::api
