// A request target of any bytes: what is accepted, written out again with everything escaped, gives
// the same segments and parameters; the rest is refused as invalid_argument.
#include <fmt/format.h>

#include "api/http_target.h"
#include "base/assert.h"

namespace meridian::api {
namespace {

void check_refusal(const Error& error) {
  ASSERT(error.code == Code::invalid_argument);
  ASSERT(error.message.find(": ") != std::string::npos);
  ASSERT(error.message.size() <= 256);
}

void escape(std::string& out, std::string_view text) {
  for (char c : text) {
    fmt::format_to(std::back_inserter(out), "%{:02x}", static_cast<unsigned char>(c));
  }
}

std::string written(const HttpTarget& target) {
  std::string out;
  for (const std::string& segment : target.segments) {
    out += '/';
    escape(out, segment);
  }
  if (out.empty()) out = "/";
  char before = '?';
  for (const auto& [key, value] : target.query) {
    out += std::exchange(before, '&');
    escape(out, key);
    out += '=';
    escape(out, value);
  }
  return out;
}

void check_segments(const HttpTarget& target) {
  for (const std::string& segment : target.segments) {
    ASSERT(!segment.empty());
    Result<u128> id = parse_segment_id(segment, "account id");
    Result<std::uint64_t> number = parse_segment_number(segment, "record");
    if (!id) check_refusal(id.error());
    if (!number) check_refusal(number.error());
    if (number) ASSERT(*id == *number);
  }
}

/// As a route asks: every parameter that is there, by every type.
void check_fields(const HttpTarget& target) {
  QueryFields none(target);
  Status nothing_asked = none.finish();
  ASSERT(nothing_asked.has_value() == target.query.empty());
  if (!nothing_asked) check_refusal(nothing_asked.error());
  for (const auto& [key, value] : target.query) {
    QueryFields fields(target);
    ASSERT(fields.has(key));
    ASSERT(fields.text(key) == value);
    ASSERT(fields.number(key, 100) <= 100);
    static_cast<void>(fields.id(key));
    static_cast<void>(fields.flag(key));
    if (Status status = fields.finish(); !status) check_refusal(status.error());
  }
}

}  // namespace
}  // namespace meridian::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  using namespace meridian::api;
  Result<HttpTarget> target = parse_http_target(as_text(Bytes(data, size)));
  if (!target) {
    check_refusal(target.error());
    return 0;
  }
  check_segments(*target);
  check_fields(*target);
  std::string again = written(*target);
  if (again.size() > target_size_max) return 0;  // escaping makes it three times as long
  Result<HttpTarget> reread = parse_http_target(again);
  ASSERT(reread.has_value());
  ASSERT(reread->segments == target->segments);
  ASSERT(reread->query == target->query);
  return 0;
}
