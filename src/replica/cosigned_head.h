// The last tree head this replica put its name to, durable before the signature leaves (DESIGN
// section 3, the signing rule): it never signs a smaller tree or another root for the same size.
//
// File `cosigned`, a slot file (docs/formats/slot_file.md) of size(8) root(32). One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "io/disk.h"
#include "proof/merkle.h"
#include "storage/slot_file.h"

namespace meridian::replica {

class CosignedHead {
 public:
  static constexpr std::string_view path = "cosigned";

  /// Makes the file if it is missing. Errors: data_loss if it is there and neither slot can be
  /// read.
  static Result<CosignedHead> open(io::Disk& disk, std::string_view at = path);

  const std::optional<proof::TreeHead>& last() const { return last_; }
  /// Set if one slot is not as it was written: which, and what is not known because of it. The next
  /// save writes over it if it was the older one, or could not be read.
  const std::optional<std::string>& damage() const { return damage_; }
  /// False if a slot cannot be read at all: it may have held a newer head than last().
  bool is_certain() const { return !file_.damage() || file_.damage()->held.has_value(); }
  /// Durable when it returns. Asserts the signing rule against last().
  Status save(const proof::TreeHead& head);

 private:
  explicit CosignedHead(storage::SlotFile file) : file_(std::move(file)) {}

  storage::SlotFile file_;
  std::optional<proof::TreeHead> last_;
  std::optional<std::string> damage_;
};

}  // namespace meridian::replica
