// store = magic(8) version(2) log2_n(1) r(1) p(1) zero(3) salt(32) nonce(12) sealed_size(4)
//         sealed(sealed_size) check(32)
// sealed = AES-256-GCM(scrypt(passphrase, salt), nonce, keys, aad = all before it)
// keys  = count(4) zero(4) { name_size(1) name kind(1) version(4) created(8) secret_size(2) secret
// } (docs/formats/keys.md)
#include "storage/key_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "base/assert.h"
#include "crypto/aead.h"
#include "crypto/sha256.h"

namespace meridian::storage {
namespace {

constexpr std::string_view folder = "keys";
constexpr std::string_view store_path = "keys/store";
constexpr std::string_view leftover_path = "keys/store.new";  // of io::replace_file
constexpr std::string_view magic = "MRDNKEYS";
constexpr std::uint16_t format_version = 1;
constexpr std::size_t salt_size = 32;
constexpr std::size_t prefix_size = 8 + 2 + 3 + 3 + salt_size + 12 + 4;
constexpr std::size_t check_size = sizeof(crypto::Digest);
constexpr std::size_t secret_size = 32;
constexpr std::size_t name_size_max = 32;
constexpr std::size_t key_size_max = 1 + name_size_max + 1 + 4 + 8 + 2 + secret_size;
constexpr std::size_t file_size_max =
    prefix_size + 8 + KeyStore::keys_max * key_size_max + crypto::aead_tag_size + check_size;

enum class Kind : std::uint8_t { symmetric = 1, ed25519_seed = 2 };

struct NameVersion {
  std::string name;
  KeyVersion version;
  auto operator<=>(const NameVersion&) const = default;
};
struct StoredKey {
  Kind kind;
  std::uint64_t created_ns;
  crypto::Secret secret;
};
using Keys = std::map<NameVersion, StoredKey>;  // its order is the order in the file

bool is_name(std::string_view name) {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= name_size_max && std::ranges::all_of(name, allowed);
}

Kind kind_of(std::string_view name) {
  return name == "log" || name == "cosign" ? Kind::ed25519_seed : Kind::symmetric;
}

crypto::Secret fresh_secret(io::Entropy& entropy) {
  std::array<Byte, secret_size> bytes;
  entropy.fill(bytes);
  crypto::Secret secret{Bytes(bytes)};
  crypto::cleanse(bytes);
  return secret;
}

/// The newest version of `name`, or end().
Keys::const_iterator find_newest(const Keys& keys, std::string_view name) {
  auto after = keys.upper_bound(NameVersion{std::string(name), KeyVersion{UINT32_MAX}});
  if (after == keys.begin()) return keys.end();
  auto found = std::prev(after);
  return found->first.name == name ? found : keys.end();
}

/// Holds secrets: reserved whole, so that no copy is left behind by growth, and cleansed by the
/// caller.
Buffer encode_keys(const Keys& keys) {
  Buffer plain;
  plain.reserve(8 + keys.size() * key_size_max + crypto::aead_tag_size);
  ByteWriter writer(plain);
  writer.u32(static_cast<std::uint32_t>(keys.size()));
  writer.zeros(4);
  for (const auto& [id, key] : keys) {
    writer.u8(static_cast<std::uint8_t>(id.name.size()));
    writer.bytes(as_bytes(id.name));
    writer.u8(static_cast<std::uint8_t>(key.kind));
    writer.u32(static_cast<std::uint32_t>(id.version));
    writer.u64(key.created_ns);
    writer.u16(static_cast<std::uint16_t>(key.secret.bytes().size()));
    writer.bytes(key.secret.bytes());
  }
  return plain;
}

/// Empty if `plain` is not the one encoding of a list of keys.
std::optional<Keys> decode_keys(Bytes plain) {
  ByteReader reader(plain);
  std::uint32_t count = reader.u32();
  if (reader.u32() != 0 || count > KeyStore::keys_max) return std::nullopt;
  Keys keys;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string name(as_text(reader.take(reader.u8())));
    auto kind = Kind{reader.u8()};
    KeyVersion version{reader.u32()};
    std::uint64_t created_ns = reader.u64();
    std::uint16_t size = reader.u16();
    Bytes secret = reader.take(size);
    if (!reader.ok() || !is_name(name) || kind != kind_of(name) || version == KeyVersion{0} ||
        size != secret_size)
      return std::nullopt;
    NameVersion id{std::move(name), version};
    if (!keys.empty() && id <= keys.rbegin()->first) return std::nullopt;
    keys.emplace_hint(keys.end(), std::move(id),
                      StoredKey{kind, created_ns, crypto::Secret(secret)});
  }
  if (!reader.done()) return std::nullopt;
  return keys;
}

/// How the store is sealed: kept while it is open, so that a change needs no scrypt.
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
  writer.bytes(as_bytes(magic));
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
  if (as_text(reader.take(magic.size())) != magic) return damaged("it does not begin as one");
  // The check tells damage from a wrong passphrase; it protects nothing (the seal does).
  Bytes checked = file.first(file.size() - check_size);
  if (!equal(crypto::sha256(checked), file.last(check_size)))
    return damaged("its check does not match");
  std::uint16_t version = reader.u16();
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
  std::optional<Keys> keys = decode_keys(plain);
  crypto::cleanse(plain);
  if (!keys) return damaged("its list of keys is malformed");
  return Opened{std::move(lock), *std::move(keys)};
}

