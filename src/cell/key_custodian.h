// Keeps the keys of persons of a cell that has several replicas: alike on all, made by the leader,
// destroyed on all when somebody is forgotten (docs/formats/keys.md, docs/decisions/0021).
//
//   KeyFold   what every replica does: records -> table, and asks others for what no record holds
//   KeyMaker  what the leader does: rows for doors, turns of the epoch for forgetting
//   ResidencyKeeper  keys of jurisdictions, which only replicas there hold
//   RequestRelay  what a door there seals, or was read at a follower, and the leader orders
//   KeyHandover  how a key that no record holds goes from one to another
//
// Here: what replicas tell each other, and the tick. Owned by the door's executor; calls marked so
// may come from any thread.
#pragma once

#include "cell/key_fold.h"
#include "cell/key_maker.h"
#include "cell/key_parts.h"
#include "cell/request_relay.h"
#include "cell/residency_keeper.h"

namespace meridian::cell {

struct KeyProgress {
  bool is_complete = false;  ///< All records that are stored here are folded in here.
  std::vector<ReplicaEpoch> replicas;
};

class KeyCustodian {
 public:
  static constexpr io::Duration period = io::milliseconds(100);
  /// Between news that nothing changed; also how often the table's place is noted.
  static constexpr int ticks_between_news = 5;

  /// `erased`: keys in use are to be dropped.
  KeyCustodian(KeyParts parts, std::function<void()> erased);

  void start();  ///< Any thread; once `parts` may be called.
  /// Any thread but the executor's. Who waits is told that nothing was done; nothing is called any
  /// more after it.
  void stop();
  void stored(std::vector<replica::KeyRecord> records);  ///< Any thread.
  void receive(std::uint64_t from, Buffer message);      ///< Any thread.
  /// Any thread.
  void forget(u128 actor, u128 subject, KeyMaker::Forgotten done);
  /// Any thread.
  void keep(u128 actor, door::KeepingDraft draft, KeyMaker::Recorded done);
  /// Any thread. Turns the epoch: what was wrapped under its key before opens no more.
  void turn(u128 actor, KeyMaker::Forgotten done);
  /// Any thread. Has replica `which`, or every one, turn its own storage key over; `done` is
  /// told who was asked, itself among them. Who is not reached is not asked again. Errors:
  /// unavailable if another leads; invalid_argument.
  void ask_storage_turn(std::optional<std::uint64_t> which,
                        std::function<void(Result<std::vector<std::uint64_t>>)> done);
  /// Any thread. How far each member has turned the epoch, as far as this replica has heard.
  void progress(std::function<void(KeyProgress)> done);
  /// Whether this replica seals what lives in a jurisdiction, also where it does not lead. Any
  /// thread.
  bool relays() const { return residency_.is_inside_any(); }
  /// Any thread. See RequestRelay.
  void hand_over(std::unique_ptr<ledger::Request> request, replica::Replica::Answered answered);
  /// See KeyMaker, ResidencyKeeper and RequestRelay. On the executor.
  void missing(const door::MissingKeys& missing, KeyMaker::GoOn go_on);

 private:
  void tick();
  void tell();
  void take(std::uint64_t from, KeyMessage message);
  void keep_if_peopled(u128 actor, door::KeepingDraft draft, KeyMaker::Recorded done);

  KeyParts parts_;
  replica::Lifetime lifetime_;
  KeyBoard board_;
  KeyHandover handover_;
  KeyFold fold_;
  ResidencyKeeper residency_;
  KeyMaker maker_;
  RequestRelay relay_;
  bool is_started_ = false;
  int ticks_ = 0;
};

}  // namespace meridian::cell
