// The file of a key table, and the key-encryption key (KEK) that its rows are wrapped under
// (docs/formats/keys.md). What the rows mean is the table's.
//
// Owned by one thread. After an error of the disk other than a full one every later write is
// refused. Costs one sync per append; replacing writes every row.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "storage/internal/key_rows.h"
#include "storage/key_store.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

inline constexpr std::string_view epoch_key = "epoch";

class KeyFile {
 public:
  KeyFile(const SealedContext& context, KeyStore& keys) : context_(context), keys_(keys) {}

  /// Reads or makes the file, then destroys what a crash left of older KEKs. Called once, before
  /// anything else. Errors: those of KeyTable::open.
  Status open(const std::function<void(const KeyRow&)>& row);

  /// In frames of KeyTable::frame_rows_max rows, each synced. Errors: resource_exhausted (full
  /// disk: how many rows of `rows` stand is in `done`, and the rest may be tried again).
  Status append(std::span<const KeyRow> rows, const std::optional<KeyPlace>& place,
                std::size_t& done);
  /// What is to take the file's place, written beside it. One at a time.
  struct Successor {
    std::uint32_t epoch;
    SealedWriter writer;
  };
  /// Of rows wrapped under `next`. `place`: as far as the file will be at least.
  Result<Successor> begin(KeyVersion next, const std::optional<KeyPlace>& place);
  static Status add(Successor& successor, std::span<const KeyRow> rows,
                    const std::optional<KeyPlace>& place);
  /// A frame without rows, for its place.
  static Status mark(Successor& successor, const std::optional<KeyPlace>& place);
  /// Durable under its name when it returns. After an error with the epoch unchanged the old file
  /// stands.
  Status put_in_place(Successor successor, const std::optional<KeyPlace>& place);
  /// All of that at once.
  Status replace(KeyVersion next, std::span<const std::span<const KeyRow>> rows,
                 const std::optional<KeyPlace>& place);
  /// Destroys every KEK below the file's epoch: after this no older copy of it opens.
  Status destroy_older();

  Status check_usable() const;
  void give_up() { broken_ = true; }
  /// Errors: failed_precondition if the key store does not hold it.
  using Kek = std::shared_ptr<const crypto::KeyWrapper>;
  Result<Kek> kek(std::uint32_t epoch) const;
  /// Of the file's epoch; kept at hand until the next.
  Result<Kek> kek();
  std::uint32_t epoch() const { return epoch_; }
  /// When the KEK of that epoch came into the key store: nanoseconds since 1970.
  std::uint64_t made_ns() const;
  const std::optional<KeyPlace>& place() const { return place_; }
  std::uint64_t dropped_bytes() const { return dropped_bytes_; }
  std::string display() const;

 private:
  Status load(const std::function<void(const KeyRow&)>& row);
  Status write_frame(std::span<const KeyRow> rows, const std::optional<KeyPlace>& place);
  Status open_for_append(std::uint64_t end);
  Result<Buffer> read_window(std::uint64_t position, std::uint64_t end, std::size_t size);
  Result<FrameSealer::Frame> read_frame(std::uint64_t end);
  Status drop_tail(std::uint64_t end);
  std::string position_text() const;

  SealedContext context_;
  KeyStore& keys_;
  std::uint32_t epoch_ = 0;
  std::uint32_t kek_epoch_ = 0;  // of kek_
  Kek kek_;
  std::optional<KeyPlace> place_;
  std::unique_ptr<io::File> file_;
  std::unique_ptr<FrameSealer> sealer_;
  std::uint64_t position_ = 0;
  std::uint64_t dropped_bytes_ = 0;
  bool broken_ = false;
};

}  // namespace meridian::storage
