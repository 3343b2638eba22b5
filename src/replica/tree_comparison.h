// A peer has another tree of the same size: who is right, and where do the trees part?
//
//   idle --begin()--> asking every voter for its root --+-- a quorum has ours: a notice, idle
//                                                       +-- a quorum has another: we stop
//                                                       +-- neither, or no answer: all stop
//   stopping: tiles are compared with one peer's from the top down, then Next::stop names the
//   record
//
// While it runs nothing is signed or written (Next::doubting). Who is right: majority.h. On the
// prove executor; blocks on the disk.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "io/clock.h"
#include "replica/cosign_message.h"
#include "replica/majority.h"

namespace meridian::replica {

class TreeComparison {
 public:
  /// Until then voters may answer; who is silent is taken for neither side.
  static constexpr io::Duration patience = io::milliseconds(10'000);
  /// Until then a peer may say where its tree differs; then the next is asked, if there is one.
  static constexpr io::Duration search_patience = io::milliseconds(3'000);

  struct Parts {
    io::Clock& clock;
    proof::TileReader& tiles;
    std::uint64_t id;  ///< Of this replica.
    /// Fills in number, origin and keys, and sends.
    std::function<void(std::uint64_t to, CosignQuestion)> ask;
    std::function<void(const std::string&)> notice;
  };
  struct Next {
    std::function<void(const std::string& why)> doubting;  ///< Empty: no more.
    std::function<void(Error)> stop;                       ///< data_loss; once.
  };
  TreeComparison(const Parts& parts, Next next) : parts_(parts), next_(std::move(next)) {}

  /// `peer` has `other` where we have `own`. Nothing if that is known of it, or it runs already.
  void begin(std::uint64_t peer, const proof::TreeHead& own, const proof::Hash& other,
             const consensus::Membership& membership);
  bool is_running() const { return own_.has_value(); }
  void take_root(std::uint64_t from, const proof::TreeHead& head);
  void take_hashes(std::uint64_t from, const proof::Hashes& hashes);
  /// Now and then: asks again, and decides when patience is over.
  void tick();

 private:
  void ask_roots();
  void decide(bool is_last_call);
  void settle();
  Said said() const { return {parts_.id, own_->root, roots_}; }
  void search(std::string verdict);
  void search_with_next();
  void ask_hashes();
  /// To the tiles below: of the subtree that differs, or of the leaves right of the complete ones.
  void go_down(std::optional<std::uint64_t> differing);
  void conclude(const std::string& where);

  Parts parts_;
  Next next_;
  std::set<std::uint64_t> outvoted_;  ///< Known to differ from a quorum that we are part of.

  std::optional<proof::TreeHead> own_;  ///< Set while it runs.
  consensus::Membership membership_;
  std::map<std::uint64_t, proof::Hash> roots_;  ///< Of peers that answered.
  io::MonotonicTime until_{};

  // While it searches:
  std::uint64_t with_ = 0;            ///< The peer; 0: not searching.
  std::set<std::uint64_t> searched_;  ///< Peers that did not say.
  std::string verdict_;
  TileRange range_;
  bool at_edge_ = true;  ///< All complete subtrees so far were equal.
};

}  // namespace meridian::replica
