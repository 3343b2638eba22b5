#include "audit/internal/payload_check.h"

namespace meridian::audit::internal {

void PayloadCheck::check_commitments(const ledger::Header& header, const ledger::Payload& payload) {
  std::vector<crypto::Digest> commitments;
  for (const ledger::Compartment& compartment : payload.compartments)
    commitments.push_back(compartment.commitment);
  if (ledger::fold_commitments(commitments) != header.payload_commitment)
    findings_.add(raw(header.record_index),
                  "its payload does not match the commitment in its header");
}

void PayloadCheck::check(const ledger::Header& header, const ledger::EventBody& body,
                         const Result<Buffer>& payload) {
  const std::uint64_t record = raw(header.record_index);
  if (!payload)
    return findings_.add(record, payload.error().code == Code::not_found
                                     ? "its payload is missing, and nothing says that it was erased"
                                     : "its payload cannot be read: " + payload.error().message);
  if (payload->size() != body.payload_size)
    return findings_.add(record, fmt::format("its payload has {} bytes, its header says {}",
                                             payload->size(), body.payload_size));
  const Result<ledger::Payload> decoded = ledger::Payload::decode(*payload);
  if (!decoded)
    return findings_.add(record, "its payload is malformed: " + decoded.error().message);
  if (!sealer_) {
    signatures_.add_locked();
    return check_commitments(header, *decoded);
  }
  const Result<door::OpenedEvent> opened = sealer_->open(header, *payload);
  if (!opened && opened.error().code == Code::unavailable) {
    ++locked_;
    signatures_.add_locked();
    return;
  }
  if (!opened) return findings_.add(record, opened.error().message);
  signatures_.add_event(header, *opened);
  bool is_forgotten = false;
  for (std::size_t i = 0; i < opened->compartments.size(); ++i) {
    if (!opened->compartments[i].forgotten) continue;
    is_forgotten = true;
    const ledger::Compartment& sealed = decoded->compartments[i];
    missing_keys_.push_back({record, sealed.subject, {sealed.retention, sealed.key_version}});
  }
  ++(is_forgotten ? forgotten_ : opened_);
}

Result<door::OpenedEvent> PayloadCheck::read(storage::RecordStore& records, std::uint64_t record) {
  if (!sealer_) return fail(Code::unavailable, "the keys are not here");
  const Buffer bytes = TRY(records.header(record));
  const ledger::Header header = TRY(ledger::Header::decode(bytes));
  const Buffer payload = TRY(records.payload(record));
  return sealer_->open(header, payload);
}

void PayloadCheck::check_missing_keys(const BalanceFold& fold) {
  for (const MissingKey& missing : missing_keys_)
    if (!fold.is_erased(missing.subject, missing.key))
      findings_.add(missing.record,
                    "the key of its payload is gone, and no erasure record covers it");
}

}  // namespace meridian::audit::internal
