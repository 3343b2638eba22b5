// file = number LF | number " opening " first " " signed_size " " hex(signed_root) LF
#include "generation.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

namespace meridian::app {

namespace {

constexpr std::size_t file_size_max = 256;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) return words;
    line.remove_prefix(space + 1);
  }
}

std::string format(const Generation& generation) {
  if (!generation.opening) return fmt::format("{}\n", generation.number);
  const Loss& loss = *generation.opening;
  return fmt::format("{} opening {} {} {}\n", generation.number, loss.first, loss.signed_size,
                     to_hex(loss.signed_root));
}

std::optional<Generation> parse(std::string_view text) {
  if (!text.ends_with('\n')) return std::nullopt;
  const std::vector<std::string_view> words = words_of(text.substr(0, text.size() - 1));
  const std::optional<std::uint64_t> number = parse_number(words[0]);
  if (!number || *number == 0) return std::nullopt;
  Generation generation{*number, std::nullopt};
  if (words.size() == 1) return generation;
  if (words.size() != 5 || words[1] != "opening") return std::nullopt;
  const auto first = parse_number(words[2]), size = parse_number(words[3]);
  Buffer root;
  if (!first || !size || *first > *size || !from_hex(words[4], root)) return std::nullopt;
  Loss loss{*first, *size, {}};
  if (root.size() != loss.signed_root.size()) return std::nullopt;
  std::ranges::copy(root, loss.signed_root.begin());
  generation.opening = loss;
  return generation;
}

}  // namespace

std::string Loss::range() const {
  return is_none() ? "none" : fmt::format("{}..{}", first, last());
}

Result<Generation> read_generation(io::Disk& disk) {
  if (!TRY(disk.exists(generation_path))) return Generation{};
  const Buffer text = TRY(io::read_file(disk, generation_path, file_size_max));
  const std::optional<Generation> generation = parse(as_text(text));
  if (!generation || format(*generation) != as_text(text))
    return fail(
        Code::data_loss,
        disk.display(generation_path) +
            " is damaged: it must name the generation of the log. restore it from a backup");
  return *generation;
}

Status write_generation(io::Disk& disk, const Generation& generation) {
  return io::replace_file(disk, generation_path, as_bytes(format(generation)));
}

}  // namespace meridian::app
