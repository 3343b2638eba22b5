// A link security of tests: one authority, certificates that name a node, and whoever is denied.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/assert.h"
#include "io/link_security.h"
#include "io/network.h"

namespace meridian::io::internal {

struct FreeOpenssl {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
template <typename Handle>
using Openssl = std::unique_ptr<Handle, FreeOpenssl>;

/// Signs certificates whose only name is that of a node, as "n2".
class Authority {
 public:
  struct Issued {
    Openssl<X509> certificate;
    Openssl<EVP_PKEY> key;
  };
  Issued issue(const std::string& name, long valid_from_s, long valid_to_s) const {
    Issued issued{Openssl<X509>(X509_new()), Openssl<EVP_PKEY>(EVP_EC_gen("P-256"))};
    X509* certificate = issued.certificate.get();
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), valid_from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), valid_to_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_pubkey(certificate, issued.key.get());
    ASSERT(X509_sign(certificate, key_.get(), EVP_sha256()) > 0);
    return issued;
  }
  bool has_signed(X509* certificate) const { return X509_verify(certificate, key_.get()) == 1; }

 private:
  Openssl<EVP_PKEY> key_{EVP_EC_gen("P-256")};
};

class RigSecurity final : public LinkSecurity {
 public:
  /// Trusts what `authority` signs; shows what `issuer` did.
  RigSecurity(const Authority& authority, std::string name, const Authority& issuer)
      : authority_(authority), issuer_(issuer), name_(std::move(name)) {
    renew();
  }
  RigSecurity(const Authority& authority, std::string name)
      : RigSecurity(authority, std::move(name), authority) {}

  void renew(long valid_from_s = -60, long valid_to_s = 3600) {
    Authority::Issued issued = issuer_.issue(name_, valid_from_s, valid_to_s);
    TlsContext context = bare_context();
    ASSERT(SSL_CTX_use_certificate(context.get(), issued.certificate.get()) == 1);
    ASSERT(SSL_CTX_use_PrivateKey(context.get(), issued.key.get()) == 1);
    std::lock_guard lock(mutex_);
    context_ = std::move(context);
  }
  void show_nothing() {
    std::lock_guard lock(mutex_);
    context_ = bare_context();
  }
  void deny(std::string name) {
    std::lock_guard lock(mutex_);
    denied_.insert(std::move(name));
  }

  Result<TlsContext> context() override {
    std::lock_guard lock(mutex_);
    return context_;
  }
  Result<LinkPeer> judge(const ssl_st& link) override {
    X509* shown = SSL_get0_peer_certificate(&link);
    if (shown == nullptr) return fail(Code::permission_denied, "it shows no certificate");
    X509_up_ref(shown);
    std::shared_ptr<X509> certificate(shown, FreeOpenssl{});
    char name[64] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name);
    if (!authority_.has_signed(shown)) {
      return fail(Code::permission_denied, std::string(name) + " is vouched for by nobody here");
    }
    LinkPeer who{name, 0, PeerId(std::uint64_t(std::string(name).back() - '0')), certificate};
    if (Status still = check(who); !still) return still.error();
    return who;
  }
  Result<Advice> review(const LinkPeer& peer, const TlsContext& context) override {
    if (Status still = check(peer); !still) return still.error();
    std::lock_guard lock(mutex_);
    return context == context_ ? Advice::go_on : Advice::make_again;
  }

 private:
  static TlsContext bare_context() {
    TlsContext context(SSL_CTX_new(TLS_method()), FreeOpenssl{});
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(
        context.get(), [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    return context;
  }
  Status check(const LinkPeer& peer) {
    const auto* certificate = static_cast<const X509*>(peer.certificate.get());
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
      return fail(Code::permission_denied, "the certificate of " + peer.name + " has ended");
    }
    std::lock_guard lock(mutex_);
    if (denied_.contains(peer.name)) return fail(Code::permission_denied, peer.name + " is denied");
    return {};
  }

  const Authority& authority_;
  const Authority& issuer_;
  const std::string name_;
  std::mutex mutex_;
  TlsContext context_;
  std::set<std::string> denied_;
};

inline OsNetworkOptions secured(std::shared_ptr<LinkSecurity> security) {
  OsNetworkOptions options;
  options.limits.reconnect_after = milliseconds(5);
  options.security = std::move(security);
  return options;
}

}  // namespace meridian::io::internal
