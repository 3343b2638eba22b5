#include "token/token.h"

#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/assert.h"
#include "token/internal/session.h"

namespace meridian::token {

namespace {

using Call = Session::Call;
using Attributes = std::vector<CK_ATTRIBUTE>;

// DER of the curves' object identifiers (RFC 8410; RFC 5480), as CKA_EC_PARAMS has them.
constexpr std::array<Byte, 5> ed25519_curve{0x06, 0x03, 0x2b, 0x65, 0x70};
constexpr std::array<Byte, 10> p256_curve{0x06, 0x08, 0x2a, 0x86, 0x48,
                                          0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::size_t found_at_once = 64;
constexpr CK_RV lets_out = CKR_VENDOR_DEFINED | 1;  // ours: the token would let the key out
constexpr CK_RV no_such_key = CKR_VENDOR_DEFINED | 2;
constexpr CK_RV is_there = CKR_VENDOR_DEFINED | 3;
constexpr CK_RV wrong_answer = CKR_VENDOR_DEFINED | 4;
constexpr CK_RV not_of_the_key = CKR_VENDOR_DEFINED | 5;

CK_BBOOL yes = CK_TRUE;  // the interface takes pointers that are not to const, and reads only
CK_BBOOL no = CK_FALSE;

/// The interface knows no const; what it is given here it only reads.
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, Bytes value) {
  return {type, const_cast<Byte*>(value.data()), value.size()};
}
CK_ATTRIBUTE flag(CK_ATTRIBUTE_TYPE type, CK_BBOOL& value) { return {type, &value, sizeof value}; }
template <typename Number>
CK_ATTRIBUTE number(CK_ATTRIBUTE_TYPE type, Number& value) {
  return {type, &value, sizeof value};
}
CK_ATTRIBUTE labelled(std::string_view label) { return attribute(CKA_LABEL, as_bytes(label)); }

CK_ULONG count(const Attributes& attributes) { return attributes.size(); }

CK_RV find_objects(const Call& call, Attributes wanted, std::vector<CK_OBJECT_HANDLE>& found) {
  found.clear();
  // Who is logged out, as by another part of the process, is told that there are no private keys.
  CK_SESSION_INFO session{};
  CK_RV answer = call.token.C_GetSessionInfo(call.session, &session);
  if (answer != CKR_OK) return answer;
  if (session.state != CKS_RW_USER_FUNCTIONS) return CKR_USER_NOT_LOGGED_IN;
  answer = call.token.C_FindObjectsInit(call.session, wanted.data(), count(wanted));
  if (answer != CKR_OK) return answer;
  for (;;) {
    std::array<CK_OBJECT_HANDLE, found_at_once> some{};
    CK_ULONG got = 0;
    answer = call.token.C_FindObjects(call.session, some.data(), some.size(), &got);
    if (answer != CKR_OK || got == 0) break;
    found.insert(found.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(got));
  }
  const CK_RV ended = call.token.C_FindObjectsFinal(call.session);
  return answer != CKR_OK ? answer : ended;
}

/// Sensitive and not extractable; one that was made inside, ever since it was.
CK_RV check_kept(const Call& call, CK_OBJECT_HANDLE key, Origin origin) {
  CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE, always = CK_FALSE, never = CK_FALSE;
  Attributes asked{flag(CKA_SENSITIVE, sensitive), flag(CKA_EXTRACTABLE, extractable),
                   flag(CKA_ALWAYS_SENSITIVE, always), flag(CKA_NEVER_EXTRACTABLE, never)};
  const CK_RV answer =
      call.token.C_GetAttributeValue(call.session, key, asked.data(), count(asked));
  if (answer != CKR_OK) return answer;
  const bool is_kept = sensitive == CK_TRUE && extractable == CK_FALSE &&
                       (origin == Origin::given || (always == CK_TRUE && never == CK_TRUE));
  return is_kept ? CKR_OK : lets_out;
}

/// The secret or private key of that label, checked once per session.
CK_RV find_key(const Call& call, std::string_view label, CK_OBJECT_HANDLE& key,
               Origin origin = Origin::made) {
  const auto known = call.keys.find(std::string(label));
  if (known != call.keys.end()) {
    key = known->second;
    return CKR_OK;
  }
  for (CK_OBJECT_CLASS kind : {CKO_SECRET_KEY, CKO_PRIVATE_KEY}) {
    std::vector<CK_OBJECT_HANDLE> found;
    CK_RV answer = find_objects(call, {number(CKA_CLASS, kind), labelled(label)}, found);
    if (answer != CKR_OK) return answer;
    if (found.empty()) continue;
    if (found.size() > 1) return is_there;
    answer = check_kept(call, found.front(), origin);
    if (answer != CKR_OK) return answer;
    key = found.front();
    call.keys.emplace(label, key);
    return CKR_OK;
  }
  return no_such_key;
}

Attributes private_attributes(std::string_view label, CK_ATTRIBUTE_TYPE use) {
  return {labelled(label),          flag(CKA_TOKEN, yes),      flag(CKA_PRIVATE, yes),
          flag(CKA_SENSITIVE, yes), flag(CKA_EXTRACTABLE, no), flag(use, yes)};
}

/// The bytes of an EC point: in an OCTET STRING, as the standard has it, or bare.
Result<Buffer> point_of(Bytes value, std::size_t size) {
  if (value.size() == size) return to_buffer(value);
  const Byte* at = value.data();
  ASN1_OCTET_STRING* string = d2i_ASN1_OCTET_STRING(nullptr, &at, static_cast<long>(value.size()));
  Buffer point;
  if (string != nullptr)
    point.assign(ASN1_STRING_get0_data(string),
                 ASN1_STRING_get0_data(string) + ASN1_STRING_length(string));
  ASN1_OCTET_STRING_free(string);
  ERR_clear_error();
  if (point.size() != size)
    return fail(Code::internal, "the token gives a public key that is none of its curve");
  return point;
}

class Pkcs11Token final : public Token, public std::enable_shared_from_this<Pkcs11Token> {
 public:
  explicit Pkcs11Token(std::unique_ptr<Session> session) : session_(std::move(session)) {}

