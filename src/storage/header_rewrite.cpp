// rewrapping = magic "MRDNREWR"(8) version(2)=1 zero(2) count(4)
//              count * { path_size(2) path header(128) } sha256(32)
#include "storage/internal/header_rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "crypto/sha256.h"
#include "storage/sealed_file.h"

namespace meridian::storage {
namespace {

constexpr std::string_view intent_path = "keys/rewrapping";
constexpr std::string_view intent_folder = "keys";
constexpr std::string_view intent_magic = "MRDNREWR";
constexpr std::uint16_t intent_version = 1;
constexpr std::size_t path_size_max = 1'024;
constexpr std::size_t intent_size_max = 64 + headers_at_once_max * (2 + path_size_max + 128);
constexpr std::ptrdiff_t depth_max = 8;
constexpr std::string_view tiles = "tiles";  // public, one small file for each 256 hashes

struct Intended {
  std::string path;
  Buffer header;
};

Buffer encode_intent(const std::vector<NewHeader>& headers) {
  Buffer bytes;
  bytes.reserve(intent_size_max);
  ByteWriter out(bytes);
  out.bytes(as_bytes(intent_magic));
  out.u16(intent_version);
  out.zeros(2);
  out.u32(static_cast<std::uint32_t>(headers.size()));
  for (const NewHeader& one : headers) {
    out.u16(static_cast<std::uint16_t>(one.path.size()));
    out.bytes(as_bytes(one.path));
    out.bytes(one.after);
  }
  const crypto::Digest check = crypto::sha256(bytes);
  out.bytes(check);
  return bytes;
}

Result<std::vector<Intended>> decode_intent(Bytes bytes) {
  const auto damaged = [] {
    return fail(Code::data_loss,
                "keys/rewrapping is damaged, and headers of files may be half written: bring the "
                "directory back from a backup, or the state from another replica");
  };
  constexpr std::size_t check_size = sizeof(crypto::Digest);
  if (bytes.size() < check_size) return damaged();
  const Bytes body = bytes.first(bytes.size() - check_size);
  if (!equal(crypto::sha256(body), bytes.last(check_size))) return damaged();
  ByteReader in(body);
  const bool is_ours = as_text(in.take(intent_magic.size())) == intent_magic &&
                       in.u16() == intent_version && in.u16() == 0;
  const std::uint32_t count = in.u32();
  if (!is_ours || count > headers_at_once_max) return damaged();
  std::vector<Intended> headers;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    std::string path(as_text(in.take(in.u16())));
    headers.push_back({std::move(path), to_buffer(in.take(sealed_file_header_size))});
  }
  if (!in.done()) return damaged();
  return headers;
}

/// What stands there may be in the page cache only, if the process was killed: it is made durable
/// before the intent goes.
Status mend(io::Disk& disk, const Intended& one, bool is_sound) {
  Result<std::unique_ptr<io::File>> file = disk.open(one.path, io::OpenMode::read_write);
  if (!file) return file.error().code == Code::not_found ? Status() : file.error();
  if (!is_sound) TRY((*file)->write_at(0, one.header));
  return (*file)->sync();
}

}  // namespace

// --- finding ---

Result<std::optional<Buffer>> read_header(io::Disk& disk, const std::string& path) {
  const Result<std::unique_ptr<io::File>> file = disk.open(path, io::OpenMode::read);
  Buffer header(sealed_file_header_size);
  Result<std::size_t> got = file ? (*file)->read_at(0, header) : Result<std::size_t>(file.error());
  if (got) {
    header.resize(*got);
    return std::optional(std::move(header));
  }
  if (got.error().code == Code::not_found || disk.list(path)) return std::optional<Buffer>();
  return got.error();
}

bool is_in_use(std::string_view path, Bytes header) {
  const bool is_spare = path.starts_with("wal/") && !path.ends_with(".wal");
  return is_sealed_file(header) && !is_spare;
}

Result<SealedFiles::Seen> SealedFiles::next() {
  if (!std::exchange(is_begun_, true)) {
    TRY(enter(""));
    return Seen::nothing;
  }
  if (waiting_.empty()) return Seen::end;
  path_ = std::move(waiting_.back());
  waiting_.pop_back();
  std::optional<Buffer> header = TRY(read_header(disk_, path_));
  if (!header) {
    TRY(enter(path_));
    return Seen::nothing;
  }
  header_ = *std::move(header);
  return is_in_use(path_, header_) ? Seen::sealed : Seen::nothing;
}

Status SealedFiles::enter(const std::string& folder) {
  const bool is_tiles = folder == tiles || folder.ends_with("/tiles");
  if (is_tiles || std::ranges::count(folder, '/') >= depth_max) return {};
  const Result<std::vector<std::string>> names = disk_.list(folder);
  if (!names) return names.error().code == Code::not_found ? Status() : names.error();
  folders_.push_back(folder);
  for (auto name = names->rbegin(); name != names->rend(); ++name)
    waiting_.push_back(folder.empty() ? *name : fmt::format("{}/{}", folder, *name));
  return {};
}

// --- writing ---

Status save_intent(io::Disk& disk, const std::vector<NewHeader>& headers) {
  ASSERT(headers.size() <= headers_at_once_max);
  return io::replace_file(disk, intent_path, encode_intent(headers));
}

Status remove_intent(io::Disk& disk) {
  TRY(disk.remove(intent_path));
  return disk.sync_directory(intent_folder);
}

Result<bool> has_intent(io::Disk& disk) { return disk.exists(intent_path); }

/// A header that opens is the old or the new one, or of a file that came later; one that does not
/// was half written.
Status redo_intent(io::Disk& disk, const KeyStore& keys) {
  if (!TRY(disk.exists(intent_path))) return {};
  const Buffer bytes = TRY(io::read_file(disk, intent_path, intent_size_max));
  for (const Intended& one : TRY(decode_intent(bytes))) {
    const std::optional<Buffer> there = TRY(read_header(disk, one.path));
    if (!there) continue;
    const bool is_sound = rewrap_header(keys, *there).has_value();
    TRY(mend(disk, one, is_sound));
  }
  return remove_intent(disk);
}

std::vector<KeyVersion> older_storage_keys(const KeyStore& keys, KeyVersion newest) {
  std::vector<KeyVersion> older;
  for (const KeyStore::Listing& key : keys.list())
    if (key.name == storage_key_name && key.version < newest) older.push_back(key.version);
  return older;
}

}  // namespace meridian::storage
