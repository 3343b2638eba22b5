// What both ways of turning `storage` over share: finding sealed files, and writing headers again
// where they stand so that a crash leaves none that opens under neither version
// (docs/formats/keys.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/disk.h"
#include "storage/key_store.h"

namespace meridian::storage {

inline constexpr std::string_view storage_key_name = "storage";

/// Walks over all files below a disk's root, one entry for each call, so that the caller can do
/// something else in between. What comes and goes meanwhile is met or not.
class SealedFiles {
 public:
  explicit SealedFiles(io::Disk& disk) : disk_(disk) {}

  enum class Seen : std::uint8_t {
    nothing,  ///< A folder, or no sealed file: go on.
    sealed,   ///< See path() and header().
    end,
  };
  /// Errors: of the disk.
  Result<Seen> next();
  const std::string& path() const { return path_; }
  Bytes header() const { return header_; }
  /// Those that were listed.
  const std::vector<std::string>& folders() const { return folders_; }

 private:
  Status enter(const std::string& folder);

  io::Disk& disk_;
  bool is_begun_ = false;
  std::vector<std::string> waiting_;  // paths, the next one last
  std::vector<std::string> folders_;
  std::string path_;
  Buffer header_;
};

/// The first bytes of a file; empty if it is a folder, or not there.
Result<std::optional<Buffer>> read_header(io::Disk& disk, const std::string& path);
/// A sealed file that somebody will open; spares of the log get another header before.
bool is_in_use(std::string_view path, Bytes header);

struct NewHeader {
  std::string path;
  Buffer before, after;
};
inline constexpr std::size_t headers_at_once_max = 1'024;

/// `headers` are durable in keys/rewrapping, from where a crash is mended: from here on they may
/// be written.
Status save_intent(io::Disk& disk, const std::vector<NewHeader>& headers);
/// All of them are written and durable.
Status remove_intent(io::Disk& disk);
Result<bool> has_intent(io::Disk& disk);
/// After a crash: writes again what was half written. Errors: data_loss if that cannot be known.
Status redo_intent(io::Disk& disk, const KeyStore& keys);

std::vector<KeyVersion> older_storage_keys(const KeyStore& keys, KeyVersion newest);

}  // namespace meridian::storage
