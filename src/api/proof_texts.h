// The texts that an auditor takes away: receipts, keys, the policy that trusts this replica.
//
// Shared by gRPC and HTTP. Thread-safe; callbacks are called once, on internal executors or, for
// what is refused or known at once, before the call returns. Formats: docs/formats/proof.md.
#pragma once

#include <functional>
#include <string>
#include <variant>

#include "api/backend.h"
#include "base/result.h"
#include "ledger/command.h"

namespace meridian::api {

struct KeyTexts {
  std::string origin, log_vkey, cosigner_vkey;
  std::string policy;  ///< A policy file that trusts exactly this replica.
};
Result<KeyTexts> key_texts(replica::Replica& replica);

/// A record by its index or by the command that made it.
struct RecordOf {
  ledger::CommandKind kind;  ///< create_account, create_transfer or append_event.
  u128 id;
};
using RecordName = std::variant<ledger::RecordIndex, RecordOf>;

/// Errors: not_found naming what there is no record of.
void find_record(Backend& backend, const RecordName& name,
                 std::function<void(Result<ledger::RecordIndex>)> found);
/// The receipt's text. Errors: as find_record; out_of_range past the end.
void make_receipt(Backend& backend, const RecordName& name,
                  std::function<void(Result<std::string>)> ready);

}  // namespace meridian::api
