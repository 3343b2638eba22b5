// Seals an event's compartments and opens them again (docs/formats/payload.md).
//
// Owned by the door's executor, like the key table it uses. Cost: 2 us per compartment with a warm
// key: one commitment, one AES-256-GCM seal, and without a subject one key wrap.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "crypto/sha256.h"
#include "door/door.h"
#include "io/entropy.h"
#include "ledger/payload.h"
#include "storage/key_store.h"
#include "storage/key_table.h"

namespace meridian::door {

class PayloadSealer {
 public:
  /// Errors: not_found if the key store lacks a key.
  static Result<PayloadSealer> create(u128 cell, io::Entropy& entropy,
                                      const storage::KeyStore& keys, storage::KeyTable& table);

  struct Sealed {
    Buffer payload;
    crypto::Digest commitment;  ///< Folded.
  };
  /// `subject_ids` are those of the draft's compartments, 0 for none, envelope first.
  /// Errors: invalid_argument (too large, too many), failed_precondition (a subject was forgotten).
  Result<Sealed> seal(const EventDraft& draft, std::span<const u128> subject_ids);
  /// Errors: data_loss if what is there does not open or does not match its commitment.
  Result<OpenedEvent> open(const ledger::Header& header, Bytes payload);

 private:
  PayloadSealer(u128 cell, io::Entropy& entropy, const storage::KeyStore& keys,
                storage::KeyTable& table, crypto::HmacKey commit_key,
                storage::KeyStore::Key wrapping_key);
  Result<ledger::Compartment> seal_one(u128 command_id, std::uint8_t number, u128 subject,
                                       std::uint8_t retention, Bytes content);
  Result<OpenedCompartment> open_one(u128 cell, u128 command_id, std::uint8_t number,
                                     const ledger::Compartment& compartment);
  void random(MutableBytes out);

  u128 cell_;
  io::Entropy* entropy_;
  const storage::KeyStore* keys_;
  storage::KeyTable* table_;
  crypto::HmacKey commit_key_;
  storage::KeyStore::Key wrapping_key_;
  Buffer pool_;  // random bytes not used yet
};

}  // namespace meridian::door