  const std::string& display() const override { return session_->display(); }

  Status make_wrapping_key(std::string_view label) override {
    return make(label, [&](const Call& call) {
      CK_ULONG size = crypto::aead_key_size;
      Attributes key = private_attributes(label, CKA_WRAP);
      key.insert(key.end(), {number(CKA_VALUE_LEN, size), flag(CKA_UNWRAP, yes),
                             flag(CKA_ENCRYPT, no), flag(CKA_DECRYPT, no)});
      CK_MECHANISM generate{CKM_AES_KEY_GEN, nullptr, 0};
      CK_OBJECT_HANDLE made = 0;
      return call.token.C_GenerateKey(call.session, &generate, key.data(), count(key), &made);
    });
  }
  Status give_wrapping_key(std::string_view label, Bytes key) override {
    ASSERT(key.size() == crypto::aead_key_size);
    const auto create = [&](const Call& call) {
      CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
      CK_KEY_TYPE aes = CKK_AES;
      Attributes given = private_attributes(label, CKA_WRAP);
      given.insert(given.end(),
                   {number(CKA_CLASS, secret), number(CKA_KEY_TYPE, aes), attribute(CKA_VALUE, key),
                    flag(CKA_UNWRAP, yes), flag(CKA_ENCRYPT, no), flag(CKA_DECRYPT, no)});
      CK_OBJECT_HANDLE there = 0;
      return call.token.C_CreateObject(call.session, given.data(), count(given), &there);
    };
    return make(label, create, Origin::given);
  }
  Status make_ed25519(std::string_view label) override {
    return make_pair(label, CKM_EC_EDWARDS_KEY_PAIR_GEN, ed25519_curve);
  }
  Status make_p256(std::string_view label) override {
    return make_pair(label, CKM_EC_KEY_PAIR_GEN, p256_curve);
  }

  Status destroy(std::string_view label) override {
    return ask("destroying a key", label, [&](const Call& call) {
      call.keys.erase(std::string(label));
      std::vector<CK_OBJECT_HANDLE> found;
      CK_RV answer = find_objects(call, {labelled(label), flag(CKA_TOKEN, yes)}, found);
      if (answer == CKR_OK && found.empty()) return no_such_key;
      for (const CK_OBJECT_HANDLE object : found)
        if (answer == CKR_OK) answer = call.token.C_DestroyObject(call.session, object);
      return answer;
    });
  }

