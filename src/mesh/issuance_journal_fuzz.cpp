// Journals: whatever line is accepted is written again byte for byte, and a whole text that is
// accepted is a chain.
#include <algorithm>

#include "base/assert.h"
#include "mesh/issuance_journal.h"

using namespace meridian;
using namespace meridian::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = as_text({data, size});
  std::string_view line = text.substr(0, text.find('\n'));
  if (Result<JournalEntry> entry = parse_journal_entry(line); entry.has_value()) {
    ASSERT(is_recordable(entry->issuance));
    std::string again = format_journal_entry(entry->number, entry->previous, entry->issuance);
    ASSERT(again == std::string(line) + "\n");
  }
  Result<std::vector<JournalEntry>> entries = read_journal(text, "eu-west.bank.example");
  if (!entries.has_value()) return 0;
  std::string again = format_journal_start("eu-west.bank.example");
  for (const JournalEntry& entry : *entries)
    again += format_journal_entry(entry.number, entry.previous, entry.issuance);
  ASSERT(again == text);
  return 0;
}
