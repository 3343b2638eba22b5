#include "cell/event_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::cell {

namespace {

constexpr std::uint64_t scan_records_max = 1'000'000;  ///< Of one page of `all`.

bool is_created_event(Bytes header) {
  // Kind and outcome stand at fixed places (docs/formats/header.md).
  return header.size() >= ledger::header_common_size &&
         header[1] == static_cast<Byte>(ledger::CommandKind::append_event) &&
         load_le<std::uint16_t>(header.data() + 4) ==
             static_cast<std::uint16_t>(ledger::Outcome::created);
}

}  // namespace

void EventReader::read(ReadQuery query, Done done) {
  if (query.limit == 0 || query.limit > read_limit_max)
    return done(fail(Code::invalid_argument,
                     fmt::format("limit is {}; it must be 1 to {}", query.limit, read_limit_max)));
  if (const Status now = door_.ready(); !now) return done(now.error());
  const u128 stream_id =
      query.source == ReadQuery::Source::stream ? door_.stream_id(query.name) : u128{0};
  replica_.read_state([this, query = std::move(query), stream_id,
                       done = std::move(done)](const ledger::Ledger& ledger) {
    Bounds bounds;
    bounds.records = ledger.records();
    if (query.source == ReadQuery::Source::stream) {
      const auto stream = ledger.find_stream(stream_id);
      if (!stream) return done(fail(Code::not_found, "there is no stream '" + query.name + "'"));
      bounds.stream_deleted = stream->deleted;
      bounds.first_revision = stream->first_revision;
      bounds.revision_count =
          stream->last_revision == ledger::no_revision ? 0 : stream->last_revision + 1;
    }
    // What was answered before this call must be seen: wait until it is stored.
    replica_.when_visible(bounds.records, [this, query, bounds, done](std::uint64_t) {
      executor_.post([this, query, bounds, done, alive = alive_] {
        if (*alive) read_within(query, bounds, done);
      });
    });
  });
}

void EventReader::read_within(const ReadQuery& query, const Bounds& bounds, Done done) {
  Result<Located> located = locate(query, bounds);
  if (!located) return done(located.error());
  ReadPage page;
  page.next = located->next;
  page.end = located->end;
  page.stream_deleted = bounds.stream_deleted;

  std::vector<door::Door::SealedEvent> sealed;
  for (const ledger::RecordIndex record : located->records) {
    Result<Buffer> bytes = replica_.header(record);
    if (!bytes) return done(bytes.error());
    Result<ledger::Header> header = ledger::Header::decode(*bytes);
    if (!header) return done(header.error());
    Result<Buffer> payload = replica_.payload(record);
    if (!payload) return done(payload.error());
    sealed.push_back({*header, std::move(*payload)});
    page.events.push_back({std::move(*header), {}});
  }
  door_.open_events(std::move(sealed), [page = std::move(page), done = std::move(done)](
                                           std::vector<Result<door::OpenedEvent>> opened) mutable {
    for (std::size_t i = 0; i < opened.size(); ++i) {
      if (!opened[i]) return done(opened[i].error());
      page.events[i].event = std::move(*opened[i]);
    }
    done(std::move(page));
  });
}

Result<EventReader::Located> EventReader::locate(const ReadQuery& query, const Bounds& bounds) {
  switch (query.source) {
    case ReadQuery::Source::stream: return locate_in_stream(query, bounds);
    case ReadQuery::Source::category: return locate_in_category(query, bounds);
    case ReadQuery::Source::all: return locate_in_all(query, bounds);
  }
  return fail(Code::invalid_argument, "unknown source of events");
}

Result<EventReader::Located> EventReader::locate_in_stream(const ReadQuery& query,
                                                           const Bounds& bounds) {
  Located located;
  located.next = query.position;
  located.end = true;
  if (bounds.stream_deleted || bounds.revision_count <= bounds.first_revision) return located;
  const std::uint64_t newest = bounds.revision_count - 1;
  std::uint64_t first = bounds.first_revision;
  std::uint64_t last = newest;
  if (query.backwards) {
    if (!query.from_end) last = std::min(last, query.position);
  } else {
    first = std::max(first, query.position);
  }
  if (first > last) return located;
  located.records = TRY(replica_.stream_records(door_.stream_id(query.name), first, last,
                                                query.limit, query.backwards));
  const std::uint64_t count = located.records.size();
  located.end = count == last - first + 1;
  located.next = query.backwards ? (last >= count ? last - count : 0) : first + count;
  return located;
}

Result<EventReader::Located> EventReader::locate_in_category(const ReadQuery& query,
                                                             const Bounds& bounds) {
  Located located;
  located.next = query.position;
  located.end = true;
  if (bounds.records == 0) return located;
  std::uint64_t first = 0;
  std::uint64_t last = bounds.records - 1;
  if (query.backwards) {
    if (!query.from_end) last = std::min(last, query.position);
  } else {
    first = query.position;
  }
  if (first > last) return located;
  located.records = TRY(replica_.category_records(door_.category_id(query.name), first, last,
                                                  query.limit, query.backwards));
  located.end = located.records.size() < query.limit;
  if (located.records.empty()) {
    located.next = query.backwards ? 0 : last + 1;
  } else {
    const std::uint64_t seen = raw(located.records.back());
    located.next = query.backwards ? (seen == 0 ? 0 : seen - 1) : seen + 1;
  }
  return located;
}

Result<EventReader::Located> EventReader::locate_in_all(const ReadQuery& query,
                                                        const Bounds& bounds) {
  constexpr std::uint64_t piece = 4'096;
  Located located;
  located.next = query.position;
  located.end = true;
  if (bounds.records == 0) return located;
  if (!query.backwards) {
    if (query.position >= bounds.records) return located;
    const std::uint64_t end = std::min(bounds.records, query.position + scan_records_max);
    located.next = end;
    TRY(replica_.scan(ledger::RecordIndex{query.position}, end - query.position,
                      [&](ledger::RecordIndex record, Bytes header) {
                        if (is_created_event(header)) located.records.push_back(record);
                        if (located.records.size() < query.limit) return true;
                        located.next = raw(record) + 1;
                        return false;
                      }));
    located.end = located.next >= bounds.records;
    return located;
  }
  std::uint64_t end =
      query.from_end ? bounds.records : std::min(bounds.records, query.position + 1);
  const std::uint64_t stop = end > scan_records_max ? end - scan_records_max : 0;
  while (end > stop && located.records.size() < query.limit) {
    const std::uint64_t first = std::max(stop, end > piece ? end - piece : 0);
    std::vector<ledger::RecordIndex> found;
    TRY(replica_.scan(ledger::RecordIndex{first}, end - first,
                      [&](ledger::RecordIndex record, Bytes header) {
                        if (is_created_event(header)) found.push_back(record);
                        return true;
                      }));
    end = first;
    for (auto record = found.rbegin(); record != found.rend(); ++record) {
      located.records.push_back(*record);
      if (located.records.size() == query.limit) {
        end = raw(*record);
        break;
      }
    }
  }
  located.end = end == 0;
  located.next = end == 0 ? 0 : end - 1;
  return located;
}

}  // namespace meridian::cell
