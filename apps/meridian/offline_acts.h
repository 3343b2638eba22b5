// Dangerous acts on a node that does not serve: the same proposal as a file, signed by two people,
// checked against what the node knew when it served last.
//
//   second-person   identity directory of the node, and the policy that was in force; JSON. Written
//                   while it serves callers who are known: without it nothing is asked
//   acts.used       hashes of what was done here, one a line: an approval counts once in each
//                   data directory
// Whoever owns the files of a node owns its keys as well: this keeps honest people from acting
// alone, and leaves what they did in a file (docs/security/policy.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/u128.h"
#include "io/disk.h"
#include "mesh/act.h"
#include "mesh/policy.h"
#include "mesh/signed_text.h"

namespace meridian::app {

inline constexpr std::string_view second_person_path = "second-person";
inline constexpr std::string_view acts_used_path = "acts.used";
inline constexpr std::size_t act_file_size_max = 64 << 10;

/// What `act propose` writes and `act approve FILE` adds to.
struct ActFile {
  mesh::SignedText proposal;
  std::optional<mesh::SignedText> approval{};
};
std::string format_act_file(const ActFile& file);
/// Signatures are not verified. Errors: invalid_argument.
Result<ActFile> parse_act_file(std::string_view text);

/// {"index":"5","digest":"…"} of `meridian recovery skip`.
mesh::ActRequest skipping_of(std::uint64_t index, std::string_view digest);
/// {"generation":"2","lost":"1200..1207"} of `meridian recovery new-generation`.
mesh::ActRequest opening_of(std::uint64_t generation, std::string_view lost);
/// {"key":"storage"} of `meridian keys rotate`.
mesh::ActRequest rotation_of(std::string_view key);

/// Kept beside the data, for when it does not serve. `identity`: an absolute path.
Status keep_second_person(io::Disk& disk, const std::string& identity, const mesh::Policy& policy);

/// The command that a proposal of `action` with `request` is for, of those that are not asked of a
/// server. Errors: invalid_argument: there is none.
Result<std::string> offline_method(mesh::Action action, std::string_view request);

/// Before `what` is begun on `disk`, of `cell`: that two people want it, by `file` (empty: none was
/// given), which is used up durably; both signed in with a second factor just now, unless the
/// policy lets that be. Errors: permission_denied saying what is missing and what to run;
/// invalid_argument; of the disk.
Status use_act_file(io::Disk& disk, u128 cell, const mesh::ActRequest& what,
                    const std::string& file);

}  // namespace meridian::app
