// Drafts become the commands of a request: checked, named by opaque ids, payloads sealed.
//
// On the door's executor, as the sealer is. Cost: see PayloadSealer.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "door/door.h"
#include "door/payload_sealer.h"
#include "ledger/entry.h"

namespace meridian::door {

/// Bytes that drafts hold, and their commands.
std::uint64_t size_of(const std::vector<CommandDraft>& commands);
/// Something in them is sealed for a person, or may be, as a schema says.
bool is_personal(const std::vector<CommandDraft>& commands, const Schemas& schemas);

/// Something in them lives in a jurisdiction, or may, as a schema says.
bool is_resident(const std::vector<CommandDraft>& commands, const Schemas& schemas,
                 const storage::Keeping& keeping);

/// Packed accounts or transfers, as they are. Errors: those of Door::prepare_packed. Any thread.
Result<std::unique_ptr<ledger::Request>> make_packed(u128 actor, ledger::CommandKind kind,
                                                     Bytes commands);

class RequestMaker {
 public:
  /// All outlive it.
  RequestMaker(const Door& names, const Schemas& schemas, PayloadSealer& sealer)
      : names_(names), schemas_(schemas), sealer_(sealer) {}

  /// Errors: those of Door::prepare and of the sealer.
  Result<std::unique_ptr<ledger::Request>> make(u128 actor,
                                                const std::vector<CommandDraft>& commands,
                                                bool atomic);

 private:
  Status add_event(ledger::Request& request, const EventDraft& draft, bool linked,
                   std::size_t position);
  Status seal_event(ledger::Request& request, const EventDraft& draft, Buffer signature,
                    bool linked, std::size_t position);
  Status add_deletion(ledger::Request& request, const DeletionDraft& draft, bool linked,
                      std::size_t position);

  const Door& names_;
  const Schemas& schemas_;
  PayloadSealer& sealer_;
};

}  // namespace meridian::door
