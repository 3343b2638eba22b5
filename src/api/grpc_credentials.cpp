#include "api/internal/grpc_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <grpcpp/security/auth_context.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/method_needs.h"
#include "api/tls13.h"
#include "base/assert.h"

namespace meridian::api {
namespace {

/// Read by gRPC once, at its first use of TLS. No handshake of TLS 1.2 succeeds with it, as there
/// is no shared key; the suites of TLS 1.3 are others.
constexpr const char* suites_name = "GRPC_SSL_CIPHER_SUITES";
constexpr const char* suites = "PSK-AES128-GCM-SHA256";

bool is_tls13_required() {
  const char* set = std::getenv(suites_name);
  return set != nullptr && std::string_view(set) == suites;
}

std::string_view property(const grpc_auth_context* context, const char* name) {
  grpc_auth_property_iterator found = grpc_auth_context_find_properties_by_name(context, name);
  const grpc_auth_property* first = grpc_auth_property_iterator_next(&found);
  if (first == nullptr) return {};
  return {first->value, first->value_length};
}

/// What gRPC calls back. Its credentials own it: they live as long as connections do.
class Judge {
 public:
  /// `backend` null: everybody is let through.
  Judge(const mesh::Credentials& credentials, Backend* backend)
      : credentials_(credentials), backend_(backend) {}

  /// At each handshake, one at a time.
  static grpc_ssl_certificate_config_reload_status fetch(void* self,
                                                         grpc_ssl_server_certificate_config** out) {
    return static_cast<Judge*>(self)->fetch(*out);
  }
  /// At each call, of every service.
  static void process(void* self, grpc_auth_context* context, const grpc_metadata* metadata,
                      std::size_t count, grpc_process_auth_metadata_done_cb done, void* call) {
    auto& judge = *static_cast<Judge*>(self);
    if (judge.backend_ == nullptr)
      return done(call, nullptr, 0, nullptr, 0, GRPC_STATUS_OK, nullptr);
    const Result<CallerRef> caller =
        judge.backend_->callers->find(property(context, GRPC_X509_PEM_CERT_PROPERTY_NAME),
                                      property(context, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME));
    if (!caller)
      return done(call, nullptr, 0, nullptr, 0, GRPC_STATUS_UNAUTHENTICATED,
                  caller.error().message.c_str());
    const Status may = judge.ask(*caller, method_of({metadata, count}));
    if (!may)
      return done(call, nullptr, 0, nullptr, 0,
                  may.error().code == Code::unavailable ? GRPC_STATUS_UNAVAILABLE
                                                        : GRPC_STATUS_PERMISSION_DENIED,
                  may.error().message.c_str());
    done(call, nullptr, 0, nullptr, 0, GRPC_STATUS_OK, nullptr);
  }
  static void destroy(void* self) { delete static_cast<Judge*>(self); }

 private:
  /// "/meridian.v1.Transfers/Create"; empty if it does not say.
  static std::string_view method_of(std::span<const grpc_metadata> metadata) {
    for (const grpc_metadata& one : metadata)
      if (text_of(one.key) == ":path") return text_of(one.value);
    return {};
  }
  static std::string_view text_of(const grpc_slice& slice) {
    return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
  }
  Status ask(const CallerRef& caller, std::string_view method) {
    const Needs* needs = needs_of_method(method);
    Status may = needs != nullptr
                     ? backend_->access.asker(caller).check(*needs)
                     : fail(Code::permission_denied, "there is no such method for anybody");
    if (!may) backend_->grpc_calls.failed(may.error().code);
    return may;
  }

  grpc_ssl_certificate_config_reload_status fetch(grpc_ssl_server_certificate_config*& out) {
    const std::shared_ptr<const mesh::OwnIdentity> own = credentials_.own();
    if (own == nullptr) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    std::string authorities = name_authorities();
    if (own->version == version_ && authorities == authorities_)
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    std::string key(as_text(own->key_pem.bytes()));
    const grpc_ssl_pem_key_cert_pair pair{key.c_str(), own->chain_pem.c_str()};
    out = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    crypto::cleanse({reinterpret_cast<Byte*>(key.data()), key.size()});
    if (out == nullptr) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    version_ = own->version;
    authorities_ = std::move(authorities);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }
  /// Not to verify by: clients choose their certificate by these names.
  std::string name_authorities() const {
    std::string pem;
    const mesh::TrustBundles bundles = credentials_.bundles();
    for (const std::string& domain : bundles.trust_domains())
      pem += mesh::format_pem_chain(bundles.find(domain)->authorities());
    return pem;
  }

