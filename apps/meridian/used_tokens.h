// Which ID tokens were used at an authority: each is good for one certificate.
//
// The authority's journal is the memory: a token stands in it, durable, before its certificate is
// handed out, whichever process issued it. This keeps those that could still be taken, and reads
// the end of the journal for them when it is new. One thread.
#pragma once

#include <cstdint>
#include <map>

#include "base/result.h"
#include "crypto/sha256.h"
#include "mesh/issuance_journal.h"
#include "oidc/id_token.h"

namespace meridian::app {

class UsedTokens {
 public:
  /// After that a token is refused for its age.
  static constexpr std::int64_t kept_seconds =
      oidc::token_age_max_seconds + 3 * oidc::token_leeway_seconds;

  /// Reads what is new in `journal`, and forgets what is too old at `now` (seconds since 1970).
  /// Errors: of the journal.
  Status take_up(mesh::IssuanceJournal& journal, std::int64_t now);
  bool contains(const crypto::Digest& token) const { return used_.contains(token); }
  std::size_t size() const { return used_.size(); }

 private:
  Status read_end(mesh::IssuanceJournal& journal, std::int64_t oldest);
  void take(const mesh::JournalEntry& entry);

  std::map<crypto::Digest, std::int64_t> used_;  ///< When.
  std::uint64_t seen_ = 0;                       ///< Entries of the journal; 0: none was looked at.
};

}  // namespace meridian::app