/// Overwrites what `file` held, durably. Hygiene: the file system may keep older blocks.
Status overwrite(io::File& file) {
  std::uint64_t size = TRY(file.size());
  Buffer zeros(std::min<std::uint64_t>(size, file_size_max));
  TRY(file.write_at(0, zeros));
  return file.sync();
}

/// A crash while the store was rewritten may have left a file that holds keys since destroyed.
Status remove_leftover(io::Disk& disk) {
  if (!TRY(disk.exists(leftover_path))) return {};
  std::unique_ptr<io::File> file = TRY(disk.open(leftover_path, io::OpenMode::read_write));
  TRY(overwrite(*file));
  TRY(disk.remove(leftover_path));
  return disk.sync_directory(folder);
}

class SealedKeyStore final : public KeyStore {
 public:
  SealedKeyStore(Io io, Opened opened)
      : io_(io), lock_(std::move(opened.lock)), keys_(std::move(opened.keys)) {}

  Result<Key> newest(std::string_view name) const override {
    std::shared_lock guard(mutex_);
    auto found = find_newest(keys_, name);
    if (found == keys_.end())
      return fail(Code::not_found, fmt::format("the key store holds no key named {:?}", name));
    return Key{found->first.version, found->second.secret.bytes()};
  }

  Result<Key> get(std::string_view name, KeyVersion version) const override {
    std::shared_lock guard(mutex_);
    auto found = keys_.find(NameVersion{std::string(name), version});
    if (found == keys_.end()) return missing(name, version);
    return Key{version, found->second.secret.bytes()};
  }

  Result<Wrapper> newest_wrapper(std::string_view name) const override {
    const Key key = TRY(newest(name));
    return Wrapper{key.version, crypto::make_key_wrapper(key.secret)};
  }
  Result<std::shared_ptr<const crypto::KeyWrapper>> wrapper(std::string_view name,
                                                            KeyVersion version) const override {
    return crypto::make_key_wrapper(TRY(get(name, version)).secret);
  }
  Result<std::unique_ptr<crypto::Ed25519Signer>> signer(std::string_view name) const override {
    return crypto::make_ed25519_signer(TRY(newest(name)).secret);
  }

  Result<KeyVersion> add(std::string_view name) override {
    crypto::Secret fresh = fresh_secret(io_.entropy);
    TRY(add_given({{name, fresh.bytes()}}));
    return find_newest(keys_, name)->first.version;
  }

  Status add_given(const std::vector<Given>& given) override {
    TRY(check_usable());
    if (keys_.size() + given.size() > keys_max)
      return fail(Code::resource_exhausted,
                  fmt::format("the key store is full: {} keys", keys_max));
    std::vector<std::pair<NameVersion, StoredKey>> fresh;
    for (const Given& one : given) {
      ASSERT(one.secret.size() == secret_size);
      // Apart: an early return from within the expression would leak its string.
      const KeyVersion version = TRY(next_version(one.name));
      fresh.emplace_back(
          NameVersion{std::string(one.name), version},
          StoredKey{kind_of(one.name), static_cast<std::uint64_t>(io_.clock.now().time),
                    crypto::Secret(one.secret)});
    }
    std::vector<Keys::iterator> added;
    for (auto& [id, key] : fresh) added.push_back(insert(id, std::move(key)));
    Status written = write();
    if (!written)
      for (Keys::iterator one : added) take_out(one);
    return written;
  }

