#include "used_tokens.h"

#include <algorithm>

namespace meridian::app {

namespace {

constexpr std::size_t read_at_once = 256;

}  // namespace

void UsedTokens::take(const mesh::JournalEntry& entry) {
  const mesh::IssuanceGrounds& grounds = entry.issuance.grounds;
  if (grounds.kind != mesh::IssuanceGrounds::Kind::sign_in) return;
  if (const auto sign_in = mesh::parse_sign_in_text(grounds.text))
    used_[sign_in->token] = entry.issuance.time;
}

/// From its end back to entries that are too old to matter.
Status UsedTokens::read_end(mesh::IssuanceJournal& journal, std::int64_t oldest) {
  std::uint64_t end = journal.head().count;
  seen_ = end;
  while (end > 0) {
    const std::uint64_t count = std::min<std::uint64_t>(end, read_at_once);
    const std::vector<mesh::JournalEntry> entries =
        TRY(journal.read(end - count + 1, static_cast<std::size_t>(count)));
    for (const mesh::JournalEntry& entry : entries) take(entry);
    if (entries.front().issuance.time < oldest) return {};
    end -= count;
  }
  return {};
}

Status UsedTokens::take_up(mesh::IssuanceJournal& journal, std::int64_t now) {
  const std::int64_t oldest = now - kept_seconds;
  if (seen_ == 0) {
    TRY(read_end(journal, oldest));
  } else {
    while (seen_ < journal.head().count) {
      const std::vector<mesh::JournalEntry> entries = TRY(journal.read(seen_ + 1, read_at_once));
      for (const mesh::JournalEntry& entry : entries) take(entry);
      seen_ += entries.size();
    }
  }
  std::erase_if(used_, [oldest](const auto& one) { return one.second < oldest; });
  return {};
}

}  // namespace meridian::app
