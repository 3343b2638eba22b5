// A key store of one fixed storage key: tests and fuzzers seal files with it. Never linked into a
// program, and refuses every change.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "storage/key_store.h"

namespace meridian::storage {

class FixedKeys final : public KeyStore {
 public:
  explicit FixedKeys(Byte fill = 0x5A) { secret_.fill(fill); }

  Result<Key> newest(std::string_view name) const override { return get(name, KeyVersion{1}); }
  Result<Key> get(std::string_view name, KeyVersion version) const override {
    if (!holds(name, version)) return missing();
    return Key{version, secret_};
  }
  Result<Wrapper> newest_wrapper(std::string_view name) const override {
    if (!holds(name, KeyVersion{1})) return missing();
    return Wrapper{KeyVersion{1}, crypto::make_key_wrapper(secret_)};
  }
  bool is_held(std::string_view, KeyVersion) const override { return false; }
  Result<std::shared_ptr<const crypto::KeyWrapper>> wrapper(std::string_view name,
                                                            KeyVersion version) const override {
    if (!holds(name, version)) return missing();
    return crypto::make_key_wrapper(secret_);
  }
  Result<std::unique_ptr<crypto::Ed25519Signer>> signer(std::string_view) const override {
    return fail(Code::unimplemented, "fixed keys do not sign");
  }
  Result<crypto::P256PrivateKey> p256(std::string_view) const override {
    return fail(Code::unimplemented, "fixed keys are not on P-256");
  }
  Result<crypto::P256PrivateKey> p256(std::string_view name, KeyVersion) const override {
    return p256(name);
  }
  Status refresh() override { return refuse(); }
  Result<KeyVersion> add(std::string_view) override { return refuse(); }
  Status add_given(const std::vector<Given>&) override { return refuse(); }
  Status give_wrapper(std::string_view, Bytes, u128) override { return refuse(); }
  Status destroy(std::string_view, KeyVersion) override { return refuse(); }
  Status destroy_name(std::string_view) override { return refuse(); }
  std::vector<Listing> list() const override { return {}; }

 private:
  static bool holds(std::string_view name, KeyVersion version) {
    return name == "storage" && version == KeyVersion{1};
  }
  static Error missing() {
    return fail(Code::not_found, "fixed keys hold version 1 of storage only");
  }
  static Error refuse() { return fail(Code::unimplemented, "fixed keys do not change"); }
  std::array<Byte, 32> secret_;
};

}  // namespace meridian::storage
