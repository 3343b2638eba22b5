// Going on under a new origin without records that were signed (docs/decisions/0011): what
// `recovery new-generation` and `backup restore` share.
//
//   decide_generation: keep evidence in generations/N, a new log key, file `generation` "N+1
//   opening" -> open_generation: blank `cosigned`, the open_generation record, a head signed under
//   the new origin, file `generation` "N+1"
//
// A stop anywhere is gone on from by calling open_generation again.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "generation.h"
#include "node.h"

namespace meridian::app {

struct OpenedGeneration {
  std::uint64_t record = 0;  ///< That opens it.
  std::string origin, note;  ///< The note signs a head that covers it.
};

/// Where what earlier generations signed and lost is kept.
std::string kept_path(const Generation& next);
/// Durable when it returns: the generation after node.generation is being opened. `stored_records`
/// are in the segments, of which those that are lost are kept.
Status decide_generation(Node& node, const Loss& loss, std::uint64_t stored_records);
/// Opens node.generation, which is being opened (asserted).
Result<OpenedGeneration> open_generation(Node& node);

}  // namespace meridian::app
