// store = magic(8) version(2)=2 zero(2) lock_version(4) store(16) wrapped_key(40) nonce(12)
//         sealed_size(4) sealed(sealed_size) check(32)
// sealed = AES-256-GCM(key, nonce, keys, aad = all before it); the key is a fresh one for each
// file, wrapped under the key "meridian/<store>/lock/<lock_version>" of the token
// (docs/formats/keys.md)
//
// Destroying a key:
//   lock n+1 made inside ─▶ the file without the key, under n+1 ─▶ old file overwritten ─▶ lock n,
//   and the key if it is inside, destroyed. A stop in between: open() destroys what the file on
//   disk does not name any more.
#include "storage/token_key_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "crypto/aead.h"
#include "crypto/sha256.h"
#include "storage/internal/sealed_key_store.h"

namespace meridian::storage {
namespace {

constexpr std::uint16_t format_version = 2;
constexpr std::uint16_t passphrase_format_version = 1;
constexpr std::string_view lock_name = "lock";
constexpr std::size_t store_id_size = 16;
constexpr std::size_t prefix_size =
    8 + 2 + 2 + 4 + store_id_size + sizeof(crypto::WrappedKey) + 12 + 4;
constexpr std::size_t check_size = sizeof(crypto::Digest);

struct Lock {
  KeyVersion version{};
  std::shared_ptr<const crypto::KeyWrapper> wrapper;
};

struct Opened {
  TokenKeys inside;
  Lock lock;
  Keys keys;
};
Result<Opened> decode_store(Bytes file, std::shared_ptr<token::Token> token);

class TokenLock final : public StoreLock {
 public:
  TokenLock(TokenKeys inside, Lock lock) : inside_(std::move(inside)), lock_(std::move(lock)) {}

  Result<Buffer> seal(const Keys& keys, io::Entropy& entropy) override {
    const crypto::Secret key = fresh_secret(entropy);
    const crypto::WrappedKey wrapped = TRY(lock_.wrapper->wrap(key.bytes()));
    Buffer plain = encode_keys(keys);
    crypto::Nonce nonce;
    entropy.fill(nonce);
    Buffer file;
    file.reserve(prefix_size + plain.size() + crypto::aead_tag_size + check_size);
    ByteWriter writer(file);
    writer.bytes(as_bytes(key_store_magic));
    writer.u16(format_version);
    writer.zeros(2);
    writer.u32(static_cast<std::uint32_t>(lock_.version));
    writer.bytes(inside_.store);
    writer.bytes(wrapped);
    writer.bytes(nonce);
    writer.u32(static_cast<std::uint32_t>(plain.size() + crypto::aead_tag_size));
    ASSERT(writer.size() == prefix_size);
    writer.zeros(plain.size() + crypto::aead_tag_size);
    crypto::AeadKey(key.bytes())
        .seal(nonce, Bytes(file).first(prefix_size), plain,
              MutableBytes(file).subspan(prefix_size));
    crypto::cleanse(plain);
    const crypto::Digest check = crypto::sha256(file);
    writer.bytes(check);
    return file;
  }

  Status renew() override {
    const KeyVersion next{static_cast<std::uint32_t>(lock_.version) + 1};
    Lock fresh{TRY(inside_.make(lock_name, next, StoredKind::token_symmetric)), {}};
    fresh.wrapper = TRY(inside_.token->wrapper(inside_.label(lock_name, fresh.version)));
    old_ = std::exchange(lock_, std::move(fresh));
    return {};
  }
  void undo_renew() override { lock_ = *std::exchange(old_, std::nullopt); }
  Result<Keys> reopen(Bytes file) override {
    Opened opened = TRY(decode_store(file, inside_.token));
    lock_ = std::move(opened.lock);
    return std::move(opened.keys);
  }
  Status drop_old() override {
    const Lock old = *std::exchange(old_, std::nullopt);
    return inside_.token->destroy(inside_.label(lock_name, old.version));
  }

