#include "storage/internal/key_list.h"

#include <algorithm>
#include <array>
#include <utility>

namespace meridian::storage {

bool is_key_store_name(std::string_view name) {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= key_name_size_max && std::ranges::all_of(name, allowed);
}

StoredKind kind_of(std::string_view name) {
  return name == "log" || name == "cosign" ? StoredKind::ed25519_seed : StoredKind::symmetric;
}

std::optional<StoredKind> token_kind_of(std::string_view name) {
  if (name == "storage" || name == "epoch") return StoredKind::token_symmetric;
  if (name == "log" || name == "cosign") return StoredKind::token_ed25519;
  if (name == "ca") return StoredKind::token_p256;
  return std::nullopt;
}

crypto::Secret fresh_secret(io::Entropy& entropy) {
  std::array<Byte, key_secret_size> bytes;
  entropy.fill(bytes);
  crypto::Secret secret{Bytes(bytes)};
  crypto::cleanse(bytes);
  return secret;
}

Keys::const_iterator find_newest(const Keys& keys, std::string_view name) {
  auto after = keys.upper_bound(NameVersion{std::string(name), KeyVersion{UINT32_MAX}});
  if (after == keys.begin()) return keys.end();
  auto found = std::prev(after);
  return found->first.name == name ? found : keys.end();
}

Buffer encode_keys(const Keys& keys) {
  Buffer plain;
  plain.reserve(8 + keys.size() * encoded_key_size_max + crypto::aead_tag_size);
  ByteWriter writer(plain);
  writer.u32(static_cast<std::uint32_t>(keys.size()));
  writer.zeros(4);
  for (const auto& [id, key] : keys) {
    writer.u8(static_cast<std::uint8_t>(id.name.size()));
    writer.bytes(as_bytes(id.name));
    writer.u8(static_cast<std::uint8_t>(key.kind));
    writer.u32(static_cast<std::uint32_t>(id.version));
    writer.u64(key.created_ns);
    writer.u16(static_cast<std::uint16_t>(key.secret.bytes().size()));
    writer.bytes(key.secret.bytes());
  }
  return plain;
}

std::optional<Keys> decode_keys(Bytes plain, bool has_token) {
  ByteReader reader(plain);
  std::uint32_t count = reader.u32();
  if (reader.u32() != 0 || count > KeyStore::keys_max) return std::nullopt;
  Keys keys;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string name(as_text(reader.take(reader.u8())));
    const auto kind = StoredKind{reader.u8()};
    KeyVersion version{reader.u32()};
    std::uint64_t created_ns = reader.u64();
    std::uint16_t size = reader.u16();
    Bytes secret = reader.take(size);
    const bool given = has_token && kind == StoredKind::token_given;
    const bool inside = has_token && kind == token_kind_of(name);
    if (!reader.ok() || !is_key_store_name(name) || (!inside && !given && kind != kind_of(name)) ||
        version == KeyVersion{0} ||
        size != (given    ? key_check_size
                 : inside ? 0
                          : key_secret_size))
      return std::nullopt;
    NameVersion id{std::move(name), version};
    if (!keys.empty() && id <= keys.rbegin()->first) return std::nullopt;
    keys.emplace_hint(keys.end(), std::move(id),
                      StoredKey{kind, created_ns, crypto::Secret(secret)});
  }
  if (!reader.done()) return std::nullopt;
  return keys;
}

}  // namespace meridian::storage
