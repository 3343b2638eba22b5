// One session with one token, logged in, opened anew when the token dropped it.
//
//   closed ──open()──▶ open ──ask() answers "lost"──▶ closed ──(the same ask)──▶ open
//   a PIN refused ──▶ refused: no login is tried any more
//
// Thread-safe: one call at a time reaches the token.
#pragma once

#include <p11-kit/pkcs11.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/secret.h"
#include "token/internal/module.h"
#include "token/token.h"

struct p11_kit_uri;

namespace meridian::token {

struct FreeUri {
  void operator()(p11_kit_uri* uri) const;
};
using Uri = std::unique_ptr<p11_kit_uri, FreeUri>;

class Session {
 public:
  /// Errors: those of Token::open.
  static Result<std::unique_ptr<Session>> open(const TokenAddress& address, crypto::Secret pin);
  ~Session();

  /// What a call may use: valid during the call.
  struct Call {
    CK_FUNCTION_LIST& token;
    CK_SESSION_HANDLE session;
    /// Of keys found by label, in this session.
    std::map<std::string, CK_OBJECT_HANDLE>& keys;
  };
  /// Does `call`, once more with a new session if it answers that this one is lost. So it must bear
  /// being done twice. Errors: of the answer, for people: "<token>: <what>: ...".
  Status ask(std::string_view what, const std::function<CK_RV(const Call&)>& call);

  const std::string& display() const { return display_; }

 private:
  Session(std::unique_ptr<Module> module, Uri uri, crypto::Secret pin)
      : module_(std::move(module)), uri_(std::move(uri)), pin_(std::move(pin)) {}
  Status connect();
  Result<CK_SLOT_ID> find_slot();
  Status log_in(CK_SESSION_HANDLE session);
  void drop();

  std::unique_ptr<Module> module_;
  Uri uri_;
  crypto::Secret pin_;
  std::mutex mutex_;
  std::optional<CK_SESSION_HANDLE> session_;
  std::optional<Error> refused_;  // by the token: the PIN
  std::map<std::string, CK_OBJECT_HANDLE> keys_;
  std::string display_ = "the token";
};

}  // namespace meridian::token
