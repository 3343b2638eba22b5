// What was done to the table of keys, or begun, and stands in no record that is confirmed yet:
// written before a key is destroyed, so that a crash in between leaves a list of what still has to
// be finished and recorded. File `keys/owed.records`: count × { actor(16) kind(1) zero(15)
// command(128) }, opaque ids only, in their order. Owned by the door's executor.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/u128.h"
#include "door/keeping_commands.h"
#include "io/disk.h"

namespace meridian::door {

class OwedRecords {
 public:
  static constexpr std::size_t owed_max = 65'536;
  struct Owed {
    u128 actor;
    KeepingCommand command;
    bool operator==(const Owed&) const = default;
  };
  /// The bytes of the file, of any list. Errors: data_loss, with what is wrong.
  static Buffer encode(std::span<const Owed> owed);
  static Result<std::vector<Owed>> decode(Bytes bytes);
  static constexpr std::string_view path = "keys/owed.records";

  /// Takes over what a version before left in `keys/owed`.
  static Result<OwedRecords> open(io::Disk& disk);

  const std::vector<Owed>& list() const { return owed_; }
  /// Durable when it returns. Errors: resource_exhausted at owed_max; of the disk. Then the list is
  /// as before.
  Status add(std::span<const Owed> owed);
  /// Each once. Those that are not there are passed over.
  Status remove(std::span<const Owed> owed);

 private:
  explicit OwedRecords(io::Disk& disk) : disk_(&disk) {}
  Status take_old();
  Status write(const std::vector<Owed>& owed) const;

  io::Disk* disk_;
  std::vector<Owed> owed_;
};

}  // namespace meridian::door
