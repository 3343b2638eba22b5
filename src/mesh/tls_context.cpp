#include "mesh/tls_context.h"

#include <openssl/err.h>

#include <utility>
#include <vector>

#include "base/assert.h"
#include "mesh/internal/openssl.h"

namespace meridian::mesh {
namespace {

/// What the check of a context's peers needs; goes when the context goes.
struct ContextPart {
  const Credentials& credentials;
  WantedPeer wanted;
};
/// What the check leaves at its connection, and what the connection adds to the demands.
struct ConnectionPart {
  std::optional<SpiffeId> expected;
  std::optional<PeerIdentity> peer;
  std::optional<Refusal> refusal;
};

template <typename Part>
void free_part(void*, void* part, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Part*>(part);
}
// OpenSSL's way of hanging data at its objects: numbers given out once for a process.
int context_index() {
  static const int index =
      SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_part<ContextPart>);
  return index;
}
int connection_index() {
  static const int index =
      SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_part<ConnectionPart>);
  return index;
}

ConnectionPart& part_of(SSL& connection) {
  if (void* part = SSL_get_ex_data(&connection, connection_index()))
    return *static_cast<ConnectionPart*>(part);
  auto part = std::make_unique<ConnectionPart>();
  int set = SSL_set_ex_data(&connection, connection_index(), part.get());
  ASSERT(set == 1);
  return *part.release();
}
const ConnectionPart* part_of(const SSL& connection) {
  return static_cast<const ConnectionPart*>(SSL_get_ex_data(&connection, connection_index()));
}

/// So that the alert tells the other side as much as TLS can: RFC 8446 section 6.2.
int openssl_error_of(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::expired: return X509_V_ERR_CERT_HAS_EXPIRED;
    case RefusalReason::not_yet_valid: return X509_V_ERR_CERT_NOT_YET_VALID;
    case RefusalReason::denied: return X509_V_ERR_CERT_REVOKED;
    case RefusalReason::unknown_trust_domain:
    case RefusalReason::untrusted_chain: return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    case RefusalReason::self_signed: return X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
    case RefusalReason::wrong_usage: return X509_V_ERR_INVALID_PURPOSE;
    case RefusalReason::weak_key: return X509_V_ERR_EE_KEY_TOO_SMALL;
    case RefusalReason::wrong_kind:
    case RefusalReason::no_certificate:
    case RefusalReason::malformed:
    case RefusalReason::no_spiffe_id:
    case RefusalReason::several_sans:
    case RefusalReason::not_a_leaf:
    case RefusalReason::outside_constraints: return X509_V_ERR_CERT_REJECTED;
  }
  return X509_V_ERR_CERT_REJECTED;
}

/// Stands in for OpenSSL's verification (SSL_CTX_set_cert_verify_callback): 1 to go on.
int verify_peer(X509_STORE_CTX* store_context, void*) {
  auto* connection = static_cast<SSL*>(
      X509_STORE_CTX_get_ex_data(store_context, SSL_get_ex_data_X509_STORE_CTX_idx()));
  ASSERT(connection != nullptr);
  const auto* context = static_cast<const ContextPart*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), context_index()));
  ASSERT(context != nullptr);
  ConnectionPart& part = part_of(*connection);
  WantedPeer wanted = context->wanted;
  if (part.expected.has_value()) wanted.id = part.expected;

  STACK_OF(X509)* shown = X509_STORE_CTX_get0_untrusted(store_context);  // leaf first
  std::vector<Buffer> ders;
  for (int i = 0; i < sk_X509_num(shown); ++i)
    ders.push_back(internal::to_der(i2d_X509, sk_X509_value(shown, i)));
  std::vector<Bytes> views(ders.begin(), ders.end());
  tl::expected<PeerIdentity, Refusal> checked =
      context->credentials.verify_or_refusal(views, wanted);
  if (!checked.has_value()) {
    X509_STORE_CTX_set_error(store_context, openssl_error_of(checked.error().reason));
    part.refusal = std::move(checked.error());
    return 0;
  }
  part.peer = *std::move(checked);
  X509_STORE_CTX_set_error(store_context, X509_V_OK);
  return 1;
}

