// What all parts of the demo share: its directory, what it says, and the commands it shows.
//
// Of the main thread.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "commands.h"

namespace meridian::app {

/// A directory that goes with the object, unless it is kept.
class WorkDirectory {
 public:
  /// `path`: made, or empty; else a new one among the temporary files. Errors: already_exists if
  /// something is in it.
  static Result<WorkDirectory> make(const std::string& path);
  WorkDirectory(WorkDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkDirectory& operator=(WorkDirectory&&) = delete;
  ~WorkDirectory();

  std::string at(std::string_view name) const { return path_ + "/" + std::string(name); }
  void keep() { path_.clear(); }
  const std::string& path() const { return path_; }

 private:
  explicit WorkDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

class Stage {
 public:
  static constexpr std::size_t columns = 80;

  /// Speaks to `out`: stdout, or stderr when stdout is for figures.
  Stage(WorkDirectory work, std::FILE* out) : work_(std::move(work)), out_(out) {}

  WorkDirectory& work() { return work_; }
  std::string at(std::string_view name) const { return work_.at(name); }
  std::FILE* out() const { return out_; }

  /// The title of the next part, and what it is about.
  void say(std::string_view title, std::string_view text);
  void line(std::string_view text) const;

  /// A command, as it is shown and run.
  struct Command {
    std::vector<std::string> arguments;
    Exit expected = Exit::ok;
    std::string servers{};       ///< Added as --server, unseen; "": it needs none.
    std::size_t lines_max = 24;  ///< Shown of what it prints.
  };
  /// Returns all that it printed on stdout. Errors: another exit code than expected; a signal came.
  Result<std::vector<std::string>> run(const Command& command) const;
  /// `meridian serve ...` as a person would type it.
  void show_command(const std::vector<std::string>& arguments) const;

  /// Between steps, and while waiting. Errors: deadline_exceeded once Ctrl-C was pressed.
  static Status check_not_stopped();

 private:
  std::string typed(const std::vector<std::string>& arguments) const;

  WorkDirectory work_;
  std::FILE* out_;
  int step_ = 0;
};

/// Broken at blanks into lines of at most `width` characters where that is possible; `break_with`
/// ends each but the last, `indent` begins each but the first. Line ends of `text` stay.
std::string wrap(std::string_view text, std::size_t width, std::string_view break_with,
                 std::string_view indent);

/// The word behind "level" of what `receipt verify` printed; "" if it is not there.
std::string level_of(const std::vector<std::string>& printed);

}  // namespace meridian::app