  Result<std::vector<std::string>> labels(std::string_view prefix) override {
    std::set<std::string> sorted;
    TRY(ask("listing keys", "", [&](const Call& call) {
      sorted.clear();
      for (CK_OBJECT_CLASS kind : {CKO_SECRET_KEY, CKO_PRIVATE_KEY}) {
        std::vector<CK_OBJECT_HANDLE> found;
        CK_RV answer = find_objects(call, {number(CKA_CLASS, kind), flag(CKA_TOKEN, yes)}, found);
        if (answer != CKR_OK) return answer;
        for (const CK_OBJECT_HANDLE object : found) {
          std::array<Byte, label_size_max> label;
          CK_ATTRIBUTE asked{CKA_LABEL, label.data(), label.size()};
          answer = call.token.C_GetAttributeValue(call.session, object, &asked, 1);
          if (answer == CKR_BUFFER_TOO_SMALL) continue;  // none of ours
          if (answer != CKR_OK) return answer;
          std::string text(as_text(Bytes(label).first(asked.ulValueLen)));
          if (text.starts_with(prefix)) sorted.insert(std::move(text));
        }
      }
      return CK_RV{CKR_OK};
    }));
    return std::vector<std::string>(sorted.begin(), sorted.end());
  }

  Result<std::shared_ptr<const crypto::KeyWrapper>> wrapper(std::string_view label,
                                                            Origin origin) override;
  Result<std::unique_ptr<crypto::Ed25519Signer>> ed25519(std::string_view label) override;
  Result<crypto::P256PrivateKey> p256(std::string_view label) override;

  /// Of 32 bytes, through a key that lives in this session only: AES-KW wraps keys, not bytes.
  Result<crypto::WrappedKey> wrap(const std::string& label, Origin origin, Bytes key) {
    ASSERT(key.size() == crypto::aead_key_size);
    crypto::WrappedKey wrapped{};
    TRY(ask("wrapping a key", label, [&](const Call& call) {
      CK_OBJECT_HANDLE wrapping = 0;
      CK_RV answer = find_key(call, label, wrapping, origin);
      if (answer != CKR_OK) return answer;
      CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
      CK_KEY_TYPE aes = CKK_AES;
      Attributes given{number(CKA_CLASS, secret), number(CKA_KEY_TYPE, aes),
                       attribute(CKA_VALUE, key), flag(CKA_TOKEN, no),
                       flag(CKA_SENSITIVE, no),   flag(CKA_EXTRACTABLE, yes)};
      CK_OBJECT_HANDLE passing = 0;
      answer = call.token.C_CreateObject(call.session, given.data(), count(given), &passing);
      if (answer != CKR_OK) return answer;
      CK_MECHANISM mechanism{CKM_AES_KEY_WRAP, nullptr, 0};
      CK_ULONG size = wrapped.size();
      answer =
          call.token.C_WrapKey(call.session, &mechanism, wrapping, passing, wrapped.data(), &size);
      call.token.C_DestroyObject(call.session, passing);
      return answer == CKR_OK && size != wrapped.size() ? wrong_answer : answer;
    }));
    return wrapped;
  }

  Result<crypto::Secret> unwrap(const std::string& label, Origin origin,
                                const crypto::WrappedKey& wrapped) {
    std::array<Byte, crypto::aead_key_size> plain{};
    Status done = ask("unwrapping a key", label, [&](const Call& call) {
      return unwrap_in(call, label, origin, wrapped, plain);
    });
    crypto::Secret key{Bytes(plain)};
    crypto::cleanse(plain);
    if (done) return key;
    // Some tokens say no more than "error" to a wrapped key that is not theirs.
    if (done.error().code == Code::unavailable && can_wrap(label, origin)) return not_ours();
    return std::move(done).error();
  }

  Result<Buffer> sign(const std::string& label, CK_MECHANISM_TYPE type, Bytes message) {
    Buffer signature(64);
    TRY(ask("signing", label, [&](const Call& call) {
      CK_OBJECT_HANDLE key = 0;
      CK_RV answer = find_key(call, label, key);
      CK_MECHANISM mechanism{type, nullptr, 0};
      if (answer == CKR_OK) answer = call.token.C_SignInit(call.session, &mechanism, key);
      if (answer != CKR_OK) return answer;
      CK_ULONG size = signature.size();
      answer = call.token.C_Sign(call.session, const_cast<Byte*>(message.data()), message.size(),
                                 signature.data(), &size);
      return answer == CKR_OK && size != signature.size() ? wrong_answer : answer;
    }));
    return signature;
  }

