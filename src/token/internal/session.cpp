#include "token/internal/session.h"

#include <fmt/format.h>
#include <p11-kit/uri.h>

#include <utility>

namespace meridian::token {

namespace {

constexpr const char* example =
    "write pkcs11:token=NAME?module-path=/usr/lib/softhsm/libsofthsm2.so";

Error bad_uri(std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("the URI of the token {}. {}", why, example));
}

Result<Uri> parse_uri(const std::string& text) {
  Uri uri(p11_kit_uri_new());
  const int parsed = p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, uri.get());
  if (parsed != P11_KIT_URI_OK)
    return bad_uri(fmt::format("is none of PKCS#11 ({})", p11_kit_uri_message(parsed)));
  if (p11_kit_uri_any_unrecognized(uri.get()) != 0) return bad_uri("has a part that is not known");
  if (p11_kit_uri_get_pin_value(uri.get()) != nullptr ||
      p11_kit_uri_get_pin_source(uri.get()) != nullptr)
    return bad_uri(
        "holds a PIN, which everybody on the machine can read. give it by "
        "--passphrase-file or --passphrase-credential");
  if (p11_kit_uri_get_module_path(uri.get()) == nullptr) return bad_uri("names no library");
  return uri;
}

/// Of a field of fixed width, padded with spaces.
template <std::size_t size>
std::string trimmed(const unsigned char (&field)[size]) {
  std::string text(reinterpret_cast<const char*>(field), size);
  text.resize(text.find_last_not_of(std::string_view(" \0", 2)) + 1);
  return text;
}

}  // namespace

void FreeUri::operator()(p11_kit_uri* uri) const { p11_kit_uri_free(uri); }

Result<std::unique_ptr<Session>> Session::open(const TokenAddress& address, crypto::Secret pin) {
  Uri uri = TRY(parse_uri(address.uri));
  const std::string path = p11_kit_uri_get_module_path(uri.get());
  std::unique_ptr<Module> module = TRY(Module::load(path));
  std::unique_ptr<Session> session(new Session(std::move(module), std::move(uri), std::move(pin)));
  {
    const std::lock_guard guard(session->mutex_);
    TRY(session->connect());
  }
  return Result<std::unique_ptr<Session>>(std::move(session));
}

Session::~Session() { drop(); }

void Session::drop() {
  keys_.clear();
  if (session_) module_->calls().C_CloseSession(*std::exchange(session_, std::nullopt));
}

Result<CK_SLOT_ID> Session::find_slot() {
  CK_FUNCTION_LIST& token = module_->calls();
  CK_ULONG count = 0;
  CK_RV got = token.C_GetSlotList(CK_TRUE, nullptr, &count);
  if (got == CKR_CRYPTOKI_NOT_INITIALIZED) {
    TRY(module_->initialize());
    got = token.C_GetSlotList(CK_TRUE, nullptr, &count);
  }
  std::vector<CK_SLOT_ID> slots(count);
  if (got == CKR_OK) got = token.C_GetSlotList(CK_TRUE, slots.data(), &count);
  if (got != CKR_OK) return explain(got, "looking for the token");
  slots.resize(count);
  std::optional<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    if (token.C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    if (p11_kit_uri_match_token_info(uri_.get(), &info) != 1) continue;
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    if (found)
      return fail(Code::failed_precondition,
                  "several tokens are those of the URI. name one by token=NAME or serial=NUMBER");
    found = slot;
    display_ = fmt::format("token {} ({}, serial {})", trimmed(info.label), trimmed(info.model),
                           trimmed(info.serialNumber));
  }
  if (found) return *found;
  return fail(Code::not_found,
              fmt::format("none of the {} tokens that the library reaches is that of the URI. look "
                          "whether it is plugged in, initialised and spelled right",
                          slots.size()));
}

/// A PIN that was refused is not tried again: the token would lock itself.
Status Session::log_in(CK_SESSION_HANDLE session) {
  if (refused_) return *refused_;
  auto* pin = const_cast<CK_UTF8CHAR*>(pin_.bytes().data());  // the interface knows no const
  const CK_RV done = module_->calls().C_Login(session, CKU_USER, pin, pin_.bytes().size());
  if (done == CKR_OK || done == CKR_USER_ALREADY_LOGGED_IN) return {};
  const Error error = with_context(explain(done, "logging in"), display_);
  if (error.code == Code::permission_denied) refused_ = error;
  return error;
}

Status Session::connect() {
  if (session_) return {};
  const CK_SLOT_ID slot = TRY(find_slot());
  CK_SESSION_HANDLE session = 0;
  const CK_RV opened = module_->calls().C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                      nullptr, nullptr, &session);
  if (opened != CKR_OK) return with_context(explain(opened, "opening a session"), display_);
  session_ = session;
  Status logged_in = log_in(session);
  if (!logged_in) drop();
  return logged_in;
}

Status Session::ask(std::string_view what, const std::function<CK_RV(const Call&)>& call) {
  const std::lock_guard guard(mutex_);
  for (bool is_second : {false, true}) {
    TRY(connect());
    const CK_RV answer = call({module_->calls(), *session_, keys_});
    if (answer == CKR_OK) return {};
    if (is_lost(answer)) drop();
    if (!is_lost(answer) || is_second) return with_context(explain(answer, what), display_);
  }
  return {};
}

}  // namespace meridian::token
