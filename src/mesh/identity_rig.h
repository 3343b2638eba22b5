// An identity, and the regional authority that issued it. For tests only.
#pragma once

#include <string>

#include "io/clock.h"
#include "io/entropy.h"
#include "mesh/authority.h"
#include "mesh/certificate.h"

namespace meridian::mesh {

struct IdentityRig {
  crypto::P256PrivateKey key;
  Certificate leaf, authority;
};

/// `spiffe://domain/path`, good for ten minutes from now.
inline IdentityRig make_identity(const std::string& domain, const std::string& path) {
  const auto clock = io::os_clock();
  const auto entropy = io::os_entropy();
  const auto root = *make_root({.common_name = "root"}, *clock, *entropy);
  const auto ca = crypto::P256PrivateKey::generate();
  const auto regional = *make_regional(
      root, *make_csr(ca, "CA"), {.trust_domain = domain, .common_name = "CA"}, *clock, *entropy);
  auto issuer = *Authority::open(regional, ca, domain, *clock, *entropy);
  const auto key = crypto::P256PrivateKey::generate();
  return {key, *issuer.issue(*make_csr(key, "t"), {domain, path}, 600), regional};
}

}  // namespace meridian::mesh