 private:
  Status ask(std::string_view what, std::string_view label,
             const std::function<CK_RV(const Call&)>& call) {
    CK_RV ours = CKR_OK;
    Status done = session_->ask(what, [&](const Call& given) {
      const CK_RV answer = call(given);
      ours = (answer & CKR_VENDOR_DEFINED) != 0 ? answer : CKR_OK;
      return answer;
    });
    if (done || ours == CKR_OK) return done;
    const auto said = [&](Code code, std::string_view why) {
      return fail(code, fmt::format("{}: key {} {}", display(), label, why));
    };
    switch (ours) {
      case no_such_key:
        return said(Code::not_found,
                    "is not there: it was destroyed, or is in another token. if the key store is "
                    "an old copy, bring the newer one back");
      case lets_out:
        return said(Code::failed_precondition,
                    "could leave the token (it is not sensitive, or extractable): it is not used. "
                    "let Meridian make its keys, in a token that keeps them");
      case is_there: return said(Code::already_exists, "is there already");
      case wrong_answer: return said(Code::internal, "gave an answer of the wrong size");
      case not_of_the_key: return not_ours();
      default: return done;
    }
  }

  Error not_ours() const {
    return fail(Code::data_loss,
                "a wrapped key does not open: it was wrapped under another key, or is damaged");
  }

  bool can_wrap(const std::string& label, Origin origin) {
    const Buffer probe(crypto::aead_key_size, Byte{0x5a});
    const Result<crypto::WrappedKey> wrapped = wrap(label, origin, probe);
    std::array<Byte, crypto::aead_key_size> plain{};
    return wrapped && ask("unwrapping a key", label, [&](const Call& call) {
                        return unwrap_in(call, label, origin, *wrapped, plain);
                      }).has_value();
  }

  static CK_RV unwrap_in(const Call& call, const std::string& label, Origin origin,
                         const crypto::WrappedKey& wrapped, MutableBytes plain) {
    CK_OBJECT_HANDLE wrapping = 0;
    CK_RV answer = find_key(call, label, wrapping, origin);
    if (answer != CKR_OK) return answer;
    CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
    CK_KEY_TYPE aes = CKK_AES;
    Attributes wanted{number(CKA_CLASS, secret), number(CKA_KEY_TYPE, aes), flag(CKA_TOKEN, no),
                      flag(CKA_SENSITIVE, no), flag(CKA_EXTRACTABLE, yes)};
    CK_MECHANISM mechanism{CKM_AES_KEY_WRAP, nullptr, 0};
    CK_OBJECT_HANDLE passing = 0;
    answer = call.token.C_UnwrapKey(call.session, &mechanism, wrapping,
                                    const_cast<Byte*>(wrapped.data()), wrapped.size(),
                                    wanted.data(), count(wanted), &passing);
    switch (answer) {
      case CKR_OK: break;
      case CKR_WRAPPED_KEY_INVALID:
      case CKR_WRAPPED_KEY_LEN_RANGE:
      case CKR_ENCRYPTED_DATA_INVALID: return not_of_the_key;
      default: return answer;
    }
    CK_ATTRIBUTE value{CKA_VALUE, plain.data(), plain.size()};
    answer = call.token.C_GetAttributeValue(call.session, passing, &value, 1);
    call.token.C_DestroyObject(call.session, passing);
    return answer == CKR_OK && value.ulValueLen != plain.size() ? wrong_answer : answer;
  }

  /// Makes it if no object has the label, and keeps it only if the token does.
  Status make(std::string_view label, const std::function<CK_RV(const Call&)>& generate,
              Origin origin = Origin::made) {
    if (label.empty() || label.size() > label_size_max)
      return fail(Code::invalid_argument,
                  fmt::format("a label has 1 to {} characters", label_size_max));
    TRY(ask("making a key", label, [&](const Call& call) {
      std::vector<CK_OBJECT_HANDLE> found;
      const CK_RV answer = find_objects(call, {labelled(label), flag(CKA_TOKEN, yes)}, found);
      return answer == CKR_OK && !found.empty() ? is_there : answer;
    }));
    TRY(ask("making a key", label, generate));
    Status kept = ask("looking at a key", label, [&](const Call& call) {
      CK_OBJECT_HANDLE key = 0;
      return find_key(call, label, key, origin);
    });
    if (!kept && kept.error().code == Code::failed_precondition) TRY(destroy(label));
    return kept;
  }

  Status make_pair(std::string_view label, CK_MECHANISM_TYPE type, Bytes curve) {
    return make(label, [&](const Call& call) {
      Attributes open{labelled(label), flag(CKA_TOKEN, yes), flag(CKA_VERIFY, yes),
                      attribute(CKA_EC_PARAMS, curve)};
      Attributes kept = private_attributes(label, CKA_SIGN);
      CK_MECHANISM generate{type, nullptr, 0};
      CK_OBJECT_HANDLE public_key = 0, private_key = 0;
      return call.token.C_GenerateKeyPair(call.session, &generate, open.data(), count(open),
                                          kept.data(), count(kept), &public_key, &private_key);
    });
  }

