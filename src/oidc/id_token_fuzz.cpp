// What strangers bring as a token, and what providers say: each ends in a value or in a refusal,
// and nobody but who is in the table is ever somebody.
#include <openssl/err.h>

#include "base/assert.h"
#include "oidc/id_token.h"
#include "oidc/key_set.h"
#include "oidc/provider.h"
#include "oidc/sign_in.h"

using namespace meridian;
using namespace meridian::oidc;

namespace {

/// The private halves are nowhere.
constexpr std::string_view keys_of_nobody =
    R"({"keys":[{"kty":"EC","crv":"P-256","x":")"
    "JdBnf_Plp8Kr78W277qBVTe4yJIY7ee9HzlKJPoUeK0"
    R"(","y":")"
    "3DjmGe-XztNqb9G0pFpQo9fmpeYcrrGeVTKSAJo3mvs"
    R"("},{"kty":"RSA","e":"AQAB","n":")"
    "6tXkdcmYIHKhbItfBJzMpIZR_n_lN1o6skCEdGuAID_cALoBDyAD-TRZd1LuPqxBPTtc1RHTluKV6LvQiW0ufx"
    "TO11fDMyThGcDrmA_44oSz4Z6i5RZJ8tWE-UVxXa3mKrSUq5zXN9wAtzrkAsu8g-xIcT4jsvorAkUT31XJFqlo"
    "MAtWA9LMPWw821TcCFjqVdzJXMDupN2nB-wl0kO-YphrLKchXy-Hx7me_Cm0ch40sNDVEGmLXjXI1pbrnNGX9D"
    "1MMqeqT4Frc7cR-1rA1Pdb1Q8GO7XjcB_JS-W0UUZIdb01LKOgEugLGJ5k-EgGdyIK6aDfUs6xaXkTLYZG2Q"
    R"("}]})";

Settings settings() {
  Settings made;
  made.issuer = "https://login.bank.example";
  made.client_id = "meridian";
  made.audiences = {"meridian"};
  made.people = {{"8f2c", "ada"}};
  made.mfa_methods = {"otp"};
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  static const Settings known = settings();
  const Result<SignedIn> who = judge_id_token(text, known, "n", 1'700'000'000);
  if (who) {
    ASSERT(who->name == "ada");
    ASSERT(mesh::encode_person_evidence(who->evidence).has_value());
  } else {
    ASSERT(who.error().code == Code::permission_denied);
  }
  const Result<KeySet> keys = KeySet::parse(text);
  const Result<TokenHead> head = read_token_head(text, known.algorithms);
  static const KeySet nobody = *KeySet::parse(keys_of_nobody);
  ASSERT(nobody.size() == 2);
  if (head) ASSERT(!nobody.verify(text, *head));
  if (keys && head) ASSERT(!keys->verify(text, *head));  // no text is both
  (void)parse_provider(text, known.issuer);
  (void)read_token_answer({200, std::string(text)});
  (void)read_token_answer({400, std::string(text)});
  ASSERT(ERR_peek_error() == 0);
  return 0;
}
