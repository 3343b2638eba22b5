#include "witness_directory.h"

#include <fmt/format.h>

#include "files.h"
#include "sealed_directory.h"
#include "storage/key_store.h"

namespace meridian::app {

namespace {

constexpr std::string_view vkey_path = "vkey";
constexpr std::size_t vkey_size_max = 4'096;

Result<proof::Signer> cosigner(const Node& node, const std::string& name) {
  return proof::Signer(name, proof::KeyType::cosignature, TRY(node.keys->signer("cosign")));
}

}  // namespace

Result<proof::VerifierKey> read_witness_key(io::Disk& disk) {
  if (!TRY(disk.exists(vkey_path)))
    return fail(Code::not_found, fmt::format("{} holds no witness. `meridian witness init` makes "
                                             "one",
                                             disk.display("")));
  const Buffer text = TRY(io::read_file(disk, vkey_path, vkey_size_max));
  std::string_view line = as_text(text);
  while (line.ends_with('\n')) line.remove_suffix(1);
  Result<proof::VerifierKey> key = proof::parse_vkey(line);
  if (!key)
    return fail(Code::data_loss, fmt::format("{}: {}. restore it from a backup",
                                             disk.display(vkey_path), key.error().message));
  return key;
}

Result<proof::VerifierKey> init_witness(const NodeOptions& options, const std::string& name) {
  if (!proof::is_key_name(name))
    return fail(Code::invalid_argument,
                "--name: a key's name is not empty and has no space, control character or '+'");
  Node node = TRY(open_locked(options));
  if (TRY(node.disk->exists(vkey_path)))
    return fail(Code::already_exists,
                fmt::format("{} is a witness already. `meridian witness key` prints its key",
                            options.directory));
  TRY(open_keys(options, node));
  const proof::VerifierKey key = TRY(cosigner(node, name)).verifier();
  TRY(io::replace_file(*node.disk, vkey_path, as_bytes(proof::format_vkey(key) + "\n")));
  return key;
}

Result<WitnessDirectory> open_witness(const NodeOptions& options) {
  const std::unique_ptr<io::Disk> disk = TRY(open_existing_directory(options.directory));
  const proof::VerifierKey key = TRY(read_witness_key(*disk));
  WitnessDirectory witness{TRY(open_locked(options)), std::nullopt};
  if (!TRY(witness.node.disk->exists("keys/store")))
    return fail(Code::data_loss,
                "the witness's private key, keys/store, is missing: restore it from a backup");
  TRY(open_keys(options, witness.node));
  witness.cosigner = TRY(cosigner(witness.node, key.name));
  if (witness.cosigner->verifier() != key)
    return fail(Code::data_loss,
                "vkey is not the public key of the private one in keys/store: one of the two is of "
                "another witness");
  return witness;
}

}  // namespace meridian::app
