#include "api/authority_client.h"

#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <utility>

#include "api/grpc_channel.h"
#include "api/grpc_code.h"
#include "meridian/v1/authority.grpc.pb.h"

namespace meridian::api {
namespace {

namespace tls = grpc::experimental;

std::shared_ptr<grpc::Channel> make_channel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(AuthorityClient::receive_bytes_max);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

std::shared_ptr<grpc::ChannelCredentials> to_anybody() {
  tls::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  return tls::TlsCredentials(options);
}

std::unique_ptr<v1::Authority::Stub> stub_to(const std::string& address,
                                             const mesh::Credentials& credentials,
                                             std::string_view trust_domain) {
  return v1::Authority::NewStub(make_channel(
      address, make_channel_credentials_to(credentials, mesh::authority_id(trust_domain))));
}

template <typename Request>
void write_held(const std::vector<HeldTrust>& held, Request& request) {
  for (const HeldTrust& one : held) {
    v1::HeldTrust& out = *request.add_held();
    out.set_trust_domain(one.trust_domain);
    out.set_bundle_sequence(one.bundle_sequence);
    out.set_deny_list_number(one.deny_list_number);
  }
}

TrustNotes parse_notes(const v1::TrustNotes& notes) {
  TrustNotes out;
  for (const v1::TrustNote& one : notes.bundles())
    out.bundles.push_back({one.trust_domain(), one.note()});
  for (const v1::TrustNote& one : notes.deny_lists())
    out.deny_lists.push_back({one.trust_domain(), one.note()});
  return out;
}

Result<mesh::CertificateChain> parse_chain(const v1::IssuedReply& reply) {
  std::vector<Bytes> ders;
  for (const std::string& der : reply.chain()) ders.push_back(as_bytes(der));
  return mesh::parse_der_chain(ders);
}

}  // namespace

/// One call: its context, which cancel() finds.
class AuthorityClient::Running {
 public:
  Running(AuthorityClient& client, io::Duration patience) : client_(client) {
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_nanos(static_cast<std::int64_t>(patience), GPR_TIMESPAN)));
    const std::lock_guard lock(client_.mutex_);
    client_.running_ = &context;
    if (client_.is_cancelled_) context.TryCancel();
  }
  ~Running() {
    const std::lock_guard lock(client_.mutex_);
    client_.running_ = nullptr;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  grpc::ClientContext context;

 private:
  AuthorityClient& client_;
};

void AuthorityClient::cancel() {
  const std::lock_guard lock(mutex_);
  is_cancelled_ = true;
  if (running_ != nullptr) running_->TryCancel();
}

Result<TrustNotes> AuthorityClient::fetch_bundles(const std::vector<HeldTrust>& held) {
  const auto stub = v1::Authority::NewStub(make_channel(address_, to_anybody()));
  v1::BundlesRequest request;
  write_held(held, request);
  v1::BundlesReply reply;
  Running running(*this, call_patience);
  const grpc::Status status = stub->Bundles(&running.context, request, &reply);
  if (!status.ok()) return to_error(status);
  return parse_notes(reply.notes());
}

Result<mesh::CertificateChain> AuthorityClient::join(const mesh::Credentials& credentials,
                                                     const AuthorityDesk::JoinAsk& ask) {
  const auto stub = stub_to(address_, credentials, ask.id.trust_domain);
  v1::JoinRequest request;
  request.set_token(ask.token);
  request.set_id(mesh::format_spiffe_id(ask.id));
  request.set_csr(std::string(as_text(ask.csr)));
  v1::IssuedReply reply;
  Running running(*this, call_patience);
  const grpc::Status status = stub->Join(&running.context, request, &reply);
  if (!status.ok()) return to_error(status);
  return parse_chain(reply);
}

Result<SignInTerms> AuthorityClient::sign_in_terms(const mesh::Credentials& credentials,
                                                   std::string_view trust_domain) {
  const auto stub = stub_to(address_, credentials, trust_domain);
  v1::SignInTermsReply reply;
  Running running(*this, call_patience);
  const grpc::Status status = stub->SignInTerms(&running.context, {}, &reply);
  if (!status.ok()) return to_error(status);
  return SignInTerms{reply.issuer(),
                     reply.client_id(),
                     {reply.scopes().begin(), reply.scopes().end()},
                     {reply.acr_values().begin(), reply.acr_values().end()},
                     reply.ca_pem()};
}

Result<mesh::CertificateChain> AuthorityClient::sign_in(const mesh::Credentials& credentials,
                                                        std::string_view trust_domain,
                                                        const AuthorityDesk::SignInAsk& ask) {
  const auto stub = stub_to(address_, credentials, trust_domain);
  v1::SignInRequest request;
  request.set_id_token(ask.id_token);
  request.set_nonce_random(std::string(as_text(ask.nonce_random)));
  request.set_csr(std::string(as_text(ask.csr)));
  v1::IssuedReply reply;
  Running running(*this, sign_in_patience);
  const grpc::Status status = stub->SignIn(&running.context, request, &reply);
  if (!status.ok()) return to_error(status);
  return parse_chain(reply);
}

Result<mesh::CertificateChain> AuthorityClient::renew(const mesh::Credentials& credentials,
                                                      std::string_view trust_domain, Bytes csr) {
  const auto stub = stub_to(address_, credentials, trust_domain);
  v1::RenewRequest request;
  request.set_csr(std::string(as_text(csr)));
  v1::IssuedReply reply;
  Running running(*this, call_patience);
  const grpc::Status status = stub->Renew(&running.context, request, &reply);
  if (!status.ok()) return to_error(status);
  return parse_chain(reply);
}

Result<TrustNotes> AuthorityClient::wait_for_trust(const mesh::Credentials& credentials,
                                                   std::string_view trust_domain,
                                                   const std::vector<HeldTrust>& held) {
  const auto stub = stub_to(address_, credentials, trust_domain);
  v1::TrustRequest request;
  write_held(held, request);
  v1::TrustReply reply;
  Running running(*this, trust_patience);
  const grpc::Status status = stub->Trust(&running.context, request, &reply);
  if (!status.ok()) return to_error(status);
  return parse_notes(reply.notes());
}

}  // namespace meridian::api
