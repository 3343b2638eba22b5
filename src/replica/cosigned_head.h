// The last tree head this replica put its name to, durable before the signature leaves (DESIGN
// section 3, the signing rule): it never signs a smaller tree or another root for the same size.
//
// File `cosigned`: two slots of 512 bytes, written in turn, so a torn write leaves the other.
// slot = magic(8) sequence(8) size(8) root(32) SHA-256 of the bytes before(32). One thread.
#pragma once

#include <memory>
#include <optional>

#include "io/disk.h"
#include "proof/merkle.h"

namespace meridian::replica {

class CosignedHead {
 public:
  /// Errors: data_loss if the file is there and neither slot is sound.
  static Result<CosignedHead> open(io::Disk& disk);

  const std::optional<proof::TreeHead>& last() const { return last_; }
  /// Durable when it returns. Asserts the signing rule against last().
  Status save(const proof::TreeHead& head);

 private:
  explicit CosignedHead(std::unique_ptr<io::File> file) : file_(std::move(file)) {}

  std::unique_ptr<io::File> file_;
  std::optional<proof::TreeHead> last_;
  std::uint64_t sequence_ = 0;
};

}  // namespace meridian::replica
