#include "mesh/trust.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <functional>

#include "base/assert.h"
#include "mesh/internal/openssl.h"

namespace meridian::mesh {
namespace {

using ConstraintsHandle = std::unique_ptr<NAME_CONSTRAINTS, internal::Free<NAME_CONSTRAINTS_free>>;
using BasicHandle = std::unique_ptr<BASIC_CONSTRAINTS, internal::Free<BASIC_CONSTRAINTS_free>>;

Error refuse(const Certificate& certificate, std::string_view what) {
  ERR_clear_error();
  return fail(Code::permission_denied,
              fmt::format("authority {}: {}", certificate.describe(), what));
}

/// An extension that is there once and critical, or null.
void* critical_extension(const Certificate& certificate, int nid) {
  int critical = -1;
  void* value = X509_get_ext_d2i(certificate.handle(), nid, &critical, nullptr);
  if (value != nullptr && critical != 1) {
    if (nid == NID_name_constraints)
      NAME_CONSTRAINTS_free(static_cast<NAME_CONSTRAINTS*>(value));
    else
      BASIC_CONSTRAINTS_free(static_cast<BASIC_CONSTRAINTS*>(value));
    return nullptr;
  }
  return value;
}

bool is_critical(const Certificate& certificate, int nid) {
  int at = X509_get_ext_by_NID(certificate.handle(), nid, -1);
  return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(certificate.handle(), at)) == 1;
}

bool is_subtree(const GENERAL_SUBTREE* subtree, int wanted, std::string_view value) {
  int type = 0;
  void* got = GENERAL_NAME_get0_value(subtree->base, &type);
  if (type != wanted || subtree->minimum != nullptr || subtree->maximum != nullptr) return false;
  const auto* text = static_cast<const ASN1_STRING*>(got);
  return as_text({ASN1_STRING_get0_data(text),
                  static_cast<std::size_t>(ASN1_STRING_length(text))}) == value;
}

bool excludes(const NAME_CONSTRAINTS& constraints, int type, std::string_view value) {
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(constraints.excludedSubtrees); ++i)
    if (is_subtree(sk_GENERAL_SUBTREE_value(constraints.excludedSubtrees, i), type, value))
      return true;
  return false;
}

/// RFC 5280 section 4.2.1.10.
Status check_name_constraints(const Certificate& certificate, std::string_view trust_domain) {
  ConstraintsHandle constraints(
      static_cast<NAME_CONSTRAINTS*>(critical_extension(certificate, NID_name_constraints)));
  if (constraints == nullptr)
    return refuse(certificate, "has no critical name constraints: it could issue for anybody");
  if (sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees) != 1 ||
      !is_subtree(sk_GENERAL_SUBTREE_value(constraints->permittedSubtrees, 0), GEN_URI,
                  trust_domain))
    return refuse(certificate, fmt::format("does not permit exactly the URIs of {}", trust_domain));
  const std::string any_v4(8, '\0');
  const std::string any_v6(32, '\0');
  if (!excludes(*constraints, GEN_DNS, "")) return refuse(certificate, "permits DNS names");
  if (!excludes(*constraints, GEN_IPADD, any_v4) || !excludes(*constraints, GEN_IPADD, any_v6))
    return refuse(certificate, "permits IP addresses");
  if (!excludes(*constraints, GEN_EMAIL, ""))
    return refuse(certificate, "permits e-mail addresses");
  return {};
}

}  // namespace

Status check_authority_form(const Certificate& certificate, std::string_view trust_domain) {
  X509* handle = certificate.handle();
  std::uint32_t flags = X509_get_extension_flags(handle);
  if ((flags & EXFLAG_INVALID) != 0 || X509_get_version(handle) != X509_VERSION_3)
    return refuse(certificate, "is not a well-formed certificate of version 3");
  BasicHandle basic(
      static_cast<BASIC_CONSTRAINTS*>(critical_extension(certificate, NID_basic_constraints)));
  if (basic == nullptr || basic->ca == 0)
    return refuse(certificate, "is not a CA (critical basic constraints CA:TRUE)");
  if (X509_get_pathlen(handle) != 0)
    return refuse(certificate, "may have CAs below it: its path length is not 0");
  std::uint32_t usage = X509_get_key_usage(handle);
  if (!is_critical(certificate, NID_key_usage) || (usage & KU_KEY_CERT_SIGN) == 0 ||
      (usage & ~std::uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN}) != 0)
    return refuse(certificate, "its key usage is not keyCertSign, cRLSign and critical");
  EVP_PKEY* key = X509_get0_pubkey(handle);
  if (!internal::is_p256(key))
    return refuse(certificate,
                  "its key is " + internal::describe_key(key) + ", and must be on P-256");
  if (X509_get_ext_by_NID(handle, NID_subject_key_identifier, -1) < 0)
    return refuse(certificate, "has no subject key identifier");
  if (certificate.claimed_id().has_value() &&
      *certificate.claimed_id() != SpiffeId{std::string(trust_domain), ""})
    return refuse(certificate, "names an id: only that of its trust domain may stand there");
  return check_name_constraints(certificate, trust_domain);
}

