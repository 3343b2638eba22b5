#include "demo_stage.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "child.h"
#include "files.h"
#include "interrupt.h"

namespace meridian::app {

namespace {}  // namespace

Result<WorkDirectory> WorkDirectory::make(const std::string& path) {
  std::error_code error;
  if (!path.empty()) {
    std::filesystem::create_directories(path, error);
    if (error) return fail(Code::internal, fmt::format("making {}: {}", path, error.message()));
    if (!std::filesystem::is_empty(path, error))
      return fail(Code::already_exists,
                  fmt::format("{} is not empty: name a directory that is new", path));
    return WorkDirectory(std::filesystem::absolute(path, error).string());
  }
  std::string name =
      (std::filesystem::temp_directory_path(error) / "meridian-demo-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return fail(Code::internal, fmt::format("cannot make a directory like {}", name));
  return WorkDirectory(std::move(name));
}

WorkDirectory::~WorkDirectory() {
  std::error_code error;
  if (!path_.empty()) std::filesystem::remove_all(path_, error);
}

void Stage::say(std::string_view title, std::string_view text) {
  const bool is_screen = ::isatty(::fileno(out_)) == 1;
  line(fmt::format("\n{}{}. {}{}", is_screen ? "\033[1m" : "", ++step_, title,
                   is_screen ? "\033[0m" : ""));
  if (!text.empty()) line(wrap(text, columns, "", ""));
}

void Stage::line(std::string_view text) const {
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);
}

std::string Stage::typed(const std::vector<std::string>& arguments) const {
  std::string shown = "$ meridian";
  for (std::string word : arguments) {
    if (word.starts_with(work_.path() + "/")) word.erase(0, work_.path().size() + 1);
    shown += word.find_first_of(" {\"") == std::string::npos ? " " + word : " '" + word + "'";
  }
  return shown;
}

void Stage::show_command(const std::vector<std::string>& arguments) const {
  line(wrap(typed(arguments), columns, " \\", "    "));
}

Result<std::vector<std::string>> Stage::run(const Command& command) const {
  TRY(check_not_stopped());
  const std::string shown = typed(command.arguments);
  show_command(command.arguments);
  std::vector<std::string> arguments = command.arguments;
  if (!command.servers.empty()) {
    arguments.emplace_back("--server");
    arguments.push_back(command.servers);
  }
  // What it complains about is part of the story when that was expected.
  const bool is_refusal =
      command.expected == Exit::refused || command.expected == Exit::unreachable;
  std::error_code none;  // there may be nothing to remove
  std::filesystem::remove(at("refused.txt"), none);
  const std::unique_ptr<Child> child =
      TRY(Child::start(arguments, true, is_refusal ? at("refused.txt") : ""));
  std::vector<std::string> printed;
  while (std::optional<std::string> got = child->read_line()) {
    if (printed.size() < command.lines_max) line("  " + *got);
    if (printed.size() == command.lines_max) line("  ...");
    printed.push_back(std::move(*got));
  }
  const int code = child->wait();
  TRY(check_not_stopped());
  if (is_refusal) line(wrap("  " + TRY(read_input(at("refused.txt"))), columns, "", "  "));
  if (code == static_cast<int>(command.expected)) return printed;
  return fail(Code::internal,
              fmt::format("`{}` ended with exit code {} instead of {}. the logs "
                          "of the servers are in {}",
                          shown.substr(2), code, static_cast<int>(command.expected), work_.path()));
}

Status Stage::check_not_stopped() {
  if (Interrupt::came()) return fail(Code::deadline_exceeded, "stopped by a signal");
  return {};
}

std::string wrap(std::string_view text, std::size_t width, std::string_view break_with,
                 std::string_view indent) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    if (text.starts_with('\n')) {
      out += '\n';
      text.remove_prefix(1);
      column = 0;
      continue;
    }
    // A word with the blanks before it.
    const std::size_t word = std::min(text.find_first_not_of(' '), text.size());
    std::string_view piece = text.substr(0, text.find_first_of(" \n", word));
    text.remove_prefix(piece.size());
    if (column > indent.size() && column + piece.size() + break_with.size() > width) {
      piece.remove_prefix(std::min(word, piece.size()));
      out += fmt::format("{}\n{}", break_with, indent);
      column = indent.size();
    }
    out += piece;
    column += piece.size();
  }
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

std::string level_of(const std::vector<std::string>& printed) {
  for (const std::string& line : printed) {
    if (!line.starts_with("level ")) continue;
    const std::size_t at = line.find_last_of(' ');
    return line.substr(at + 1);
  }
  return "";
}

}  // namespace meridian::app
