// A SoftHSM token of its own for one test, made by Debian's softhsm2-util and gone with the test.
// For tests only. SoftHSM reads its place from the environment when its library is initialised: one
// of these at a time, and made before a token::Token is opened.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/assert.h"
#include "crypto/secret.h"
#include "token/token.h"

// SoftHSM forgets the name of a curve, 13 bytes, for each key on it that it reads. Its frames are
// gone when leaks are looked for, as the module is closed by then; what is left of the stack is
// OpenSSL's. The sanitizer's own name (sanitizer/lsan_interface.h); weak, as several sources of a
// test include this.
// NOLINTNEXTLINE(bugprone-reserved-identifier, misc-definitions-in-headers)
extern "C" __attribute__((weak)) const char* __lsan_default_suppressions() {
  return "leak:CRYPTO_zalloc\nleak:ASN1_STRING_set\n";
}

namespace meridian::token {

class SoftToken {
 public:
  static constexpr const char* library = "/usr/lib/softhsm/libsofthsm2.so";
  static constexpr const char* pin_text = "648219";
  static constexpr const char* not_installed = "softhsm2 is not installed (./run installs it)";

  static bool is_installed() { return std::filesystem::exists(library); }

  SoftToken() : directory_(place()) {
    std::filesystem::create_directories(directory_ / "tokens");
    std::ofstream(directory_ / "softhsm2.conf")
        << "directories.tokendir = " << (directory_ / "tokens").string()
        << "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n";
    ::setenv("SOFTHSM2_CONF", (directory_ / "softhsm2.conf").c_str(), 1);
    add("ledger");
  }
  ~SoftToken() {
    ::unsetenv("SOFTHSM2_CONF");
    std::filesystem::remove_all(directory_);
  }
  SoftToken(const SoftToken&) = delete;
  SoftToken& operator=(const SoftToken&) = delete;

  /// One more token, with the same PIN.
  static void add(const std::string& name) {
    const std::string command = "softhsm2-util --init-token --free --label " + name + " --pin " +
                                pin_text + " --so-pin 19283746 >/dev/null";
    ASSERT(std::system(command.c_str()) == 0);
  }

  static TokenAddress address(const std::string& name = "ledger") {
    return {"pkcs11:token=" + name + "?module-path=" + library};
  }
  static crypto::Secret pin() { return crypto::Secret(as_bytes(std::string_view(pin_text))); }
  static Result<std::shared_ptr<Token>> open() { return Token::open(address(), pin()); }

 private:
  static std::filesystem::path place() {
    static int number = 0;
    return std::filesystem::temp_directory_path() /
           ("meridian-softhsm-" + std::to_string(::getpid()) + "-" + std::to_string(++number));
  }
  std::filesystem::path directory_;
};

}  // namespace meridian::token
