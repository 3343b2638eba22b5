#include "storage/residency.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/assert.h"
#include "storage/cell_key_table.h"

namespace meridian::storage {
namespace {

constexpr std::string_view key_prefix = "residency-";
constexpr std::string_view unavailable_word = "RESIDENCY_UNAVAILABLE: ";

std::string key_name(const ResidencyKeys::Held& key) {
  return fmt::format("{}{}-{}-{:012x}", key_prefix, key.jurisdiction, key.turn,
                     high64(key.check) >> 16);
}

/// What a name says before the check; none if it is the name of another key.
std::optional<ResidencyKeys::Held> named_by(std::string_view name) {
  if (!name.starts_with(key_prefix)) return std::nullopt;
  name.remove_prefix(key_prefix.size());
  ResidencyKeys::Held key{};
  const auto take = [&name](auto& number) {
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc{} || end == name.data() + name.size() || *end != '-') return false;
    name.remove_prefix(static_cast<std::size_t>(end - name.data()) + 1);
    return true;
  };
  if (!take(key.jurisdiction) || !take(key.turn)) return std::nullopt;
  return key;
}

}  // namespace

bool Jurisdiction::has(std::string_view region) const {
  return std::ranges::find(regions, region) != regions.end();
}

std::string to_text(const Jurisdiction& jurisdiction) {
  return fmt::format("{} ({})", jurisdiction.name, fmt::join(jurisdiction.regions, ", "));
}

bool Residency::add(std::uint8_t number, std::string_view name, std::string_view region) {
  const Jurisdiction* named = find(name);
  if (number == 0 || (named != nullptr && named->number != number)) return false;
  Jurisdiction& known = all_[number];
  if (known.number == 0) {
    known.number = number;
    known.name = name;
  }
  if (known.name != name || known.has(region)) return false;
  known.regions.emplace_back(region);
  return true;
}

bool Residency::set_key(std::uint8_t number, std::uint32_t turn, u128 check) {
  const auto known = all_.find(number);
  if (known == all_.end() || check == 0) return false;
  Jurisdiction& one = known->second;
  if (!one.wants_key() || turn != one.next_turn()) return false;
  if (std::ranges::find(one.keys, check) != one.keys.end()) return false;
  one.keys.push_back(check);
  one.is_turning = false;
  return true;
}

bool Residency::begin_turn(std::uint8_t number, std::uint32_t turn) {
  const auto known = all_.find(number);
  if (known == all_.end()) return false;
  Jurisdiction& one = known->second;
  if (!one.has_key() || one.is_turning || turn != one.next_turn() || turn > residency_turns_max)
    return false;
  one.is_turning = true;
  return true;
}

const Jurisdiction* Residency::find(std::uint8_t number) const {
  const auto found = all_.find(number);
  return found == all_.end() ? nullptr : &found->second;
}

const Jurisdiction* Residency::find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(all_, [&](const auto& one) { return one.second.name == name; });
  return found == all_.end() ? nullptr : &found->second;
}

Error residency_unavailable(std::string_view what) {
  return fail(Code::unavailable, fmt::format("{}{}", unavailable_word, what));
}

bool is_residency_unavailable(const Error& error) {
  return error.code == Code::unavailable && error.message.starts_with(unavailable_word);
}

crypto::Digest resident_key(Bytes jurisdiction_key, std::string_view purpose, Bytes value) {
  ASSERT(jurisdiction_key.size() == 32 && value.size() == 32);
  return crypto::HmacKey(jurisdiction_key)
      .mac({as_bytes(std::string_view("meridian/residency/1/")), as_bytes(purpose), value});
}

std::vector<ResidencyKeys::Held> ResidencyKeys::held() const {
  std::vector<Held> held;
  for (const KeyStore::Listing& key : store_.list()) {
    std::optional<Held> one = named_by(key.name);
    if (!one) continue;
    const Result<KeyStore::Key> stored = store_.get(key.name, key.version);
    if (!stored) continue;
    one->check = kek_check(stored->secret);
    if (key_name(*one) == key.name) held.push_back(*one);
  }
  std::ranges::sort(held, std::less<>());
  return held;
}

Result<Bytes> ResidencyKeys::find(const Held& key) const {
  return TRY(store_.newest(key_name(key))).secret;
}

Status ResidencyKeys::take(std::uint8_t jurisdiction, std::uint32_t turn,
                           const crypto::Secret& key) {
  const Held held{jurisdiction, turn, kek_check(key.bytes())};
  if (find(held)) return {};
  return store_.add_given({{key_name(held), key.bytes()}});
}

Status ResidencyKeys::destroy(const Held& key) { return store_.destroy_name(key_name(key)); }

}  // namespace meridian::storage
