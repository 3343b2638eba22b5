// append: write behind the end -> sync -> count it. Each entry is durable before the next is
// written, so only the last can be torn, and of it only whole sectors can be missing. Everything
// else that does not parse is damage, and nothing is cut for it.
#include "mesh/issuance_journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "io/unix_time.h"

namespace meridian::mesh {
namespace {

constexpr std::uint64_t journal_size_max = std::uint64_t{1} << 30;  // 2.5 million entries
constexpr std::size_t sector = 512;
constexpr std::size_t read_size = 64 << 10;

bool has_zero(Bytes bytes) { return std::ranges::find(bytes, Byte{0}) != bytes.end(); }
bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
}

/// True if power failing within one write at `offset` can have left this: sectors that are there or
/// are zeros, and some that are not there. Text holds no zeros, so a flipped bit looks otherwise.
bool is_torn(Bytes tail, std::uint64_t offset) {
  bool is_incomplete = tail.empty() || tail.back() != '\n';
  while (!tail.empty()) {
    std::size_t size = std::min<std::size_t>(sector - offset % sector, tail.size());
    Bytes piece = tail.first(size);
    if (all_zero(piece))
      is_incomplete = true;
    else if (has_zero(piece))
      return false;
    tail = tail.subspan(size);
    offset += size;
  }
  return is_incomplete;
}

Result<std::string> read_range(io::File& file, std::uint64_t offset, std::size_t size) {
  std::string text(size, '\0');
  std::size_t got = TRY(file.read_at(offset, {reinterpret_cast<Byte*>(text.data()), text.size()}));
  text.resize(got);
  return text;
}

}  // namespace

Error IssuanceJournal::damaged(std::string_view what) const {
  return fail(
      Code::data_loss,
      fmt::format("{}: entry {} {}: restore the file from a copy of its export, and compare "
                  "it with what the ledger imported",
                  shown_path_, head_.count + 1, what));
}

Result<std::unique_ptr<IssuanceJournal>> IssuanceJournal::open(io::Disk& disk,
                                                               std::string_view path,
                                                               std::string_view trust_domain) {
  if (!is_trust_domain(trust_domain))
    return fail(Code::invalid_argument, "journal: not a trust domain");
  if (!TRY(disk.exists(path))) {
    std::string start = format_journal_start(trust_domain);
    TRY(io::replace_file(disk, path, as_bytes(start)));
  }
  std::unique_ptr<io::File> file = TRY(disk.open(path, io::OpenMode::read_write));
  std::unique_ptr<IssuanceJournal> journal(
      new IssuanceJournal(disk.display(path), std::move(file)));
  TRY(journal->recover(trust_domain));
  return journal;
}

Status IssuanceJournal::recover(std::string_view trust_domain) {
  const std::string start = format_journal_start(trust_domain);
  std::string head = TRY(read_range(*file_, 0, start.size()));
  if (head != start)
    return fail(Code::failed_precondition,
                fmt::format("{}: not the issuance journal of {}", shown_path_, trust_domain));
  head_ = {0, crypto::sha256(as_bytes(start))};
  offsets_ = {start.size()};
  return refresh();
}

Status IssuanceJournal::refresh() {
  const std::uint64_t size = TRY(file_->size());
  if (size > journal_size_max) return fail(Code::resource_exhausted, shown_path_ + ": too large");
  std::uint64_t at = offsets_.back();
  if (size < at) return fail(Code::data_loss, shown_path_ + ": shorter than it was");
  std::string rest;  // read and not yet taken, from `at` on
  while (true) {
    std::size_t end = rest.find('\n');
    if (end == std::string::npos && at + rest.size() < size &&
        rest.size() <= journal_line_size_max) {
      std::uint64_t next = at + rest.size();
      rest += TRY(read_range(
          *file_, next, static_cast<std::size_t>(std::min<std::uint64_t>(read_size, size - next))));
      continue;
    }
    if (rest.empty() && at == size) return {};
    Result<JournalEntry> entry = end == std::string::npos
                                     ? Result<JournalEntry>(fail(Code::data_loss, "no line"))
                                     : parse_journal_entry(std::string_view(rest).substr(0, end));
    if (!entry.has_value()) break;
    if (entry->number != head_.count + 1 || entry->previous != head_.digest)
      return damaged("does not follow the one before it");
    head_ = {entry->number, entry->digest};
    at += end + 1;
    offsets_.push_back(at);
    rest.erase(0, end + 1);
  }
  if (size - at > journal_line_size_max) return damaged("is damaged, and more lies behind it");
  std::string tail = TRY(read_range(*file_, at, static_cast<std::size_t>(size - at)));
  // A flipped newline at the end of a whole entry would look like an entry without its end.
  bool is_whole =
      !tail.empty() &&
      parse_journal_entry(std::string_view(tail).substr(0, tail.size() - 1)).has_value();
  if (is_whole || !is_torn(as_bytes(tail), at)) return damaged("is damaged");
  return drop_torn(as_bytes(tail), at);
}

