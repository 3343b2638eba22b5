// Trust bundles: which certificates may vouch for the ids of a trust domain.
//
// A bundle holds the domain's regional CAs. Peers are checked against exactly these, never against
// the root above them (docs/decisions/0025), so each is checked once, when a bundle is made: that
// it chains to a root the domain named, and that it is constrained to its domain.
// How bundles travel, signed: trust_bundle.h. Immutable values, cheap to copy; thread-safe.
// Cost: making one 100 us per authority; find() is O(log domains).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mesh/certificate.h"

struct x509_store_st;  // OpenSSL's X509_STORE

namespace meridian::mesh {

inline constexpr std::size_t bundle_authorities_max = 16;
inline constexpr std::size_t bundle_roots_max = 4;
inline constexpr std::size_t trust_domains_max = 64;

/// That `certificate` can be an authority of `trust_domain` and of nothing else: a CA of path
/// length 0 with a P-256 key, that signs certificates and no data, whose name constraints are
/// critical, permit exactly the domain's URIs and exclude every DNS name, address and e-mail.
/// Errors: permission_denied naming what is missing or too much.
Status check_authority_form(const Certificate& certificate, std::string_view trust_domain);

/// That `certificate` is signed by one of `roots` itself. The roots need not
/// sign themselves: an outside PKI may name the CA that issues for us. Times are not looked at: a
/// bundle holds authorities before they issue and after.
/// Errors: permission_denied.
Status check_authority_chain(const Certificate& certificate, std::span<const Certificate> roots);

class TrustBundle {
 public:
  /// Both checks above for each authority.
  /// Errors: permission_denied as above; invalid_argument for no trust domain, no authority, no
  /// root, more than the bounds, one twice.
  static Result<TrustBundle> make(std::string_view trust_domain,
                                  std::vector<Certificate> authorities,
                                  std::vector<Certificate> roots);

  const std::string& trust_domain() const;
  const std::vector<Certificate>& authorities() const;
  const std::vector<Certificate>& roots() const;
  bool has_authority(const crypto::Digest& fingerprint) const;

  /// The authorities as OpenSSL takes them; must not be changed.
  x509_store_st* store() const;

 private:
  struct Parts;
  explicit TrustBundle(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<const Parts> parts_;
};

/// Trust domain -> bundle.
class TrustBundles {
 public:
  TrustBundles();
  /// The same, with `bundle` for its domain, in the place of an older one.
  /// Errors: resource_exhausted above trust_domains_max.
  Result<TrustBundles> with(TrustBundle bundle) const;

  /// Null if there is none. Valid while a copy of this object lives.
  const TrustBundle* find(std::string_view trust_domain) const;
  std::vector<std::string> trust_domains() const;

 private:
  using Map = std::map<std::string, TrustBundle, std::less<>>;
  explicit TrustBundles(std::shared_ptr<const Map> bundles) : bundles_(std::move(bundles)) {}

  std::shared_ptr<const Map> bundles_;
};

}  // namespace meridian::mesh
