// Jurisdictions of a cell (docs/decisions/0034, 0039): who holds their keys, whether what lives in
// one may be written now, how a key comes to be, and when it goes.
//
//   no key, or a next one is wanted   a replica there makes one, the others there ask for it
//                                     two of its regions hold it -> the leader proposes
//                                     residency_key; until then the one before stays in use
//   a key that is not here yet        asked for of whoever has it
//   rows in one region only           who seals under them waits, for a while
//   a key that did not come to count, or that no row of the table needs any more: destroyed here
//
// On the door's executor. Says and asks nothing as long as no jurisdiction is defined.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "cell/key_fold.h"
#include "cell/key_handover.h"
#include "cell/key_parts.h"
#include "replica/lifetime.h"

namespace meridian::cell {

class ResidencyKeeper {
 public:
  /// Who said nothing for so long counts as down.
  static constexpr io::Duration heard_for = io::seconds(3);
  /// How long who seals waits for rows to be in two regions; how long the next replica waits before
  /// it makes a key that those before it did not; and before a proposal is repeated.
  static constexpr io::Duration patience = io::seconds(2);
  /// Keys of one turn that a replica takes over before one of them counts.
  static constexpr std::size_t candidates_max = 8;

  using GoOn = std::function<void(Status)>;

  ResidencyKeeper(const KeyParts& parts, const KeyFold& fold, KeyHandover& handover)
      : parts_(parts), fold_(fold), handover_(handover), keys_(parts.keys) {}
  void stop() { lifetime_.end(); }  ///< Any thread.
  /// Who waits is told that nothing was done.
  void end();

  /// Every KeyCustodian::period.
  void tick();
  /// To all, if there is anything to tell.
  void tell();
  /// Records were folded in here: to be told soon.
  void folded();
  void receive(std::uint64_t from, ResidencyNews news);
  /// The key of a jurisdiction for a member in `region`. Errors: not_found, also if it may not.
  Result<Bytes> find(u128 check, const std::string& region) const;
  /// False if it is no key that was asked for here.
  bool take(u128 check, const crypto::Secret& key);
  /// It holds the key of a jurisdiction that it is in. Any thread.
  bool is_inside_any() const { return is_inside_any_; }
  /// `go_on` once the rows are where they must be, or that cannot be waited for.
  void wait(std::vector<storage::ResidencyWait> waits, GoOn go_on);

 private:
  using Key = storage::ResidencyKeys::Held;
  struct Told {
    ResidencyNews news;
    io::MonotonicTime at;
  };
  /// A key that is to come to count.
  struct Wanted {
    std::uint32_t turn;
    io::MonotonicTime since;
    std::optional<io::MonotonicTime> proposed{};
  };
  struct Waiter {
    std::vector<storage::ResidencyWait> waits;
    io::MonotonicTime since;
    GoOn go_on;
  };

  const storage::Residency& residency() const { return parts_.table.keeping().residency(); }
  void settle();
  void look_at(const storage::Jurisdiction& one);
  void look_at_next(const storage::Jurisdiction& one);
  void look_at_state(const storage::Jurisdiction& one);
  void provide_candidate(const storage::Jurisdiction& one, const Wanted& wanted);
  void propose(const storage::Jurisdiction& one, Wanted& wanted);
  void ask_for_missing(const storage::Jurisdiction& one);
  void ask(const storage::Jurisdiction& one, const Key& key);
  void destroy_unneeded();
  /// Of its next turn, that the replica told.
  static std::vector<u128> candidates_of(const storage::Jurisdiction& one, const Told& told);
  void go_on();
  Told own() const;
  std::vector<std::uint64_t> members_in(const storage::Jurisdiction& one) const;
  bool is_inside(const storage::Jurisdiction& one) const {
    return one.has(group_->region_of(parts_.id));
  }
  /// Null if it told nothing.
  const Told* told(std::uint64_t id) const;
  bool is_heard(const Told& told) const { return !has_passed(told.at, heard_for); }
  /// Whether replicas in two of its regions hold the key, of those that are heard.
  bool is_in_two_regions(const storage::Jurisdiction& one, const Key& key) const;
  bool has_passed(io::MonotonicTime since, io::Duration time) const {
    return parts_.clock.monotonic() - since >= time;
  }

  const KeyParts& parts_;
  const KeyFold& fold_;
  KeyHandover& handover_;
  storage::ResidencyKeys keys_;
  replica::Lifetime lifetime_;
  std::optional<replica::GroupState> group_;  ///< As of late.
  std::map<std::uint64_t, Told> board_;       ///< Of this replica, too.
  std::map<std::uint8_t, Wanted> wanted_;     ///< By jurisdiction.
  std::map<u128, Key> asked_;                 ///< By check.
  std::size_t asks_ = 0;
  std::vector<Waiter> waiters_;
  std::atomic<bool> is_inside_any_{false};
  bool is_telling_ = false;
  int ticks_ = 0;
};

}  // namespace meridian::cell
