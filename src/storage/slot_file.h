// A small value that is replaced as a whole and survives every crash: the last signed head, term
// and vote, marks. Bytes: docs/formats/slot_file.md.
//
// Two slots of 512 bytes, written in turn, so that a torn write leaves the other; each holds a
// digest, with which a slot with one wrong bit is still read for certain. One thread. After a
// failed write or sync every further one is refused. Cost of save: one write and one sync
// (0.3 ms), the first time also that of a directory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "io/disk.h"

namespace meridian::storage {

enum class IfMissing : std::uint8_t {
  create,  ///< Makes a file that holds no value yet.
  refuse,  ///< data_loss: it must have been there.
};

/// What a kind of slot file holds.
struct SlotFormat {
  std::string_view magic;  ///< 8 characters.
  std::size_t value_size;  ///< Of every value; at most SlotFile::value_size_max.
  std::string_view loss;   ///< For people: what is not known without the file, and what to do.
};

class SlotFile {
 public:
  static constexpr std::size_t slot_size = 512;
  static constexpr std::size_t value_size_max = slot_size - 8 - 8 - 32;

  /// Changes nothing but for making a missing file. `disk` and `format` outlive the file.
  /// Errors: data_loss if the file is there and neither slot can be read, or is missing and must
  /// not be (the message names it and says `format.loss`).
  static Result<SlotFile> open(io::Disk& disk, std::string_view path, const SlotFormat& format,
                               IfMissing if_missing);
  /// Makes the file with `value` in both slots, or replaces it. A crash leaves all of it or
  /// nothing.
  static Result<SlotFile> create(io::Disk& disk, std::string_view path, const SlotFormat& format,
                                 Bytes value);

  /// The newest; none if none was ever saved.
  const std::optional<Buffer>& value() const { return value_; }

  /// One slot that is not as it was written when the file was opened.
  struct Damage {
    std::size_t slot;            ///< 0 or 1.
    std::optional<Buffer> held;  ///< What it held, if its digest still tells for certain.
    bool operator==(const Damage&) const = default;
  };
  /// The next save writes over it if it was the older one, or could not be read.
  const std::optional<Damage>& damage() const { return damage_; }

  /// Durable when it returns.
  Status save(Bytes value);
  /// Without a sync: a crash may undo it, and never what was saved before. Some value was saved
  /// before (asserted).
  Status save_hint(Bytes value);
  /// Writes the newest value once more and syncs it and the file's name: whoever wrote them may
  /// have died before its sync. Before what open read is acted upon.
  Status make_durable();

 private:
  SlotFile(io::Disk& disk, std::string_view path, const SlotFormat& format,
           std::unique_ptr<io::File> file)
      : disk_(&disk), path_(path), format_(&format), file_(std::move(file)) {}
  std::string display() const { return disk_->display(path_); }
  Status read();
  Status write(std::uint64_t sequence, Bytes value);
  Status sync();
  std::uint64_t sequence_next() const { return hinted_ ? sequence_ + 2 : sequence_ + 1; }

  io::Disk* disk_;
  std::string path_;
  const SlotFormat* format_;
  std::unique_ptr<io::File> file_;
  std::optional<Buffer> value_;
  std::optional<Damage> damage_;
  std::uint64_t sequence_ = 0;
  bool hinted_ = false;  // the newest is a hint: its slot is written again, the other is durable
  bool is_name_durable_ = false;  // known in this process
  bool failed_ = false;
};

}  // namespace meridian::storage