/// A client without a certificate never reaches the check above: OpenSSL sends this alert.
void note_alert(const SSL* connection, int where, int alert) {
  if ((where & SSL_CB_WRITE_ALERT) != SSL_CB_WRITE_ALERT) return;
  if ((alert & 0xff) != TLS13_AD_CERTIFICATE_REQUIRED) return;
  const auto* context = static_cast<const ContextPart*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), context_index()));
  ASSERT(context != nullptr);
  // OpenSSL hands its callbacks a const SSL, and its ex_data to whoever asks.
  auto& part = part_of(*const_cast<SSL*>(connection));
  auto refused = context->credentials.verify_or_refusal({}, context->wanted);
  ASSERT(!refused.has_value());
  part.refusal = std::move(refused.error());
}

bool set_protocol(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // RSA and Ed25519 only so that a peer with such a certificate gets as far as the check, which
  // refuses it and says why.
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_set_max_early_data(context, 0) == 1 &&
         SSL_CTX_set_ciphersuites(context,
                                  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                  "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
         SSL_CTX_set1_sigalgs_list(context, "ECDSA+SHA256:RSA-PSS+SHA256:ed25519") == 1;
}

bool set_own(SSL_CTX* context, const OwnIdentity& own) {
  if (SSL_CTX_use_certificate(context, own.chain.front().handle()) != 1) return false;
  for (std::size_t i = 1; i < own.chain.size(); ++i)
    if (SSL_CTX_add1_chain_cert(context, own.chain[i].handle()) != 1) return false;
  return SSL_CTX_use_PrivateKey(context, own.key.handle()) == 1 &&
         SSL_CTX_check_private_key(context) == 1;
}

}  // namespace

Result<TlsContext> make_tls_context(const Credentials& credentials, const WantedPeer& wanted) {
  std::shared_ptr<const OwnIdentity> own = credentials.own();
  if (own == nullptr)
    return fail(Code::failed_precondition,
                "TLS: this process has no certificate yet: enrol it with a join token");
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_method()), SSL_CTX_free);
  if (context == nullptr || !set_protocol(context.get()))
    return internal::openssl_failure(Code::internal, "TLS: OpenSSL does not do TLS 1.3 as we need");
  if (!set_own(context.get(), *own))
    return internal::openssl_failure(Code::internal, "TLS: OpenSSL does not take the certificate");
  auto part = std::make_unique<ContextPart>(ContextPart{credentials, wanted});
  int set = SSL_CTX_set_ex_data(context.get(), context_index(), part.get());
  ASSERT(set == 1);
  (void)part.release();
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), verify_peer, nullptr);
  SSL_CTX_set_info_callback(context.get(), note_alert);
  return TlsContext{std::move(context), own->version};
}

TlsContexts::TlsContexts(const Credentials& credentials, WantedPeer wanted)
    : credentials_(credentials), wanted_(std::move(wanted)) {}

Result<std::shared_ptr<ssl_ctx_st>> TlsContexts::current() {
  std::shared_ptr<const OwnIdentity> own = credentials_.own();
  std::scoped_lock guard(mutex_);
  if (!newest_.has_value() || own == nullptr || newest_->version != own->version)
    newest_ = TRY(make_tls_context(credentials_, wanted_));
  return newest_->context;
}

void expect_peer(ssl_st& connection, SpiffeId id) { part_of(connection).expected = std::move(id); }

Result<PeerIdentity> peer_of(const ssl_st& connection) {
  const ConnectionPart* part = part_of(connection);
  if (part == nullptr || !part->peer.has_value() || SSL_is_init_finished(&connection) != 1)
    return fail(Code::failed_precondition, "TLS: the other side is not known (yet)");
  return *part->peer;
}

std::optional<Refusal> refusal_of(const ssl_st& connection) {
  const ConnectionPart* part = part_of(connection);
  return part == nullptr ? std::nullopt : part->refusal;
}

}  // namespace meridian::mesh
