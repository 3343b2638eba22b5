// Which dangerous acts were proposed, approved and used: a fold over the records of the stream
// `$acts` of a cell (docs/decisions/0030).
//
// One person proposes an act (act.h), another approves exactly that, both with the keys of their
// own certificates, which stand in the records; then the one who proposed does it, once: that it is
// used is on record before it is begun. Judged here, by every replica alike: signatures, that two
// people signed, times (by the records), and that nothing is used twice. Judged by the replica that
// takes a record: whether a certificate is good then. Whether the policy lets them is asked when it
// is used, of both: who lost the right meanwhile counts no more.
// Pure values: equal records give equal histories. Cost: a signature check for each record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/sha256.h"
#include "mesh/act.h"
#include "mesh/signed_text.h"

namespace meridian::mesh {

inline constexpr std::string_view acts_stream = "$acts";
inline constexpr std::string_view act_proposed_type = "act.proposed";
inline constexpr std::string_view act_approved_type = "act.approved";
inline constexpr std::string_view act_used_type = "act.used";

/// Bodies of the records, as JSON.
std::string act_proposed_json(const SignedText& statement);
std::string act_approved_json(const crypto::Digest& act, const SignedText& approval);
std::string act_used_json(const crypto::Digest& act);

class ActHistory {
 public:
  /// How far the proposer's clock may be from the record's.
  static constexpr std::int64_t clock_difference_max_s = 300;
  /// That are not over yet, used ones among them: by all, and by one person.
  static constexpr std::size_t acts_max = 512;
  static constexpr std::size_t acts_of_one_max = 64;

  struct Act {
    crypto::Digest hash;
    ActStatement statement;
    std::string approved_by{};  ///< Empty: nobody yet.
    std::int64_t used_s = 0;    ///< 0: not yet.
    bool is_usable() const { return !approved_by.empty() && used_s == 0; }
  };

  explicit ActHistory(u128 cell) : cell_(cell) {}

  /// The next record of the stream. Errors, and then nothing has changed: permission_denied,
  /// invalid_argument, not_found, failed_precondition, resource_exhausted saying why it has no
  /// effect.
  Status apply(std::string_view type, std::string_view json, std::int64_t time_s);

  /// Those that are not over at `now_s`, oldest first.
  std::vector<Act> acts(std::int64_t now_s) const;
  /// Which approval lets `by` do exactly `what`, once. Errors: permission_denied saying what is
  /// missing, and the command that comes next.
  Result<Act> usable(const std::string& by, const ActRequest& what, std::int64_t now_s) const;

 private:
  Status propose(std::string_view json, std::int64_t time_s);
  Status approve(std::string_view json, std::int64_t time_s);
  Status use(std::string_view json, std::int64_t time_s);
  Result<Act*> find(const crypto::Digest& hash, std::int64_t time_s);

  u128 cell_;
  std::vector<Act> acts_;
};

}  // namespace meridian::mesh
