#include "api/convert_issuances.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::api {

void fill(const mesh::JournalHead& from, v1::JournalHead& to) {
  to.set_count(from.count);
  to.set_digest(from.digest.data(), from.digest.size());
}

Result<mesh::JournalHead> parse_journal_head(const v1::JournalHead& from, std::string_view what) {
  mesh::JournalHead head;
  if (from.digest().size() != head.digest.size())
    return fail(Code::invalid_argument, fmt::format("{}.digest: expected 32 bytes", what));
  head.count = from.count();
  std::ranges::copy(as_bytes(from.digest()), head.digest.begin());
  return head;
}

}  // namespace meridian::api
