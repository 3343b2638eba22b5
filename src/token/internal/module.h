// A PKCS#11 library, loaded and initialised; and what its answers mean. Thread-safe, as the library
// is asked to lock by itself (CKF_OS_LOCKING_OK).
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace meridian::token {

class Module {
 public:
  /// Errors: not_found if there is no such library; failed_precondition if it is none.
  static Result<std::unique_ptr<Module>> load(const std::string& path);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  CK_FUNCTION_LIST& calls() const { return *calls_; }
  /// Again, after it said CKR_CRYPTOKI_NOT_INITIALIZED.
  Status initialize();

 private:
  Module(void* library, CK_FUNCTION_LIST* calls) : library_(library), calls_(calls) {}

  void* library_;
  CK_FUNCTION_LIST* calls_;
  bool is_ours_ = false;  // initialised by us, so finalised by us
};

/// "CKR_PIN_INCORRECT"; "error 0x..." of those not known.
std::string name_of(CK_RV result);
/// The session, or the token, is gone: worth one more try with a new session.
bool is_lost(CK_RV result);
/// The error for people: what failed, with the token's own name for it, and what to do.
Error explain(CK_RV result, std::string_view what);

}  // namespace meridian::token