  Result<Buffer> public_point(std::string_view label, std::size_t size) {
    std::array<Byte, 256> value{};
    std::size_t value_size = 0;
    TRY(ask("reading a public key", label, [&](const Call& call) {
      CK_OBJECT_HANDLE key = 0;
      CK_RV answer = find_key(call, label, key);  // that there is a private key, and kept
      CK_OBJECT_CLASS kind = CKO_PUBLIC_KEY;
      std::vector<CK_OBJECT_HANDLE> found;
      if (answer == CKR_OK)
        answer = find_objects(call, {number(CKA_CLASS, kind), labelled(label)}, found);
      if (answer != CKR_OK) return answer;
      if (found.size() != 1) return no_such_key;
      CK_ATTRIBUTE asked{CKA_EC_POINT, value.data(), value.size()};
      answer = call.token.C_GetAttributeValue(call.session, found.front(), &asked, 1);
      value_size = asked.ulValueLen;
      return answer;
    }));
    return point_of(Bytes(value).first(value_size), size);
  }

  std::unique_ptr<Session> session_;
};

class TokenWrapper final : public crypto::KeyWrapper {
 public:
  TokenWrapper(std::shared_ptr<Pkcs11Token> token, std::string_view label, Origin origin)
      : token_(std::move(token)), label_(label), origin_(origin) {}
  Result<crypto::WrappedKey> wrap(Bytes key) const override {
    return token_->wrap(label_, origin_, key);
  }
  Result<crypto::Secret> unwrap(const crypto::WrappedKey& wrapped) const override {
    return token_->unwrap(label_, origin_, wrapped);
  }

 private:
  std::shared_ptr<Pkcs11Token> token_;
  std::string label_;
  Origin origin_;
};

class TokenEd25519 final : public crypto::Ed25519Signer {
 public:
  TokenEd25519(std::shared_ptr<Pkcs11Token> token, std::string_view label,
               const crypto::Ed25519PublicKey& key)
      : token_(std::move(token)), label_(label), public_key_(key) {}
  const crypto::Ed25519PublicKey& public_key() const override { return public_key_; }
  Result<crypto::Ed25519Signature> sign(Bytes message) const override {
    const Buffer bytes = TRY(token_->sign(label_, CKM_EDDSA, message));
    crypto::Ed25519Signature signature;
    std::ranges::copy(bytes, signature.begin());
    // What goes out is for ever: a token that computes wrongly is found out here.
    if (!crypto::verify_ed25519(public_key_, message, signature))
      return fail(Code::internal, fmt::format("{}: key {} gave a signature that does not verify",
                                              token_->display(), label_));
    return signature;
  }

 private:
  std::shared_ptr<Pkcs11Token> token_;
  std::string label_;
  crypto::Ed25519PublicKey public_key_;
};

Result<std::shared_ptr<const crypto::KeyWrapper>> Pkcs11Token::wrapper(std::string_view label,
                                                                       Origin origin) {
  TRY(ask("looking for a key", label, [&](const Call& call) {
    CK_OBJECT_HANDLE key = 0;
    return find_key(call, label, key, origin);
  }));
  return std::shared_ptr<const crypto::KeyWrapper>(
      std::make_shared<TokenWrapper>(shared_from_this(), label, origin));
}

Result<std::unique_ptr<crypto::Ed25519Signer>> Pkcs11Token::ed25519(std::string_view label) {
  crypto::Ed25519PublicKey key{};
  const Buffer point = TRY(public_point(label, key.size()));
  std::ranges::copy(point, key.begin());
  return std::unique_ptr<crypto::Ed25519Signer>(
      std::make_unique<TokenEd25519>(shared_from_this(), label, key));
}

Result<crypto::P256PrivateKey> Pkcs11Token::p256(std::string_view label) {
  const Buffer point = TRY(public_point(label, crypto::p256_point_size));
  return crypto::P256PrivateKey::elsewhere(
      point, [token = shared_from_this(), kept = std::string(label)](Bytes digest) {
        return token->sign(kept, CKM_ECDSA, digest);
      });
}

}  // namespace

Result<std::shared_ptr<Token>> Token::open(const TokenAddress& address, crypto::Secret pin) {
  std::unique_ptr<Session> session = TRY(Session::open(address, std::move(pin)));
  return std::shared_ptr<Token>(std::make_shared<Pkcs11Token>(std::move(session)));
}

}  // namespace meridian::token
