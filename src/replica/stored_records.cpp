#include "replica/stored_records.h"

namespace meridian::replica {

Result<ledger::Header> StoredRecords::read(ledger::RecordIndex index) {
  const Buffer bytes = TRY(records_.header(raw(index)));
  return ledger::Header::decode(bytes);
}

Result<std::optional<ledger::RecordIndex>> StoredRecords::find_transfer(u128 id) {
  const storage::RunKey key{id, 0};
  const auto pairs = TRY(transfers_.find_range(key, key, 1, false));
  if (pairs.empty()) return std::optional<ledger::RecordIndex>{};
  return std::optional{ledger::RecordIndex{pairs.front().value}};
}

Status StoredRecords::scan(ledger::RecordIndex first, ledger::RecordIndex end, bool reversed,
                           const std::function<Result<bool>(const ledger::Header&)>& visit) {
  if (reversed) return RecordSource::scan(first, end, reversed, visit);
  Status outcome;
  TRY(records_.scan(raw(first), raw(end), [&](std::uint64_t, Bytes bytes) {
    const Result<ledger::Header> header = ledger::Header::decode(bytes);
    if (!header) {
      outcome = header.error();
      return false;
    }
    const Result<bool> more = visit(*header);
    if (!more) outcome = more.error();
    return more && *more;
  }));
  return outcome;
}

}  // namespace meridian::replica
