// bundle = version(2)=1 zero(6) cell(16) created(8) expires(8) count(4) zero(4)
//          count × { path_size(4) size(4) path bytes }
#include "key_bundle.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "crypto/secret.h"
#include "door/owed_records.h"
#include "files.h"
#include "sealed_blob.h"

namespace meridian::app {

namespace {

constexpr std::string_view bundle_path = "bundle";
constexpr std::uint64_t bundle_number = 1;
constexpr std::uint32_t bundle_tag = 20;
constexpr std::uint16_t version = 1;
constexpr std::uint32_t files_max = 64;
constexpr std::uint64_t key_file_size_max = std::uint64_t{1} << 31;

Error malformed(std::string_view why) {
  return fail(Code::data_loss, fmt::format("the key bundle: {}", why));
}

/// Never the credential of the node, which is looked for if nothing is named.
Result<crypto::Secret> read_backup_passphrase(const KeyAccess& access) {
  if (!access.passphrase_file.empty()) return read_passphrase_file(access.passphrase_file);
  if (!access.passphrase_credential.empty())
    return read_passphrase_credential(access.passphrase_credential);
  return fail(Code::invalid_argument,
              "no passphrase of the backup: give --backup-passphrase-file FILE, or "
              "--backup-passphrase-credential NAME under systemd");
}

}  // namespace

std::string format_time(std::uint64_t ns) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(static_cast<std::time_t>(ns / 1'000'000'000)));
}

std::string format_seconds(std::int64_t seconds) {
  return format_time(static_cast<std::uint64_t>(seconds) * 1'000'000'000);
}

const Buffer* KeyBundle::find(std::string_view path) const {
  const auto found = std::ranges::find(files, path, &File::path);
  return found == files.end() ? nullptr : &found->bytes;
}

Buffer KeyBundle::encode() const {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u16(version);
  out.zeros(6);
  out.id(cell);
  out.u64(created_ns);
  out.u64(expires_ns);
  out.u32(static_cast<std::uint32_t>(files.size()));
  out.u32(0);
  for (const File& file : files) {
    out.u32(static_cast<std::uint32_t>(file.path.size()));
    out.u32(static_cast<std::uint32_t>(file.bytes.size()));
    out.bytes(as_bytes(file.path));
    out.bytes(file.bytes);
  }
  return bytes;
}

Result<KeyBundle> KeyBundle::decode(Bytes bytes) {
  ByteReader in(bytes);
  KeyBundle bundle;
  const bool known = in.u16() == version && in.array<6>() == std::array<Byte, 6>{};
  bundle.cell = in.id();
  bundle.created_ns = in.u64();
  bundle.expires_ns = in.u64();
  const std::uint32_t count = in.u32();
  const bool zero = in.u32() == 0;
  if (!in.ok() || !known || !zero || count > files_max) return malformed("unknown version");
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t path_size = in.u32();
    const std::uint32_t size = in.u32();
    File file;
    file.path = as_text(in.take(path_size));
    file.bytes = to_buffer(in.take(size));
    if (!in.ok()) return malformed("it is cut short");
    bundle.files.push_back(std::move(file));
  }
  if (!in.done()) return malformed("its size is not what its fields say");
  return bundle;
}

Status KeyBundle::check_valid(io::WallTime now) const {
  if (static_cast<std::uint64_t>(now) < expires_ns) return {};
  return fail(
      Code::failed_precondition,
      fmt::format("the key bundle may not be used any more: it expired on {}. erased keys "
                  "must not come back with it; restore with the bundle of a newer `meridian "
                  "backup create`",
                  format_time(expires_ns)));
}

Result<BundleDirectory> open_bundle_directory(const BundleOptions& options, io::Clock& clock,
                                              io::Entropy& entropy) {
  BundleDirectory directory;
  directory.disk = TRY(open_existing_directory(options.directory));
  const crypto::Secret passphrase = TRY(read_backup_passphrase(options));
  auto keys = storage::KeyStore::open({*directory.disk, clock, entropy}, passphrase.bytes());
  if (!keys)
    return with_context(keys.error(), fmt::format("the keys of the backup in {} (--keys, "
                                                  "--backup-passphrase-file)",
                                                  options.directory));
  directory.keys = std::move(*keys);
  return directory;
}

Result<BundleDirectory> make_bundle_directory(const BundleOptions& options, io::Clock& clock,
                                              io::Entropy& entropy) {
  BundleDirectory directory;
  directory.disk = TRY(open_directory(options.directory));
  if (TRY(directory.disk->exists("keys/store")))
    return open_bundle_directory(options, clock, entropy);
  if (TRY(directory.disk->exists(cell_path)) || TRY(directory.disk->exists("state")))
    return fail(Code::failed_precondition,
                fmt::format("{} holds something else: name a directory of its own for the keys of "
                            "the backup, on other media than its data",
                            options.directory));
  const crypto::Secret passphrase = TRY(read_backup_passphrase(options));
  directory.keys =
      TRY(storage::KeyStore::create({*directory.disk, clock, entropy}, passphrase.bytes()));
  return directory;
}

Status write_bundle(const storage::SealedContext& context, const KeyBundle& bundle) {
  Buffer bytes = bundle.encode();
  Status written = write_sealed_blob(context, bundle_path, bundle_number, bundle_tag, bytes);
  crypto::cleanse(bytes);
  return written;
}

Result<KeyBundle> read_bundle(const storage::SealedContext& context) {
  const Buffer bytes = TRY(read_sealed_blob(context, bundle_path, bundle_number, bundle_tag));
  KeyBundle bundle = TRY(KeyBundle::decode(bytes));
  if (bundle.cell != context.cell) return malformed("it is of another cell than the backup");
  return bundle;
}

Result<std::vector<KeyBundle::File>> collect_key_files(io::Disk& data) {
  std::vector<KeyBundle::File> files;
  for (const std::string& path :
       {std::string("keys/store"), std::string("keys/table"), std::string("keys/owed"),
        std::string(door::OwedRecords::path), std::string(dev_passphrase_path)}) {
    if (!TRY(data.exists(path))) continue;
    files.push_back({path, TRY(io::read_file(data, path, key_file_size_max))});
  }
  return files;
}

}  // namespace meridian::app
