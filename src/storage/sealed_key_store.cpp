#include "storage/internal/sealed_key_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace meridian::storage {
namespace {

constexpr std::string_view leftover_path = "keys/store.new";  // of io::replace_file
constexpr int versions_tried_max = 1'000;

/// Overwrites what `file` held, durably. Hygiene: the file system may keep older blocks.
Status overwrite(io::File& file) {
  std::uint64_t size = TRY(file.size());
  Buffer zeros(std::min<std::uint64_t>(size, key_store_file_size_max));
  TRY(file.write_at(0, zeros));
  return file.sync();
}

Keys copy_of(const Keys& keys) {
  Keys copy;
  for (const auto& [id, key] : keys)
    copy.emplace_hint(copy.end(), id, StoredKey{key.kind, key.created_ns, key.secret.copy()});
  return copy;
}

Error missing(std::string_view name, KeyVersion version) {
  return fail(Code::not_found, fmt::format("the key store holds no version {} of key {}",
                                           static_cast<std::uint32_t>(version), name));
}

Error wrong_kind(std::string_view name, std::string_view use) {
  return fail(Code::failed_precondition, fmt::format("key {} is none that {}", name, use));
}

}  // namespace

Status remove_store_leftover(io::Disk& disk) {
  if (!TRY(disk.exists(leftover_path))) return {};
  std::unique_ptr<io::File> file = TRY(disk.open(leftover_path, io::OpenMode::read_write));
  TRY(overwrite(*file));
  TRY(disk.remove(leftover_path));
  return disk.sync_directory(key_store_folder);
}

Status make_store_folder(io::Disk& disk) {
  TRY(disk.make_directory(key_store_folder));
  TRY(disk.sync_directory(""));
  if (TRY(disk.exists(key_store_path)))
    return fail(Code::already_exists, fmt::format("{} is there: open it, or use another directory",
                                                  disk.display(key_store_path)));
  return {};
}

// --- what is in a token ---

std::string TokenKeys::prefix() const { return fmt::format("meridian/{}/", to_hex(store)); }

std::string TokenKeys::label(std::string_view name, KeyVersion version) const {
  return fmt::format("{}{}/{}", prefix(), name, static_cast<std::uint32_t>(version));
}

Result<KeyVersion> TokenKeys::make(std::string_view name, KeyVersion version,
                                   StoredKind kind) const {
  return make_free(name, version, [&](const std::string& fresh) {
    return kind == StoredKind::token_ed25519 ? token->make_ed25519(fresh)
           : kind == StoredKind::token_p256  ? token->make_p256(fresh)
                                             : token->make_wrapping_key(fresh);
  });
}

Result<KeyVersion> TokenKeys::give(std::string_view name, KeyVersion version, Bytes key) const {
  return make_free(name, version,
                   [&](const std::string& fresh) { return token->give_wrapping_key(fresh, key); });
}

template <typename Make>
Result<KeyVersion> TokenKeys::make_free(std::string_view name, KeyVersion version,
                                        const Make& make) const {
  for (int tried = 0; tried < versions_tried_max; ++tried) {
    Status made = make(label(name, version));
    if (made) return version;
    if (made.error().code != Code::already_exists) return std::move(made).error();
    // Made before, by a change that a crash kept from the store, or by a newer copy of it.
    version = KeyVersion{static_cast<std::uint32_t>(version) + 1};
  }
  return fail(Code::resource_exhausted,
              fmt::format("the token has {} versions of key {} that the key store does not know: "
                          "it is an old copy. bring the newer one back",
                          versions_tried_max, name));
}

// --- finding ---

Result<SealedKeyStore::Found> SealedKeyStore::find(std::string_view name) const {
  const auto found = find_newest(keys_, name);
  if (found == keys_.end())
    return fail(Code::not_found, fmt::format("the key store holds no key named {:?}", name));
  return Found{found->first.version, found->second.kind, found->second.secret.bytes()};
}

