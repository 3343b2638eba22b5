// A key store whose root is in a token (an HSM): the keys `storage`, `log`, `cosign`, `ca` and the
// epochs that it makes are inside and never leave; the others, which the door needs a million times
// a second or replicas hand to each other, are in `keys/store`, sealed under a key inside.
//
// Behind the calls of KeyStore. Destroying is final: a key inside is gone with its object; when one
// of the others is destroyed, the file is sealed under a new key inside and the one before is
// destroyed, so that no copy of the file opens any more (docs/formats/keys.md).
#pragma once

#include <memory>

#include "base/result.h"
#include "storage/key_store.h"
#include "token/token.h"

namespace meridian::storage {

/// Makes `keys/store` as KeyStore::create does. Errors: already_exists; of the token.
Result<std::unique_ptr<KeyStore>> create_token_key_store(KeyStore::Io io,
                                                         std::shared_ptr<token::Token> token);
/// As KeyStore::open. Errors: not_found; failed_precondition if the
/// store is opened by a passphrase; data_loss if it is damaged; those of the token, not_found too
/// if the token is not the one that the store was made with, or the store is an old copy.
Result<std::unique_ptr<KeyStore>> open_token_key_store(
    KeyStore::Io io, std::shared_ptr<token::Token> token,
    KeyStore::Opening opening = KeyStore::Opening::to_use);

}  // namespace meridian::storage
