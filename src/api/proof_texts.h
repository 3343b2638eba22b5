// The texts that an auditor takes away: receipts, keys, the policy that trusts this replica.
//
// Shared by gRPC and HTTP. Thread-safe; callbacks are called once, on internal executors or, for
// what is refused or known at once, before the call returns. Formats: docs/formats/proof.md.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "api/backend.h"
#include "base/result.h"
#include "ledger/command.h"

namespace meridian::api {

struct KeyTexts {
  std::string origin, log_vkey, cosigner_vkey;
  std::string policy;  ///< A policy file that trusts exactly this replica, or a quorum of its cell.
};
/// Errors: unavailable while the keys of a voter of the cell are not known here yet.
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
/// The receipt's text: under a checkpoint that `witnesses` outside witnesses cosigned, which may be
/// waited for; with 0 under the newest that any cosigned, if it covers the record, or else under
/// one that the log has just signed. Errors: as find_record; out_of_range past the end;
/// failed_precondition if there are no witnesses; those of Witnessing::wait_receipt.
void make_receipt(Backend& backend, const RecordName& name, std::uint32_t witnesses,
                  std::function<void(Result<std::string>)> ready);
/// What the client signed of the request that the record is of. Errors: as find_record; not_found
/// if it signed nothing; data_loss.
void find_signature(Backend& backend, const RecordName& name,
                    std::function<void(Result<cell::LocalCell::KeptSignature>)> ready);
/// The newest checkpoint, with the cosignatures of witnesses that there are for it.
void make_checkpoint(Backend& backend, std::function<void(Result<std::string>)> ready);
/// Empty if there are none.
void report_witnesses(Backend& backend,
                      std::function<void(std::vector<witness::WitnessReport>)> ready);

}  // namespace meridian::api
