// file = (index " " hex(digest) LF)*          index decimal, ascending; digest 64 hexadecimal
// digits
#include "replica/skip_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/assert.h"
#include "ledger/entry.h"

namespace meridian::replica {

namespace {

constexpr std::size_t file_size_max = SkipList::entries_max * 96;

std::string format(const std::vector<SkippedEntry>& entries) {
  std::string text;
  for (const SkippedEntry& one : entries)
    text += fmt::format("{} {}\n", one.index, to_hex(one.digest));
  return text;
}

std::optional<SkippedEntry> parse_line(std::string_view line) {
  SkippedEntry entry;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), entry.index);
  const auto used = static_cast<std::size_t>(end - line.data());
  if (error != std::errc() || used == line.size() || line[used] != ' ') return std::nullopt;
  Buffer digest;
  if (!from_hex(line.substr(used + 1), digest) || digest.size() != entry.digest.size())
    return std::nullopt;
  std::ranges::copy(digest, entry.digest.begin());
  return entry;
}

}  // namespace

Result<SkipList> SkipList::read(io::Disk& disk) {
  SkipList list;
  if (!TRY(disk.exists(path))) return list;
  const Buffer bytes = TRY(io::read_file(disk, path, file_size_max));
  std::string_view text = as_text(bytes);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::optional<SkippedEntry> entry = parse_line(text.substr(0, end));
    if (!entry) break;
    list.entries_.push_back(*entry);
    text.remove_prefix(end + 1);
  }
  const bool ascends =
      std::ranges::is_sorted(list.entries_, std::less_equal<>{}, &SkippedEntry::index);
  if (!text.empty() || !ascends || format(list.entries_) != as_text(bytes))
    return fail(Code::data_loss,
                disk.display(path) +
                    " is damaged: it names the entries of the log that are skipped. copy it from "
                    "another replica of the cell, where it is the same");
  return list;
}

Status SkipList::add(io::Disk& disk, const SkippedEntry& entry) {
  const auto at = std::ranges::lower_bound(entries_, entry.index, {}, &SkippedEntry::index);
  if (at != entries_.end() && at->index == entry.index) {
    if (at->digest == entry.digest) return {};
    return fail(Code::failed_precondition,
                fmt::format("another entry {} is skipped already, of digest {}", entry.index,
                            to_hex(at->digest)));
  }
  if (entries_.size() == entries_max)
    return fail(Code::failed_precondition,
                fmt::format("{} entries are skipped already, and that is all there is room for",
                            entries_max));
  entries_.insert(at, entry);
  const std::string text = format(entries_);
  return io::replace_file(disk, path, as_bytes(text));
}

bool SkipList::covers(std::uint64_t index, Bytes entry) const {
  const auto at = std::ranges::lower_bound(entries_, index, {}, &SkippedEntry::index);
  return at != entries_.end() && at->index == index && crypto::sha256(entry) == at->digest;
}

Result<EntryBytes> substitute_of(const CommittedEntry& entry, const ledger::Ledger& ledger) {
  if (ledger.records() == 0)
    return fail(Code::failed_precondition,
                fmt::format("entry {} opens the cell and cannot be skipped: begin the cell anew",
                            entry.index));
  ledger::Request request;
  request.attester = ledger::Attester::replica;
  ledger::EntrySkipped skipped{};
  skipped.entry_index = entry.index;
  skipped.term = entry.term;
  skipped.digest = crypto::sha256(*entry.bytes);
  skipped.feature_level = ledger::level_needed(ledger::CommandKind::entry_skipped);
  request.add(ledger::CommandKind::entry_skipped, skipped);
  // Without a secret that only one replica knows: all of them make these bytes.
  ledger::EntryStamp stamp{};
  stamp.base_time = ledger.last_time() + 1;
  const ledger::Request* requests[] = {&request};
  auto bytes = std::make_shared<Buffer>();
  ledger::encode_entry(stamp, requests, *bytes);
  return EntryBytes(std::move(bytes));
}

std::string skip_advice(std::uint64_t index, Bytes entry, std::string_view directory) {
  return fmt::format(
      "should every replica of the cell stop at it, with the newest version of meridian too, it "
      "can "
      "be skipped, on all of them or on none: stop them all, run `meridian recovery skip --data {} "
      "--index {} --digest {}`, on each with its own --data, and start them again",
      directory, index, to_hex(crypto::sha256(entry)));
}

}  // namespace meridian::replica
