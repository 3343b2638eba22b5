// read -> headers -> where the epoch was turned -> the keys that are left -> done. In this order: a
// table that is up to date after the scan has all in it that the scan found.
#include "cell/subject_erasures.h"

#include <algorithm>

namespace meridian::cell {

void SubjectErasures::read(const ErasuresQuery& query, Done done) {
  door::ErasedOf of{};
  if (const auto* subject = std::get_if<std::string>(&query.of)) {
    if (Status good = door::check_name("subject", *subject, 0); !good) return done(good.error());
    if (const Status now = door_.ready(); !now) return done(now.error());
    of = door_.subject_id(*subject);
  } else {
    of = std::get<door::RetentionNumber>(query.of);
  }
  replica_.read_state([this, of, position = query.position,
                       done = std::move(done)](const ledger::Ledger& ledger) {
    const std::uint64_t records = ledger.records();
    replica_.when_visible(records, [this, of, position, records, done](std::uint64_t) {
      executor_.post([this, of, position, records, done] { find(of, position, records, done); });
    });
  });
}

void SubjectErasures::find(door::ErasedOf of, std::uint64_t position, std::uint64_t records,
                           const Done& done) {
  door::ErasureFinder finder(of);
  const Page page = std::make_shared<ErasuresPage>();
  if (const auto* subject = std::get_if<u128>(&of)) page->subject = *subject;
  page->records = records;
  page->next = std::min(records, position);
  const std::uint64_t first = page->next;
  std::optional<Error> wrong;
  Status scanned;
  if (first < records)
    scanned = replica_.scan(
        ledger::RecordIndex{first}, records - first, [&](ledger::RecordIndex record, Bytes bytes) {
          const Result<ledger::Header> header = ledger::Header::decode(bytes);
          if (!header) {
            wrong = header.error();
            return false;
          }
          // The turn of what was found last stands in its entry.
          const bool is_full =
              raw(record) - first >= records_max || finder.found().size() >= found_max;
          if (is_full && !(finder.is_open() && finder.entry() == header->entry_index)) return false;
          finder.add(*header);
          page->next = raw(record) + 1;
          return true;
        });
  if (wrong) return done(*wrong);
  if (!scanned) return done(scanned.error());
  page->end = page->next >= records;
  for (const door::ErasureFinder::Found& one : finder.found())
    page->erasures.push_back({one.said, one.turn, false});
  add_replicas(of, page, done);
}

void SubjectErasures::add_replicas(door::ErasedOf of, const Page& page, const Done& done) {
  if (custodian_ == nullptr) return add_left(of, page, done);
  custodian_->progress([this, of, page, done](KeyProgress progress) {
    if (std::holds_alternative<u128>(of) && !progress.is_complete)
      return done(fail(Code::unavailable,
                       "keys of persons are not up to date on this replica: ask again, or another "
                       "one"));
    page->replicas = std::move(progress.replicas);
    add_left(of, page, done);
  });
}

void SubjectErasures::add_left(door::ErasedOf of, const Page& page, const Done& done) {
  const auto* subject = std::get_if<u128>(&of);
  if (subject == nullptr) return done(std::move(*page));
  std::vector<storage::KeyName> through;
  for (const Erasure& one : page->erasures)
    if (one.said.kind == ledger::CommandKind::expire_class)
      through.push_back({one.said.classes.front(), one.said.version});
  door_.keys_left(*subject, std::move(through), [page, done](door::Door::KeysLeft left) {
    std::size_t at = 0;
    for (Erasure& one : page->erasures)
      if (one.said.kind == ledger::CommandKind::expire_class) one.is_clear = left.clear[at++];
    page->kept = std::move(left.keys);
    done(std::move(*page));
  });
}

}  // namespace meridian::cell
