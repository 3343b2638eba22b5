#include "token/token.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <p11-kit/pkcs11.h>

#include <array>
#include <string>
#include <vector>

#include "crypto/aead.h"
#include "token/soft_token_rig.h"

namespace meridian::token {
namespace {

class TokenTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!SoftToken::is_installed()) GTEST_SKIP() << SoftToken::not_installed;
    soft_.emplace();
    Result<std::shared_ptr<Token>> opened = SoftToken::open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    token_ = *opened;
  }
  void TearDown() override { token_.reset(); }

  /// The library as another program has it: asked directly.
  static CK_FUNCTION_LIST& calls() {
    void* library = ::dlopen(SoftToken::library, RTLD_NOW);
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    CK_FUNCTION_LIST* list = nullptr;
    get(&list);
    return *list;
  }
  static CK_SLOT_ID slot() {
    std::array<CK_SLOT_ID, 8> slots{};
    CK_ULONG count = slots.size();
    calls().C_GetSlotList(CK_TRUE, slots.data(), &count);
    return slots[0];
  }
  static CK_SESSION_HANDLE session() {
    CK_SESSION_HANDLE session = 0;
    calls().C_OpenSession(slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
    return session;
  }
  static std::vector<CK_OBJECT_HANDLE> objects(CK_SESSION_HANDLE session) {
    calls().C_FindObjectsInit(session, nullptr, 0);
    std::array<CK_OBJECT_HANDLE, 64> found{};
    CK_ULONG count = 0;
    calls().C_FindObjects(session, found.data(), found.size(), &count);
    calls().C_FindObjectsFinal(session);
    return {found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count)};
  }

  std::optional<SoftToken> soft_;
  std::shared_ptr<Token> token_;
};

std::string refusal(const std::string& uri, const char* pin = SoftToken::pin_text) {
  const auto opened = Token::open({uri}, crypto::Secret(as_bytes(std::string_view(pin))));
  return opened ? "opened" : opened.error().message;
}
bool says(const std::string& message, std::string_view words) {
  return message.find(words) != std::string::npos;
}

TEST_F(TokenTest, each_wrong_address_is_refused_with_words) {
  const std::string path = std::string("?module-path=") + SoftToken::library;
  EXPECT_TRUE(says(refusal("softhsm"), "is none of PKCS#11"));
  EXPECT_TRUE(says(refusal("pkcs11:token=ledger"), "names no library"));
  EXPECT_TRUE(says(refusal("pkcs11:token=ledger" + path + "&pin-value=1234"), "holds a PIN"));
  EXPECT_TRUE(says(refusal("pkcs11:token=ledger" + path + "&pin-source=/pin"), "holds a PIN"));
  EXPECT_TRUE(says(refusal("pkcs11:token=ledger;colour=red" + path), "not known"));
  EXPECT_TRUE(says(refusal("pkcs11:token=other" + path), "none of the"));
  EXPECT_TRUE(says(refusal("pkcs11:token=ledger?module-path=/nowhere.so"), "does not load"));
  EXPECT_TRUE(says(refusal("pkcs11:token=ledger?module-path=/lib/x86_64-linux-gnu/libc.so.6"),
                   "is no PKCS#11 library"));
  SoftToken::add("second");
  token_.reset();  // so that the library looks again
  EXPECT_TRUE(says(refusal("pkcs11:model=SoftHSM%20v2" + path), "several tokens"));
  EXPECT_EQ(refusal("pkcs11:token=second" + path), "opened");
}

TEST_F(TokenTest, a_wrong_pin_is_refused) {
  token_.reset();
  EXPECT_TRUE(says(refusal(SoftToken::address().uri, "111111"), "CKR_PIN_INCORRECT"));
  EXPECT_EQ(refusal(SoftToken::address().uri), "opened");
}