  const mesh::Credentials& credentials_;
  Backend* backend_;
  std::uint64_t version_ = 0;  // what gRPC holds
  std::string authorities_;
};

/// Handed to a ServerBuilder, and gone while its server still runs.
class Credentials final : public grpc::ServerCredentials {
 public:
  Credentials(const mesh::Credentials& credentials, Backend* backend) {
    auto* judge = new Judge(credentials, backend);
    auto* options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
        backend == nullptr ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY
                           : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY,
        Judge::fetch, judge);
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);  // takes them
    grpc_server_credentials_set_auth_metadata_processor(credentials_,
                                                        {Judge::process, Judge::destroy, judge});
  }
  ~Credentials() override { grpc_server_credentials_release(credentials_); }
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* credentials_ = nullptr;
};

}  // namespace

void require_tls13() { ::setenv(suites_name, suites, 1); }

void quiet_grpc_log() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    if (std::string_view(line->message).starts_with("No match found for server name")) return;
    std::fprintf(stderr, "grpc: %s\n", line->message);
  });
}

namespace internal {

namespace {

Status check_ready(const mesh::Credentials& credentials) {
  if (!is_tls13_required())
    return fail(Code::failed_precondition,
                "gRPC would speak TLS 1.2 as well: this process did not call require_tls13()");
  if (credentials.own() == nullptr)
    return fail(Code::failed_precondition,
                "this process has no certificate yet: enrol it with a join token");
  return {};
}

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>> make_grpc_credentials(Backend& backend) {
  const mesh::Credentials& credentials = backend.callers->credentials();
  TRY(check_ready(credentials));
  return std::shared_ptr<grpc::ServerCredentials>(
      std::make_shared<Credentials>(credentials, &backend));
}

Result<std::shared_ptr<grpc::ServerCredentials>> make_open_grpc_credentials(
    const mesh::Credentials& credentials) {
  TRY(check_ready(credentials));
  return std::shared_ptr<grpc::ServerCredentials>(
      std::make_shared<Credentials>(credentials, nullptr));
}

Result<mesh::PeerIdentity> judge_shown(const grpc::ServerContextBase& context,
                                       const mesh::Credentials& credentials,
                                       const mesh::WantedPeer& wanted) {
  const std::shared_ptr<const grpc::AuthContext> shown = context.auth_context();
  ASSERT(shown != nullptr);
  std::string pem;
  for (const char* name :
       {GRPC_X509_PEM_CERT_PROPERTY_NAME, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME})
    for (const grpc::string_ref& text : shown->FindPropertyValues(name))
      pem.append(text.data(), text.size());
  if (pem.empty()) return credentials.verify({}, wanted);
  const mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(pem));
  std::vector<Bytes> ders;
  for (const mesh::Certificate& certificate : chain) ders.push_back(certificate.der());
  return credentials.verify(ders, wanted);
}

Result<CallerRef> caller_of(const grpc::ServerContextBase& context, Backend& backend) {
  ASSERT(backend.callers != nullptr);
  const std::shared_ptr<const grpc::AuthContext> shown = context.auth_context();
  ASSERT(shown != nullptr);
  const auto text_of = [&shown](const char* name) -> std::string_view {
    const std::vector<grpc::string_ref> found = shown->FindPropertyValues(name);
    if (found.empty()) return {};
    return {found[0].data(), found[0].size()};
  };
  const std::string_view leaf = text_of(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  CallerRef caller = backend.callers->known(leaf);
  if (!caller)
    caller = TRY(backend.callers->find(leaf, text_of(GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME)));
  if (backend.grpc_port.has_strangers()) backend.grpc_port.met(context.peer());
  return caller;
}

}  // namespace internal
}  // namespace meridian::api
