// A key store over one sealed file, however that is sealed, and a token that may hold some of its
// keys (docs/formats/keys.md).
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "storage/internal/key_list.h"
#include "storage/key_store.h"
#include "token/token.h"

namespace meridian::storage {

inline constexpr std::string_view key_store_folder = "keys";
inline constexpr std::string_view key_store_path = "keys/store";
inline constexpr std::string_view key_store_magic = "MRDNKEYS";
inline constexpr std::size_t key_store_file_size_max = 256 + sealed_keys_size_max;

/// How the file is sealed: kept while the store is open.
class StoreLock {
 public:
  virtual ~StoreLock() = default;
  /// The whole file.
  virtual Result<Buffer> seal(const Keys& keys, io::Entropy& entropy) = 0;
  /// From here on seal() is such that nothing opens an earlier file once drop_old() is done.
  virtual Status renew() { return {}; }
  /// What was sealed since renew() is not there: back to before.
  virtual void undo_renew() {}
  /// What was sealed since renew() is durable.
  virtual Status drop_old() { return {}; }
  /// What is in a file that another process wrote, and sealed as that from now on.
  virtual Result<Keys> reopen(Bytes) {
    return fail(Code::unimplemented, "a key store with a passphrase is opened once");
  }
};

/// The part of a token that is one store's: keys go by "meridian/<store>/<name>/<version>".
struct TokenKeys {
  std::shared_ptr<token::Token> token;
  std::array<Byte, 16> store{};

  template <typename Make>
  Result<KeyVersion> make_free(std::string_view name, KeyVersion version, const Make& make) const;
  std::string prefix() const;
  std::string label(std::string_view name, KeyVersion version) const;
  /// Makes `name` with `version`, or the next one that is free. Errors: of the token.
  Result<KeyVersion> make(std::string_view name, KeyVersion version, StoredKind kind) const;
  /// The same with a key that wraps, which is brought in.
  Result<KeyVersion> give(std::string_view name, KeyVersion version, Bytes key) const;
};

class SealedKeyStore final : public KeyStore {
 public:
  SealedKeyStore(Io io, std::unique_ptr<StoreLock> lock, Keys keys, TokenKeys inside)
      : io_(io), lock_(std::move(lock)), inside_(std::move(inside)), keys_(std::move(keys)) {}

  Result<Key> newest(std::string_view name) const override;
  Result<Key> get(std::string_view name, KeyVersion version) const override;
  Result<Wrapper> newest_wrapper(std::string_view name) const override;
  bool is_held(std::string_view name, KeyVersion version) const override;
  Result<std::shared_ptr<const crypto::KeyWrapper>> wrapper(std::string_view name,
                                                            KeyVersion version) const override;
  Result<std::unique_ptr<crypto::Ed25519Signer>> signer(std::string_view name) const override;
  Result<crypto::P256PrivateKey> p256(std::string_view name) const override;
  Result<crypto::P256PrivateKey> p256(std::string_view name, KeyVersion version) const override;
  Status refresh() override;
  Result<KeyVersion> add(std::string_view name) override;
  Status add_given(const std::vector<Given>& given) override;
  Status give_wrapper(std::string_view name, Bytes secret, u128 check) override;
  Status destroy(std::string_view name, KeyVersion version) override;
  Status destroy_name(std::string_view name) override;
  std::vector<Listing> list() const override;
  std::string token_display() const override;

 private:
  /// What is found is the store's own: mutex_ is held until it was copied.
  struct Found {
    KeyVersion version;
    StoredKind kind;
    Bytes secret;
  };
  Result<Found> find(std::string_view name) const;
  Result<Found> find(std::string_view name, KeyVersion version) const;
  Result<Key> outside(std::string_view name, const Found& found) const;
  Result<std::shared_ptr<const crypto::KeyWrapper>> wrapper_of(std::string_view name,
                                                               const Found& found) const;
  Result<crypto::P256PrivateKey> p256_of(std::string_view name, const Found& found) const;
  Result<KeyVersion> next_version(std::string_view name) const;
  Result<KeyVersion> add_inside(std::string_view name, StoredKind kind);
  Status check_usable() const;
  Status check_room(std::size_t more) const;
  Status put(Keys fresh);
  Status take_out(const std::vector<NameVersion>& ids);
  Status write(const Keys& keys);

  Io io_;
  std::mutex changes_;  // one change at a time
  std::unique_ptr<StoreLock> lock_;
  TokenKeys inside_;                 // without a token: of a store that has none
  mutable std::shared_mutex mutex_;  // guards keys_ against whoever changes it
  Keys keys_;                        // what is durable
  bool broken_ = false;
  mutable std::mutex held_mutex_;  // guards the next
  mutable std::map<NameVersion, std::weak_ptr<const crypto::KeyWrapper>> held_;
};

/// A crash while the store was rewritten may have left a file that holds keys since destroyed.
Status remove_store_leftover(io::Disk& disk);
/// That there is a folder for it, and no store. Errors: already_exists.
Status make_store_folder(io::Disk& disk);

}  // namespace meridian::storage
