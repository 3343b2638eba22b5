// Payloads of events against their headers: there, of the right size, matching the commitment, and
// opening where their key exists. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "audit/internal/balance_fold.h"
#include "audit/internal/findings.h"
#include "audit/internal/signature_check.h"
#include "door/payload_sealer.h"
#include "ledger/header.h"
#include "storage/record_store.h"

namespace meridian::audit::internal {

class PayloadCheck {
 public:
  /// `signatures` is told of events.
  PayloadCheck(Findings& findings, SignatureCheck& signatures)
      : findings_(findings), signatures_(signatures) {}

  /// Opens payloads from now on; without it only their commitments are compared.
  void open_with(door::PayloadSealer sealer) { sealer_.emplace(std::move(sealer)); }

  /// `payload` as it was read; not_found means that it is not there.
  void check(const ledger::Header& header, const ledger::EventBody& body,
             const Result<Buffer>& payload);
  /// An event that was checked before. Errors: unavailable without keys; of the store, the sealer.
  Result<door::OpenedEvent> read(storage::RecordStore& records, std::uint64_t record);
  /// At the end: keys may be gone only for subjects of which a record, perhaps a later one, says
  /// so.
  void check_missing_keys(const BalanceFold& fold);

  std::uint64_t opened() const { return opened_; }
  std::uint64_t forgotten() const { return forgotten_; }
  std::uint64_t locked() const { return locked_; }

 private:
  struct MissingKey {
    std::uint64_t record;
    u128 subject;
    storage::KeyName key;
  };
  void check_commitments(const ledger::Header& header, const ledger::Payload& payload);

  Findings& findings_;
  SignatureCheck& signatures_;
  std::optional<door::PayloadSealer> sealer_;
  std::vector<MissingKey> missing_keys_;
  std::uint64_t opened_ = 0, forgotten_ = 0, locked_ = 0;
};

}  // namespace meridian::audit::internal