 private:
  TokenKeys inside_;
  Lock lock_;
  std::optional<Lock> old_;
};

Error damaged(std::string_view what) {
  return fail(Code::data_loss, fmt::format("the key store is damaged ({}): bring keys/store back "
                                           "from a backup",
                                           what));
}

Result<Opened> decode_store(Bytes file, std::shared_ptr<token::Token> token) {
  ByteReader reader(file);
  if (as_text(reader.take(key_store_magic.size())) != key_store_magic)
    return damaged("it does not begin as one");
  const std::uint16_t version = reader.u16();
  if (version == passphrase_format_version)
    return fail(Code::failed_precondition,
                "the key store is opened by a passphrase, not by a token: leave --key-store away");
  if (version != format_version)
    return fail(Code::unimplemented,
                fmt::format("the key store has format version {}; this program reads {} here: use "
                            "a newer one",
                            version, format_version));
  if (file.size() < prefix_size + crypto::aead_tag_size + check_size) return damaged("it is cut");
  const Bytes checked = file.first(file.size() - check_size);
  if (!equal(crypto::sha256(checked), file.last(check_size)))
    return damaged("its check does not match");
  if (reader.u16() != 0) return damaged("reserved bytes are not 0");
  Opened opened;
  opened.inside.token = std::move(token);
  opened.lock.version = KeyVersion{reader.u32()};
  opened.inside.store = reader.array<store_id_size>();
  const auto wrapped = reader.array<std::tuple_size_v<crypto::WrappedKey>>();
  const crypto::Nonce nonce = reader.array<std::tuple_size_v<crypto::Nonce>>();
  const std::uint32_t sealed_size = reader.u32();
  if (sealed_size < crypto::aead_tag_size || sealed_size != checked.size() - prefix_size)
    return damaged("sizes do not match");
  opened.lock.wrapper =
      TRY(opened.inside.token->wrapper(opened.inside.label(lock_name, opened.lock.version)));
  const crypto::Secret key = TRY(opened.lock.wrapper->unwrap(wrapped));
  Buffer plain(sealed_size - crypto::aead_tag_size);
  if (!crypto::AeadKey(key.bytes())
           .open(nonce, file.first(prefix_size), reader.take(sealed_size), plain))
    return damaged("it does not open under the token's key");
  std::optional<Keys> keys = decode_keys(plain, true);
  crypto::cleanse(plain);
  if (!keys) return damaged("its list of keys is malformed");
  opened.keys = *std::move(keys);
  return opened;
}

/// "<prefix>name/7": empty if it is no such label.
std::optional<NameVersion> parse_label(std::string_view label, std::string_view prefix) {
  label.remove_prefix(prefix.size());
  const std::size_t slash = label.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view digits = label.substr(slash + 1);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return NameVersion{std::string(label.substr(0, slash)), KeyVersion{number}};
}

/// Keys that a crash kept from being destroyed: older than one that the store names, and not named
/// by it. Newer ones stay: this could be an old copy of the store.
Status destroy_leftovers(const Opened& opened) {
  const std::string prefix = opened.inside.prefix();
  for (const std::string& label : TRY(opened.inside.token->labels(prefix))) {
    const std::optional<NameVersion> id = parse_label(label, prefix);
    if (!id) continue;
    const auto newest = find_newest(opened.keys, id->name);
    const bool is_old = id->name == lock_name
                            ? id->version < opened.lock.version
                            : newest != opened.keys.end() && id->version < newest->first.version &&
                                  !opened.keys.contains(*id);
    if (is_old) TRY(opened.inside.token->destroy(label));
  }
  return {};
}

std::unique_ptr<KeyStore> make_store(KeyStore::Io io, Opened opened) {
  auto lock = std::make_unique<TokenLock>(opened.inside, std::move(opened.lock));
  return std::make_unique<SealedKeyStore>(io, std::move(lock), std::move(opened.keys),
                                          std::move(opened.inside));
}

}  // namespace

Result<std::unique_ptr<KeyStore>> create_token_key_store(KeyStore::Io io,
                                                         std::shared_ptr<token::Token> token) {
  TRY(make_store_folder(io.disk));
  Opened made;
  made.inside.token = std::move(token);
  io.entropy.fill(made.inside.store);
  constexpr KeyVersion first{1};
  made.lock.version = TRY(made.inside.make(lock_name, first, StoredKind::token_symmetric));
  made.lock.wrapper =
      TRY(made.inside.token->wrapper(made.inside.label(lock_name, made.lock.version)));
  const auto created_ns = static_cast<std::uint64_t>(io.clock.now().time);
  for (std::string_view name :
       {"storage", "payload", "commit", "index", "log", "cosign", "epoch"}) {
    const std::optional<StoredKind> inside = token_kind_of(name);
    KeyVersion version = first;
    if (inside) version = TRY(made.inside.make(name, first, *inside));
    made.keys.emplace(NameVersion{std::string(name), version},
                      StoredKey{inside.value_or(kind_of(name)), created_ns,
                                inside ? crypto::Secret() : fresh_secret(io.entropy)});
  }
  TokenLock lock(made.inside, made.lock);
  const Buffer file = TRY(lock.seal(made.keys, io.entropy));
  TRY(io::replace_file(io.disk, key_store_path, file));
  return make_store(io, std::move(made));
}

Result<std::unique_ptr<KeyStore>> open_token_key_store(KeyStore::Io io,
                                                       std::shared_ptr<token::Token> token,
                                                       KeyStore::Opening opening) {
  const Buffer file = TRY(io::read_file(io.disk, key_store_path, key_store_file_size_max));
  Result<Opened> opened = decode_store(file, std::move(token));
  if (!opened) return with_context(std::move(opened).error(), io.disk.display(key_store_path));
  if (opening == KeyStore::Opening::to_use) {
    TRY(remove_store_leftover(io.disk));
    TRY(destroy_leftovers(*opened));
  }
  return make_store(io, *std::move(opened));
}

}  // namespace meridian::storage
