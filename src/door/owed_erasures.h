// Erasures whose record is not confirmed yet: written before a key is destroyed, so that a crash in
// between leaves a list of what still has to be finished and recorded. File `keys/owed`:
// count × { subject(16) actor(16) classes(32) keys_destroyed(4) epoch(4) }, opaque ids only; the
// last two are 0 until the keys are destroyed. Owned by the door's executor.
#pragma once

#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/u128.h"
#include "io/disk.h"

namespace meridian::door {

class OwedErasures {
 public:
  static constexpr std::size_t owed_max = 65'536;
  struct Owed {
    u128 subject;
    u128 actor;
    std::array<Byte, 32> classes{};  ///< Bit n: there were keys of retention class n.
    std::uint32_t keys_destroyed = 0;
    std::uint32_t epoch = 0;
    bool operator==(const Owed&) const = default;
  };
  static Result<OwedErasures> open(io::Disk& disk);

  const std::vector<Owed>& list() const { return owed_; }
  /// Null if nothing is owed for it.
  const Owed* find(u128 subject) const;
  /// Adds or replaces the entry of its subject; durable when it returns. Errors: resource_exhausted
  /// at owed_max; of the disk. Then the list is as before.
  Status put(const Owed& owed);
  Status remove(u128 subject);

 private:
  explicit OwedErasures(io::Disk& disk) : disk_(&disk) {}
  Status write(const std::vector<Owed>& owed) const;

  io::Disk* disk_;
  std::vector<Owed> owed_;
};

}  // namespace meridian::door
