// Connections whose caller has not shown yet who they are, and which of them goes when there are
// too many: the oldest of the address that has most. So whoever floods a port pushes out their own.
//
// Pure; one thread. Cost: victim() looks at each address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace meridian::api {

class Strangers {
 public:
  /// Greater is newer. Asserts that it is not there yet.
  using Id = std::uint64_t;
  void add(Id id, const std::string& address);
  void remove(Id id);  ///< No effect if it is not there.
  std::size_t size() const { return addresses_.size(); }
  /// Of two addresses with as many, the one whose oldest is older. None if there are none.
  std::optional<Id> victim() const;

 private:
  std::map<Id, std::string> addresses_;
  std::map<std::string, std::set<Id>> ids_;
};

}  // namespace meridian::api
