#include "cell/subject_export.h"

#include <algorithm>

namespace meridian::cell {

void SubjectExport::read(const std::string& subject, std::uint64_t position, Done done) {
  if (Status good = door::check_name("subject", subject, 0); !good) return done(good.error());
  if (const Status now = door_.ready(); !now) return done(now.error());
  replica_.read_state([this, id = door_.subject_id(subject), position,
                       done = std::move(done)](const ledger::Ledger& ledger) {
    const std::uint64_t records = ledger.records();
    replica_.when_visible(records, [this, id, position, records, done](std::uint64_t) {
      executor_.post(
          [this, id, position, records, done] { read_within(id, position, records, done); });
    });
  });
}

void SubjectExport::read_within(u128 subject, std::uint64_t position, std::uint64_t records,
                                const Done& done) {
  Result<Found> found = find(subject, position, records);
  if (!found) return done(found.error());
  ExportPage page;
  page.next = found->next;
  page.end = found->next >= records;
  page.records = records;
  for (const door::Door::SealedEvent& event : found->events)
    page.events.push_back({event.header, {}});
  door_.open_events(
      std::move(found->events),
      [page = std::move(page), done](std::vector<Result<door::OpenedEvent>> opened) mutable {
        for (std::size_t i = 0; i < opened.size(); ++i) {
          if (!opened[i]) return done(opened[i].error());
          page.events[i].event = std::move(*opened[i]);
        }
        done(std::move(page));
      });
}

Result<SubjectExport::Found> SubjectExport::find(u128 subject, std::uint64_t position,
                                                 std::uint64_t records) {
  Found found;
  found.next = std::min(records, position);
  if (found.next == records) return found;
  const std::uint64_t end = std::min(records, found.next + records_max);
  std::size_t bytes = 0;
  Status wrong;
  Status scanned = replica_.scan(
      ledger::RecordIndex{found.next}, end - found.next,
      [&](ledger::RecordIndex record, Bytes header) {
        const auto look = [&]() -> Status {
          ledger::Header decoded = TRY(ledger::Header::decode(header));
          if (decoded.kind != ledger::CommandKind::append_event ||
              decoded.outcome != ledger::Outcome::created)
            return {};
          Buffer payload = TRY(replica_.payload(record));
          const ledger::Payload parts = TRY(ledger::Payload::decode(payload));
          if (std::ranges::none_of(parts.compartments,
                                   [&](const auto& one) { return one.subject == subject; }))
            return {};
          bytes += payload.size();
          found.events.push_back({std::move(decoded), std::move(payload), subject});
          return {};
        };
        wrong = look();
        found.next = raw(record) + 1;
        return wrong && bytes < payload_bytes_max && found.events.size() < events_max;
      });
  TRY(std::move(scanned));
  TRY(std::move(wrong));
  return found;
}

}  // namespace meridian::cell
