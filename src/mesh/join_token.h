// Join tokens: how who has no certificate yet proves once that it may get one.
//
// 256 random bits, good for one id, once, for at most fifteen minutes. Who makes one carries it to
// the new member; the CA keeps its SHA-256 alone, so that a stolen table opens nothing. A used one
// is remembered until it would have expired: whoever comes second learns that somebody was first.
// One thread. Cost: a change rewrites the table, 100 bytes a token, one sync.
// Bytes: docs/formats/journal.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {

inline constexpr std::int64_t join_token_lifetime_max = 15 * 60;  ///< Seconds.
inline constexpr std::size_t join_tokens_max = 1'000;

/// What the table keeps under: SHA-256 of the token's 32 bytes.
/// Errors: invalid_argument unless `text` has the form "mjoin-" and 64 lower-case hexadecimal
/// digits.
Result<crypto::Digest> join_token_digest(std::string_view text);

struct JoinToken {
  crypto::Digest digest{};
  SpiffeId id;
  std::int64_t expires = 0;  ///< Seconds since 1970: the first second it is over.
  std::int64_t used = 0;     ///< Seconds since 1970; 0: not yet.
  bool operator==(const JoinToken&) const = default;
};
/// The table as a file: format_join_tokens writes what parse_join_tokens accepts, and nothing else
/// is accepted. Errors: data_loss.
std::string format_join_tokens(const std::vector<JoinToken>& tokens);
Result<std::vector<JoinToken>> parse_join_tokens(std::string_view text);

class JoinTokens {
 public:
  /// Reads the table, or begins one. Errors: data_loss if it is damaged (remove it: every token in
  /// it is lost, and nothing else); of the disk.
  static Result<JoinTokens> open(io::Disk& disk, std::string path, io::Clock& clock);

  /// A new token for `id`; its text is shown once and is not kept. Durable when it returns.
  /// Errors: invalid_argument for an id without a path; out_of_range for a lifetime of less than
  /// 1 s or above join_token_lifetime_max; resource_exhausted above join_tokens_max; of the disk.
  Result<crypto::Secret> make(const SpiffeId& id, std::int64_t lifetime_seconds,
                              io::Entropy& entropy);

  /// Uses it up, durably, before it returns: also if the certificate then fails to be issued.
  /// Returns the digest, for the journal. Errors: permission_denied if it is unknown, expired, used
  /// (with when), or for another id: all but "unknown" only to who really holds it; of the disk.
  Result<crypto::Digest> redeem(std::string_view text, const SpiffeId& id);

  /// Those that are not over yet, used ones too.
  const std::vector<JoinToken>& tokens() const { return tokens_; }

 private:
  JoinTokens(io::Disk& disk, std::string path, io::Clock& clock)
      : disk_(&disk), path_(std::move(path)), clock_(&clock) {}
  std::int64_t now() const;
  void drop_expired();
  Status save();

  io::Disk* disk_;
  std::string path_;
  io::Clock* clock_;
  std::vector<JoinToken> tokens_;
  bool is_broken_ = false;  ///< A write failed: what the disk holds is not known.
};

}  // namespace meridian::mesh
