// The ledger's history: headers and payloads of all records, in segments (docs/formats/segment.md).
//
// One writer appends; any number of threads read what was appended. Not durable until sync(): the
// write-ahead log is, and replay appends the same again. Reading a record opens its bundle (at most
// 256 headers, about 75 KiB, 30 us); a small cache keeps bundles for walks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"
#include "crypto/sha256.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

inline constexpr std::uint64_t segment_records = 65'536;
inline constexpr std::uint64_t bundle_records = 256;
inline constexpr std::size_t record_payload_size_max = 1 << 20;

class RecordStore {
 public:
  /// Opens `headers/` and `payloads/` and drops whatever is at or past `record_count` (what the
  /// state checkpoint covers; replay writes the rest again).
  /// Errors: data_loss if fewer records are there than that, naming the first missing one.
  static Result<std::unique_ptr<RecordStore>> open(const SealedContext&,
                                                   std::uint64_t record_count);
  /// Opens read-only for verification: everything that is there, nothing changed. Damage shows
  /// in reads, record by record.
  static Result<std::unique_ptr<RecordStore>> open_read_only(const SealedContext&);
  virtual ~RecordStore() = default;

  struct Appended {
    Bytes headers;                         ///< Concatenated.
    std::span<const std::uint16_t> sizes;  ///< Of each header.
    struct PayloadOf {
      std::uint64_t record;
      Bytes bytes;
    };
    std::span<const PayloadOf> payloads;  ///< In order of record, at most one each.
    /// Roots of the segments that these records complete, in order: the hashes of tile level 2 that
    /// the Merkle tree gave. Empty: they are computed here, 0.4 us a record.
    std::span<const crypto::Digest> segment_roots = {};
  };
  /// Appends the records that follow count() (sizes, order and places are asserted). Errors: of the
  /// disk; then every later append is refused, and the process must stop.
  virtual Status append(const Appended& records) = 0;
  /// Makes everything appended before this call durable. May run beside append in another thread.
  virtual Status sync() = 0;
  virtual std::uint64_t count() const = 0;

  /// Errors: out_of_range past count(); data_loss naming record, file and position.
  virtual Result<Buffer> header(std::uint64_t record) = 0;
  /// Errors: not_found if the record has no payload here; data_loss.
  virtual Result<Buffer> payload(std::uint64_t record) = 0;
  /// Calls `visit(record, header)` for [first, last) in order while it returns true.
  using Visit = std::function<bool(std::uint64_t record, Bytes header)>;
  virtual Status scan(std::uint64_t first, std::uint64_t last, const Visit& visit) = 0;
  /// The same for payloads: only of records that have one here. Faster than payload() for many.
  virtual Status scan_payloads(std::uint64_t first, std::uint64_t last, const Visit& visit) = 0;
  /// Like scan but goes on after damage: `damaged(first_record, count, error)` names each hole.
  using Damaged = std::function<void(std::uint64_t first, std::uint64_t count, const Error&)>;
  /// A count of 0 is damage that costs no record: of a directory, or of a payload file as a whole.
  virtual Status scan_all(std::uint64_t first, std::uint64_t last, const Visit& visit,
                          const Damaged& damaged) = 0;
  /// The root kept with segment `number`. Errors: out_of_range if it is not finished; data_loss.
  virtual Result<crypto::Digest> segment_root(std::uint64_t number) = 0;

  // --- damage ---
  /// `seen` is called in a reader's thread when a finished segment did not read well, but by
  /// scan_all. It must be short. Before there are other threads.
  virtual void on_damage(std::function<void(std::uint64_t number)> seen) = 0;
  /// What is kept of a finished segment in memory is let go: reads see the disk.
  virtual void forget_segment(std::uint64_t number) = 0;
  /// A finished segment written anew beside its files. One thread; must not outlive the store.
  class Replacement {
   public:
    virtual ~Replacement() = default;  ///< Unless it was finished, nothing was changed.
    /// The record that append() wants next.
    virtual std::uint64_t next() const = 0;
    /// As RecordStore::append, of records of the segment (asserted); written when it returns.
    virtual Status append(const Appended& records) = 0;
    /// Puts it in the place of the damaged one, durably. A crash leaves the one or the other, of
    /// headers and of payloads. Readers go over to it; who is in the middle of a read ends it on
    /// the old files. Errors: invalid_argument if records are missing, or their root is not `root`:
    /// nothing was changed; of the disk: the process must stop.
    virtual Status finish(const crypto::Digest& root) = 0;
  };
  /// Errors: out_of_range if segment `number` is not finished; of the disk.
  virtual Result<std::unique_ptr<Replacement>> replace_segment(std::uint64_t number) = 0;
};

}  // namespace meridian::storage
