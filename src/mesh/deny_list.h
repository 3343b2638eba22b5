// The deny list of a trust domain: certificates and ids that are refused though they are valid.
//
// An immutable value: copies share one list, so handing it to every connection costs nothing.
// Thread-safe. Cost: lookup O(log entries) per segment of the id.
#pragma once

#include <cstddef>
#include <cstdint>
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
  /// Empty, number 0.
  DenyList();
  /// Errors: invalid_argument naming the entry: a subject that is none, a subject twice, a reason
  /// with control characters; resource_exhausted above deny_entries_max.
  static Result<DenyList> make(std::uint64_t number, std::vector<DenyEntry> entries);

  /// Counts up at every change: a lower one is older.
  std::uint64_t number() const;
  const std::vector<DenyEntry>& entries() const;  ///< Sorted by subject.
  /// The entry that refuses the certificate with this serial number and id, or nothing. Valid while
  /// a copy of this list lives.
  const DenyEntry* find(std::string_view serial, const SpiffeId& id) const;
  bool operator==(const DenyList& other) const;

 private:
  struct List;
  explicit DenyList(std::shared_ptr<const List> list) : list_(std::move(list)) {}

  std::shared_ptr<const List> list_;
};

}  // namespace meridian::mesh
