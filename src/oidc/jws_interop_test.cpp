// What clients sign of their requests (mesh/jws.h), by other people's code: cjose verifies it.
#include <cjose/cjose.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "crypto/base64.h"
#include "mesh/identity_rig.h"
#include "mesh/jws.h"

namespace meridian::oidc {
namespace {

struct ReleaseJwk {
  void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
};
struct ReleaseJws {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};
using Jwk = std::unique_ptr<cjose_jwk_t, ReleaseJwk>;
using Jws = std::unique_ptr<cjose_jws_t, ReleaseJws>;

constexpr std::string_view payload = "meridian-request 1\n";

class JwsInterop : public testing::Test {
 protected:
  Jwk jwk() const {
    std::array<Byte, crypto::p256_point_size> point{};
    std::size_t size = 0;
    EXPECT_EQ(EVP_PKEY_get_octet_string_param(service.key.handle(), OSSL_PKEY_PARAM_PUB_KEY,
                                              point.data(), point.size(), &size),
              1);
    EXPECT_EQ(size, point.size());
    const Bytes all(point);
    const std::string text = fmt::format(R"({{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}})",
                                         crypto::to_base64url(all.subspan(1, 32)),
                                         crypto::to_base64url(all.subspan(33)));
    cjose_err error{};
    return Jwk(cjose_jwk_import(text.data(), text.size(), &error));
  }
  bool verifies(const std::string& compact) const {
    cjose_err error{};
    const Jws jws(cjose_jws_import(compact.data(), compact.size(), &error));
    return jws != nullptr && cjose_jws_verify(jws.get(), jwk().get(), &error);
  }

  const mesh::IdentityRig service = mesh::make_identity("eu.example", "/service/a");
};

TEST_F(JwsInterop, cjose_verifies_what_is_kept) {
  for (int i = 0; i < 20; ++i) {  // leading zeros of r and s come by chance
    const std::string detached = mesh::sign_detached_jws({&service.leaf, 1}, service.key, payload);
    const mesh::DetachedJws parts = *mesh::split_detached_jws(detached);
    EXPECT_TRUE(verifies(mesh::attach_payload(parts, payload)));
    EXPECT_FALSE(verifies(mesh::attach_payload(parts, "meridian-request 2\n")));
  }
}

}  // namespace
}  // namespace meridian::oidc
