#include "crypto/key_wrapper.h"

#include "base/assert.h"

namespace meridian::crypto {

namespace {

class MemoryWrapper final : public KeyWrapper {
 public:
  explicit MemoryWrapper(Bytes key) : key_(key) { ASSERT(key.size() == aead_key_size); }
  Result<WrappedKey> wrap(Bytes key) const override { return wrap_key(key_.bytes(), key); }
  Result<Secret> unwrap(const WrappedKey& wrapped) const override {
    return unwrap_key(key_.bytes(), wrapped);
  }

 private:
  Secret key_;
};

}  // namespace

std::shared_ptr<const KeyWrapper> make_key_wrapper(Bytes wrapping_key) {
  return std::make_shared<MemoryWrapper>(wrapping_key);
}

}  // namespace meridian::crypto
