// A deployment of two regions with a trust domain each, and processes with certificates of theirs.
// For tests only. Time is a clock that tests move.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/assert.h"
#include "io/entropy.h"
#include "mesh/authority.h"
#include "mesh/credentials.h"
#include "mesh/policy.h"
#include "sim/clock.h"

namespace meridian::api {

struct MeshRig {
  static constexpr const char* west = "eu-west.bank.example";
  static constexpr const char* east = "eu-east.bank.example";

  /// What a process has to show.
  struct Shown {
    mesh::Certificate certificate;
    crypto::P256PrivateKey key;
    std::string key_pem() const { return std::string(as_text(key.pem().bytes())); }
  };

  MeshRig() : bundles(*mesh::TrustBundles().with(bundle_of(*authority))) {}

  /// Of `path` in the region that everybody here trusts.
  Shown issue(const std::string& path, std::int64_t lifetime_s = 3600) {
    return issue_by(*authority, path, lifetime_s);
  }
  /// Of a person who signed in.
  Shown issue_signed_in(const std::string& path, const mesh::PersonEvidence& evidence) {
    return issue_by(*authority, path, 3600, evidence);
  }
  /// Of a region that nobody here trusts.
  Shown issue_foreign(const std::string& path) { return issue_by(*foreign, path, 3600); }

  std::unique_ptr<mesh::Credentials> holder_of(const Shown& shown) {
    auto made = std::make_unique<mesh::Credentials>(clock, *new_metrics());
    made->replace_bundles(bundles);
    renew(*made, shown);
    return made;
  }
  static void renew(mesh::Credentials& holder, const Shown& shown) {
    Status replaced = holder.replace_own({shown.certificate}, shown.key);
    ASSERT(replaced.has_value());
  }
  void deny(mesh::Credentials& by, const std::string& path) {
    auto list = mesh::DenyList::make(
        west, ++denials_, {{std::string("spiffe://") + west + path, "stolen", by.now()}});
    ASSERT(list.has_value() && by.replace_deny_list(*list));
  }

  static std::shared_ptr<const mesh::Policy> policy(const std::string& rules) {
    auto parsed = mesh::Policy::parse("meridian-policy: 1\n" + rules);
    ASSERT(parsed.has_value());
    return *parsed;
  }
  /// Whoever is known may do everything; two people may approve.
  static std::shared_ptr<const mesh::Policy> everything() {
    return policy(R"(mfa: not-needed
grants:
  - who: spiffe://*.bank.example/*
    roles: [writer, reader, auditor, operator, privacy officer]
    cells: all
    ledgers: all
    streams: all
)");
  }

  sim::Clock clock;
  std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  mesh::CertificateAndKey root = *mesh::make_root({.common_name = "root"}, clock, *entropy);
  std::unique_ptr<mesh::Authority> authority = make_authority(west);
  std::unique_ptr<mesh::Authority> foreign = make_authority(east);
  mesh::TrustBundles bundles;

 private:
  std::unique_ptr<mesh::Authority> make_authority(const std::string& domain) {
    crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    auto certificate =
        mesh::make_regional(root, *mesh::make_csr(key, "CA"),
                            {.trust_domain = domain, .common_name = "CA"}, clock, *entropy);
    ASSERT(certificate.has_value());
    auto opened = mesh::Authority::open(*certificate, key, domain, clock, *entropy);
    ASSERT(opened.has_value());
    return std::make_unique<mesh::Authority>(std::move(*opened));
  }
  mesh::TrustBundle bundle_of(const mesh::Authority& of) const {
    auto bundle =
        mesh::TrustBundle::make(of.trust_domain(), {of.certificate()}, {root.certificate});
    ASSERT(bundle.has_value());
    return *bundle;
  }
  static Shown issue_by(mesh::Authority& by, const std::string& path, std::int64_t lifetime_s,
                        const std::optional<mesh::PersonEvidence>& evidence = std::nullopt) {
    crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    auto certificate =
        by.issue(*mesh::make_csr(key, "test"), {by.trust_domain(), path}, lifetime_s, evidence);
    ASSERT(certificate.has_value());
    return {*certificate, key};
  }
  metrics::Registry* new_metrics() {
    return registries_.emplace_back(std::make_unique<metrics::Registry>()).get();
  }

  std::vector<std::unique_ptr<metrics::Registry>> registries_;
  std::uint64_t denials_ = 0;
};

inline constexpr const char* rig_node = "/node/00000000-0000-0000-0000-0000000000c1/1";

}  // namespace meridian::api
