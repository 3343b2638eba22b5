#include "storage/internal/resident_rows.h"

#include <fmt/format.h>

namespace meridian::storage {
namespace {

crypto::Secret mixed(Bytes key, std::string_view purpose, Bytes value) {
  crypto::Digest digest = resident_key(key, purpose, value);
  crypto::Secret secret{Bytes(digest)};
  crypto::cleanse(digest);
  return secret;
}

}  // namespace

Error ResidentRows::not_here(const Jurisdiction& jurisdiction, std::uint32_t turn) const {
  if (!jurisdiction.has_key())
    return residency_unavailable(
        fmt::format("the jurisdiction {} has no key yet, as replicas in two of its regions are "
                    "needed to make it; nothing was done",
                    to_text(jurisdiction)));
  if (turn != jurisdiction.turn() && holds(jurisdiction, jurisdiction.turn()))
    return residency_unavailable(fmt::format(
        "what is asked for was sealed in the jurisdiction {} before its key was turned over for "
        "the {}. time, and this replica was not given that key yet: ask again, or ask another "
        "replica in one of those regions; nothing was done",
        to_text(jurisdiction), turn + 1));
  return residency_unavailable(
      fmt::format("what is asked for lives in the jurisdiction {}, and this replica does not "
                  "hold its key: ask a replica in one of those regions; nothing was done",
                  to_text(jurisdiction)));
}

Result<SubjectKeyring::SubjectKeys> ResidentRows::mix(const Keeping& keeping,
                                                      std::uint8_t retention,
                                                      SubjectKeyring::SubjectKeys keys) {
  const Jurisdiction* jurisdiction = keeping.home_of(retention);
  if (jurisdiction == nullptr) return keys;
  const std::uint32_t turn = turn_of(keys.seal_version);
  if (turn >= jurisdiction->keys.size()) return not_here(*jurisdiction, turn);
  const Result<Bytes> key = keys_.find({jurisdiction->number, turn, jurisdiction->keys[turn]});
  if (!key) return not_here(*jurisdiction, turn);
  seal_ = mixed(*key, "seal", keys.seal);
  commit_ = mixed(*key, "commit", keys.commit);
  keys.seal = seal_.bytes();
  keys.commit = commit_.bytes();
  return keys;
}

}  // namespace meridian::storage
