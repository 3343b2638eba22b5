#include "crypto/secret.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/assert.h"

namespace meridian::crypto {
namespace {

constexpr std::size_t slot_min = 32;
constexpr std::size_t slot_max = 4096;
constexpr std::size_t chunk_size = 64 << 10;
constexpr std::size_t page_size = 4096;  // mmap rounds up where pages are larger

/// Slots of powers of two from slot_min to slot_max, cut from chunks of locked pages; larger
/// secrets have pages of their own. Chunks are never given back: the pool is as large as its peak.
class Pool {
 public:
  Byte* take(std::size_t size) {
    std::scoped_lock guard(mutex_);
    if (size > slot_max) return map(large(size));
    FreeSlot*& free = free_[slot_class(size)];
    if (free == nullptr) free = cut(slot_size(size));
    FreeSlot* taken = free;
    free = taken->next;
    taken->next = nullptr;
    return reinterpret_cast<Byte*>(taken);
  }

  void give_back(Byte* data, std::size_t size) {
    OPENSSL_cleanse(data, size);
    std::scoped_lock guard(mutex_);
    if (size > slot_max) {
      unmap(data, large(size));
      return;
    }
    FreeSlot*& free = free_[slot_class(size)];
    free = ::new (static_cast<void*>(data)) FreeSlot{free};
  }

  SecretMemory memory() {
    std::scoped_lock guard(mutex_);
    return {mapped_, unlocked_};
  }

 private:
  struct FreeSlot {
    FreeSlot* next;
  };

  static std::size_t slot_size(std::size_t size) {
    return std::bit_ceil(size < slot_min ? slot_min : size);
  }
  static std::size_t slot_class(std::size_t size) {
    return static_cast<std::size_t>(std::countr_zero(slot_size(size)) - std::countr_zero(slot_min));
  }
  static std::size_t large(std::size_t size) {
    // One page more keeps "was it locked" beside the secret: its first byte.
    return (size + page_size - 1) / page_size * page_size + page_size;
  }

  FreeSlot* cut(std::size_t size) {
    Byte* chunk = map_pages(chunk_size).first;
    FreeSlot* free = nullptr;
    for (std::size_t at = chunk_size; at >= size; at -= size)
      free = ::new (static_cast<void*>(chunk + at - size)) FreeSlot{free};
    return free;
  }

  Byte* map(std::size_t size) {
    auto [pages, locked] = map_pages(size);
    pages[0] = locked ? 1 : 0;
    return pages + page_size;
  }

  void unmap(Byte* data, std::size_t size) {
    Byte* pages = data - page_size;
    mapped_ -= size;
    if (pages[0] == 0) unlocked_ -= size;
    int unmapped = ::munmap(pages, size);
    ASSERT(unmapped == 0);
  }

  std::pair<Byte*, bool> map_pages(std::size_t size) {
    void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT(pages != MAP_FAILED);  // out of memory is fatal, as for the heap
    // Linux knows MADV_DONTDUMP since 3.4; a refusal would only mean a kernel without dumps.
    ::madvise(pages, size, MADV_DONTDUMP);
    bool locked = ::mlock(pages, size) == 0;
    mapped_ += size;
    if (!locked) unlocked_ += size;
    return {static_cast<Byte*>(pages), locked};
  }

  static constexpr std::size_t classes =
      std::countr_zero(slot_max) - std::countr_zero(slot_min) + 1;
  std::mutex mutex_;
  std::array<FreeSlot*, classes> free_{};
  std::size_t mapped_ = 0;
  std::size_t unlocked_ = 0;
};

/// Never destroyed, so that secrets of static objects may be released at any time.
Pool& pool() {
  static Pool* const shared = new Pool;
  return *shared;
}

}  // namespace

Secret::Secret(Bytes bytes) : size_(bytes.size()) {
  if (bytes.empty()) return;
  data_ = pool().take(size_);
  std::memcpy(data_, bytes.data(), size_);
}

Secret::~Secret() {
  if (data_ != nullptr) pool().give_back(data_, size_);
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  Secret moved(std::move(other));
  std::swap(data_, moved.data_);
  std::swap(size_, moved.size_);
  return *this;
}

SecretMemory secret_memory() { return pool().memory(); }

void cleanse(MutableBytes bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

bool equal_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace meridian::crypto
