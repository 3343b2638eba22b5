// What the tests of certificates share: a root, regional CAs, and leaves good and bad.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crypto/p256.h"
#include "mesh/certificate.h"
#include "mesh/internal/certificate_builder.h"
#include "mesh/trust.h"

namespace meridian::mesh::internal {

/// What sim::Clock starts at, in seconds.
inline constexpr std::int64_t rig_now = 1'700'000'000;

template <typename T>
T value_of(Result<T> result) {
  EXPECT_TRUE(result.has_value()) << (result.has_value() ? "" : result.error().message);
  return *std::move(result);
}

inline std::array<Byte, 16> next_serial() {
  static Byte count = 0;
  std::array<Byte, 16> serial{};
  serial[0] = 0x40;
  serial[15] = ++count;
  return serial;
}

struct Holder {
  Certificate certificate;
  crypto::P256PrivateKey key;
};

inline NameConstraints constraints_for(const std::string& domain) {
  using Type = GeneralName::Type;
  return {{{Type::uri, domain}},
          {{Type::dns, ""},
           {Type::ip, std::string(8, '\0')},
           {Type::ip, std::string(32, '\0')},
           {Type::email, ""}}};
}

inline CertificateSpec root_spec() {
  CertificateSpec spec;
  spec.common_name = "Example Bank root";
  spec.serial = next_serial();
  spec.not_before = rig_now - 86400;
  spec.not_after = rig_now + 86400L * 3650;
  spec.basic_constraints = "critical,CA:TRUE,pathlen:1";
  spec.key_usage = "critical,keyCertSign,cRLSign";
  return spec;
}

inline CertificateSpec authority_spec(const std::string& domain) {
  CertificateSpec spec = root_spec();
  spec.common_name = "CA of " + domain;
  spec.serial = next_serial();
  spec.not_after = rig_now + 86400L * 365;
  spec.basic_constraints = "critical,CA:TRUE,pathlen:0";
  spec.name_constraints = constraints_for(domain);
  return spec;
}

inline CertificateSpec leaf_spec(const std::string& uri) {
  CertificateSpec spec;
  spec.serial = next_serial();
  spec.not_before = rig_now - 60;
  spec.not_after = rig_now + 3600;
  spec.alternative_names = {{GeneralName::Type::uri, uri}};
  spec.alternative_names_critical = true;
  spec.basic_constraints = "critical,CA:FALSE";
  spec.key_usage = "critical,digitalSignature";
  spec.extended_key_usage = "serverAuth,clientAuth";
  return spec;
}

inline Holder self_signed(const CertificateSpec& spec) {
  crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  return {value_of(build_certificate(spec, key.handle(), nullptr, key.handle())), key};
}

inline Holder signed_by(const Holder& issuer, const CertificateSpec& spec) {
  crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  return {value_of(build_certificate(spec, key.handle(), &issuer.certificate, issuer.key.handle())),
          key};
}

/// A region with its CA under a root.
struct Region {
  std::string domain;
  Holder authority;
  TrustBundle bundle;

  static Region make(const Holder& root, const std::string& domain) {
    Holder authority = signed_by(root, authority_spec(domain));
    TrustBundle bundle =
        value_of(TrustBundle::make(domain, {authority.certificate}, {root.certificate}));
    return {domain, authority, bundle};
  }
  std::string uri(const std::string& path) const { return "spiffe://" + domain + path; }
  Holder leaf(const std::string& path) const { return signed_by(authority, leaf_spec(uri(path))); }
};

}  // namespace meridian::mesh::internal
