// Dangerous acts of a cell as its records have them: follows the stream of proposals, approvals and
// uses, and adds to it what persons hand in (mesh/act_history.h).
//
// That an act is used is on record before use() answers, so that whoever begins it after that does
// so once, whatever stops in between. The same stream holds glasses that were broken, and what was
// done by them (mesh/break_glass.h). Calls are thread-safe, callbacks come on the executor.
#pragma once

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
#include "mesh/act_history.h"
#include "mesh/break_glass.h"

namespace meridian::cell {

class ActKeeper {
 public:
  struct Parts {
    LocalCell& cell;
    u128 cell_id;
    io::Clock& clock;
    io::Entropy& entropy;
    io::Executor& executor;
    /// For people: what a record could not do, and what was let through.
    std::function<void(const std::string&)> notice;
    /// Called with the glasses that were brought and are not over, some times a second, once the
    /// records were read to their end.
    std::function<void(const std::vector<mesh::SignedGlass>&)> glasses;
  };
  /// What is given outlives it, or at least stop().
  static std::unique_ptr<ActKeeper> start(Parts parts);
  virtual ~ActKeeper() = default;
  /// Nothing more is asked of the cell. Not from the executor.
  virtual void stop() = 0;

  /// Those that are not over, oldest first.
  virtual std::vector<mesh::ActHistory::Act> acts() const = 0;
  /// Calls `then` when acts() has all that is readable now. Not if it is stopped before.
  virtual void refresh(std::function<void()> then) = 0;

  /// `done` comes when this replica has taken up the record. Errors: those of ActHistory::apply and
  /// LocalCell::submit, and `may`'s; unavailable if others were faster, again and again.
  using Done = std::function<void(Status)>;
  /// Whether whoever signed has the right to: asked on the executor, before anything is recorded.
  using May = std::function<Status(const mesh::ActHistory::Act& act)>;
  virtual void propose(u128 actor, mesh::SignedText statement, Done done) = 0;
  virtual void approve(u128 actor, crypto::Digest act, mesh::SignedText approval, May may,
                       Done done) = 0;
  /// Lets `by` do `what` once. Errors: permission_denied (ActHistory::usable).
  virtual void use(u128 actor, std::string by, mesh::ActRequest what, May may, Done done) = 0;

  /// A glass whose signatures were verified. Errors: those of GlassHistory::apply.
  virtual void break_glass(u128 actor, mesh::SignedGlass glass, Done done) = 0;
  /// `what` is done by `by` because of it: on record before it is begun. Errors: the same.
  virtual void use_glass(u128 actor, crypto::Digest glass, std::string by, mesh::ActRequest what,
                         Done done) = 0;
};

}  // namespace meridian::cell
