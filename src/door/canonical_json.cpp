#include "door/canonical_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "door/event_schema.h"
#include "door/internal/field_walk.h"

namespace meridian::door {
namespace {

using rapidjson::SizeType;

/// RFC 8785, 3.2.2.2: the short escapes where there are some, else \u00xx, else as it is.
void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
  out += '"';
}

/// RapidJSON takes "\udc00" for a character; UTF-8 has none for half of a pair.
bool has_half_of_a_pair(std::string_view text) {
  constexpr char lead = '\xed';
  constexpr unsigned char first = 0xa0;
  for (std::size_t at = text.find(lead); at != text.npos; at = text.find(lead, at + 1))
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= first) return true;
  return false;
}

/// Each object waits for its end, as only then its names are known.
class Canonical : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Canonical> {
 public:
  bool Null() { return value("null"); }
  bool Bool(bool is) { return value(is ? "true" : "false"); }
  bool RawNumber(const char* text, SizeType size, bool) { return value({text, size}); }
  bool String(const char* text, SizeType size, bool) {
    if (has_half_of_a_pair({text, size})) return false;
    std::string written;
    append_string(written, {text, size});
    return value(std::move(written));
  }
  bool Key(const char* text, SizeType size, bool) {
    levels_.back().key.assign(text, size);
    return !has_half_of_a_pair({text, size});
  }
  bool StartObject() { return open(false); }
  bool StartArray() { return open(true); }
  bool EndArray(SizeType) { return value(std::move(close().list) + ']'); }
  bool EndObject(SizeType) {
    Level level = close();
    std::ranges::sort(level.members, {}, &Member::first);
    if (std::ranges::adjacent_find(level.members, {}, &Member::first) != level.members.end())
      return stop("has a name twice in one object: which one counts is not known");
    std::string written = "{";
    for (const auto& [name, text] : level.members) {
      if (written.size() > 1) written += ',';
      append_string(written, name);
      written.append(1, ':').append(text);
    }
    return value(std::move(written) + '}');
  }

  std::string take() { return std::move(whole_); }
  const std::string& error() const { return error_; }

 private:
  using Member = std::pair<std::string, std::string>;
  struct Level {
    std::string list;             ///< Of an array: as far as it is written; else empty.
    std::string key;              ///< Of the value that comes next.
    std::vector<Member> members;  ///< Of an object.
  };

  bool value(std::string text) {
    if (levels_.empty()) {
      whole_ = std::move(text);
      return true;
    }
    Level& level = levels_.back();
    if (level.list.empty())
      level.members.emplace_back(std::move(level.key), std::move(text));
    else
      level.list.append(level.list.size() > 1 ? "," : "").append(text);
    return true;
  }
  bool open(bool is_array) {
    if (levels_.size() == event_depth_max)
      return stop(fmt::format("is nested too deep: {} levels are allowed", event_depth_max));
    levels_.emplace_back();
    if (is_array) levels_.back().list = '[';
    return true;
  }
  Level close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    return level;
  }
  bool stop(std::string why) {
    error_ = std::move(why);
    return false;
  }

  std::vector<Level> levels_;
  std::string whole_, error_;
};

}  // namespace

Result<std::string> canonical_json(std::string_view text) {
  Canonical canonical;
  const rapidjson::ParseResult read = internal::walk(text, canonical);
  if (!canonical.error().empty()) return fail(Code::invalid_argument, canonical.error());
  if (read.IsError())
    return fail(Code::invalid_argument, fmt::format("is no JSON from byte {} on", read.Offset()));
  return canonical.take();
}

}  // namespace meridian::door
