#include "tls.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace meridian::client {
namespace {

namespace tls_of = grpc::experimental;

/// After OpenSSL found a chain to one of the authorities. gRPC deletes it.
class Verifier final : public tls_of::ExternalCertificateVerifier {
 public:
  explicit Verifier(std::string trust_domain) : trust_domain_(std::move(trust_domain)) {}

  bool Verify(tls_of::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    const std::vector<grpc::string_ref> names = request->uri_names();
    const bool has_others = !request->dns_names().empty() || !request->ip_names().empty() ||
                            !request->email_names().empty();
    const std::string_view name =
        names.empty() ? std::string_view() : std::string_view(names[0].data(), names[0].size());
    if (names.size() != 1 || has_others || !is_server_of(name, trust_domain_))
      *status = {grpc::StatusCode::UNAUTHENTICATED,
                 "the server is " + std::string(name.empty() ? "nobody" : name) +
                     ", no node or gateway of " + trust_domain_};
    return true;  // done, without waiting
  }
  void Cancel(tls_of::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::string trust_domain_;
};

bool has_block(const std::string& pem, std::string_view kind) {
  return pem.find("-----BEGIN " + std::string(kind)) != std::string::npos;
}

}  // namespace

bool is_server_of(std::string_view uri, std::string_view trust_domain) {
  const std::string start = "spiffe://" + std::string(trust_domain);
  if (trust_domain.empty() || !uri.starts_with(start)) return false;
  const std::string_view path = uri.substr(start.size());
  return path.starts_with("/node/") || path.starts_with("/gateway/");
}

std::optional<std::string> check_tls(const TlsOptions& tls) {
  if (!has_block(tls.certificate_chain, "CERTIFICATE"))
    return "tls.certificate_chain: holds no certificate in PEM";
  if (!has_block(tls.private_key, "PRIVATE KEY")) return "tls.private_key: holds no key in PEM";
  if (!has_block(tls.authorities, "CERTIFICATE"))
    return "tls.authorities: holds no certificate in PEM";
  if (tls.trust_domain.empty()) return "tls.trust_domain: is needed";
  return std::nullopt;
}

std::shared_ptr<grpc::ChannelCredentials> make_credentials(const std::optional<TlsOptions>& tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  tls_of::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<tls_of::StaticDataCertificateProvider>(
      tls->authorities,
      std::vector<tls_of::IdentityKeyCertPair>{{tls->private_key, tls->certificate_chain}}));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(true);
  options.set_check_call_host(false);  // ids are no host names
  options.set_certificate_verifier(
      tls_of::ExternalCertificateVerifier::Create<Verifier>(tls->trust_domain));
  return tls_of::TlsCredentials(options);
}

}  // namespace meridian::client
