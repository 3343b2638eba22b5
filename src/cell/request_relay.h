// Where a leader may not read what is to be written (docs/decisions/0034): a door in the
// jurisdiction seals, and hands the sealed request on over the replicas' link; the leader orders
// it. So do all with what was read at them (cell/reading_keeper.h).
//
//   there                                      at the leader
//   a key is missing   -> RowsWanted        -> made and recorded as its own door's are
//   folded in here     -> sealed again
//   SealedRequest                           -> its rows stand, and no turn is on its way: proposed
//   the client's answer                     <- SealedAnswer
//
// So nothing is ordered that was sealed under a key which is destroyed. A follower is believed who
// asked, as it checked that; it cannot ask for what clients may not (cell/order_check.h). On the
// door's executor.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "cell/key_maker.h"
#include "cell/key_parts.h"
#include "cell/order_check.h"
#include "replica/lifetime.h"

namespace meridian::cell {

class RequestRelay {
 public:
  /// For rows that were asked for.
  static constexpr io::Duration patience = io::seconds(3);
  /// For an answer; after it the outcome is unknown.
  static constexpr io::Duration answer_patience = io::seconds(10);

  /// How often, and when, what was sealed under keys that are on their way is looked at again.
  static constexpr int orders_max = 40;
  static constexpr io::Duration order_period = io::milliseconds(50);
  static constexpr int attempts_max = 4;  ///< To make a row, with a turn between them.

  using GoOn = KeyMaker::GoOn;

  RequestRelay(const KeyParts& parts, KeyMaker& maker) : parts_(parts), maker_(maker) {}
  void stop() { lifetime_.end(); }  ///< Any thread.
  void end();
  void tick();
  void folded();  ///< Records were.

  // --- where another leads: in the jurisdiction, or of readings ---
  void want(const std::vector<storage::WantedRow>& rows, GoOn go_on);
  void hand_over(const ledger::Request& request, const replica::Replica::Answered& answered);
  void receive(std::uint64_t from, const SealedAnswer& message);

  // --- at the leader ---
  void receive(std::uint64_t from, const RowsWanted& message);
  void receive(std::uint64_t from, const SealedRequest& message);

 private:
  struct Waiter {
    std::vector<storage::WantedRow> rows;
    io::MonotonicTime since;
    GoOn go_on;
  };
  struct HandedOver {
    std::uint64_t to;
    io::MonotonicTime since;
    replica::Replica::Answered answered;
  };
  void make(const std::vector<storage::WantedRow>& rows, int attempts);
  void order(std::uint64_t from, const std::string& region, const SealedRequest& message,
             int attempt);
  void propose(std::uint64_t from, std::uint64_t number, std::unique_ptr<ledger::Request> request);
  void answer(std::uint64_t to, std::uint64_t number, const Result<replica::Answer>& answer);
  bool has_passed(io::MonotonicTime since, io::Duration time) const {
    return parts_.clock.monotonic() - since >= time;
  }

  const KeyParts& parts_;
  KeyMaker& maker_;
  const OrderCheck order_check_{parts_};
  replica::Lifetime lifetime_;
  std::vector<Waiter> waiters_;
  std::map<std::uint64_t, HandedOver> handed_over_;
};

}  // namespace meridian::cell
