// The digest of the state in the log, or of a peer, is not ours: who is right?
//
//   idle --begin()--> asking every voter for its digest --+-- a quorum has ours: a notice, idle
//                                                         +-- a quorum has another: we stop
//                                                         +-- neither, or no answer: all stop
//
// As tree_comparison.h does for trees (who is right: majority.h). While it runs nothing is written
// (Next::doubting). A replica that cut no state checkpoint at that record says nothing. On the
// prove executor.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "io/clock.h"
#include "replica/cosign_message.h"
#include "replica/majority.h"

namespace meridian::replica {

/// Of a state checkpoint, which covers the records below `record`.
struct CutDigest {
  std::uint64_t record = 0;
  crypto::Digest digest{};
  bool operator==(const CutDigest&) const = default;
};

class StateComparison {
 public:
  /// Until then voters may answer; who is silent is taken for neither side.
  static constexpr io::Duration patience = io::milliseconds(10'000);

  struct Parts {
    io::Clock& clock;
    std::uint64_t id;  ///< Of this replica.
    /// Fills in number, origin and keys, and sends.
    std::function<void(std::uint64_t to, CosignQuestion)> ask;
    std::function<void(const std::string&)> notice;
  };
  struct Next {
    std::function<void(const std::string& why)> doubting;  ///< Empty: no more.
    std::function<void(Error)> stop;                       ///< data_loss; once.
  };
  StateComparison(const Parts& parts, Next next) : parts_(parts), next_(std::move(next)) {}

  /// Somebody has another digest where ours is `own`. Nothing if one of that record or a later one
  /// was settled, or it runs already.
  void begin(const CutDigest& own, const consensus::Membership& membership);
  bool is_running() const { return own_.has_value(); }
  void take(std::uint64_t from, const CutDigest& its);
  /// Now and then: asks again, and decides when patience is over.
  void tick();

 private:
  void ask_voters();
  void decide(bool is_last_call);
  void settle();
  void stop(std::string why);

  Parts parts_;
  Next next_;
  std::optional<CutDigest> own_;
  consensus::Membership membership_;
  std::map<std::uint64_t, crypto::Digest> others_;
  io::MonotonicTime until_{};
  std::uint64_t settled_ = 0;  ///< The highest record.
};

}  // namespace meridian::replica