Status check_authority_chain(const Certificate& certificate, std::span<const Certificate> roots) {
  internal::Store store(X509_STORE_new());
  internal::StoreContext context(X509_STORE_CTX_new());
  ASSERT(store != nullptr);
  ASSERT(context != nullptr);
  for (const Certificate& root : roots) {
    int added = X509_STORE_add_cert(store.get(), root.handle());
    ASSERT(added == 1);
  }
  int ready = X509_STORE_CTX_init(context.get(), store.get(), certificate.handle(), nullptr);
  ASSERT(ready == 1);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN |
                                              X509_V_FLAG_NO_CHECK_TIME);
  bool is_good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!is_good)
    return refuse(
        certificate,
        fmt::format("does not chain to a root that its trust domain named ({})",
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))));
  // An authority that is itself named as root would have been trusted by being there.
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  if (sk_X509_num(chain) != 2)
    return refuse(certificate, "is not directly below a root that its trust domain named");
  // RFC 5280 section 4.2.1.9 counts the CAs between: what it is asked about last is not one of
  // them.
  if (X509_get_pathlen(sk_X509_value(chain, 1)) == 0)
    return refuse(certificate, "is below a CA that may have none below it (path length 0)");
  return {};
}

struct TrustBundle::Parts {
  std::string trust_domain;
  std::vector<Certificate> authorities;
  std::vector<Certificate> roots;
  internal::Store store;
};

Result<TrustBundle> TrustBundle::make(std::string_view trust_domain,
                                      std::vector<Certificate> authorities,
                                      std::vector<Certificate> roots) {
  if (!is_trust_domain(trust_domain))
    return fail(Code::invalid_argument, "trust bundle: not a trust domain");
  if (authorities.empty() || authorities.size() > bundle_authorities_max)
    return fail(Code::invalid_argument, fmt::format("trust bundle of {}: 1 to {} authorities",
                                                    trust_domain, bundle_authorities_max));
  if (roots.empty() || roots.size() > bundle_roots_max)
    return fail(Code::invalid_argument,
                fmt::format("trust bundle of {}: 1 to {} roots", trust_domain, bundle_roots_max));
  auto parts = std::make_shared<Parts>();
  parts->store.reset(X509_STORE_new());
  ASSERT(parts->store != nullptr);
  for (std::size_t i = 0; i < authorities.size(); ++i) {
    if (std::find(authorities.begin(), authorities.begin() + static_cast<std::ptrdiff_t>(i),
                  authorities[i]) != authorities.begin() + static_cast<std::ptrdiff_t>(i))
      return fail(Code::invalid_argument,
                  fmt::format("trust bundle of {}: an authority is there twice", trust_domain));
    TRY(check_authority_form(authorities[i], trust_domain));
    TRY(check_authority_chain(authorities[i], roots));
    int added = X509_STORE_add_cert(parts->store.get(), authorities[i].handle());
    ASSERT(added == 1);
  }
  parts->trust_domain = trust_domain;
  parts->authorities = std::move(authorities);
  parts->roots = std::move(roots);
  return TrustBundle(std::shared_ptr<const Parts>(std::move(parts)));
}

const std::string& TrustBundle::trust_domain() const { return parts_->trust_domain; }
const std::vector<Certificate>& TrustBundle::authorities() const { return parts_->authorities; }
const std::vector<Certificate>& TrustBundle::roots() const { return parts_->roots; }
x509_store_st* TrustBundle::store() const { return parts_->store.get(); }

bool TrustBundle::has_authority(const crypto::Digest& fingerprint) const {
  return std::ranges::any_of(parts_->authorities, [&](const Certificate& authority) {
    return authority.fingerprint() == fingerprint;
  });
}

TrustBundles::TrustBundles() : bundles_(std::make_shared<const Map>()) {}

Result<TrustBundles> TrustBundles::with(TrustBundle bundle) const {
  auto changed = std::make_shared<Map>(*bundles_);
  std::string trust_domain = bundle.trust_domain();
  changed->insert_or_assign(std::move(trust_domain), std::move(bundle));
  if (changed->size() > trust_domains_max)
    return fail(Code::resource_exhausted,
                fmt::format("trust bundles: at most {} trust domains", trust_domains_max));
  return TrustBundles(std::shared_ptr<const Map>(std::move(changed)));
}

const TrustBundle* TrustBundles::find(std::string_view trust_domain) const {
  auto found = bundles_->find(trust_domain);
  return found == bundles_->end() ? nullptr : &found->second;
}

std::vector<std::string> TrustBundles::trust_domains() const {
  std::vector<std::string> domains;
  for (const auto& [domain, bundle] : *bundles_) domains.push_back(domain);
  return domains;
}

}  // namespace meridian::mesh
