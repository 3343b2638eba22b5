// What certificate authorities issued, as records of the cell: their journals, entry by entry
// (docs/formats/issuances.md).
//
// An authority issues while nothing else works and writes for itself (mesh/issuance_journal.h);
// what it wrote is handed in here later, and from then on nobody can take an entry out, or put one
// in, without being seen: what comes must go on exactly where the records end. Of each trust domain
// there is one stream. Nothing is kept in memory: the newest event says where its journal is.
// Thread-safe; `done` comes on an internal executor, or before the call returns.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "cell/local_cell.h"
#include "mesh/issuance_journal.h"

namespace meridian::cell {

inline constexpr std::string_view issuances_type = "issuances.imported";
/// "$issuances-eu.bank.example": all of them are the category `$issuances`.
std::string issuances_stream(std::string_view trust_domain);

/// Of one event.
inline constexpr std::size_t imported_entries_max = 256;
inline constexpr std::size_t imported_bytes_max = 256 << 10;

/// Lines of a journal that come after `after`.
struct JournalPart {
  std::string trust_domain;
  mesh::JournalHead after;
  std::string lines;
};
std::string issuances_json(const JournalPart& part);
/// A record of them.
struct ImportedIssuances {
  JournalPart part;
  std::vector<mesh::JournalEntry> entries;  ///< Of its lines.
  mesh::JournalHead head() const { return {entries.back().number, entries.back().digest}; }
};
/// With the chain within it checked. Errors: data_loss naming what is wrong.
Result<ImportedIssuances> parse_issuances(std::string_view json, std::string_view trust_domain);

/// How far the journal of `trust_domain` is on record, by what is readable now. Errors:
/// invalid_argument for the domain; data_loss; of the stores.
using HeadFound = std::function<void(Result<mesh::JournalHead>)>;
void find_recorded_head(LocalCell& cell, std::string_view trust_domain, HeadFound done);

/// Records `part`, and answers with the new head. What is on record already may be sent again.
/// Errors: invalid_argument (no entries, too many, of another domain, not a chain);
/// failed_precondition saying where the records end, if `part` begins elsewhere; data_loss if the
/// journal is another than what is on record; those of LocalCell::submit.
void record_issuances(LocalCell& cell, u128 actor, JournalPart part, HeadFound done);

}  // namespace meridian::cell
