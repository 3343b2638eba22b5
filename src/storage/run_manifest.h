// Which runs an index has as of a state checkpoint: a part of its manifest
// (docs/formats/segment.md). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::storage {

struct RunManifest {
  struct Run {
    std::uint64_t number;
    std::uint64_t pairs;
    bool operator==(const Run&) const = default;
  };
  std::uint32_t key_size = 0;
  std::uint64_t next_number = 0;
  std::vector<Run> runs{};
  bool operator==(const RunManifest&) const = default;
};

Buffer encode_run_manifest(const RunManifest& manifest);
/// Of the index of that name; it is in the message. Errors: data_loss if it is malformed.
Result<RunManifest> decode_run_manifest(std::string_view index, Bytes bytes);

/// Where the run lies: "index/NAME/NUMBER.run".
std::string run_path(std::string_view index, std::uint64_t number);

}  // namespace meridian::storage
