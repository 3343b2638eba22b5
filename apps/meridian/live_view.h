// The picture of a cell on a terminal: `meridian top`, and the demo while its regions live and die.
//
// cell_lines() and what it uses are pure. A Screen draws such lines over those it drew before, or,
// where that cannot be (a file, a pipe), below them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "cell_view.h"

namespace meridian::app {

enum class Tone : std::uint8_t { plain, strong, good, bad };
struct ViewLine {
  std::string text;
  Tone tone = Tone::plain;
  bool operator==(const ViewLine&) const = default;
};

/// "1,234,567".
std::string grouped(std::uint64_t number);
/// The same if that takes no more than `width` characters (6 at least), else "12.35M": four digits.
std::string grouped(std::uint64_t number, std::size_t width);
/// "53.4G", in binary units: one digit after the point below 100.
std::string bytes_text(std::uint64_t bytes);
/// The first `width` characters of UTF-8 text.
std::string clip(std::string_view text, std::size_t width);

/// Who leads, and a row for each replica: where it stands in the log. 80 columns suffice for
/// regions of up to 14 characters.
std::vector<ViewLine> replica_lines(const CellView& view);
/// A row for each replica: what it has to do and how long that takes.
std::vector<ViewLine> work_lines(const CellView& view);
/// "no alarms", or one line each.
std::vector<ViewLine> alarm_lines(const CellView& view);
/// All of these.
std::vector<ViewLine> cell_lines(const CellView& view);

class Screen {
 public:
  explicit Screen(std::FILE* out);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  bool is_terminal() const { return is_terminal_; }
  /// Takes the place of what was drawn last, cut to the terminal's size.
  void draw(const std::vector<ViewLine>& lines);
  /// What is drawn stays; the next draw() goes below it. Before anybody else writes there.
  void keep();

 private:
  std::FILE* out_;
  bool is_terminal_;
  std::size_t drawn_ = 0;
};

}  // namespace meridian::app
