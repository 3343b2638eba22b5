// The keys of a key store in memory, and their one encoding (docs/formats/keys.md).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "io/entropy.h"
#include "storage/key_store.h"

namespace meridian::storage {

inline constexpr std::size_t key_secret_size = 32;
inline constexpr std::size_t key_check_size = 16;
inline constexpr std::size_t key_name_size_max = 32;
inline constexpr std::size_t encoded_key_size_max =
    1 + key_name_size_max + 1 + 4 + 8 + 2 + key_secret_size;
/// Of the sealed list, its tag included.
inline constexpr std::size_t sealed_keys_size_max =
    8 + KeyStore::keys_max * encoded_key_size_max + crypto::aead_tag_size;

/// As in the file. Of those in a token the store knows that they are there, and no secret.
enum class StoredKind : std::uint8_t {
  symmetric = 1,
  ed25519_seed = 2,
  token_symmetric = 3,
  token_ed25519 = 4,
  token_p256 = 5,
  token_given = 6,  ///< Wraps; its 16 bytes of check stand where others have their secret.
};
constexpr bool is_in_token(StoredKind kind) { return kind >= StoredKind::token_symmetric; }

struct NameVersion {
  std::string name;
  KeyVersion version;
  auto operator<=>(const NameVersion&) const = default;
};
struct StoredKey {
  StoredKind kind;
  std::uint64_t created_ns;
  crypto::Secret secret;
};
using Keys = std::map<NameVersion, StoredKey>;  // its order is the order in the file

bool is_key_store_name(std::string_view name);
/// Of a key outside a token.
StoredKind kind_of(std::string_view name);
/// Of a key that a store with a token makes: empty if it stays outside.
std::optional<StoredKind> token_kind_of(std::string_view name);

crypto::Secret fresh_secret(io::Entropy& entropy);
/// The newest version of `name`, or end().
Keys::const_iterator find_newest(const Keys& keys, std::string_view name);

/// Holds secrets: reserved whole, so that no copy is left behind by growth, and cleansed by the
/// caller.
Buffer encode_keys(const Keys& keys);
/// Empty if `plain` is not the one encoding of a list of keys; of one without a token, if it names
/// keys in one.
std::optional<Keys> decode_keys(Bytes plain, bool has_token);

}  // namespace meridian::storage
