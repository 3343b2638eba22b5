// Which generation of its log a data directory is in (docs/formats/generation.md): the last part of
// the origin that tree heads are signed under.
//
// File `generation`, one line of text; missing means the first. While a new generation is being
// opened it says so, and nothing but `meridian recovery new-generation` goes on from there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "crypto/sha256.h"
#include "io/disk.h"

namespace meridian::app {

inline constexpr std::string_view generation_path = "generation";
inline constexpr std::string_view generations_path =
    "generations";  ///< What is kept of earlier ones.

/// The records [first, signed_size) of a generation, which was signed and is there no more. None if
/// both are equal: more may have been signed, but nobody knows of it.
struct Loss {
  std::uint64_t first = 0;
  std::uint64_t signed_size = 0;
  crypto::Digest signed_root{};
  bool operator==(const Loss&) const = default;

  bool is_none() const { return first == signed_size; }
  std::uint64_t last() const { return signed_size - 1; }  ///< Unless is_none().
  std::string range() const;                              ///< "FIRST..LAST" or "none"
};

struct Generation {
  std::uint64_t number = 1;
  std::optional<Loss> opening;  ///< Set until generation `number` is open: what the last one lost.
  bool operator==(const Generation&) const = default;
};

/// Errors: data_loss if the file is not as write_generation makes it.
Result<Generation> read_generation(io::Disk& disk);
/// Durable when it returns.
Status write_generation(io::Disk& disk, const Generation& generation);

}  // namespace meridian::app
