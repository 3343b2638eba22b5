// The node's root secrets, in one file sealed under a passphrase (docs/formats/keys.md).
//
// A resource; any thread may call, changes take turns.
// Every change rewrites the file whole before it returns: new file, sync, rename. A key is seen
// only once that is durable: nothing is ever under a key that a crash takes back. If it fails half
// way (an error other than a full disk), every later change is refused: stop the process; what is
// on disk is the old or the new store. Keys in a PKCS#11 token
// stand behind the same calls (token_key_store.h).
// Cost: a look-up 50 ns; opening is one scrypt (0.4 s), a change two syncs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/ed25519.h"
#include "crypto/kdf.h"
#include "crypto/key_wrapper.h"
#include "crypto/p256.h"
#include "crypto/secret.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"

namespace meridian::storage {

enum class KeyVersion : std::uint32_t {};
enum class KeyKind : std::uint8_t {
  symmetric,  ///< 32 bytes: AES-256, HMAC or X25519, as its name has it.
  ed25519,
  p256,
};

class KeyStore {
 public:
  enum class Opening : std::uint8_t {
    to_use,   ///< Also destroys what a crash kept from being destroyed.
    to_look,  ///< Changes nothing: another process may have it open.
  };
  static constexpr std::size_t keys_max = 65'536;

  struct Io {
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
  };
  /// Makes `keys/store` with fresh keys storage, payload, commit, index, log, cosign and epoch 1.
  /// Errors: already_exists if it is there.
  /// Errors: invalid_argument if the passphrase is empty or scrypt refuses the cost.
  static Result<std::unique_ptr<KeyStore>> create(Io io, Bytes passphrase,
                                                  crypto::ScryptCost cost = {17, 8, 1});
  /// Errors: not_found; permission_denied if the passphrase is wrong; data_loss if it is damaged.
  static Result<std::unique_ptr<KeyStore>> open(Io io, Bytes passphrase,
                                                Opening opening = Opening::to_use);
  virtual ~KeyStore() = default;

  struct Key {
    KeyVersion version;
    Bytes secret;  ///< Valid while the store lives and the key is not destroyed.
  };
  /// The newest version of `name`. Errors: not_found; failed_precondition if it never leaves a
  /// token.
  virtual Result<Key> newest(std::string_view name) const = 0;
  virtual Result<Key> get(std::string_view name, KeyVersion version) const = 0;

  // Keys that need not be seen to be used: `storage` and `epoch` wrap, `log` and `cosign` sign.

  struct Wrapper {
    KeyVersion version;
    std::shared_ptr<const crypto::KeyWrapper> key;  ///< Holds the key: to be let go of.
  };
  /// What wraps keys under the newest version of `name`. Errors: not_found.
  virtual Result<Wrapper> newest_wrapper(std::string_view name) const = 0;
  /// Whether somebody still holds a key that newest_wrapper() gave for that version. Once it is not
  /// the newest any more, false stays false.
  virtual bool is_held(std::string_view name, KeyVersion version) const = 0;
  virtual Result<std::shared_ptr<const crypto::KeyWrapper>> wrapper(std::string_view name,
                                                                    KeyVersion version) const = 0;
  /// What signs with the newest version of `name`. Errors: not_found.
  virtual Result<std::unique_ptr<crypto::Ed25519Signer>> signer(std::string_view name) const = 0;
  /// The newest version of `name`, a key on P-256: only stores with a token have such (`ca`).
  virtual Result<crypto::P256PrivateKey> p256(std::string_view name) const = 0;
  virtual Result<crypto::P256PrivateKey> p256(std::string_view name, KeyVersion version) const = 0;

  /// Adds a next version of `name` with a fresh secret; durable when it returns. Versions start at
  /// 1 and are never used again. Errors: invalid_argument unless `name` is 1 to 32 of a-z 0-9 - _;
  /// resource_exhausted at keys_max or with a full disk (then nothing was added).
  virtual Result<KeyVersion> add(std::string_view name) = 0;
  struct Given {
    std::string_view name;
    Bytes secret;  ///< 32 bytes (asserted).
  };
  /// Adds a next version of each name with the secret given, all of them or none; otherwise as
  /// add().
  virtual Status add_given(const std::vector<Given>& keys) = 0;
  /// Adds a next version of `name`, which wraps, with the secret given (32 bytes, asserted): into
  /// the token if there is one, from where it does not come out again. `check`, which tells it from
  /// others and gives nothing away, is listed with it then. Otherwise as add().
  virtual Status give_wrapper(std::string_view name, Bytes secret, u128 check) = 0;
  /// Destroys one version: the store is rewritten without it, and the file that held it is
  /// overwritten. Durable when it returns. Errors: not_found; failed_precondition for the newest
  /// version of a name (add the next one first).
  virtual Status destroy(std::string_view name, KeyVersion version) = 0;
  /// The same of a name with all its versions, for one whose versions nothing else names: they
  /// would begin at 1 again. Errors: not_found.
  virtual Status destroy_name(std::string_view name) = 0;

  /// Of a store with a token: takes up what another process wrote, for who takes turns with others
  /// at one directory. Secrets given out before are not valid any more. Errors: unimplemented of
  /// one without; those of opening it.
  virtual Status refresh() = 0;

  struct Listing {
    std::string name;
    KeyVersion version;
    std::uint64_t created_ns;
    KeyKind kind = KeyKind::symmetric;
    bool is_in_token = false;  ///< Its secret is nowhere else.
    u128 check{};              ///< Of one that give_wrapper() brought into a token.
  };
  virtual std::vector<Listing> list() const = 0;
  /// The token that holds those which are in one; empty if there is none.
  virtual std::string token_display() const { return {}; }
};

}  // namespace meridian::storage
