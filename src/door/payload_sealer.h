// Seals an event's compartments and opens them again (docs/formats/payload.md).
//
// Owned by the door's executor, like the key table it uses. Compartments are
// sealed where they will stay, in the request. Cost: 1.5 us per compartment with a warm key: one
// commitment, one AES-256-GCM seal, and without a subject one key derivation.
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
                                      const storage::KeyStore& keys,
                                      storage::SubjectKeyring& table);

  /// Appends the sealed payload to `out` and returns its folded commitment. `subject_ids` are those
  /// of the draft's compartments, 0 for none, envelope first; `signature` is what signed_parts()
  /// gives of what the client sent. After an error `out` may hold a part.
  /// Errors: invalid_argument (too large, too many), failed_precondition (a subject was forgotten),
  /// unavailable (its key cannot be made now).
  Result<crypto::Digest> seal(const EventDraft& draft, std::span<const u128> subject_ids,
                              Buffer& out, Buffer signature = {});
  /// Cleanses the key used last, which may be that of a subject to be forgotten.
  void drop_key();
  /// Errors: data_loss if what is there does not open or does not match its commitment;
  /// unavailable if a key is not here yet.
  /// `about`: a person, and what is of others is withheld; 0: all.
  Result<OpenedEvent> open(const ledger::Header& header, Bytes payload, u128 about = 0);

 private:
  PayloadSealer(u128 cell, io::Entropy& entropy, const storage::KeyStore& keys,
                storage::SubjectKeyring& table, const crypto::HmacKey& commit_key,
                const storage::KeyStore::Key& payload_key);
  struct Place {
    u128 command_id;
    std::uint8_t number;
    u128 subject;
    std::uint8_t retention;
  };
  template <typename Write>
  Result<crypto::Digest> seal_one(const Place& place, std::size_t content_size, Write write,
                                  ledger::PayloadBuilder& builder);
  Result<crypto::Digest> choose_key(const Place& place, ledger::Compartment& fields);
  Result<crypto::Digest> commitment_salt(const Place& place);
  Result<OpenedCompartment> open_one(u128 cell, u128 command_id, std::uint8_t number,
                                     const ledger::Compartment& compartment);
  void random(MutableBytes out);

  u128 cell_;
  io::Entropy* entropy_;
  const storage::KeyStore* keys_;
  storage::SubjectKeyring* table_;
  crypto::HmacKey commit_key_;
  std::uint32_t payload_key_version_;
  crypto::HmacKey payload_key_;
  crypto::AeadKey seal_key_;  // of the compartment being sealed
  Buffer pool_;               // random bytes not used yet
};

}  // namespace meridian::door
