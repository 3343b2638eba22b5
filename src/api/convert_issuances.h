// How far a journal goes, as messages have it. Pure.
#pragma once

#include <string_view>

#include "base/result.h"
#include "meridian/v1/issuances.pb.h"
#include "mesh/issuance_journal.h"

namespace meridian::api {

void fill(const mesh::JournalHead& from, v1::JournalHead& to);
/// Errors: invalid_argument naming `what`.
Result<mesh::JournalHead> parse_journal_head(const v1::JournalHead& from, std::string_view what);

}  // namespace meridian::api
