// A witness (C2SP tlog-witness, https://c2sp.org/tlog-witness): cosigns the newest tree of the logs
// it knows, and only while each tree extends the one it cosigned before.
//
// What it answers depends on its memory, one CosignedHead per log, made durable before the
// cosignature is handed out: whatever crashes, it never cosigns two trees of a log of which one
// does not extend the other. One thread. Blocks on one write and sync per cosignature.
// Who may ask: anybody, since only what a known log signed has an effect, and answers are public.
//
// Folder: logs/<hex SHA-256 of the origin>/ with `cosigned` (the memory), `checkpoint` (the note
// cosigned last), `fork` (the first signed note that contradicts the memory: keep it).
// After a failed write everything is refused and Io::fatal was told once.
// Limits: logs_max, log_keys_max, proof::add_checkpoint_size_max. How to run one:
// docs/operations/witness.md.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/clock.h"
#include "io/disk.h"
#include "metrics/registry.h"
#include "proof/add_checkpoint.h"
#include "proof/checkpoint.h"
#include "proof/cosignature.h"
#include "proof/note.h"

namespace meridian::witness {

inline constexpr std::size_t logs_max = 1'024;
inline constexpr std::size_t log_keys_max = 64;  ///< Of one log: each of its replicas has one.

/// How a request to cosign ended; the numbers are the HTTP statuses of tlog-witness.
enum class Verdict : std::uint16_t {
  cosigned = 200,
  malformed = 400,       ///< Not a request, or an old size above the new one.
  not_signed = 403,      ///< No good signature of a key that is trusted for the origin.
  unknown_log = 404,     ///<
  other_old_size = 409,  ///< The old size is not that of the memory; the answer has the right one.
  inconsistent = 422,    ///< Does not extend what was cosigned: a fork, or a wrong proof.
  failed = 500,          ///< The witness itself cannot: its memory is damaged or its disk failed.
};
struct Answer {
  Verdict verdict;
  std::string body;  ///< Signature lines; of other_old_size a size line; else a sentence.
};

class Witness {
 public:
  struct Io {
    io::Disk& disk;
    io::Clock& clock;
    metrics::Registry& metrics;
    /// What its operator should read, one line each.
    std::function<void(const std::string&)> notice;
    std::function<void(Error)> fatal;
  };
  /// `log_keys` are of type 0x01; a key's name is the origin it signs for. The memory of a log that
  /// cannot be read for certain is told by a notice, and that log is refused from then on. Errors:
  /// invalid_argument for a key of another type, or none, or too many; of the disk.
  static Result<std::unique_ptr<Witness>> open(const Io& io, proof::Signer cosigner,
                                               std::span<const proof::VerifierKey> log_keys);
  virtual ~Witness() = default;

  virtual Answer add_checkpoint(std::string_view body) = 0;
  /// The note cosigned last. Errors: not_found.
  virtual Result<std::string> checkpoint(std::string_view origin_hash) const = 0;
  virtual const proof::VerifierKey& key() const = 0;
};

/// Lower-case hex of SHA-256(origin).
std::string origin_hash(std::string_view origin);

/// What stands in the folder of a witness, for people.
struct WitnessedTree {
  proof::Checkpoint checkpoint;  ///< Cosigned last.
  std::string note;
  bool has_fork = false;
};
/// Reads only what is replaced whole, so a witness may be running. Errors: of the disk; data_loss.
Result<std::vector<WitnessedTree>> list_trees(io::Disk& disk);

}  // namespace meridian::witness
