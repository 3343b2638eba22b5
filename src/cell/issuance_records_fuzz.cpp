// Records of issuances: whatever decodes is a chain, and encodes to what decodes to the same.
#include <cstdlib>

#include "cell/issuance_records.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  constexpr std::string_view domain = "eu-west.bank.example";
  const auto issued = cell::parse_issuances(as_text(Bytes(data, size)), domain);
  if (!issued) return 0;
  std::string lines;
  mesh::JournalHead head = issued->part.after;
  for (const mesh::JournalEntry& entry : issued->entries) {
    if (entry.number != head.count + 1 || entry.previous != head.digest) std::abort();
    lines += mesh::format_journal_entry(entry.number, head.digest, entry.issuance);
    head = {entry.number, entry.digest};
  }
  if (lines != issued->part.lines) std::abort();
  const auto again = cell::parse_issuances(cell::issuances_json(issued->part), domain);
  if (!again || again->part.after != issued->part.after || again->entries != issued->entries)
    std::abort();
  return 0;
}
