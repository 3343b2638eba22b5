// The deny list of a trust domain: certificates and ids that are refused though they are valid.
//
// A list speaks for its own domain only: who holds the keys of one region can shut out nobody of
// another. How lists travel, signed: signed_deny_list.h.
// Immutable values: copies share one list, so handing it to every connection costs nothing.
// Thread-safe. Cost: lookup O(log entries) per segment of the id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {

struct DenyEntry {
  /// A serial number (Certificate::serial()), or an id, or an id whose last segment is "*": all
  /// below it ("spiffe://eu-west.bank.example/node/*").
  std::string subject;
  std::string reason;      ///< One line, for people; at most deny_reason_size_max bytes.
  std::int64_t since = 0;  ///< Seconds since 1970.
  bool operator==(const DenyEntry&) const = default;
};
inline constexpr std::size_t deny_reason_size_max = 200;
inline constexpr std::size_t deny_entries_max = 10'000;

class DenyList {
 public:
  /// Errors: invalid_argument naming the entry: a subject that is none, an id of another domain, a
  /// subject twice, a reason with control characters; resource_exhausted above deny_entries_max.
  static Result<DenyList> make(std::string_view trust_domain, std::uint64_t number,
                               std::vector<DenyEntry> entries);

  const std::string& trust_domain() const;
  /// Counts up at every change: a lower one is older.
  std::uint64_t number() const;
  const std::vector<DenyEntry>& entries() const;  ///< Sorted by subject.
  /// The entry that refuses the certificate with this serial number and id, or nothing: also for
  /// an id of another domain. Valid while a copy of this list lives.
  const DenyEntry* find(std::string_view serial, const SpiffeId& id) const;
  bool operator==(const DenyList& other) const;

 private:
  struct List;
  explicit DenyList(std::shared_ptr<const List> list) : list_(std::move(list)) {}

  std::shared_ptr<const List> list_;
};

/// Trust domain -> its list.
class DenyLists {
 public:
  DenyLists();
  /// The same, with `list` for its domain, in the place of an older one.
  /// Errors: failed_precondition if its number is lower than that of the list held.
  Result<DenyLists> with(DenyList list) const;
  /// Null if there is none. Valid while a copy of this object lives.
  const DenyList* find(std::string_view trust_domain) const;
  /// The entry of its own domain's list that refuses this certificate, or null.
  const DenyEntry* find(std::string_view serial, const SpiffeId& id) const;

 private:
  using Map = std::map<std::string, DenyList, std::less<>>;
  explicit DenyLists(std::shared_ptr<const Map> lists) : lists_(std::move(lists)) {}

  std::shared_ptr<const Map> lists_;
};

}  // namespace meridian::mesh
