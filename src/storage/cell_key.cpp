#include "storage/cell_key.h"

#include <string>

#include "base/assert.h"
#include "crypto/sha256.h"

namespace meridian::storage {

namespace {

crypto::Digest derive(Bytes cell_key, std::string_view purpose) {
  return crypto::HmacKey(cell_key).mac(
      {as_bytes(std::string_view("meridian/cell-key/1/")), as_bytes(purpose)});
}

}  // namespace

u128 cell_key_check(Bytes cell_key) {
  const crypto::Digest digest = derive(cell_key, "check");
  const u128 check = load_le<u128>(digest.data());
  ASSERT(check != 0);
  return check;
}

bool holds_cell_key(const KeyStore& keys) { return keys.newest(cell_key_name).has_value(); }

Status put_cell_key(KeyStore& keys, Bytes cell_key) {
  ASSERT(!holds_cell_key(keys));
  crypto::Digest payload = derive(cell_key, "payload");
  crypto::Digest commit = derive(cell_key, "commit");
  crypto::Digest index = derive(cell_key, "index");
  Status added = keys.add_given(
      {{cell_key_name, cell_key}, {"payload", payload}, {"commit", commit}, {"index", index}});
  for (crypto::Digest* secret : {&payload, &commit, &index}) crypto::cleanse(*secret);
  return added;
}

}  // namespace meridian::storage
