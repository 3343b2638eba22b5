// The key that the replicas of a cell share, and what is derived from it (docs/formats/keys.md):
// names become the same opaque ids at every door, and what one replica sealed any other opens.
//
// A replica that is alone never has one: its keys are those its key store was made with.
#pragma once

#include "base/result.h"
#include "base/u128.h"
#include "crypto/secret.h"
#include "storage/key_store.h"

namespace meridian::storage {

inline constexpr std::string_view cell_key_name = "cell";
inline constexpr std::string_view exchange_key_name = "exchange";

/// Tells one key of a cell from another; never 0 and no help in guessing it.
u128 cell_key_check(Bytes cell_key);

/// True if `keys` holds a cell's key.
bool holds_cell_key(const KeyStore& keys);
/// Makes `cell_key` (32 bytes) the newest `cell`, and what is derived from it the newest `payload`,
/// `commit` and `index`; durable when it returns. Once for a key store (asserted). Errors: those of
/// KeyStore::add_given.
Status put_cell_key(KeyStore& keys, Bytes cell_key);

}  // namespace meridian::storage
