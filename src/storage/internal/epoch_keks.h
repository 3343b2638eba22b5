// The key-encryption keys of epochs that this replica holds, by what tells one from another: those
// that it made, and those that others handed to it. Owned by the table's thread.
#pragma once

#include <map>
#include <optional>

#include "base/result.h"
#include "crypto/secret.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "storage/key_store.h"

namespace meridian::storage {

class EpochKeks {
 public:
  EpochKeks(KeyStore& keys, io::Entropy& entropy, io::Clock& clock)
      : keys_(keys), entropy_(entropy), clock_(clock) {}

  /// A fresh one; durable. Errors: of the key store.
  Result<u128> offer();
  /// One from another replica; durable when it returns, once more does no harm.
  Status take(const crypto::Secret& kek);
  /// Its version here.
  std::optional<KeyVersion> find(u128 check) const;
  Result<u128> check_of(KeyVersion version) const;
  /// For another replica; valid until the next call. Errors: not_found; failed_precondition if it
  /// is in a token for longer than CellKeyTable::handed_on_for.
  Result<Bytes> hand_on(u128 check) const;
  void drop_handed_on();

 private:
  struct HandedOn {
    crypto::Secret kek;
    io::MonotonicTime since;
  };
  Status keep(const crypto::Secret& kek);

  KeyStore& keys_;
  io::Entropy& entropy_;
  io::Clock& clock_;
  std::map<u128, HandedOn> handed_on_;  ///< Of those in a token.
};

}  // namespace meridian::storage
