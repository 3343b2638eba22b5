// Makes certificates of any shape: the CA's well-formed ones, and the tests' bad ones.
//
// No policy here: what a certificate must hold is authority.cpp's to say and svid.cpp's and
// trust.cpp's to check, on other paths.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "mesh/certificate.h"

struct evp_pkey_st;

namespace meridian::mesh::internal {

struct GeneralName {
  enum class Type : std::uint8_t { uri, dns, email, ip };
  Type type;
  std::string value;  ///< Of an ip: 4 or 16 bytes, in constraints 8 or 32 with the mask.
};

struct NameConstraints {
  std::vector<GeneralName> permitted;
  std::vector<GeneralName> excluded;
};

/// One of nobody's standard; not critical.
struct PrivateExtension {
  std::string oid;  ///< Dotted.
  Buffer value;     ///< DER.
};

struct CertificateSpec {
  std::string common_name;  ///< Empty: no subject.
  std::array<Byte, 16> serial{};
  std::int64_t not_before = 0;  ///< Seconds since 1970.
  std::int64_t not_after = 0;
  std::vector<GeneralName> alternative_names;  ///< Empty: no such extension.
  bool alternative_names_critical = false;
  std::string basic_constraints;  ///< In OpenSSL's x509v3_config syntax; empty: none.
  std::string key_usage;          ///< Likewise.
  std::string extended_key_usage;
  std::optional<NameConstraints> name_constraints;
  bool key_identifiers = true;  ///< Subject's and, unless self-signed, authority's.
  std::vector<PrivateExtension> private_extensions;
};

/// Signed by `issuer_key` as `issuer` (null: by itself) with SHA-256.
/// Errors: internal with OpenSSL's reason, if `spec` asks for what it cannot make.
Result<Certificate> build_certificate(const CertificateSpec& spec, evp_pkey_st* subject_key,
                                      const Certificate* issuer, evp_pkey_st* issuer_key);

}  // namespace meridian::mesh::internal
