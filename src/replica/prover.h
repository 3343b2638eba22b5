// The prove stage: headers, Merkle tree, segments, stream index, signed checkpoints, receipts.
//
// Follows apply entry by entry on the prove executor. What it stored is visible to readers. A
// checkpoint is signed per batch, not per record: at once if somebody waits for one, else at most
// every sign_period; its (size, root) is durable first. One of a group shows none without the
// cosignatures of a quorum (cosigner_exchange.h); only its leader signs unasked, so that roots are
// compared all the time. Waiting is bounded by the callers' limits.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "io/clock.h"
#include "io/executor.h"
#include "proof/cosignature.h"
#include "replica/applied_entry.h"
#include "replica/cosigned_head.h"
#include "replica/cosigner_exchange.h"
#include "replica/lifetime.h"
#include "replica/replica.h"
#include "replica/stage_metrics.h"
#include "storage/record_store.h"
#include "storage/sorted_runs.h"
#include "storage/tile_store.h"

namespace meridian::replica {

/// The tiles of this log as proof/ reads them. Thread-safe.
class StoredTiles final : public proof::TileReader {
 public:
  explicit StoredTiles(storage::TileStore& tiles) : tiles_(tiles) {}
  Result<proof::Hashes> read(std::size_t level, std::uint64_t first, std::size_t count) override {
    return tiles_.read(static_cast<std::uint8_t>(level), first, count);
  }

 private:
  storage::TileStore& tiles_;
};

/// Streams and categories, built behind apply: (stream, revision) and (category, record) -> record.
struct StreamIndex {
  std::unique_ptr<storage::SortedRuns> streams;
  std::unique_ptr<storage::SortedRuns> categories;
};

class Prover {
 public:
  static constexpr io::Duration sign_period = io::milliseconds(100);

  struct Parts {
    io::Executor& executor;
    io::Clock& clock;
    storage::RecordStore& records;
    storage::TileStore& tiles;
    StreamIndex& index;
    CosignedHead& cosigned;
    proof::Signer& log_key;
    proof::Signer& cosigner;
    StageMetrics& metrics;
    CosignerExchange* exchange = nullptr;  ///< Of a group.
  };
  struct Next {
    std::function<void()> entry_stored;
    std::function<void(Error)> fatal;
    /// Replica::Io::key_records; null: nobody wants them.
    std::function<void(std::vector<KeyRecord>)> key_records{};
  };
  Prover(const Parts& parts, const proof::Frontier& frontier, Next next);

  /// Any thread; in order of record.
  void applied(AppliedRef entry);
  /// When everything applied before is stored: freezes the stream index and hands over the
  /// frontier.
  void cut(std::function<void(Buffer frontier)> captured);

  /// Recovery is complete and what was signed before is still there: signs from now on.
  void start_signing();
  /// In a group: signs unasked while it leads. Any thread.
  void lead(bool leads) { leads_ = leads; }
  /// Something is wrong that nothing may be proven after. On the executor.
  void stop_after(const Error& error);
  /// No delayed task runs from now on.
  void stop() {
    lifetime_.end();
    if (parts_.exchange != nullptr) parts_.exchange->stop();
  }

  void checkpoint(Replica::CheckpointReady ready);
  void receipt(ledger::RecordIndex index, Replica::ReceiptReady ready);

  std::uint64_t visible() const { return visible_.load(std::memory_order_acquire); }
  std::uint64_t when_visible(std::uint64_t count, std::function<void(std::uint64_t)> call);
  void cancel_wait(std::uint64_t token);

  /// The head of everything stored. On the executor, or before anything runs.
  proof::TreeHead head() const { return frontier_.head(); }
  StoredTiles& stored_tiles() { return stored_tiles_; }

 private:
  Status store(const AppliedEntry& entry);
  void encode_headers(const AppliedEntry& entry);
  void index_event(const AppliedEntry& entry, std::uint32_t number);
  void publish(std::uint64_t count);
  void sign_if_due();
  Result<proof::Note> note_of(const proof::TreeHead& head);
  void sign();
  void sign_later();
  void gather_if_due();
  void gathered(Result<CosignerExchange::Collected> collected);
  void serve_waiting();
  void fail_waiting(const Error& error);
  Result<proof::Receipt> make_receipt(ledger::RecordIndex index);
  bool somebody_waits() const { return !receipts_.empty() || !checkpoints_.empty(); }

  Parts parts_;
  Next next_;
  proof::Frontier frontier_;
  StoredTiles stored_tiles_;
  bool failed_ = false;
  Error stopped_by_{};  ///< What is answered then.
  /// False while the log is replayed: the tree may be smaller than the last one signed.
  bool signing_ = false;
  Lifetime lifetime_;

  // Reused from entry to entry.
  Buffer headers_;
  std::size_t headers_used_ = 0;
  std::vector<std::uint16_t> sizes_;
  std::vector<proof::Hash> leaves_;
  proof::TileHashes completed_;
  std::vector<storage::RecordStore::Appended::PayloadOf> payloads_;
  std::vector<KeyRecord> key_records_;

  proof::Note signed_note_;
  std::uint64_t signed_size_ = 0;
  bool signed_once_ = false;
  bool sign_posted_ = false;
  io::MonotonicTime signed_at_{};
  /// Who waits, by the record that the tree must hold.
  template <typename Ready>
  struct Waiter {
    Ready ready;
    std::uint64_t since;  ///< gathers_ when it came.
  };
  std::multimap<std::uint64_t, Waiter<Replica::CheckpointReady>> checkpoints_;
  std::multimap<std::uint64_t, Waiter<Replica::ReceiptReady>> receipts_;
  std::atomic<bool> leads_{false};
  bool gathering_ = false;
  std::uint64_t gathers_ = 0;  ///< Begun so far.

  std::atomic<std::uint64_t> visible_{0};
  std::mutex waits_mutex_;
  struct Wait {
    std::uint64_t count;
    std::function<void(std::uint64_t)> call;
  };
  std::map<std::uint64_t, Wait> waits_;
  std::uint64_t next_token_ = 1;
};

}  // namespace meridian::replica
