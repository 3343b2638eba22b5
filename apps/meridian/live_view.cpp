#include "live_view.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "output.h"

namespace meridian::app {

namespace {

constexpr std::size_t root_digits = 8;
constexpr std::size_t region_width = 14;
constexpr std::size_t number_width = 7;
constexpr std::size_t records_width = 9;
constexpr std::string_view unknown = "-";

std::string percent(const std::optional<double>& part) {
  return part ? fmt::format("{:.0f}%", *part * 100) : std::string(unknown);
}
std::string rate(const std::optional<double>& per_s) {
  return per_s ? grouped(static_cast<std::uint64_t>(std::llround(*per_s)), number_width)
               : std::string(unknown);
}

Tone tone_of(const CellView& view, std::size_t row) {
  if (!view.rows[row].answers) return Tone::bad;
  return view.leader == row ? Tone::good : Tone::plain;
}

/// A head and a line for each replica.
std::vector<ViewLine> table(const CellView& view, const std::vector<std::vector<std::string>>& rows,
                            const std::vector<std::size_t>& right) {
  std::vector<ViewLine> lines;
  const std::string text = format_table(rows, right);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const Tone tone = lines.empty() ? Tone::strong : tone_of(view, lines.size() - 1);
    lines.push_back({text.substr(at, end - at), tone});
    at = end + 1;
  }
  return lines;
}

struct TerminalSize {
  std::size_t columns = 80, rows = 24;
};
TerminalSize size_of(std::FILE* out) {
  TerminalSize size;
  winsize window{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0)
    size = {window.ws_col, window.ws_row};
  return size;
}

constexpr std::string_view escape_of(Tone tone) {
  switch (tone) {
    case Tone::plain: return "";
    case Tone::strong: return "\033[1m";
    case Tone::good: return "\033[32m";
    case Tone::bad: return "\033[31m";
  }
  return "";
}

}  // namespace

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string grouped(std::uint64_t number, std::size_t width) {
  std::string text = grouped(number);
  if (text.size() <= width) return text;
  constexpr std::array units{"", "K", "M", "G", "T", "P", "E"};
  double value = static_cast<double>(number);
  std::size_t unit = 0;
  // What would be rounded up to four digits before the point is one of the next unit.
  for (; value >= 999.95 && unit + 1 < units.size(); ++unit) value /= 1'000;
  const int decimals = value < 9.9995 ? 3 : value < 99.995 ? 2 : 1;
  return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array units{"B", "K", "M", "G", "T", "P"};
  if (bytes < 1'024) return fmt::format("{}B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1'023.5 && unit + 1 < units.size(); ++unit) value /= 1'024;
  return fmt::format("{:.{}f}{}", value, value < 99.95 ? 1 : 0, units[unit]);
}

std::string clip(std::string_view text, std::size_t width) {
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins && characters++ == width) return std::string(text.substr(0, at));
  }
  return std::string(text);
}

std::vector<ViewLine> replica_lines(const CellView& view) {
  std::vector<std::vector<std::string>> rows{
      {"region", "role", "term", "commit", "applied", "lag", "records", "root"}};
  for (const ReplicaRow& row : view.rows) {
    const std::string region = clip(row.region, region_width);
    const std::string lag = row.lag ? grouped(*row.lag, number_width) : std::string(unknown);
    if (!row.answers) {
      rows.push_back({region, row.role, "", "", "", lag, "", ""});
      continue;
    }
    // What asks for votes, or whether it would get them, is one thing to who looks on.
    const std::string role = row.role == "pre_candidate" ? "candidate" : row.role;
    rows.push_back({region, role, std::to_string(row.term), grouped(row.commit_index, number_width),
                    grouped(row.applied_index, number_width), lag,
                    grouped(row.records, records_width), row.root.substr(0, root_digits)});
  }
  return table(view, rows, {2, 3, 4, 5, 6});
}

std::vector<ViewLine> work_lines(const CellView& view) {
  std::vector<std::vector<std::string>> rows{
      {"region", "rec/s", "queue", "sync ms", "apply", "prove", "unproven", "debt", "free"}};
  for (const ReplicaRow& row : view.rows) {
    if (!row.answers) {
      rows.push_back({clip(row.region, region_width)});
      continue;
    }
    rows.push_back(
        {clip(row.region, region_width), rate(row.records_per_s), grouped(row.queued_requests),
         row.sync_ms ? fmt::format("{:.2f}", *row.sync_ms) : std::string(unknown),
         percent(row.apply_load), percent(row.prove_load), grouped(row.unproven_entries),
         bytes_text(row.debt_bytes),
         row.disk_free_bytes == 0 ? std::string(unknown) : bytes_text(row.disk_free_bytes)});
  }
  return table(view, rows, {1, 2, 3, 4, 5, 6, 7, 8});
}

std::vector<ViewLine> alarm_lines(const CellView& view) {
  if (view.alarms.empty()) return {{"no alarms", Tone::plain}};
  std::vector<ViewLine> lines;
  for (const std::string& alarm : view.alarms) lines.push_back({"ALARM " + alarm, Tone::bad});
  return lines;
}

std::vector<ViewLine> cell_lines(const CellView& view) {
  std::string head = "no replica answers";
  if (!view.cell.empty())
    head = fmt::format("cell {}  term {}  leader {}", clip(view.cell, root_digits), view.term,
                       view.leader ? clip(view.rows[*view.leader].region, region_width) : "none");
  if (view.failover_bound_ms != 0)
    head += fmt::format("  failover bound {} ms", view.failover_bound_ms);
  std::vector<ViewLine> lines{{head, Tone::strong}, {}};
  for (const auto& part : {replica_lines(view), work_lines(view), alarm_lines(view)}) {
    lines.insert(lines.end(), part.begin(), part.end());
    lines.push_back({});
  }
  lines.pop_back();
  return lines;
}

Screen::Screen(std::FILE* out) : out_(out), is_terminal_(::isatty(::fileno(out)) == 1) {}
Screen::~Screen() { keep(); }

void Screen::draw(const std::vector<ViewLine>& lines) {
  std::string out;
  if (!is_terminal_) {
    for (const ViewLine& line : lines) out += line.text + '\n';
    std::fwrite(out.data(), 1, out.size(), out_);
    std::fflush(out_);
    return;
  }
  const TerminalSize size = size_of(out_);
  const std::size_t count = std::min(lines.size(), size.rows > 1 ? size.rows - 1 : 1);
  // In one write, and each line cleared behind its text rather than before: nothing flickers.
  out += drawn_ > 0 ? fmt::format("\033[?25l\033[{}F", drawn_) : "\033[?25l";
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view escape = escape_of(lines[i].tone);
    out += fmt::format("{}{}{}\033[K\n", escape, clip(lines[i].text, size.columns),
                       escape.empty() ? "" : "\033[0m");
  }
  out += "\033[J";
  drawn_ = count;
  std::fwrite(out.data(), 1, out.size(), out_);
  std::fflush(out_);
}

void Screen::keep() {
  if (drawn_ > 0) fmt::print(out_, "\033[?25h");
  std::fflush(out_);
  drawn_ = 0;
}

}  // namespace meridian::app
