#include "key_access.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "client.h"
#include "files.h"
#include "io/disk.h"
#include "storage/token_key_store.h"
#include "token/token.h"

namespace meridian::app {

namespace {

constexpr std::size_t passphrase_size_max = 4'096;
constexpr std::size_t pin_size_min = 4;
constexpr std::string_view default_credential = "meridian-passphrase";
constexpr const char* credentials_variable = "CREDENTIALS_DIRECTORY";
constexpr int token_attempts = 6;
constexpr io::Duration token_attempt_pause = io::milliseconds(200);

/// As systemd.exec(5) has it: a file name.
bool is_credential_name(std::string_view name) {
  return !name.empty() && name.find('/') == std::string_view::npos && name != "." && name != "..";
}

std::string credential_path(const char* directory, std::string_view name) {
  return fmt::format("{}/{}", directory, name);
}

}  // namespace

Result<crypto::Secret> read_passphrase_file(const std::string& path, std::size_t size_min) {
  const std::unique_ptr<io::Disk> disk = TRY(io::os_disk("/"));
  Result<Buffer> bytes = io::read_file(*disk, below_root(path), passphrase_size_max);
  if (!bytes) return with_context(bytes.error(), "reading the passphrase");
  std::string_view text = as_text(*bytes);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  const std::size_t size = text.size();
  crypto::Secret secret(as_bytes(text));
  crypto::cleanse(*bytes);
  if (size < size_min)
    return fail(Code::failed_precondition,
                fmt::format("the passphrase in {} has {} characters, at least {} are needed", path,
                            size, size_min));
  return secret;
}

Result<crypto::Secret> read_passphrase_credential(const std::string& name, std::size_t size_min) {
  if (!is_credential_name(name))
    return fail(Code::invalid_argument,
                fmt::format("--passphrase-credential: '{}' is a path, and a credential has a name. "
                            "for a path there is --passphrase-file",
                            name));
  const char* directory = std::getenv(credentials_variable);
  if (directory == nullptr)
    return fail(Code::failed_precondition,
                fmt::format("the credential {} is named, and systemd handed none over: {} is not "
                            "set. add LoadCredentialEncrypted={}:FILE to the unit, and start it "
                            "with systemctl",
                            name, credentials_variable, name));
  Result<crypto::Secret> secret = read_passphrase_file(credential_path(directory, name), size_min);
  if (!secret && secret.error().code == Code::not_found)
    return fail(Code::not_found, fmt::format("systemd handed over no credential {}. add "
                                             "LoadCredentialEncrypted={}:FILE to the unit",
                                             name, name));
  return secret;
}

Result<std::optional<crypto::Secret>> given_passphrase(const KeyAccess& access) {
  const std::size_t size_min = access.key_store.empty() ? passphrase_size_min : pin_size_min;
  if (!access.passphrase_file.empty())
    return std::optional(TRY(read_passphrase_file(access.passphrase_file, size_min)));
  if (!access.passphrase_credential.empty())
    return std::optional(TRY(read_passphrase_credential(access.passphrase_credential, size_min)));
  const char* directory = std::getenv(credentials_variable);
  if (directory == nullptr) return std::optional<crypto::Secret>();
  Result<crypto::Secret> secret =
      read_passphrase_file(credential_path(directory, default_credential), size_min);
  if (secret) return std::optional(*std::move(secret));
  if (secret.error().code == Code::not_found) return std::optional<crypto::Secret>();
  return secret.error();
}

namespace {

/// A token that lies in files (SoftHSM) is not seen for a moment while another process logs in.
Result<std::shared_ptr<token::Token>> open_token(const KeyAccess& access,
                                                 const crypto::Secret& pin) {
  for (int attempt = 1;; ++attempt) {
    auto token = token::Token::open({access.key_store}, pin.copy());
    if (token || token.error().code != Code::not_found || attempt == token_attempts) return token;
    pause(token_attempt_pause);
  }
}

}  // namespace

Result<std::unique_ptr<storage::KeyStore>> open_key_store(const KeyAccess& access,
                                                          const storage::KeyStore::Io& io,
                                                          const crypto::Secret& passphrase,
                                                          storage::KeyStore::Opening opening) {
  if (access.key_store.empty()) return storage::KeyStore::open(io, passphrase.bytes(), opening);
  // First, so that a PIN is not tried for nothing.
  if (!TRY(io.disk.exists("keys/store")))
    return fail(Code::not_found,
                fmt::format("{}: there is no key store", io.disk.display("keys/store")));
  auto token = TRY(open_token(access, passphrase));
  return storage::open_token_key_store(io, std::move(token), opening);
}

Result<std::unique_ptr<storage::KeyStore>> create_key_store(const KeyAccess& access,
                                                            const storage::KeyStore::Io& io,
                                                            const crypto::Secret& passphrase,
                                                            bool is_dev) {
  if (access.key_store.empty() && is_dev)
    return storage::KeyStore::create(io, passphrase.bytes(), dev_cost);
  if (access.key_store.empty()) return storage::KeyStore::create(io, passphrase.bytes());
  auto token = TRY(open_token(access, passphrase));
  return storage::create_token_key_store(io, std::move(token));
}

std::string ways_to_give_passphrase() {
  return fmt::format(
      "give --passphrase-file FILE, or --passphrase-credential NAME under systemd (without it, the "
      "credential {} is looked for)",
      default_credential);
}

void add_key_access(CLI::App& command, KeyAccess& access, const std::string& file_help) {
  CLI::Option* file = command.add_option("--passphrase-file", access.passphrase_file, file_help);
  command
      .add_option("--passphrase-credential", access.passphrase_credential,
                  fmt::format("The same, as a systemd credential (LoadCredentialEncrypted=NAME:"
                              "FILE in the unit); {} if it is there and nothing is named",
                              default_credential))
      ->type_name("NAME")
      ->excludes(file);
  command
      .add_option(
          "--key-store", access.key_store,
          "The token that holds the keys, as pkcs11:token=NAME?module-path=LIBRARY; its PIN "
          "takes the place of the passphrase (docs/operations/hsm.md)")
      ->type_name("URI");
}

}  // namespace meridian::app
