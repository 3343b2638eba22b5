// A stream of the cell's own that every replica follows and folds, and adds to: what policies and
// proposals of acts have in common.
//
// What is handed in is judged on a copy of the fold that has all there is, then appended behind
// exactly the record that the copy ended with: what was accepted has the same effect everywhere, or
// `done` says that it has none (a time that ended in between). One executor owns it; calls are
// thread-safe, callbacks come on that executor. Cost: a look at the stream five times a second.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "cell/local_cell.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/executor.h"

namespace meridian::cell::internal {

class FoldedStream final : public std::enable_shared_from_this<FoldedStream> {
 public:
  static constexpr io::Duration look_every = io::milliseconds(200);

  struct Body {
    std::string_view type;  ///< Of static life.
    std::string json;
  };
  struct Parts {
    LocalCell& cell;
    io::Clock& clock;
    io::Entropy& entropy;
    io::Executor& executor;
    std::string stream;
    /// The next record. Errors: why it changes nothing.
    std::function<Status(std::string_view type, std::string_view json, std::int64_t time_s)> apply;
    /// Some were applied.
    std::function<void()> changed;
    /// All that is there was applied.
    std::function<void()> seen;
    /// For people: what a record could not do.
    std::function<void(const std::string&)> notice;
  };
  explicit FoldedStream(Parts parts) : parts_(std::move(parts)) {}

  /// After a restart a replica does not know yet what of its log is committed: by what it has it
  /// would go by what others replaced. So it waits for a leader first.
  void begin();
  /// No callback comes after it returned. Not from the executor.
  void stop();
  /// Calls `then` when all that is readable now was applied. Not if it is stopped before.
  void refresh(std::function<void()> then);

  /// What to append, by a copy of the fold as of `now_s`; errors refuse it. May be called again.
  using Judge = std::function<Result<std::vector<Body>>(std::int64_t now_s)>;
  using Done = std::function<void(Status)>;
  /// `done` comes when this replica has applied what was appended. Errors: the judge's, and those
  /// of LocalCell::submit; unavailable if others were faster, again and again.
  void hand_in(u128 actor, Judge judge, Done done);

  std::int64_t now_s() const;

 private:
  struct Wish {
    u128 actor;
    Judge judge;
    Done done;
    int tries = 0;
  };
  void post(std::function<void(FoldedStream&)> task);
  void look_later(io::Duration delay);
  void look(std::function<void(FoldedStream&)> then);
  bool apply(const ReadPage& read);
  void try_to_add(const std::shared_ptr<Wish>& wish);
  void add(const std::shared_ptr<Wish>& wish);
  void added(const std::shared_ptr<Wish>& wish, const Result<replica::Answer>& answer);
  void wait_for(const std::shared_ptr<Wish>& wish, std::uint64_t revision);
  door::EventDraft draft(const Body& body);
  void expect_nothing_new(door::EventDraft& event) const;

  const Parts parts_;
  std::atomic<bool> stopped_ = false;
  // The executor's:
  std::uint64_t next_ = 0;  ///< Revision of the stream.
  /// The newest that had no effect: whoever waits for one of them is told.
  std::map<std::uint64_t, Error> without_effect_;
};

}  // namespace meridian::cell::internal