TEST_F(TokenTest, what_it_wraps_opens_in_memory_as_well_and_nothing_else_opens) {
  ASSERT_TRUE(token_->make_wrapping_key("kek").has_value());
  ASSERT_TRUE(token_->make_wrapping_key("other").has_value());
  const auto wrapper = *token_->wrapper("kek");
  const Buffer key(crypto::aead_key_size, Byte{7});
  const Result<crypto::WrappedKey> wrapped = wrapper->wrap(key);
  ASSERT_TRUE(wrapped.has_value()) << wrapped.error().message;
  const Result<crypto::Secret> opened = wrapper->unwrap(*wrapped);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(to_buffer(opened->bytes()), key);
  EXPECT_EQ(*wrapper->wrap(key), *wrapped);  // deterministic, as RFC 3394
  crypto::WrappedKey changed = *wrapped;
  changed[11] ^= 1;
  EXPECT_EQ(wrapper->unwrap(changed).error().code, Code::data_loss);
  EXPECT_EQ((*token_->wrapper("other"))->unwrap(*wrapped).error().code, Code::data_loss);
}

TEST_F(TokenTest, its_ed25519_signatures_verify_with_ours) {
  ASSERT_TRUE(token_->make_ed25519("log").has_value());
  const auto signer = token_->ed25519("log");
  ASSERT_TRUE(signer.has_value()) << signer.error().message;
  const Buffer message(3'000, Byte{5});
  const Result<crypto::Ed25519Signature> signature = (*signer)->sign(message);
  ASSERT_TRUE(signature.has_value()) << signature.error().message;
  EXPECT_TRUE(crypto::verify_ed25519((*signer)->public_key(), message, *signature));
  EXPECT_EQ((*(*token_->ed25519("log"))->sign(message)), *signature);
}

TEST_F(TokenTest, nothing_that_it_keeps_can_leave_it) {
  ASSERT_TRUE(token_->make_wrapping_key("kek").has_value());
  ASSERT_TRUE(token_->make_ed25519("log").has_value());
  ASSERT_TRUE(token_->make_p256("ca").has_value());
  const CK_SESSION_HANDLE other = session();
  int kept = 0;
  for (const CK_OBJECT_HANDLE object : objects(other)) {
    CK_OBJECT_CLASS kind = 0;
    CK_ATTRIBUTE asked{CKA_CLASS, &kind, sizeof kind};
    ASSERT_EQ(calls().C_GetAttributeValue(other, object, &asked, 1), CKR_OK);
    if (kind == CKO_PUBLIC_KEY) continue;
    ++kept;
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_ATTRIBUTE flags[] = {{CKA_SENSITIVE, &sensitive, 1}, {CKA_EXTRACTABLE, &extractable, 1}};
    ASSERT_EQ(calls().C_GetAttributeValue(other, object, flags, 2), CKR_OK);
    EXPECT_EQ(sensitive, CK_TRUE);
    EXPECT_EQ(extractable, CK_FALSE);
    std::array<Byte, 256> value{};
    CK_ATTRIBUTE taken{CKA_VALUE, value.data(), value.size()};
    EXPECT_EQ(calls().C_GetAttributeValue(other, object, &taken, 1), CKR_ATTRIBUTE_SENSITIVE);
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE loosened{CKA_EXTRACTABLE, &yes, 1};
    EXPECT_NE(calls().C_SetAttributeValue(other, object, &loosened, 1), CKR_OK);
  }
  EXPECT_EQ(kept, 3);
}

/// A key that somebody else put there, and could have a copy of.
TEST_F(TokenTest, a_key_that_could_leave_the_token_is_not_used) {
  const CK_SESSION_HANDLE other = session();
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  CK_KEY_TYPE aes = CKK_AES;
  CK_BBOOL yes = CK_TRUE;
  std::array<Byte, 32> value{9};
  std::string label = "kek";
  CK_ATTRIBUTE given[] = {{CKA_CLASS, &secret, sizeof secret},
                          {CKA_KEY_TYPE, &aes, sizeof aes},
                          {CKA_VALUE, value.data(), 32},
                          {CKA_TOKEN, &yes, 1},
                          {CKA_WRAP, &yes, 1},
                          {CKA_SENSITIVE, &yes, 1},
                          {CKA_LABEL, label.data(), 3}};
  CK_OBJECT_HANDLE made = 0;
  ASSERT_EQ(calls().C_CreateObject(other, given, 7, &made), CKR_OK);
  const auto wrapper = token_->wrapper("kek");
  ASSERT_FALSE(wrapper.has_value());
  EXPECT_TRUE(says(wrapper.error().message, "could leave the token")) << wrapper.error().message;
}

TEST_F(TokenTest, a_key_that_is_destroyed_is_gone_and_its_label_is_free) {
  ASSERT_TRUE(token_->make_wrapping_key("kek").has_value());
  EXPECT_EQ(token_->make_wrapping_key("kek").error().code, Code::already_exists);
  const auto wrapper = *token_->wrapper("kek");
  const auto wrapped = *wrapper->wrap(Buffer(32, Byte{1}));
  ASSERT_TRUE(token_->destroy("kek").has_value());
  EXPECT_EQ(wrapper->unwrap(wrapped).error().code, Code::not_found);
  EXPECT_EQ(token_->destroy("kek").error().code, Code::not_found);
  EXPECT_EQ(token_->wrapper("kek").error().code, Code::not_found);
  ASSERT_TRUE(token_->make_wrapping_key("kek").has_value());
  EXPECT_EQ((*token_->wrapper("kek"))->unwrap(wrapped).error().code, Code::data_loss);
}

TEST_F(TokenTest, keys_are_listed_by_prefix) {
  for (const char* label : {"a/2", "a/1", "b/1"})
    ASSERT_TRUE(token_->make_wrapping_key(label).has_value());
  ASSERT_TRUE(token_->make_ed25519("a/log").has_value());
  EXPECT_EQ(*token_->labels("a/"), (std::vector<std::string>{"a/1", "a/2", "a/log"}));
}

TEST_F(TokenTest, a_session_that_the_token_dropped_is_opened_again) {
  ASSERT_TRUE(token_->make_wrapping_key("kek").has_value());
  ASSERT_TRUE(token_->make_ed25519("log").has_value());
  const auto wrapper = *token_->wrapper("kek");
  const auto signer = *token_->ed25519("log");
  const Buffer key(32, Byte{3});
  const auto wrapped = *wrapper->wrap(key);
  ASSERT_EQ(calls().C_CloseAllSessions(slot()), CKR_OK);
  EXPECT_EQ(to_buffer(wrapper->unwrap(wrapped)->bytes()), key);
  ASSERT_EQ(calls().C_Logout(session()), CKR_OK);
  const auto again = signer->sign(key);
  EXPECT_TRUE(again.has_value()) << again.error().message;
  // The whole library was stopped, as by another part of the process.
  ASSERT_EQ(calls().C_Finalize(nullptr), CKR_OK);
  EXPECT_EQ(to_buffer(wrapper->unwrap(wrapped)->bytes()), key);
  EXPECT_TRUE(signer->sign(key).has_value());
}

TEST_F(TokenTest, a_pin_that_was_refused_is_not_tried_until_the_token_locks_itself) {
  ASSERT_TRUE(token_->make_wrapping_key("kek").has_value());
  const auto wrapper = *token_->wrapper("kek");
  const CK_SESSION_HANDLE other = session();
  std::string old_pin = SoftToken::pin_text, new_pin = "999999";
  ASSERT_EQ(calls().C_SetPIN(other, reinterpret_cast<Byte*>(old_pin.data()), 6,
                             reinterpret_cast<Byte*>(new_pin.data()), 6),
            CKR_OK);
  ASSERT_EQ(calls().C_CloseAllSessions(slot()), CKR_OK);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(wrapper->wrap(Buffer(32)).error().code, Code::permission_denied);
  // The right one is back: it would work, but this process does not ask any more.
  const CK_SESSION_HANDLE mender = session();
  ASSERT_EQ(calls().C_Login(mender, CKU_USER, reinterpret_cast<Byte*>(new_pin.data()), 6), CKR_OK);
  ASSERT_EQ(calls().C_SetPIN(mender, reinterpret_cast<Byte*>(new_pin.data()), 6,
                             reinterpret_cast<Byte*>(old_pin.data()), 6),
            CKR_OK);
  ASSERT_EQ(calls().C_CloseAllSessions(slot()), CKR_OK);
  EXPECT_EQ(wrapper->wrap(Buffer(32)).error().code, Code::permission_denied);
  EXPECT_EQ(refusal(SoftToken::address().uri), "opened");
}

}  // namespace
}  // namespace meridian::token
