//   newest event --> its head --equal to `after`?--> append behind exactly that event
//                                 |no: says where the records end
#include "cell/issuance_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/assert.h"

namespace meridian::cell {
namespace {

using Json = nlohmann::ordered_json;

Error damaged(std::string_view what) {
  return {Code::data_loss, fmt::format("no record of issuances: {}", what)};
}

std::string text_of(const mesh::JournalHead& head) {
  return fmt::format("entry {} with digest {}", head.count, to_hex(head.digest));
}

/// Where the records of a domain end.
struct Recorded {
  mesh::JournalHead head;
  std::optional<std::uint64_t> revision{};  ///< Of the newest event; none: there is none.
};

Result<Recorded> recorded_of(const Result<ReadPage>& page, std::string_view trust_domain) {
  const mesh::JournalHead nothing = mesh::empty_journal_head(trust_domain);
  if (!page && page.error().code == Code::not_found) return Recorded{nothing};
  if (!page) return page.error();
  if (page->events.empty()) return Recorded{nothing};
  const ReadEvent& newest = page->events.front();
  const auto* body = std::get_if<ledger::EventBody>(&newest.header.body);
  if (body == nullptr) return damaged("its header is of no event");
  const ImportedIssuances issued = TRY(parse_issuances(as_text(newest.event.data), trust_domain));
  return Recorded{issued.head(), body->revision};
}

void find_recorded(LocalCell& cell, const std::string& trust_domain,
                   std::function<void(Result<Recorded>)> done) {
  ReadQuery query;
  query.source = ReadQuery::Source::stream;
  query.name = issuances_stream(trust_domain);
  query.from_end = query.backwards = true;
  query.limit = 1;
  cell.read_events(query, [trust_domain, done = std::move(done)](const Result<ReadPage>& page) {
    done(recorded_of(page, trust_domain));
  });
}

Result<std::vector<mesh::JournalEntry>> entries_of(const JournalPart& part) {
  if (part.lines.size() > imported_bytes_max)
    return fail(Code::invalid_argument, fmt::format("lines: {} bytes, at most {} are taken at once",
                                                    part.lines.size(), imported_bytes_max));
  auto entries = mesh::read_journal_lines(part.lines, part.after);
  if (!entries) return fail(Code::invalid_argument, entries.error().message);
  if (entries->empty() || entries->size() > imported_entries_max)
    return fail(Code::invalid_argument, fmt::format("lines: {} entries, expected 1 to {}",
                                                    entries->size(), imported_entries_max));
  for (const mesh::JournalEntry& entry : *entries)
    if (entry.issuance.id.trust_domain != part.trust_domain)
      return fail(Code::invalid_argument,
                  fmt::format("entry {}: its id is not of {}", entry.number, part.trust_domain));
  return entries;
}

/// `part` without what is on record already. Errors: as record_issuances.
Result<JournalPart> without_recorded(JournalPart part,
                                     const std::vector<mesh::JournalEntry>& entries,
                                     const mesh::JournalHead& recorded) {
  if (part.after == recorded) return part;
  if (part.after.count > recorded.count)
    return fail(Code::failed_precondition,
                fmt::format("the records of {} end with {}: send what comes after it",
                            part.trust_domain, text_of(recorded)));
  const auto at = std::ranges::find(entries, recorded.count, &mesh::JournalEntry::number);
  const bool is_known = part.after.count == recorded.count || at != entries.end();
  if (is_known && (at == entries.end() || at->digest != recorded.digest))
    return fail(Code::data_loss,
                fmt::format("the journal of {} is another than what is on record, which ends with "
                            "{}: entries were changed or taken out. find out by whom",
                            part.trust_domain, text_of(recorded)));
  if (!is_known) {  // all of it is older
    part.lines.clear();
    return part;
  }
  std::size_t begin = 0;
  for (auto one = entries.begin(); one <= at; ++one) begin = part.lines.find('\n', begin) + 1;
  part.lines.erase(0, begin);
  part.after = recorded;
  return part;
}

door::EventDraft draft_of(const JournalPart& part, const Recorded& recorded) {
  const std::string json = issuances_json(part);
  const crypto::Digest digest = crypto::sha256(as_bytes(json));
  door::EventDraft event;
  event.event_id = load_le<u128>(digest.data());  // the same if it is sent again
  event.stream = issuances_stream(part.trust_domain);
  event.type = issuances_type;
  event.is_of_cell = true;
  event.data = to_buffer(as_bytes(json));
  event.expected = recorded.revision ? ledger::Expected::exact : ledger::Expected::none;
  event.expected_revision = recorded.revision.value_or(0);
  return event;
}

Result<mesh::JournalHead> head_after(const Result<replica::Answer>& answer,
                                     const mesh::JournalHead& head) {
  constexpr auto exists = static_cast<ledger::Outcome>(ledger::EventOutcome::exists);
  if (!answer) return answer.error();
  const ledger::Outcome outcome = answer->results.back().outcome;
  if (outcome == ledger::Outcome::created || outcome == exists) return head;
  return fail(Code::unavailable, "others record the same journal now; ask again where it is");
}

}  // namespace

std::string issuances_stream(std::string_view trust_domain) {
  return fmt::format("$issuances-{}", trust_domain);
}

std::string issuances_json(const JournalPart& part) {
  return Json{
      {"after",
       {{"count", std::to_string(part.after.count)}, {"digest", to_hex(part.after.digest)}}},
      {"lines", part.lines}}
      .dump();
}

Result<ImportedIssuances> parse_issuances(std::string_view json, std::string_view trust_domain) {
  const Json body = Json::parse(json, nullptr, false);
  if (!body.is_object() || body.size() != 2 || !body.contains("after") ||
      !body["after"].is_object() || !body.contains("lines") || !body["lines"].is_string())
    return damaged("its shape");
  const Json& after = body["after"];
  if (!after.contains("count") || !after["count"].is_string() || !after.contains("digest") ||
      !after["digest"].is_string())
    return damaged("after");
  const Result<u128> count = parse_decimal(after["count"].get_ref<const std::string&>());
  Buffer digest;
  if (!count || high64(*count) != 0 ||
      !from_hex(after["digest"].get_ref<const std::string&>(), digest) ||
      digest.size() != std::tuple_size_v<crypto::Digest>)
    return damaged("after");
  JournalPart part{
      std::string(trust_domain), {low64(*count), {}}, body["lines"].get<std::string>()};
  std::ranges::copy(digest, part.after.digest.begin());
  auto entries = entries_of(part);
  if (!entries) return damaged(entries.error().message);
  return ImportedIssuances{std::move(part), *std::move(entries)};
}

void find_recorded_head(LocalCell& cell, std::string_view trust_domain, HeadFound done) {
  if (!mesh::is_trust_domain(trust_domain))
    return done(fail(Code::invalid_argument, "trust_domain: not a trust domain"));
  find_recorded(cell, std::string(trust_domain),
                [done = std::move(done)](const Result<Recorded>& recorded) {
                  if (!recorded) return done(recorded.error());
                  done(recorded->head);
                });
}

void record_issuances(LocalCell& cell, u128 actor, JournalPart part, HeadFound done) {
  if (!mesh::is_trust_domain(part.trust_domain))
    return done(fail(Code::invalid_argument, "trust_domain: not a trust domain"));
  auto entries = entries_of(part);
  if (!entries) return done(entries.error());
  const std::string trust_domain = part.trust_domain;
  find_recorded(cell, trust_domain,
                [&cell, actor, part = std::move(part), entries = *std::move(entries),
                 done = std::move(done)](const Result<Recorded>& recorded) {
                  if (!recorded) return done(recorded.error());
                  const Result<JournalPart> rest = without_recorded(part, entries, recorded->head);
                  if (!rest) return done(rest.error());
                  if (rest->lines.empty()) return done(recorded->head);
                  std::vector<door::CommandDraft> drafts;
                  drafts.emplace_back(draft_of(*rest, *recorded));
                  const mesh::JournalHead head{entries.back().number, entries.back().digest};
                  cell.submit(actor, std::move(drafts),
                              [done, head](const Result<replica::Answer>& answer) {
                                done(head_after(answer, head));
                              });
                });
}

}  // namespace meridian::cell
