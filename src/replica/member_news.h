// Who takes part, told to replicas that cannot learn it from the log: one that is not a member yet,
// one that was removed, one whose disk is not the one that its id belongs to.
//
//   not a member yet  --asks those it was told of--> answer: whom to talk to; and it can be added
//   was removed       --any message----------------> answer: it left, its message is dropped (M2)
//   another disk      --its hello is refused-------> answer: the storage that its id belongs to
//   a member that cannot tell what is committed yet <--an answer at each change, and at the
//                     beginning of every link: who else takes part by now, as only those it knows
//                     reach it
//
// Having left is for good, as ids are never used again, so that one word suffices. Another disk
// counts once more than half of the other members say so: one of them may have met an emptied disk
// before the true one. Who is told so by one asks the others, which it may not know of.
// On the raft executor. Bytes: docs/formats/membership.md.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "base/result.h"
#include "base/u128.h"
#include "io/executor.h"
#include "replica/group_state.h"
#include "replica/lifetime.h"
#include "replica/peers.h"

namespace meridian::replica {

/// How a replica stands in its cell.
enum class Standing : std::uint8_t { outsider, learner, voter, removed, other_disk };
/// As `group` has it; never other_disk.
Standing standing_in(const GroupState& group, std::uint64_t id);
/// The replica has to stop.
inline bool is_out(Standing standing) {
  return standing == Standing::removed || standing == Standing::other_disk;
}
/// For an operator: what it means, and what to do.
std::string describe(Standing standing, const MemberInfo& self);

struct MembersAnswer {
  std::uint64_t leader = 0;  ///< 0: not known.
  u128 storage = 0;          ///< That the id of who is told belongs to; 0: not known.
  GroupState group;
  bool operator==(const MembersAnswer&) const = default;
};
/// `address`: where peers reach the one who asks.
Buffer encode_members_request(std::string_view address);
/// Errors: invalid_argument.
Result<std::string> decode_members_request(Bytes bytes);
Buffer encode_members_answer(const MembersAnswer& answer);
/// Errors: invalid_argument; data_loss naming the field of the group.
Result<MembersAnswer> decode_members_answer(Bytes bytes);

/// Members of `group` that `peers` did not know are reached from now on.
void meet(const GroupState& group, Peers& peers);

class MemberNews {
 public:
  static constexpr io::Duration ask_period = io::seconds(1);

  struct Parts {
    io::Executor& raft;
    Peers& peers;
    MemberInfo self;
    u128 storage;                              ///< Of this replica.
    std::function<const GroupState&()> group;  ///< As of now.
    std::function<std::uint64_t()> leader;     ///< 0: not known.
    std::function<void(const std::string&)> notice;
  };
  /// `told` whenever the own standing has changed, first by start(). Registers with `peers`.
  MemberNews(Parts parts, std::function<void(Standing)> told);
  ~MemberNews() { lifetime_.end(); }

  void start();
  /// The group is another one now.
  void look();

 private:
  void ask();
  void answer(std::uint64_t to);
  void asked(std::uint64_t by, const io::Parts& question);
  void receive(std::uint64_t from, const io::Parts& parts);
  void disowned(std::uint64_t by, const GroupState& group);
  void learn(const MembersAnswer& answer);
  void question_all();
  void stand(Standing standing);
  bool takes_part() const;

  Parts parts_;
  std::function<void(Standing)> told_;
  bool is_known_ = false;  ///< standing_ was told.
  Standing standing_ = Standing::outsider;
  bool wait_told_ = false;
  std::set<std::uint64_t> disowned_by_;
  Lifetime lifetime_;
};

}  // namespace meridian::replica
