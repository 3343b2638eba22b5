#include "canonical_json.h"

#include <rapidjson/encodedstream.h>
#include <rapidjson/error/error.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace meridian::client {
namespace {

using rapidjson::SizeType;

constexpr std::size_t depth_max = 32;

constexpr std::string_view short_letters = "\"\\bfnrt";
constexpr std::string_view short_meanings = "\"\\\b\f\n\r\t";

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (const std::size_t at = short_meanings.find(c); at != short_meanings.npos)
      out.append(1, '\\').append(1, short_letters[at]);
    else if (byte < 0x20)
      out.append("\\u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    else
      out += c;
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

/// Writes what it hears; an object at its end, as its names are in order only then.
class Canonical : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Canonical> {
 public:
  bool Null() { return value("null"); }
  bool Bool(bool is) { return value(is ? "true" : "false"); }
  bool RawNumber(const char* text, SizeType size, bool) { return value({text, size}); }
  bool String(const char* text, SizeType size, bool) {
    std::string written;
    append_string(written, {text, size});
    return !has_half_of_a_pair({text, size}) && value(std::move(written));
  }
  bool Key(const char* text, SizeType size, bool) {
    levels_.back().name.assign(text, size);
    return !has_half_of_a_pair({text, size});
  }
  bool StartObject() { return open(); }
  bool StartArray() { return open(); }
  bool EndObject(SizeType) {
    std::vector<Member> members = close();
    std::sort(members.begin(), members.end());
    const auto same = [](const Member& a, const Member& b) { return a.first == b.first; };
    if (std::adjacent_find(members.begin(), members.end(), same) != members.end())
      return stop("has a name twice in one object: which one counts is not known");
    std::string written = "{";
    for (const auto& [name, text] : members) {
      if (written.size() > 1) written += ',';
      append_string(written, name);
      written.append(1, ':').append(text);
    }
    return value(std::move(written) + '}');
  }
  bool EndArray(SizeType) {
    std::string written = "[";
    for (const auto& [name, text] : close())
      written.append(written.size() > 1 ? "," : "").append(text);
    return value(std::move(written) + ']');
  }

  std::string whole, problem;

 private:
  using Member = std::pair<std::string, std::string>;  // of an array, the first is empty
  struct Level {
    std::string name;  ///< Of the value that comes next.
    std::vector<Member> members;
  };

  bool value(std::string text) {
    if (levels_.empty()) {
      whole = std::move(text);
    } else {
      Level& level = levels_.back();
      level.members.emplace_back(std::exchange(level.name, {}), std::move(text));
    }
    return true;
  }
  bool open() {
    if (levels_.size() == depth_max) return stop("is nested too deep: 32 levels are allowed");
    levels_.emplace_back();
    return true;
  }
  std::vector<Member> close() {
    std::vector<Member> members = std::move(levels_.back().members);
    levels_.pop_back();
    return members;
  }
  bool stop(std::string why) {
    problem = std::move(why);
    return false;
  }

  std::vector<Level> levels_;
};

}  // namespace

Result<std::string> canonical_json(std::string_view text) {
  constexpr unsigned flags = rapidjson::kParseIterativeFlag |
                             rapidjson::kParseNumbersAsStringsFlag |
                             rapidjson::kParseValidateEncodingFlag;
  Canonical canonical;
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  if (!rapidjson::Reader().Parse<flags>(stream, canonical).IsError()) return canonical.whole;
  return Error{Code::invalid_argument,
               canonical.problem.empty() ? "is no JSON in UTF-8" : canonical.problem};
}

}  // namespace meridian::client
