// The policy of a cell as its records have it: follows the stream of proposals and approvals, and
// adds to it what persons hand in (mesh/policy_history.h).
//
// Until the first proposal the policy is the one that the process was started with; that one goes
// into the records before the proposal does, so that every replica folds the same ones from then
// on. What is handed in is judged by the fold on a copy, then appended behind exactly the record
// that the copy ended with: what had an effect here has it everywhere. One executor owns it; calls
// are thread-safe, callbacks come on that executor or a replica's. Cost: a look at the stream five
// times a second.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "cell/local_cell.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "mesh/policy_history.h"

namespace meridian::cell {

class PolicyKeeper {
 public:
  struct Parts {
    LocalCell& cell;
    u128 cell_id;
    io::Clock& clock;
    io::Entropy& entropy;
    io::Executor& executor;
    /// Null: none.
    std::shared_ptr<const mesh::Policy> first_policy;
    /// Called with each policy that comes into force, once the records of it were read: not before
    /// this replica can open them, nor before it has all that was answered when it started.
    std::function<void(std::shared_ptr<const mesh::Policy>)> in_force;
    /// For people: what a record could not do.
    std::function<void(const std::string&)> notice;
  };
  /// What is given outlives it, or at least stop().
  static std::unique_ptr<PolicyKeeper> start(Parts parts);
  virtual ~PolicyKeeper() = default;
  /// Nothing more is asked of the cell. Not from the executor.
  virtual void stop() = 0;

  struct View {
    std::shared_ptr<const mesh::Policy> policy;  ///< Null: there is none.
    bool is_on_record = false;                   ///< Else the one it was started with.
    std::uint64_t version = 0;                   ///< Of those on record.
    std::vector<mesh::PolicyHistory::Proposal> open;
  };
  virtual View view() const = 0;
  /// Calls `then` when view() has all that is readable now. Not if it is stopped before.
  virtual void refresh(std::function<void()> then) = 0;

  /// `done` comes when this replica has taken up the record. Errors: those of PolicyHistory::apply
  /// and LocalCell::submit; unavailable if others were faster, again and again.
  using Done = std::function<void(Status)>;
  virtual void propose(u128 actor, mesh::SignedText statement, std::string policy, Done done) = 0;
  virtual void approve(u128 actor, crypto::Digest proposal, mesh::SignedText approval,
                       Done done) = 0;
};

}  // namespace meridian::cell