Result<SealedKeyStore::Found> SealedKeyStore::find(std::string_view name,
                                                   KeyVersion version) const {
  const auto found = keys_.find(NameVersion{std::string(name), version});
  if (found == keys_.end()) return missing(name, version);
  return Found{version, found->second.kind, found->second.secret.bytes()};
}

Result<KeyStore::Key> SealedKeyStore::outside(std::string_view name, const Found& found) const {
  if (!is_in_token(found.kind)) return Key{found.version, found.secret};
  return fail(Code::failed_precondition,
              fmt::format("key {} is in {} and never leaves it", name, token_display()));
}

Result<KeyStore::Key> SealedKeyStore::newest(std::string_view name) const {
  const std::shared_lock guard(mutex_);
  return outside(name, TRY(find(name)));
}

Result<KeyStore::Key> SealedKeyStore::get(std::string_view name, KeyVersion version) const {
  const std::shared_lock guard(mutex_);
  return outside(name, TRY(find(name, version)));
}

Result<std::shared_ptr<const crypto::KeyWrapper>> SealedKeyStore::wrapper_of(
    std::string_view name, const Found& found) const {
  if (found.kind == StoredKind::symmetric) return crypto::make_key_wrapper(found.secret);
  if (found.kind == StoredKind::token_symmetric)
    return inside_.token->wrapper(inside_.label(name, found.version));
  if (found.kind == StoredKind::token_given)
    return inside_.token->wrapper(inside_.label(name, found.version), token::Origin::given);
  return wrong_kind(name, "wraps");
}

/// Found and noted in one: who asks is_held() after a next version was added misses nobody.
Result<KeyStore::Wrapper> SealedKeyStore::newest_wrapper(std::string_view name) const {
  const std::lock_guard held_guard(held_mutex_);
  const std::shared_lock guard(mutex_);
  const Found found = TRY(find(name));
  std::weak_ptr<const crypto::KeyWrapper>& held = held_[{std::string(name), found.version}];
  std::shared_ptr<const crypto::KeyWrapper> key = held.lock();
  if (key == nullptr) {
    key = TRY(wrapper_of(name, found));
    held = key;
  }
  return Wrapper{found.version, std::move(key)};
}

bool SealedKeyStore::is_held(std::string_view name, KeyVersion version) const {
  const std::lock_guard guard(held_mutex_);
  const auto held = held_.find({std::string(name), version});
  return held != held_.end() && !held->second.expired();
}

Result<std::shared_ptr<const crypto::KeyWrapper>> SealedKeyStore::wrapper(
    std::string_view name, KeyVersion version) const {
  const std::shared_lock guard(mutex_);
  const Found found = TRY(find(name, version));
  return wrapper_of(name, found);
}

Result<std::unique_ptr<crypto::Ed25519Signer>> SealedKeyStore::signer(std::string_view name) const {
  const std::shared_lock guard(mutex_);
  const Found found = TRY(find(name));
  if (found.kind == StoredKind::ed25519_seed) return crypto::make_ed25519_signer(found.secret);
  if (found.kind == StoredKind::token_ed25519)
    return inside_.token->ed25519(inside_.label(name, found.version));
  return wrong_kind(name, "signs");
}

Result<crypto::P256PrivateKey> SealedKeyStore::p256(std::string_view name) const {
  const std::shared_lock guard(mutex_);
  return p256_of(name, TRY(find(name)));
}

Result<crypto::P256PrivateKey> SealedKeyStore::p256(std::string_view name,
                                                    KeyVersion version) const {
  const std::shared_lock guard(mutex_);
  return p256_of(name, TRY(find(name, version)));
}

Result<crypto::P256PrivateKey> SealedKeyStore::p256_of(std::string_view name,
                                                       const Found& found) const {
  if (found.kind != StoredKind::token_p256) return wrong_kind(name, "is on P-256");
  return inside_.token->p256(inside_.label(name, found.version));
}

