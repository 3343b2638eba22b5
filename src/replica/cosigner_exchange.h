// Cosignatures of a quorum under this replica's tree heads, and its answers to peers that gather
// theirs.
//
//   collect(size): sign, ask every voter -> cosignatures -> a quorum of two regions -> the note
//                     |                \-> a peer signed a larger tree: sign that one too, go on
//                     \-> a peer has another root: tree_comparison.h
//
// A peer answers once the tree is stored there, its root is the same and the signing rule allows;
// having signed a larger tree, it gives its cosignature over that one, so two replicas that gather
// at the same time end with the same tree. What gets no answer is asked again; a question replaces
// the one before, so a peer holds at most one of each replica.
//
// On the prove executor unless it says otherwise; nothing here waits for a peer.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "io/executor.h"
#include "io/network.h"
#include "replica/cosigner.h"
#include "replica/lifetime.h"
#include "replica/state_comparison.h"
#include "replica/tree_comparison.h"

namespace meridian::replica {

/// A replica whose keys are known, for a policy.
struct KnownReplica {
  std::uint64_t id;
  ReplicaKeys keys;
  std::string region;
};

class CosignerExchange {
 public:
  static constexpr io::Duration repeat = io::milliseconds(300);      ///< What got no answer.
  static constexpr io::Duration patience = io::milliseconds(3'000);  ///< For a quorum.
  static constexpr io::Duration keys_repeat = io::milliseconds(500);

  struct Parts {
    io::Executor& executor;
    io::Clock& clock;
    Cosigner& cosigner;
    proof::TileReader& tiles;
    std::uint64_t id;  ///< Of this replica.
    crypto::ExchangePublicKey exchange_key;
    std::function<std::string(std::uint64_t id)> region_of;
    std::function<bool(std::uint64_t to, Buffer message)> send;
    /// Who votes, as of what is applied; `ready` may be called on any executor.
    std::function<void(std::function<void(consensus::Membership)> ready)> membership;
    std::function<void(const std::string&)> notice;
    /// Any thread: this replica's digest of the state checkpoint of that record, if it made one of
    /// late.
    std::function<std::optional<crypto::Digest>(std::uint64_t record)> state_digest{};
  };
  struct Next {
    std::function<void(const std::string& why)> doubting;  ///< As TreeComparison's.
    std::function<void(Error)> fatal;                      ///< Disk, or another tree than a quorum.
  };
  CosignerExchange(const Parts& parts, Next next);

  /// What was signed before is stored again: signs and answers from now on.
  void start();
  void stop() { lifetime_.end(); }  ///< Any thread.
  /// Records that are stored: never fewer than before.
  void grown(std::uint64_t count);

  struct Collected {
    proof::TreeHead head;
    proof::Note note;  ///< The log's signature, then at least a quorum's cosignatures.
  };
  using Done = std::function<void(Result<Collected>)>;
  /// One at a time. `done` once, never before it returns: a tree of at least `size` records (1 or
  /// more, stored). Errors: unavailable, saying who did not cosign.
  void collect(std::uint64_t size, Done done);
  bool is_collecting() const { return done_ != nullptr; }

  /// Any thread: the log holds another digest than `own` for the same record.
  void state_differs(const CutDigest& own);

  /// Any thread: a message of a peer, either tag.
  void receive(std::uint64_t from, io::Parts parts);
  /// Any thread: every voter, by id. Errors: unavailable, naming those whose keys are not known
  /// yet.
  Result<std::vector<KnownReplica>> voters_known() const;
  /// Any thread: this replica, and every other that told its keys since the start.
  std::map<std::uint64_t, ReplicaKeys> keys_known() const;

 private:
  void take_question(std::uint64_t from, Bytes bytes);
  void answer_stored(std::uint64_t from, const CosignQuestion& question);
  void answer_cosign(std::uint64_t from, const CosignQuestion& question);
  void answer_hashes(std::uint64_t from, const CosignQuestion& question);
  void answer_state(std::uint64_t from, const CosignQuestion& question);
  void reply(std::uint64_t to, std::uint64_t number, CosignAnswer answer);

  void take_answer(std::uint64_t from, Bytes bytes);
  void take_cosignature(std::uint64_t from, const CosignAnswer& answer);
  void take_root(std::uint64_t from, const proof::TreeHead& head);
  void learn(std::uint64_t from, const ReplicaKeys& keys);

  void begin(std::uint64_t size);
  void aim(std::uint64_t size);
  void aim_higher();
  void ask_missing(bool again);
  void finish_if_quorum();
  void finish(Result<Collected> result);
  Error missing() const;
  void differs(std::uint64_t peer, const proof::TreeHead& own, const proof::Hash& other);

  std::uint64_t ask(std::uint64_t to, CosignQuestion question);
  void with_membership(std::function<void()> then);
  ReplicaKeys own_keys() const;
  void tick();
  void ask_keys();
  void fatal(const Error& error);

  Parts parts_;
  Next next_;
  Lifetime lifetime_;
  bool started_ = false;
  bool stopped_ = false;  ///< After something fatal.
  std::uint64_t stored_ = 0;
  consensus::Membership membership_;  ///< As of the last question about it.
  TreeComparison comparison_;
  StateComparison state_comparison_;
  std::uint64_t next_number_ = 1;
  io::MonotonicTime keys_asked_at_{};

  /// Questions about trees that are not stored here yet: the newest of each peer.
  std::map<std::uint64_t, CosignQuestion> waiting_;
  std::map<std::uint64_t, std::uint64_t> hashes_asked_;  ///< Peer -> number of the last question.

  // While collecting:
  struct Signed {
    proof::TreeHead head;
    proof::NoteSignature cosignature;
  };
  Done done_;
  std::uint64_t wanted_ = 0;
  io::MonotonicTime until_{};
  proof::TreeHead head_{};  ///< Size 0: not signed yet.
  proof::Note note_;
  std::set<std::uint64_t> signed_by_;
  std::map<std::uint64_t, Signed> ahead_;  ///< Larger trees that peers signed.
  std::map<std::uint64_t, io::MonotonicTime> asked_at_;
  std::map<std::uint64_t, std::string> refused_;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, ReplicaKeys> keys_;  ///< As peers told them since the start.
  std::set<std::uint64_t> voters_;             ///< Of membership_.
};

}  // namespace meridian::replica
