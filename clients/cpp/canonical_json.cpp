// Recursive descent over RFC 8259, as deep as depth_max.
#include "canonical_json.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace meridian::client {
namespace {

constexpr std::size_t depth_max = 32;

void append_utf8(std::string& out, std::uint32_t point) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      add(0xe0 | point >> 12);
    } else {
      add(0xf0 | point >> 18);
      add(0x80 | (point >> 12 & 0x3f));
    }
    add(0x80 | (point >> 6 & 0x3f));
  }
  add(0x80 | (point & 0x3f));
}

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

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  /// False: it is none, or `problem` says more.
  bool document(std::string& out) {
    if (!value(out, 0)) return false;
    skip_space();
    return rest_.empty();
  }
  std::string problem;

 private:
  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size()));
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool value(std::string& out, std::size_t depth) {
    skip_space();
    if (rest_.empty()) return false;
    switch (rest_.front()) {
      case '{': return nested(depth) && object(out, depth + 1);
      case '[': return nested(depth) && array(out, depth + 1);
      case '"': {
        std::string text;
        if (!string(text)) return false;
        append_string(out, text);
        return true;
      }
      default: return word(out) || number(out);
    }
  }
  bool nested(std::size_t depth) {
    if (depth < depth_max) return true;
    problem = "is nested too deep: 32 levels are allowed";
    return false;
  }
  bool object(std::string& out, std::size_t depth) {
    std::vector<std::pair<std::string, std::string>> members;
    take('{');
    skip_space();
    if (!take('}')) {
      do {
        skip_space();
        auto& [name, text] = members.emplace_back();
        if (!string(name)) return false;
        skip_space();
        if (!take(':') || !value(text, depth)) return false;
        skip_space();
      } while (take(','));
      if (!take('}')) return false;
    }
    std::sort(members.begin(), members.end());
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0 && members[i].first == members[i - 1].first) {
        problem = "has a name twice in one object: which one counts is not known";
        return false;
      }
      if (i > 0) out += ',';
      append_string(out, members[i].first);
      out.append(1, ':').append(members[i].second);
    }
    out += '}';
    return true;
  }
  bool array(std::string& out, std::size_t depth) {
    take('[');
    out += '[';
    skip_space();
    if (!take(']')) {
      for (bool is_first = true; is_first || take(','); is_first = false) {
        if (!is_first) out += ',';
        if (!value(out, depth)) return false;
        skip_space();
      }
      if (!take(']')) return false;
    }
    out += ']';
    return true;
  }
  bool word(std::string& out) {
    for (const std::string_view one : {"null", "true", "false"})
      if (rest_.starts_with(one)) {
        out += one;
        rest_.remove_prefix(one.size());
        return true;
      }
    return false;
  }
  std::size_t digits(std::size_t from) const {
    std::size_t at = from;
    while (at < rest_.size() && rest_[at] >= '0' && rest_[at] <= '9') ++at;
    return at - from;
  }
  bool number(std::string& out) {
    std::size_t at = rest_.starts_with('-') ? 1 : 0;
    const std::size_t whole = digits(at);
    if (whole == 0 || (whole > 1 && rest_[at] == '0')) return false;
    at += whole;
    if (at < rest_.size() && rest_[at] == '.') {
      const std::size_t fraction = digits(at + 1);
      if (fraction == 0) return false;
      at += 1 + fraction;
    }
    if (at < rest_.size() && (rest_[at] == 'e' || rest_[at] == 'E')) {
      ++at;
      if (at < rest_.size() && (rest_[at] == '+' || rest_[at] == '-')) ++at;
      const std::size_t exponent = digits(at);
      if (exponent == 0) return false;
      at += exponent;
    }
    out += rest_.substr(0, at);
    rest_.remove_prefix(at);
    return true;
  }
  bool string(std::string& out) {
    if (!take('"')) return false;
    while (!rest_.empty() && !rest_.starts_with('"')) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\')
        out += c;
      else if (!escape(out))
        return false;
    }
    return take('"');
  }
  bool escape(std::string& out) {
    if (take('/')) {
      out += '/';
      return true;
    }
    if (take('u')) return unicode(out);
    const std::size_t at = rest_.empty() ? short_letters.npos : short_letters.find(rest_.front());
    if (at == short_letters.npos) return false;
    rest_.remove_prefix(1);
    out += short_meanings[at];
    return true;
  }
  bool unicode(std::string& out) {
    std::uint32_t point = 0;
    if (!four_digits(point)) return false;
    constexpr std::uint32_t high = 0xd800, low = 0xdc00, end = 0xe000;
    if (point >= low && point < end) return false;
    if (point >= high && point < low) {
      std::uint32_t second = 0;
      if (!take('\\') || !take('u') || !four_digits(second) || second < low || second >= end)
        return false;
      point = 0x10000 + ((point - high) << 10) + (second - low);
    }
    append_utf8(out, point);
    return true;
  }
  bool four_digits(std::uint32_t& point) {
    for (int i = 0; i < 4; ++i) {
      if (rest_.empty()) return false;
      const char c = rest_.front();
      rest_.remove_prefix(1);
      std::uint32_t digit = 0;
      if (c >= '0' && c <= '9')
        digit = static_cast<std::uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        digit = static_cast<std::uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        digit = static_cast<std::uint32_t>(c - 'A' + 10);
      else
        return false;
      point = point << 4 | digit;
    }
    return true;
  }

  std::string_view rest_;
};

}  // namespace

Result<std::string> canonical_json(std::string_view text) {
  Reader reader(text);
  std::string out;
  if (reader.document(out)) return out;
  return Error{Code::invalid_argument, reader.problem.empty() ? "is no JSON" : reader.problem};
}

}  // namespace meridian::client
