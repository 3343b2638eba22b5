// What must always hold in a cell, whatever happened to it. Told of everything that clients and
// replicas say; throws a Violation with the sentence that a failing seed prints.
//
//   one order     every replica has the same record at the same place, roots are equal
//   nothing lost  what was acknowledged is there as it was, what was refused is not
//   once          no id is created twice; the revisions of a stream are dense
//   books         double entry over the records gives what every replica says, at every size
//   states        state checkpoints of the same records have the same digest
//   proofs        signed checkpoints are of this tree, and receipts verify offline, both cosigned
//                 in two regions
//   reads         a linearizable read sees all that was acknowledged or read before it, and what
//                 the records it saw make; a state lacks nothing that was known at the moment as of
//                 which its replica calls it current
//   disks         a member whose disk was emptied is told nothing
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "crypto/sha256.h"
#include "ledger/header.h"
#include "ledger/ledger.h"
#include "proof/merkle_tree.h"
#include "proof/policy.h"
#include "sim_cluster/books_model.h"
#include "sim_cluster/node.h"

namespace meridian::sim_cluster {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Checker {
 public:
  // --- told by clients, at any moment; what is wrong comes out of check() ---
  void acknowledged(const std::vector<u128>& ids, const replica::Answer& answer);
  /// The replica said that nothing was done and never will be; `again`: no, it is sent once more.
  void refused(const std::vector<u128>& ids, bool again);
  /// What a linearizable read must see that begins now.
  std::uint64_t newest_known() const { return newest_known_; }
  void read(const Node& node, std::uint64_t known_before, const ledger::Ledger& ledger);
  void broken(const std::string& what) {
    if (broken_.empty()) broken_ = what;
  }

  // --- asks the nodes ---
  /// Nodes as found now. Also asks some for their state, a checkpoint or a receipt, for the next
  /// time.
  void check(std::vector<std::unique_ptr<Node>>& nodes, sim::Random& random);
  bool everything_is_checked() const { return what_is_unchecked().empty(); }
  /// What was acknowledged and nobody shows, or which proof verifies under nobody's keys; empty
  /// once there is nothing like that.
  std::string what_is_unchecked() const;
  /// Of the newest record anybody has shown.
  std::uint64_t records() const { return headers_.size(); }
  std::uint32_t feature_level() const { return feature_level_; }  ///< As of records().

  struct Counts {
    std::uint64_t records, reads, states, digests, checkpoints, receipts, stale_reads;
  };
  Counts counts() const {
    return {headers_.size(), reads_, states_, digests_, checkpoints_, receipts_, stale_reads_};
  }

 private:
  struct Acknowledged {
    std::uint64_t first_record;
    std::vector<u128> ids;
    std::vector<ledger::Outcome> outcomes;
  };
  struct Note {
    std::string node;
    std::string text;
  };
  struct TakenReceipt {
    std::string node;
    std::uint64_t record;
    proof::Receipt receipt;
  };
  struct State {
    std::string node;
    std::uint64_t records;
    BooksModel::Digest books;
    bool is_balanced;
  };

  /// By a node's own clock: what was known anywhere.
  struct Moment {
    io::MonotonicTime at;
    std::uint64_t known;
  };
  /// What was asked of a node last.
  struct Seen {
    std::uint64_t records = 0;  ///< Read of its history.
    std::uint64_t state = 0;    ///< Size of the state asked for.
    std::deque<Moment> moments{};
  };
  void check_records(Node& node, std::uint64_t& seen);
  void add_record(const ledger::Header& header, const crypto::Digest& digest, Bytes bytes);
  void note_level(const ledger::Header& header, std::uint64_t record);
  void check_acknowledged();
  void check_states();
  void check_checkpoints();
  void check_receipts();
  void check_digest(Node& node);
  void note_keys(const std::vector<std::unique_ptr<Node>>& nodes);
  void note_voters(const std::vector<std::uint64_t>& voters);
  void check_staleness(Node& node, Seen& seen);
  void ask(Node& node, Seen& seen, sim::Random& random);
  void take_state(const std::string& node, const ledger::Ledger& ledger);
  template <typename Proof>
  bool check_proof(const std::string& what, const Proof& proof);
  [[noreturn]] static void violate(const std::string& what);

  std::map<std::uint64_t, Seen> seen_;  // by node
  std::vector<crypto::Digest> headers_;
  std::vector<u128> ids_;
  std::vector<ledger::Outcome> outcomes_;
  std::vector<crypto::Digest> roots_;  // after so many records, less one
  proof::Frontier tree_;
  BooksModel books_;
  std::map<u128, std::uint64_t> streams_;  // next revision
  std::set<std::pair<int, u128>> created_;
  std::set<u128> refused_;
  std::uint32_t feature_level_ = 0;

  std::vector<Acknowledged> unchecked_;
  std::uint64_t newest_known_ = 0;  // records acknowledged, or seen by a linearizable read
  std::vector<Note> notes_;
  std::vector<TakenReceipt> taken_receipts_;
  std::vector<State> taken_states_;
  std::map<std::uint64_t, crypto::Digest> state_digests_;         // of checkpoints, by records
  std::map<std::uint64_t, replica::Replica::VoterKeys> keys_;     // by node
  std::map<std::vector<std::uint64_t>, proof::Policy> policies_;  // of all that voted together
  std::string why_not_proven_;                                    // the proof checked last
  std::string broken_;
  std::uint64_t reads_ = 0, states_ = 0, digests_ = 0, checkpoints_ = 0, receipts_ = 0;
  std::uint64_t stale_reads_ = 0;
};

}  // namespace meridian::sim_cluster
