// journal = (blank line | comment line | comment block | directive | transaction)*
// A line that begins with a digit opens a transaction; indented lines belong to the line above.
#include "books/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "books/internal/text.h"

namespace meridian::books {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Size of the UTF-8 character at the front of `text`, 0 if it is malformed (RFC 3629).
std::size_t utf8_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : (first >= 0xE0 ? 3 : 2);
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return size;
}

bool is_leap(std::int32_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int days_in(std::int32_t year, int month) {
  if (month == 2) return is_leap(year) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// Lines that hledger or Ledger take for comments when nothing is open.
bool is_comment(std::string_view line) {
  if (line.front() == '%' || line.front() == '|') return true;
  const std::string_view text = trim_left(line);
  return text.front() == ';' || text.front() == '#' || text.front() == '*';
}

}  // namespace

std::string text(const Date& date) {
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string_view Transaction::payee() const {
  return trim(std::string_view(description).substr(0, description.find('|')));
}

std::string_view Transaction::note() const {
  const std::size_t bar = description.find('|');
  if (bar == std::string::npos) return {};
  return trim(std::string_view(description).substr(bar + 1));
}

JournalReader::JournalReader(std::string_view text, std::string_view file_name)
    : rest_(text), file_name_(file_name) {
  if (rest_.starts_with(byte_order_mark)) rest_.remove_prefix(byte_order_mark.size());
}

Error JournalReader::error(std::uint32_t line, std::string_view reason) const {
  return fail(Code::invalid_argument, fmt::format("{}:{}: {}", file_name_, line, reason));
}

Error JournalReader::located(Error cause, std::uint32_t line) const {
  return with_context(std::move(cause), fmt::format("{}:{}", file_name_, line));
}

Result<bool> JournalReader::read_line(Line& line) {
  if (rest_.empty()) return false;
  const std::size_t end = rest_.find('\n');
  line.text = rest_.substr(0, end);
  line.number = ++line_number_;
  rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
  if (line.text.ends_with('\r')) line.text.remove_suffix(1);
  line.text = trim_right(line.text);
  if (line.text.size() > Limits::line_bytes_max) {
    return error(line.number, fmt::format("a line of {} bytes: split it, a line has at most {}",
                                          line.text.size(), Limits::line_bytes_max));
  }
  return true;
}

bool JournalReader::next_is_indented() const {
  if (rest_.empty() || !is_blank(rest_.front())) return false;
  const std::size_t content = rest_.find_first_not_of(" \t\r");
  return content != std::string_view::npos && rest_[content] != '\n';
}

Status JournalReader::check_characters(const Line& line) const {
  for (std::size_t at = 0; at < line.text.size();) {
    const std::size_t size = utf8_size(line.text.substr(at));
    const auto byte = static_cast<unsigned char>(line.text[at]);
    if (size == 0) {
      return error(line.number, fmt::format("byte 0x{:02x} in column {} is not UTF-8: convert the "
                                            "file, for example with iconv -t utf-8",
                                            byte, at + 1));
    }
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
      return error(line.number,
                   fmt::format("control character 0x{:02x} in column {}: remove it", byte, at + 1));
    }
    at += size;
  }
  return {};
}

Status JournalReader::skip_comment_block(const Line& opening) {
  const std::string_view end =
      opening.text.starts_with("test") ? std::string_view("end test") : "end comment";
  Line line;
  while (TRY(read_line(line))) {
    if (trim(line.text) == end) return {};
  }
  return {};  // as in hledger, a block may run to the end of the file
}

Result<std::optional<Transaction>> JournalReader::next() {
  auto step = [this]() -> Result<std::optional<Transaction>> {
    Line line;
    while (TRY(read_line(line))) {
      if (line.text.empty() || is_comment(line.text)) continue;
      if (line.text == "comment" || line.text == "test") {
        TRY(skip_comment_block(line));
        continue;
      }
      TRY(check_characters(line));
      if (is_digit(line.text.front())) return std::optional<Transaction>(TRY(transaction(line)));
      TRY(directive(line));
    }
    return std::optional<Transaction>();
  };
  Result<std::optional<Transaction>> result = step();
  if (!result) rest_ = {};
  return result;
}

Result<Date> JournalReader::take_date(const Line& line, std::string_view& rest,
                                      std::optional<std::int32_t> year) const {
  std::size_t size = 0;
  while (size < rest.size() &&
         (is_digit(rest[size]) || rest[size] == '-' || rest[size] == '/' || rest[size] == '.')) {
    ++size;
  }
  const std::string_view written = rest.substr(0, size);
  const auto malformed = [&](std::string_view why) {
    return error(line.number, fmt::format("date {} {}", quoted(size == 0 ? rest : written), why));
  };
  constexpr std::string_view how = "is not a date: write it like 2024-01-31";
  std::vector<std::int32_t> parts;
  std::vector<std::size_t> lengths;
  char separator = '\0';
  for (std::size_t at = 0; at <= size;) {
    std::size_t end = at;
    std::int32_t value = 0;
    while (end < size && is_digit(written[end])) {
      if (end - at >= 4) return malformed(how);
      value = value * 10 + (written[end++] - '0');
    }
    if (end == at || parts.size() == 3) return malformed(how);
    parts.push_back(value);
    lengths.push_back(end - at);
    if (end < size) {
      if (separator != '\0' && separator != written[end]) {
        return malformed("mixes separators: use the same one twice");
      }
      separator = written[end];
    }
    at = end + 1;
    if (end == size) break;
  }
  if (parts.size() == 2) {
    if (!year) return malformed("has no year: write it, or put a 'Y 2024' directive above");
    parts.insert(parts.begin(), *year);
    lengths.insert(lengths.begin(), 4);
  }
  if (parts.size() != 3 || lengths[0] != 4 || lengths[1] > 2 || lengths[2] > 2) {
    return malformed(how);
  }
  if (parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > days_in(parts[0], parts[1])) {
    return malformed("is not in the calendar: correct month or day");
  }
  rest.remove_prefix(size);
  return Date{parts[0], static_cast<std::uint8_t>(parts[1]), static_cast<std::uint8_t>(parts[2])};
}

Result<std::string> JournalReader::account_name(const Line& line, std::string_view written) const {
  std::string name;
  for (const std::string& prefix : prefixes_) name += prefix + ":";
  name += written;
  if (written.empty()) return error(line.number, "an account name is missing: write it first");
  if (name.size() > Limits::account_name_bytes_max) {
    return error(line.number,
                 fmt::format("account name {} has {} bytes: shorten it to at most {}", quoted(name),
                             name.size(), Limits::account_name_bytes_max));
  }
  if (written.find(';') != std::string_view::npos) {
    return error(line.number, fmt::format("';' in the account name {}: put two spaces before a "
                                          "comment",
                                          quoted(written)));
  }
  return name;
}

}  // namespace meridian::books
