// What opens a directory's keys, as a command line says it: a passphrase from a file or from a
// systemd credential (docs/operations/systemd.md).
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "crypto/secret.h"

namespace CLI {
class App;
}

namespace meridian::app {

struct KeyAccess {
  std::string passphrase_file{};
  std::string passphrase_credential{};  ///< Name below $CREDENTIALS_DIRECTORY.
};

/// --passphrase-file and --passphrase-credential.
void add_key_access(CLI::App& command, KeyAccess& access, const std::string& file_help);

/// What the file or the credential holds, without the line end that editors add. Errors:
/// not_found; failed_precondition if it is shorter than a passphrase may be, or systemd handed no
/// credentials over.
Result<crypto::Secret> read_passphrase_file(const std::string& path);
Result<crypto::Secret> read_passphrase_credential(const std::string& name);

/// From what `access` names, or else from the credential `meridian-passphrase` if there is one;
/// empty if nothing is named. Errors: of the two above.
Result<std::optional<crypto::Secret>> given_passphrase(const KeyAccess& access);

/// "Give --passphrase-file FILE, ...": the ways to name one.
std::string ways_to_give_passphrase();

}  // namespace meridian::app
