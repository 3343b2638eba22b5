#include "cell/reading.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "cell/internal/reading_rows.h"
#include "door/personal_text.h"
#include "ledger/describe.h"

namespace meridian::cell {
namespace internal {

Error no_readings(std::string_view what) {
  return {Code::invalid_argument, fmt::format("no record of readings: {}", what)};
}

/// An opaque id, or 0 if it is not there.
Result<u128> reading_id(const ReadingJson& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end()) return u128{0};
  Buffer bytes;
  if (!found->is_string() || !from_hex(found->get_ref<const std::string&>(), bytes) ||
      bytes.size() != sizeof(u128))
    return no_readings(name);
  return load_le<u128>(bytes.data());
}

namespace {

Result<std::uint64_t> number(const ReadingJson& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end() || !found->is_string()) return no_readings(name);
  const Result<u128> value = parse_decimal(found->get_ref<const std::string&>());
  if (!value || high64(*value) != 0) return no_readings(name);
  return low64(*value);
}

ReadingJson json_of(const Reading& one) {
  ReadingJson row{{"actor", ledger::opaque_hex(one.actor)}, {"purpose", one.purpose}};
  if (one.stream != 0) row["stream"] = ledger::opaque_hex(one.stream);
  if (one.subject != 0) row["subject"] = ledger::opaque_hex(one.subject);
  row["count"] = std::to_string(one.count);
  row["first"] = std::to_string(one.first);
  row["last"] = std::to_string(one.last);
  row["from"] = std::to_string(one.from_s);
  row["until"] = std::to_string(one.until_s);
  return row;
}

Result<Reading> reading_of(const ReadingJson& row) {
  if (!row.is_object()) return no_readings("a row");
  const auto purpose = row.find("purpose");
  if (purpose == row.end() || !purpose->is_string()) return no_readings("purpose");
  Reading one;
  one.purpose = purpose->get<std::string>();
  one.actor = TRY(reading_id(row, "actor"));
  one.stream = TRY(reading_id(row, "stream"));
  one.subject = TRY(reading_id(row, "subject"));
  one.count = TRY(number(row, "count"));
  one.first = TRY(number(row, "first"));
  one.last = TRY(number(row, "last"));
  one.from_s = TRY(number(row, "from"));
  one.until_s = TRY(number(row, "until"));
  return one;
}

}  // namespace

ReadingJson reading_rows(const std::vector<Reading>& readings) {
  ReadingJson list = ReadingJson::array();
  for (const Reading& one : readings) list.push_back(json_of(one));
  return list;
}

Result<std::vector<Reading>> readings_of(const ReadingJson& list) {
  if (!list.is_array()) return no_readings("its list");
  std::vector<Reading> readings;
  for (const ReadingJson& row : list) readings.push_back(TRY(reading_of(row)));
  return readings;
}

}  // namespace internal

namespace {

constexpr std::size_t purpose_size_max = 200;

bool is_short_text(std::string_view purpose) {
  return purpose.size() >= 3 && purpose.size() <= purpose_size_max && is_printable(purpose);
}

}  // namespace

std::string readings_json(const std::vector<Reading>& readings) {
  return internal::ReadingJson{{"readings", internal::reading_rows(readings)}}.dump();
}

Result<std::vector<Reading>> parse_readings(std::string_view json) {
  const internal::ReadingJson body = internal::ReadingJson::parse(json, nullptr, false);
  if (!body.is_object() || body.size() != 1 || !body.contains("readings"))
    return internal::no_readings("its shape");
  return internal::readings_of(body["readings"]);
}

/// Whether a purpose holds personal data was asked where it was given, by the version that ran
/// there.
Status check_readings(std::string_view json) {
  const std::vector<Reading> readings = TRY(parse_readings(json));
  if (readings.empty() || readings.size() > readings_rows_max)
    return internal::no_readings("the number of its rows");
  for (const Reading& one : readings)
    if (one.actor == 0 || one.count == 0 || one.first > one.last || one.from_s > one.until_s ||
        (one.stream != 0 && one.subject != 0) ||
        (!one.purpose.empty() && !is_short_text(one.purpose)))
      return internal::no_readings("a row that says nothing of a reading");
  if (readings_json(readings) != json) return internal::no_readings("the way in which it is said");
  return {};
}

Status check_purpose(std::string_view purpose) {
  if (!is_short_text(purpose))
    return fail(Code::invalid_argument, "purpose: 3 to 200 printable ASCII characters");
  if (const auto found = door::find_personal(purpose))
    return fail(Code::invalid_argument,
                fmt::format("purpose: it holds {}, and it stays on record for ever: name a case, "
                            "not a person",
                            door::name(found->kind)));
  return {};
}

}  // namespace meridian::cell