std::vector<KeyStore::Listing> SealedKeyStore::list() const {
  std::shared_lock guard(mutex_);
  std::vector<Listing> listing;
  listing.reserve(keys_.size());
  for (const auto& [id, key] : keys_) {
    const KeyKind kind =
        key.kind == StoredKind::token_p256 ? KeyKind::p256
        : key.kind == StoredKind::ed25519_seed || key.kind == StoredKind::token_ed25519
            ? KeyKind::ed25519
            : KeyKind::symmetric;
    const u128 check =
        key.kind == StoredKind::token_given ? load_le<u128>(key.secret.bytes().data()) : u128{};
    listing.push_back({id.name, id.version, key.created_ns, kind, is_in_token(key.kind), check});
  }
  return listing;
}

std::string SealedKeyStore::token_display() const {
  return inside_.token == nullptr ? std::string() : inside_.token->display();
}

// --- changing ---

Result<KeyVersion> SealedKeyStore::add(std::string_view name) {
  const std::lock_guard turn(changes_);
  TRY(check_usable());
  TRY(check_room(1));
  if (const auto kind = token_kind_of(name); kind && inside_.token != nullptr)
    return add_inside(name, *kind);
  const KeyVersion version = TRY(next_version(name));
  Keys fresh;
  fresh.emplace(NameVersion{std::string(name), version},
                StoredKey{kind_of(name), static_cast<std::uint64_t>(io_.clock.now().time),
                          fresh_secret(io_.entropy)});
  TRY(put(std::move(fresh)));
  return version;
}

/// Made inside first: a store that names a key has it, and one that a crash kept from being named
/// opens nothing.
Result<KeyVersion> SealedKeyStore::add_inside(std::string_view name, StoredKind kind) {
  const KeyVersion next = TRY(next_version(name));
  const KeyVersion version = TRY(inside_.make(name, next, kind));
  Keys fresh;
  fresh.emplace(
      NameVersion{std::string(name), version},
      StoredKey{kind, static_cast<std::uint64_t>(io_.clock.now().time), crypto::Secret()});
  TRY(put(std::move(fresh)));
  return version;
}

Status SealedKeyStore::add_given(const std::vector<Given>& given) {
  const std::lock_guard turn(changes_);
  TRY(check_usable());
  TRY(check_room(given.size()));
  Keys fresh;
  for (const Given& one : given) {
    ASSERT(one.secret.size() == key_secret_size);
    // Apart: an early return from within the expression would leak its string.
    const KeyVersion version = TRY(next_version(one.name));
    fresh.emplace(NameVersion{std::string(one.name), version},
                  StoredKey{kind_of(one.name), static_cast<std::uint64_t>(io_.clock.now().time),
                            crypto::Secret(one.secret)});
  }
  return put(std::move(fresh));
}

Status SealedKeyStore::give_wrapper(std::string_view name, Bytes secret, u128 check) {
  ASSERT(secret.size() == key_secret_size);
  if (inside_.token == nullptr) return add_given({{name, secret}});
  const std::lock_guard turn(changes_);
  TRY(check_usable());
  TRY(check_room(1));
  const KeyVersion next = TRY(next_version(name));
  const KeyVersion version = TRY(inside_.give(name, next, secret));
  std::array<Byte, key_check_size> told{};
  store_le(told.data(), check);
  Keys fresh;
  fresh.emplace(NameVersion{std::string(name), version},
                StoredKey{StoredKind::token_given, static_cast<std::uint64_t>(io_.clock.now().time),
                          crypto::Secret(Bytes(told))});
  return put(std::move(fresh));
}

Status SealedKeyStore::put(Keys fresh) {
  Keys all = copy_of(keys_);
  all.merge(copy_of(fresh));
  TRY(write(all));
  const std::unique_lock guard(mutex_);
  keys_.merge(fresh);
  return {};
}

