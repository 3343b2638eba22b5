// What opens a directory's keys, as a command line says it: a passphrase, or a token and its PIN
// (docs/operations/hsm.md), from a file or from a systemd credential (docs/operations/systemd.md).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "storage/key_store.h"

namespace CLI {
class App;
}

namespace meridian::app {

inline constexpr std::size_t passphrase_size_min = 8;
/// Of a passphrase that lies beside the keys (--dev): slowness would protect nothing. 15 ms.
inline constexpr crypto::ScryptCost dev_cost{12, 8, 1};

struct KeyAccess {
  std::string key_store{};  ///< URI of the token that holds the keys; empty: there is none.
  std::string passphrase_file{};
  std::string passphrase_credential{};  ///< Name below $CREDENTIALS_DIRECTORY.
};

/// --passphrase-file, --passphrase-credential and --key-store.
void add_key_access(CLI::App& command, KeyAccess& access, const std::string& file_help);

/// What the file or the credential holds, without the line end that editors add. Errors:
/// not_found; failed_precondition if it is shorter than a passphrase may be, or systemd handed no
/// credentials over.
Result<crypto::Secret> read_passphrase_file(const std::string& path,
                                            std::size_t size_min = passphrase_size_min);
Result<crypto::Secret> read_passphrase_credential(const std::string& name,
                                                  std::size_t size_min = passphrase_size_min);

/// From what `access` names, or else from the credential `meridian-passphrase` if there is one;
/// empty if nothing is named. Errors: of the two above.
Result<std::optional<crypto::Secret>> given_passphrase(const KeyAccess& access);

/// The store in io.disk, by a passphrase, or by the PIN of the token of `access`, which it waits a
/// second for. Errors: those of KeyStore::open, of token::Token::open, of open_token_key_store.
Result<std::unique_ptr<storage::KeyStore>> open_key_store(
    const KeyAccess& access, const storage::KeyStore::Io& io, const crypto::Secret& passphrase,
    storage::KeyStore::Opening opening = storage::KeyStore::Opening::to_use);
/// A new one; `is_dev`: opened at dev_cost from then on. Errors: those of KeyStore::create, or of
/// the token.
Result<std::unique_ptr<storage::KeyStore>> create_key_store(const KeyAccess& access,
                                                            const storage::KeyStore::Io& io,
                                                            const crypto::Secret& passphrase,
                                                            bool is_dev = false);

/// "Give --passphrase-file FILE, ...": the ways to name one.
std::string ways_to_give_passphrase();

}  // namespace meridian::app