Status IssuanceJournal::drop_torn(Bytes tail, std::uint64_t offset) {
  TRY(file_->truncate(offset));
  TRY(file_->sync());
  dropped_bytes_ = tail.size();
  return {};
}

Status IssuanceJournal::append(const Issuance& issuance) {
  if (is_broken_)
    return fail(
        Code::failed_precondition,
        shown_path_ + ": a write failed before; nothing is issued until it is opened again");
  if (!is_recordable(issuance))
    return fail(Code::invalid_argument, "journal: an issuance with a field that has no form");
  std::string line = format_journal_entry(head_.count + 1, head_.digest, issuance);
  if (offsets_.back() + line.size() > journal_size_max)
    return fail(Code::resource_exhausted,
                shown_path_ + ": full; archive it and begin another with a new CA");
  is_broken_ = true;  // until it is known to be durable
  TRY(file_->write_at(offsets_.back(), as_bytes(line)));
  TRY(file_->sync());
  is_broken_ = false;
  std::string_view text = line;
  Result<JournalEntry> entry = parse_journal_entry(text.substr(0, text.size() - 1));
  ASSERT(entry.has_value());
  head_ = {entry->number, entry->digest};
  offsets_.push_back(offsets_.back() + line.size());
  return {};
}

Result<std::string> IssuanceJournal::read_text(std::uint64_t first, std::size_t count) {
  if (first == 0 || first > head_.count + 1)
    return fail(Code::out_of_range,
                fmt::format("journal: entries are numbered 1 to {}, not {}", head_.count, first));
  const std::size_t from = static_cast<std::size_t>(first - 1);
  const std::size_t to = std::min(offsets_.size() - 1 - from, count) + from;
  const std::size_t size = static_cast<std::size_t>(offsets_[to] - offsets_[from]);
  std::string text = TRY(read_range(*file_, offsets_[from], size));
  if (text.size() != size) return fail(Code::data_loss, shown_path_ + ": shorter than it was");
  return text;
}

Result<std::vector<JournalEntry>> IssuanceJournal::read(std::uint64_t first, std::size_t count) {
  std::string text = TRY(read_text(first, count));
  std::vector<JournalEntry> entries;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = text.find('\n', at);
    Result<JournalEntry> entry = parse_journal_entry(
        std::string_view(text).substr(at, end == std::string::npos ? end : end - at));
    if (end == std::string::npos || !entry.has_value() || entry->number != first + entries.size())
      return fail(Code::data_loss, fmt::format("{}: entry {} was changed since it was opened",
                                               shown_path_, first + entries.size()));
    entries.push_back(*std::move(entry));
    at = end + 1;
  }
  return entries;
}

Result<Certificate> issue_on_record(Authority& authority, IssuanceJournal& journal, Bytes csr_der,
                                    const SpiffeId& id, std::int64_t lifetime_seconds,
                                    const IssuanceGrounds& grounds, io::Clock& clock,
                                    const std::optional<PersonEvidence>& evidence) {
  Certificate certificate = TRY(authority.issue(csr_der, id, lifetime_seconds, evidence));
  Issuance issuance{.time = io::unix_seconds(clock),
                    .serial = certificate.serial(),
                    .id = id,
                    .spki_digest = certificate.spki_digest(),
                    .not_after = certificate.not_after(),
                    .grounds = grounds};
  TRY(journal.append(issuance));
  return certificate;
}

Result<Certificate> issue_own_on_record(Authority& authority, IssuanceJournal& journal,
                                        Bytes csr_der, std::int64_t lifetime_seconds,
                                        io::Clock& clock) {
  Certificate certificate = TRY(authority.issue_own(csr_der, lifetime_seconds));
  TRY(journal.append(
      {.time = io::unix_seconds(clock),
       .serial = certificate.serial(),
       .id = authority_id(authority.trust_domain()),
       .spki_digest = certificate.spki_digest(),
       .not_after = certificate.not_after(),
       .grounds = {IssuanceGrounds::Kind::renewal, authority.certificate().serial()}}));
  return certificate;
}

}  // namespace meridian::mesh