Status SealedKeyStore::destroy(std::string_view name, KeyVersion version) {
  const std::lock_guard turn(changes_);
  TRY(check_usable());
  NameVersion id{std::string(name), version};
  auto found = keys_.find(id);
  if (found == keys_.end()) return missing(name, version);
  if (find_newest(keys_, name) == found)
    return fail(Code::failed_precondition,
                fmt::format("version {} of key {} is its newest: add the next one first",
                            static_cast<std::uint32_t>(version), name));
  return take_out({id});
}

Status SealedKeyStore::destroy_name(std::string_view name) {
  const std::lock_guard turn(changes_);
  TRY(check_usable());
  std::vector<NameVersion> all;
  for (const auto& [id, key] : keys_)
    if (id.name == name) all.push_back(id);
  if (all.empty()) return fail(Code::not_found, fmt::format("there is no key {}", name));
  return take_out(all);
}

Status SealedKeyStore::take_out(const std::vector<NameVersion>& ids) {
  Result<std::unique_ptr<io::File>> old = io_.disk.open(key_store_path, io::OpenMode::read_write);
  if (!old) return std::move(old).error();
  TRY(lock_->renew());
  std::vector<std::string> inside;
  Keys left = copy_of(keys_);
  for (const NameVersion& id : ids) {
    if (is_in_token(left.at(id).kind)) inside.push_back(inside_.label(id.name, id.version));
    left.erase(id);
  }
  if (Status written = write(left); !written) {
    lock_->undo_renew();
    return written;
  }
  {
    const std::unique_lock guard(mutex_);
    for (const NameVersion& id : ids) keys_.erase(id);
  }
  Status gone = overwrite(**old);
  if (gone) gone = lock_->drop_old();
  for (const std::string& label : inside)
    if (gone) gone = inside_.token->destroy(label);
  if (!gone) {
    broken_ = true;
    return with_context(std::move(gone).error(),
                        "the key is taken out, but what held it could not be destroyed: the next "
                        "start does it");
  }
  return {};
}

Status SealedKeyStore::refresh() {
  const std::lock_guard turn(changes_);
  const Buffer file = TRY(io::read_file(io_.disk, key_store_path, key_store_file_size_max));
  Keys there = TRY(lock_->reopen(file));
  const std::unique_lock guard(mutex_);
  keys_ = std::move(there);
  return {};
}

Result<KeyVersion> SealedKeyStore::next_version(std::string_view name) const {
  if (!is_key_store_name(name))
    return fail(
        Code::invalid_argument,
        fmt::format("a key name is 1 to {} of a-z 0-9 - _; {:?} is not", key_name_size_max, name));
  const auto last = find_newest(keys_, name);
  const std::uint32_t number =
      last == keys_.end() ? 0 : static_cast<std::uint32_t>(last->first.version);
  if (number == UINT32_MAX)
    return fail(Code::resource_exhausted, fmt::format("key {} has used all versions", name));
  return KeyVersion{number + 1};
}

Status SealedKeyStore::check_room(std::size_t more) const {
  if (keys_.size() + more <= keys_max) return {};
  return fail(Code::resource_exhausted, fmt::format("the key store is full: {} keys", keys_max));
}

Status SealedKeyStore::check_usable() const {
  if (broken_)
    return fail(Code::failed_precondition,
                "the key store could not be written before: restart, to read what is on disk");
  return {};
}

/// After an error nobody knows which store survives a crash, unless the disk was full before
/// the new one had its name.
Status SealedKeyStore::write(const Keys& keys) {
  const Buffer file = TRY(lock_->seal(keys, io_.entropy));
  Status written = io::replace_file(io_.disk, key_store_path, file);
  if (written) return written;
  broken_ = true;
  if (written.error().code == Code::resource_exhausted) {
    Result<Buffer> there = io::read_file(io_.disk, key_store_path, key_store_file_size_max);
    broken_ = !there || *there == file;
  }
  return written;
}

}  // namespace meridian::storage
