// Sealed files: sequences of AES-256-GCM frames under a file key of their own, wrapped by the
// node's storage key (docs/formats/frame.md). The base of log, segments, runs and state.
//
// A frame moved, cut, swapped or brought from another file does not open. SealedFile is used by
// one writer; open_frame may run in parallel in other threads through a SealedReader each.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/aead.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "storage/key_store.h"

namespace meridian::storage {

enum class Purpose : std::uint16_t {
  write_ahead_log = 1,
  headers = 2,
  payloads = 3,
  sorted_run = 4,
  state = 5,
  key_table = 6,
  other = 7,
};

inline constexpr std::size_t sealed_file_header_size = 128;
inline constexpr std::size_t frame_prefix_size = 20;  ///< plain_size, tag_word, nonce
inline constexpr std::size_t frame_overhead = frame_prefix_size + crypto::aead_tag_size;
inline constexpr std::size_t frame_plain_max = 8 << 20;

/// What every sealed file of a node needs: where, whose, under which key.
struct SealedContext {
  io::Disk& disk;
  io::Entropy& entropy;
  const KeyStore& keys;
  u128 cell;
};

/// Whether the first bytes of a file say that it is a sealed one.
bool is_sealed_file(Bytes header);
/// The version of `storage` that a sealed file's key is wrapped under. Errors: data_loss.
Result<KeyVersion> storage_version_of(Bytes header);
/// The header of the same file with its key wrapped under the newest `storage`. Errors: those of
/// FrameSealer::open.
Result<Buffer> rewrap_header(const KeyStore& keys, Bytes header);

/// The beginning of a new file. Holds on to the storage key that it is under: keep it until the
/// bytes are in the file, as that key is not destroyed before (storage_turn.h).
struct FreshHeader {
  Buffer bytes;
  std::shared_ptr<const crypto::KeyWrapper> under{};
};

/// Seals and opens the frames of one file; knows the key, does no I/O. One thread each.
class FrameSealer {
 public:
  /// A fresh file key; `header` receives the sealed_file_header_size bytes to write at offset 0.
  static Result<FrameSealer> create(const SealedContext&, Purpose, std::uint64_t file_number,
                                    FreshHeader& header);
  /// Errors: data_loss if the header is not one, is of another cell, purpose or number, or its key
  /// does not unwrap; failed_precondition if the storage key version is gone.
  static Result<FrameSealer> open(const SealedContext&, Purpose, std::uint64_t file_number,
                                  Bytes header);

  /// Appends to `out` the frame that will stand at byte `position` of the file.
  void seal(std::uint64_t position, std::uint32_t tag_word, Bytes plain, Buffer& out);
  struct Frame {
    std::uint32_t tag_word;
    Buffer plain;
    std::size_t size;  ///< Of the whole frame in the file.
  };
  /// Opens the frame at the start of `bytes`, which stood at `position`.
  /// Errors: out_of_range if `bytes` is too short for it; data_loss if it does not open.
  Result<Frame> open_frame(std::uint64_t position, Bytes bytes);

  /// Another sealer of the same file, for another thread.
  FrameSealer clone() const;

 private:
  FrameSealer(io::Entropy& entropy, u128 cell, Purpose purpose, std::uint64_t file_number,
              crypto::Secret key);
  crypto::Nonce fresh_nonce();

  io::Entropy* entropy_;
  crypto::Secret key_secret_;
  crypto::AeadKey key_;
  u128 cell_;
  std::uint64_t file_number_;
  Purpose purpose_;
  /// Nonces not used yet: asking the kernel for each costs as much as sealing a small frame. Never
  /// copied to a clone: a nonce is used once.
  std::vector<crypto::Nonce> nonces_;
  std::size_t nonces_used_ = 0;
};

/// Writes a whole sealed file front to back, buffered. Durable only after finish().
class SealedWriter {
 public:
  static Result<SealedWriter> create(const SealedContext&, std::string_view path, Purpose,
                                     std::uint64_t file_number);
  /// Adds a frame; returns the position where it stands.
  Result<std::uint64_t> append(std::uint32_t tag_word, Bytes plain);
  Status flush();  ///< Writes what is buffered; not yet durable.
  Status sync();   ///< flush and sync
  std::uint64_t position() const { return position_; }
  io::File& file() { return *file_; }
  const FrameSealer& sealer() const { return sealer_; }

 private:
  SealedWriter(std::unique_ptr<io::File> file, FrameSealer sealer, FreshHeader header);
  std::unique_ptr<io::File> file_;
  FrameSealer sealer_;
  Buffer buffered_;
  std::shared_ptr<const crypto::KeyWrapper> under_;  // until the header is written
  std::uint64_t written_ = 0;
  std::uint64_t position_ = 0;
};

/// Reads frames of one file at known or successive positions. One thread each.
class SealedReader {
 public:
  static Result<SealedReader> open(const SealedContext&, std::string_view path, Purpose,
                                   std::uint64_t file_number);
  /// Errors: out_of_range exactly at or past the end; data_loss if the frame does not open (the
  /// message names file and position).
  Result<FrameSealer::Frame> read(std::uint64_t position);
  Result<std::uint64_t> size() { return file_->size(); }

 private:
  SealedReader(std::unique_ptr<io::File> file, FrameSealer sealer, std::string path);
  std::unique_ptr<io::File> file_;
  FrameSealer sealer_;
  std::string path_;
};

}  // namespace meridian::storage
