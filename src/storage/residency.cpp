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

std::string key_name(std::uint8_t jurisdiction) {
  return fmt::format("{}{}", key_prefix, jurisdiction);
}

/// 0: it is the name of another key.
std::uint8_t jurisdiction_of(std::string_view name) {
  if (!name.starts_with(key_prefix)) return 0;
  name.remove_prefix(key_prefix.size());
  std::uint8_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc{} && end == name.data() + name.size() ? number : std::uint8_t{0};
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

bool Residency::set_key(std::uint8_t number, u128 check) {
  const auto known = all_.find(number);
  if (known == all_.end() || known->second.key != 0 || check == 0) return false;
  known->second.key = check;
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
    const std::uint8_t jurisdiction = jurisdiction_of(key.name);
    if (jurisdiction == 0) continue;
    if (const Result<KeyStore::Key> one = store_.get(key.name, key.version))
      held.push_back({jurisdiction, kek_check(one->secret)});
  }
  std::ranges::sort(held, std::less<>());
  return held;
}

Result<Bytes> ResidencyKeys::find(std::uint8_t jurisdiction, u128 check) const {
  const std::string name = key_name(jurisdiction);
  if (const auto known = versions_.find(check); known != versions_.end())
    if (const Result<KeyStore::Key> one = store_.get(name, known->second)) return one->secret;
  for (const KeyStore::Listing& key : store_.list()) {
    if (key.name != name) continue;
    const Result<KeyStore::Key> one = store_.get(name, key.version);
    if (!one || kek_check(one->secret) != check) continue;
    versions_[check] = key.version;
    return one->secret;
  }
  return fail(Code::not_found, "the key of that jurisdiction is not here");
}

Status ResidencyKeys::take(std::uint8_t jurisdiction, const crypto::Secret& key) {
  if (find(jurisdiction, kek_check(key.bytes()))) return {};
  return store_.add_given({{key_name(jurisdiction), key.bytes()}});
}

}  // namespace meridian::storage
