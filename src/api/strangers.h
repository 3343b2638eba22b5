// Connections whose caller has not shown yet who they are, and which of them goes when there are
// too many: the oldest of the origin that has most. So whoever floods a port pushes out their own.
//
// Their handshakes begin at the pace of where they come from (handshake_pace.h).
//
// Pure; one thread. Cost: victim() looks at each origin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "api/handshake_pace.h"

namespace meridian::api {

class Strangers {
 public:
  /// Greater is newer. Asserts that it is not there yet.
  using Id = std::uint64_t;
  void add(Id id, const std::string& origin);
  /// False: where it comes from begins too many, or it is not there.
  bool may_begin(Id id, io::MonotonicTime now);
  /// It has shown who it is: its handshake counts for nothing. No effect if it is not there.
  void met(Id id);
  void remove(Id id);  ///< No effect if it is not there.
  std::size_t size() const { return origins_.size(); }
  /// Of two origins with as many, the one whose oldest is older. None if there are none.
  std::optional<Id> victim() const;

 private:
  std::map<Id, std::string> origins_;
  std::map<std::string, std::set<Id>> ids_;
  HandshakePace pace_;
};

}  // namespace meridian::api
