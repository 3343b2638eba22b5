#include "token/internal/module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <utility>

namespace meridian::token {

namespace {

struct Meaning {
  CK_RV result;
  const char* name;
  Code code;
  const char* advice;
};

constexpr const char* come_back =
    "the token is away or was reset. look whether it is plugged in and its service runs; try again";

// Those of which there is more to say than the name.
constexpr std::array<Meaning, 27> meanings{{
    {CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT", Code::permission_denied,
     "the PIN is not the token's. give the right one; after a few wrong ones the token locks "
     "itself"},
    {CKR_PIN_INVALID, "CKR_PIN_INVALID", Code::permission_denied,
     "the PIN has characters that no PIN of this token has. give the right one"},
    {CKR_PIN_LEN_RANGE, "CKR_PIN_LEN_RANGE", Code::permission_denied,
     "the PIN is longer or shorter than any of this token. give the right one"},
    {CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED", Code::permission_denied,
     "the PIN has expired. change it with the tool of the token's maker"},
    {CKR_PIN_LOCKED, "CKR_PIN_LOCKED", Code::permission_denied,
     "the PIN is locked after wrong ones. the security officer of the token unlocks it"},
    {CKR_USER_PIN_NOT_INITIALIZED, "CKR_USER_PIN_NOT_INITIALIZED", Code::failed_precondition,
     "the token has no user PIN yet. its security officer sets one"},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
     Code::failed_precondition, "the security officer is logged in. log out there first"},
    {CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT", Code::unavailable, come_back},
    {CKR_TOKEN_NOT_RECOGNIZED, "CKR_TOKEN_NOT_RECOGNIZED", Code::unavailable, come_back},
    {CKR_TOKEN_WRITE_PROTECTED, "CKR_TOKEN_WRITE_PROTECTED", Code::failed_precondition,
     "the token is read only, and keys are to be made in it. take the protection off"},
    {CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED", Code::unavailable, come_back},
    {CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR", Code::unavailable, come_back},
    {CKR_DEVICE_MEMORY, "CKR_DEVICE_MEMORY", Code::resource_exhausted,
     "the token is full. destroy keys in it that nothing needs, or take a larger one"},
    {CKR_HOST_MEMORY, "CKR_HOST_MEMORY", Code::resource_exhausted,
     "the token's library has no memory"},
    {CKR_SESSION_COUNT, "CKR_SESSION_COUNT", Code::resource_exhausted,
     "other programs have all of the token's sessions. close some"},
    {CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED", Code::unavailable, come_back},
    {CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID", Code::unavailable, come_back},
    {CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN", Code::unavailable, come_back},
    {CKR_CRYPTOKI_NOT_INITIALIZED, "CKR_CRYPTOKI_NOT_INITIALIZED", Code::unavailable, come_back},
    {CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID", Code::failed_precondition,
     "the token cannot do that. docs/operations/hsm.md lists what it must be able to do"},
    {CKR_TEMPLATE_INCONSISTENT, "CKR_TEMPLATE_INCONSISTENT", Code::failed_precondition,
     "the token does not make keys of that kind. docs/operations/hsm.md lists what it must be able "
     "to do"},
    {CKR_ATTRIBUTE_VALUE_INVALID, "CKR_ATTRIBUTE_VALUE_INVALID", Code::failed_precondition,
     "the token does not make keys of that kind. docs/operations/hsm.md lists what it must be able "
     "to do"},
    {CKR_CURVE_NOT_SUPPORTED, "CKR_CURVE_NOT_SUPPORTED", Code::failed_precondition,
     "the token lacks the curve. docs/operations/hsm.md lists what it must be able to do"},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED", Code::failed_precondition,
     "the key may not be used for that. it was not made by Meridian, or was changed"},
    {CKR_FUNCTION_NOT_SUPPORTED, "CKR_FUNCTION_NOT_SUPPORTED", Code::failed_precondition,
     "the token cannot do that. docs/operations/hsm.md lists what it must be able to do"},
    {CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR", Code::unavailable,
     "the token says no more. its own log may; try again"},
    {CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED", Code::unavailable,
     "the token says no more. its own log may; try again"},
}};

const Meaning* find(CK_RV result) {
  for (const Meaning& one : meanings)
    if (one.result == result) return &one;
  return nullptr;
}

}  // namespace

std::string name_of(CK_RV result) {
  const Meaning* known = find(result);
  return known != nullptr ? known->name : fmt::format("error 0x{:x}", result);
}

bool is_lost(CK_RV result) {
  switch (result) {
    case CKR_SESSION_CLOSED:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_DEVICE_REMOVED:
    case CKR_DEVICE_ERROR:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_KEY_HANDLE_INVALID:  // of a session before
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_CRYPTOKI_NOT_INITIALIZED: return true;
    default: return false;
  }
}

Error explain(CK_RV result, std::string_view what) {
  const Meaning* known = find(result);
  if (known == nullptr)
    return fail(Code::internal,
                fmt::format("{}: {} of the token's library", what, name_of(result)));
  return fail(known->code, fmt::format("{}: {} ({})", what, known->advice, known->name));
}

Result<std::unique_ptr<Module>> Module::load(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return fail(Code::not_found,
                fmt::format("the token's library does not load: {}. name the one of the token's "
                            "maker by module-path=",
                            why == nullptr ? path : why));
  }
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* calls = nullptr;
  const CK_RV got = get == nullptr ? CKR_FUNCTION_NOT_SUPPORTED : get(&calls);
  if (got != CKR_OK || calls == nullptr) {
    ::dlclose(library);
    return fail(Code::failed_precondition,
                fmt::format("{} is no PKCS#11 library. name the one of the token's maker by "
                            "module-path=",
                            path));
  }
  std::unique_ptr<Module> module(new Module(library, calls));
  TRY(module->initialize());
  return Result<std::unique_ptr<Module>>(std::move(module));
}

Status Module::initialize() {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV done = calls_->C_Initialize(&arguments);
  if (done == CKR_CRYPTOKI_ALREADY_INITIALIZED) return {};
  if (done != CKR_OK) return explain(done, "the token's library does not start");
  is_ours_ = true;
  return {};
}

Module::~Module() {
  if (is_ours_) calls_->C_Finalize(nullptr);
  ::dlclose(library_);
}

}  // namespace meridian::token