  Status destroy(std::string_view name, KeyVersion version) override {
    TRY(check_usable());
    NameVersion id{std::string(name), version};
    auto found = keys_.find(id);
    if (found == keys_.end()) return missing(name, version);
    if (find_newest(keys_, name) == found)
      return fail(Code::failed_precondition,
                  fmt::format("version {} of key {} is its newest: add the next one first",
                              static_cast<std::uint32_t>(version), name));
    Result<std::unique_ptr<io::File>> old = io_.disk.open(store_path, io::OpenMode::read_write);
    if (!old) return std::move(old).error();
    Keys::node_type taken = take_out(found);
    Status written = write();
    if (!written) {
      std::unique_lock guard(mutex_);
      keys_.insert(std::move(taken));
      return written;
    }
    Status overwritten = overwrite(**old);
    if (!overwritten) {
      broken_ = true;
      return with_context(std::move(overwritten).error(),
                          "the key is destroyed, but the old key store could not be overwritten");
    }
    return {};
  }

  std::vector<Listing> list() const override {
    std::shared_lock guard(mutex_);
    std::vector<Listing> listing;
    listing.reserve(keys_.size());
    for (const auto& [id, key] : keys_) listing.push_back({id.name, id.version, key.created_ns});
    return listing;
  }

 private:
  static Error missing(std::string_view name, KeyVersion version) {
    return fail(Code::not_found, fmt::format("the key store holds no version {} of key {}",
                                             static_cast<std::uint32_t>(version), name));
  }

  Result<KeyVersion> next_version(std::string_view name) const {
    if (!is_name(name))
      return fail(
          Code::invalid_argument,
          fmt::format("a key name is 1 to {} of a-z 0-9 - _; {:?} is not", name_size_max, name));
    const auto last = find_newest(keys_, name);
    const std::uint32_t number =
        last == keys_.end() ? 0 : static_cast<std::uint32_t>(last->first.version);
    if (number == UINT32_MAX)
      return fail(Code::resource_exhausted, fmt::format("key {} has used all versions", name));
    return KeyVersion{number + 1};
  }

  Status check_usable() const {
    if (broken_)
      return fail(Code::failed_precondition,
                  "the key store could not be written before: restart, to read what is on disk");
    return {};
  }

  Keys::iterator insert(const NameVersion& id, StoredKey key) {
    std::unique_lock guard(mutex_);
    return keys_.emplace(id, std::move(key)).first;
  }
  Keys::node_type take_out(Keys::const_iterator at) {
    std::unique_lock guard(mutex_);
    return keys_.extract(at);
  }

  /// After an error nobody knows which store survives a crash, unless the disk was full before
  /// the new one had its name.
  Status write() {
    Buffer file = encode_store(lock_, keys_, io_.entropy);
    Status written = io::replace_file(io_.disk, store_path, file);
    if (written) return written;
    broken_ = true;
    if (written.error().code == Code::resource_exhausted) {
      Result<Buffer> there = io::read_file(io_.disk, store_path, file_size_max);
      broken_ = !there || *there == file;
    }
    return written;
  }

  Io io_;
  Lock lock_;
  mutable std::shared_mutex mutex_;  // guards keys_ against its one writer
  Keys keys_;
  bool broken_ = false;
};

}  // namespace

Result<std::unique_ptr<KeyStore>> KeyStore::create(Io io, Bytes passphrase,
                                                   crypto::ScryptCost cost) {
  if (passphrase.empty())
    return fail(Code::invalid_argument, "the passphrase of a key store must not be empty");
  TRY(io.disk.make_directory(folder));
  TRY(io.disk.sync_directory(""));
  if (TRY(io.disk.exists(store_path)))
    return fail(Code::already_exists, fmt::format("{} is there: open it, or use another directory",
                                                  io.disk.display(store_path)));
  Opened made;
  made.lock.cost = cost;
  io.entropy.fill(made.lock.salt);
  made.lock.key = TRY(crypto::scrypt(passphrase, made.lock.salt, cost));
  auto created_ns = static_cast<std::uint64_t>(io.clock.now().time);
  for (std::string_view name : {"storage", "payload", "commit", "index", "log", "cosign", "epoch"})
    made.keys.emplace(NameVersion{std::string(name), KeyVersion{1}},
                      StoredKey{kind_of(name), created_ns, fresh_secret(io.entropy)});
  TRY(io::replace_file(io.disk, store_path, encode_store(made.lock, made.keys, io.entropy)));
  return std::make_unique<SealedKeyStore>(io, std::move(made));
}

Result<std::unique_ptr<KeyStore>> KeyStore::open(Io io, Bytes passphrase) {
  Buffer file = TRY(io::read_file(io.disk, store_path, file_size_max));
  Result<Opened> opened = decode_store(file, passphrase);
  if (!opened) return with_context(std::move(opened).error(), io.disk.display(store_path));
  TRY(remove_leftover(io.disk));
  return std::make_unique<SealedKeyStore>(io, *std::move(opened));
}

}  // namespace meridian::storage
