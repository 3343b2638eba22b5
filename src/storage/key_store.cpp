// store = magic(8) version(2) log2_n(1) r(1) p(1) zero(3) salt(32) nonce(12) sealed_size(4)
//         sealed(sealed_size) check(32)
// sealed = AES-256-GCM(scrypt(passphrase, salt), nonce, keys, aad = all before it)
// keys  = count(4) zero(4) { name_size(1) name kind(1) version(4) created(8) secret_size(2) secret
// } (docs/formats/keys.md)
#include "storage/key_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "crypto/aead.h"
#include "crypto/sha256.h"
#include "storage/internal/sealed_key_store.h"

namespace meridian::storage {
namespace {

constexpr std::uint16_t format_version = 1;
constexpr std::uint16_t token_format_version = 2;  // token_key_store.h
constexpr std::size_t salt_size = 32;
constexpr std::size_t prefix_size = 8 + 2 + 3 + 3 + salt_size + 12 + 4;
constexpr std::size_t check_size = sizeof(crypto::Digest);

/// Kept while the store is open, so that a change needs no scrypt.
struct Lock {
  crypto::ScryptCost cost;
  std::array<Byte, salt_size> salt;
  crypto::Secret key;
};

Buffer encode_store(const Lock& lock, const Keys& keys, io::Entropy& entropy) {
  Buffer plain = encode_keys(keys);
  crypto::Nonce nonce;
  entropy.fill(nonce);
  Buffer file;
  ByteWriter writer(file);
  writer.bytes(as_bytes(key_store_magic));
  writer.u16(format_version);
  writer.u8(lock.cost.log2_n);
  writer.u8(lock.cost.r);
  writer.u8(lock.cost.p);
  writer.zeros(3);
  writer.bytes(lock.salt);
  writer.bytes(nonce);
  writer.u32(static_cast<std::uint32_t>(plain.size() + crypto::aead_tag_size));
  ASSERT(writer.size() == prefix_size);
  writer.zeros(plain.size() + crypto::aead_tag_size);
  crypto::AeadKey(lock.key.bytes())
      .seal(nonce, Bytes(file).first(prefix_size), plain, MutableBytes(file).subspan(prefix_size));
  crypto::cleanse(plain);
  crypto::Digest check = crypto::sha256(file);
  writer.bytes(check);
  return file;
}

struct Opened {
  Lock lock;
  Keys keys;
};

Result<Opened> decode_store(Bytes file, Bytes passphrase) {
  auto damaged = [](std::string_view what) {
    return fail(Code::data_loss, fmt::format("the key store is damaged ({}): bring keys/store back "
                                             "from a backup",
                                             what));
  };
  if (file.size() < prefix_size + crypto::aead_tag_size + check_size) return damaged("it is cut");
  ByteReader reader(file);
  if (as_text(reader.take(key_store_magic.size())) != key_store_magic)
    return damaged("it does not begin as one");
  // The check tells damage from a wrong passphrase; it protects nothing (the seal does).
  Bytes checked = file.first(file.size() - check_size);
  if (!equal(crypto::sha256(checked), file.last(check_size)))
    return damaged("its check does not match");
  std::uint16_t version = reader.u16();
  if (version == token_format_version)
    return fail(Code::failed_precondition,
                "the keys are in a token, and the key store is sealed by it: give --key-store "
                "pkcs11:..., and the PIN in the place of the passphrase");
  if (version != format_version)
    return fail(Code::unimplemented,
                fmt::format("the key store has format version {}; this program reads {}: use a "
                            "newer one",
                            version, format_version));
  Lock lock;
  lock.cost.log2_n = reader.u8();
  lock.cost.r = reader.u8();
  lock.cost.p = reader.u8();
  Bytes zeros = reader.take(3);
  lock.salt = reader.array<salt_size>();
  crypto::Nonce nonce = reader.array<std::tuple_size_v<crypto::Nonce>>();
  std::uint32_t sealed_size = reader.u32();
  if (!std::ranges::all_of(zeros, [](Byte byte) { return byte == 0; }))
    return damaged("reserved bytes are not 0");
  if (sealed_size < crypto::aead_tag_size || sealed_size != checked.size() - prefix_size)
    return damaged("sizes do not match");
  Bytes sealed = reader.take(sealed_size);

  lock.key = TRY(crypto::scrypt(passphrase, lock.salt, lock.cost));
  Buffer plain(sealed_size - crypto::aead_tag_size);
  if (!crypto::AeadKey(lock.key.bytes()).open(nonce, file.first(prefix_size), sealed, plain))
    return fail(Code::permission_denied,
                "the passphrase does not open the key store: give the one it was made with");
  std::optional<Keys> keys = decode_keys(plain, false);
  crypto::cleanse(plain);
  if (!keys) return damaged("its list of keys is malformed");
  return Opened{std::move(lock), *std::move(keys)};
}

class PassphraseLock final : public StoreLock {
 public:
  explicit PassphraseLock(Lock lock) : lock_(std::move(lock)) {}
  Result<Buffer> seal(const Keys& keys, io::Entropy& entropy) override {
    return encode_store(lock_, keys, entropy);
  }

 private:
  Lock lock_;
};

std::unique_ptr<KeyStore> make_store(KeyStore::Io io, Opened opened) {
  return std::make_unique<SealedKeyStore>(io,
                                          std::make_unique<PassphraseLock>(std::move(opened.lock)),
                                          std::move(opened.keys), TokenKeys{});
}

}  // namespace

Result<std::unique_ptr<KeyStore>> KeyStore::create(Io io, Bytes passphrase,
                                                   crypto::ScryptCost cost) {
  if (passphrase.empty())
    return fail(Code::invalid_argument, "the passphrase of a key store must not be empty");
  TRY(make_store_folder(io.disk));
  Opened made;
  made.lock.cost = cost;
  io.entropy.fill(made.lock.salt);
  made.lock.key = TRY(crypto::scrypt(passphrase, made.lock.salt, cost));
  auto created_ns = static_cast<std::uint64_t>(io.clock.now().time);
  for (std::string_view name : {"storage", "payload", "commit", "index", "log", "cosign", "epoch"})
    made.keys.emplace(NameVersion{std::string(name), KeyVersion{1}},
                      StoredKey{kind_of(name), created_ns, fresh_secret(io.entropy)});
  TRY(io::replace_file(io.disk, key_store_path, encode_store(made.lock, made.keys, io.entropy)));
  return make_store(io, std::move(made));
}

Result<std::unique_ptr<KeyStore>> KeyStore::open(Io io, Bytes passphrase, Opening opening) {
  Buffer file = TRY(io::read_file(io.disk, key_store_path, key_store_file_size_max));
  Result<Opened> opened = decode_store(file, passphrase);
  if (!opened) return with_context(std::move(opened).error(), io.disk.display(key_store_path));
  if (opening == Opening::to_use) TRY(remove_store_leftover(io.disk));
  return make_store(io, *std::move(opened));
}

}  // namespace meridian::storage
