// Whether a leader orders what another replica hands over (cell/request_relay.h): what a door in a
// jurisdiction sealed for persons there, and what was read at that replica. Nothing else, so that
// whoever took a replica over cannot ask for what clients may not.
#pragma once

#include <functional>
#include <string>

#include "cell/key_parts.h"

namespace meridian::cell {

class OrderCheck {
 public:
  explicit OrderCheck(const KeyParts& parts) : parts_(parts) {}

  /// Called once: at once, but of readings later, on the door's executor.
  using Checked = std::function<void(const Status&)>;
  /// `region`: of who hands it over. Errors: unavailable as long as a record is not folded in here;
  /// permission_denied, invalid_argument; those of CellKeyTable::check_sealed.
  void check(const ledger::Request& request, const std::string& region,
             const Checked& checked) const;

 private:
  bool is_of_cell(const ledger::Request& request) const;
  void check_readings(const ledger::Request& request, const Checked& checked) const;
  Result<door::Door::SealedEvent> readings_event(const ledger::Request& request) const;
  Status check_resident(const ledger::Request& request, const std::string& region) const;

  const KeyParts& parts_;
};

}  // namespace meridian::cell
