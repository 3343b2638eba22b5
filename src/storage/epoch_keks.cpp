#include "storage/internal/epoch_keks.h"

#include <array>

#include "base/assert.h"
#include "crypto/sha256.h"
#include "storage/cell_key_table.h"
#include "storage/internal/key_file.h"

namespace meridian::storage {

u128 kek_check(Bytes kek) {
  const crypto::Digest digest =
      crypto::HmacKey(kek).mac({as_bytes(std::string_view("meridian/epoch-key/1/check"))});
  const u128 check = load_le<u128>(digest.data());
  ASSERT(check != 0);
  return check;
}

Result<u128> EpochKeks::offer() {
  // Given, not made by the store: one made in a token could not be handed to other replicas.
  std::array<Byte, crypto::aead_key_size> fresh;
  entropy_.fill(fresh);
  const crypto::Secret kek{Bytes(fresh)};
  crypto::cleanse(fresh);
  TRY(keep(kek));
  return kek_check(kek.bytes());
}

Status EpochKeks::take(const crypto::Secret& kek) {
  if (find(kek_check(kek.bytes()))) return {};
  return keep(kek);
}

Status EpochKeks::keep(const crypto::Secret& kek) {
  const u128 check = kek_check(kek.bytes());
  TRY(keys_.give_wrapper(epoch_key, kek.bytes(), check));
  if (!keys_.token_display().empty())
    handed_on_.insert_or_assign(check, HandedOn{kek.copy(), clock_.monotonic()});
  return {};
}

Result<u128> EpochKeks::check_of(KeyVersion version) const {
  for (const KeyStore::Listing& key : keys_.list())
    if (key.name == epoch_key && key.version == version && key.check != 0) return key.check;
  return kek_check(TRY(keys_.get(epoch_key, version)).secret);
}

std::optional<KeyVersion> EpochKeks::find(u128 check) const {
  for (const KeyStore::Listing& key : keys_.list()) {
    if (key.name != epoch_key) continue;
    if (key.check == check) return key.version;
    const Result<KeyStore::Key> held = keys_.get(epoch_key, key.version);
    if (held && kek_check(held->secret) == check) return key.version;
  }
  return std::nullopt;
}

Result<Bytes> EpochKeks::hand_on(u128 check) const {
  const auto version = find(check);
  if (!version) return fail(Code::not_found, "the key of that epoch is not here");
  if (const auto handed_on = handed_on_.find(check); handed_on != handed_on_.end())
    return handed_on->second.kek.bytes();
  return TRY(keys_.get(epoch_key, *version)).secret;
}

void EpochKeks::drop_handed_on() {
  std::erase_if(handed_on_, [now = clock_.monotonic()](const auto& one) {
    return now - one.second.since >= CellKeyTable::handed_on_for;
  });
}

}  // namespace meridian::storage
