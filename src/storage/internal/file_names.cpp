#include "storage/internal/file_names.h"

#include <fmt/format.h>

#include <charconv>

namespace meridian::storage {

std::string numbered_name(std::uint64_t number, std::string_view suffix) {
  return fmt::format("{:016x}{}", number, suffix);
}

std::optional<std::uint64_t> number_of(std::string_view name, std::string_view suffix) {
  constexpr std::size_t digits = 16;
  if (name.size() != digits + suffix.size() || name.substr(digits) != suffix) return {};
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + digits, number, 16);
  if (error != std::errc() || end != name.data() + digits) return {};
  if (numbered_name(number, suffix) != name) return {};  // upper-case digits
  return number;
}

}  // namespace meridian::storage
