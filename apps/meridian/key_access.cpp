#include "key_access.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "files.h"
#include "io/disk.h"

namespace meridian::app {

namespace {

constexpr std::size_t passphrase_size_max = 4'096;
constexpr std::size_t passphrase_size_min = 8;
constexpr std::string_view default_credential = "meridian-passphrase";
constexpr const char* credentials_variable = "CREDENTIALS_DIRECTORY";

/// As systemd.exec(5) has it: a file name.
bool is_credential_name(std::string_view name) {
  return !name.empty() && name.find('/') == std::string_view::npos && name != "." && name != "..";
}

std::string credential_path(const char* directory, std::string_view name) {
  return fmt::format("{}/{}", directory, name);
}

}  // namespace

Result<crypto::Secret> read_passphrase_file(const std::string& path) {
  const std::unique_ptr<io::Disk> disk = TRY(io::os_disk("/"));
  Result<Buffer> bytes = io::read_file(*disk, below_root(path), passphrase_size_max);
  if (!bytes) return with_context(bytes.error(), "reading the passphrase");
  std::string_view text = as_text(*bytes);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  const std::size_t size = text.size();
  crypto::Secret secret(as_bytes(text));
  crypto::cleanse(*bytes);
  if (size < passphrase_size_min)
    return fail(Code::failed_precondition,
                fmt::format("the passphrase in {} has {} characters, at least {} are needed", path,
                            size, passphrase_size_min));
  return secret;
}

Result<crypto::Secret> read_passphrase_credential(const std::string& name) {
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
  Result<crypto::Secret> secret = read_passphrase_file(credential_path(directory, name));
  if (!secret && secret.error().code == Code::not_found)
    return fail(Code::not_found, fmt::format("systemd handed over no credential {}. add "
                                             "LoadCredentialEncrypted={}:FILE to the unit",
                                             name, name));
  return secret;
}

Result<std::optional<crypto::Secret>> given_passphrase(const KeyAccess& access) {
  if (!access.passphrase_file.empty())
    return std::optional(TRY(read_passphrase_file(access.passphrase_file)));
  if (!access.passphrase_credential.empty())
    return std::optional(TRY(read_passphrase_credential(access.passphrase_credential)));
  const char* directory = std::getenv(credentials_variable);
  if (directory == nullptr) return std::optional<crypto::Secret>();
  Result<crypto::Secret> secret =
      read_passphrase_file(credential_path(directory, default_credential));
  if (secret) return std::optional(*std::move(secret));
  if (secret.error().code == Code::not_found) return std::optional<crypto::Secret>();
  return secret.error();
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
}

}  // namespace meridian::app
