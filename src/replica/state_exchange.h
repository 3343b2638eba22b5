// A state on its way between two replicas: questions and answers over the peers' network.
//
// The giving side answers from its StateSource on its own executor. The taking side runs while its
// replica is closed: it asks one peer, keeps a window of requests under way, repeats what got no
// answer, and hands every piece to a StateInstaller. Nobody steps the core's snapshot message: the
// member starts again from the installed state and then answers like any other (M6).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "io/clock.h"
#include "io/executor.h"
#include "replica/lifetime.h"
#include "replica/peers.h"
#include "replica/state_installer.h"
#include "replica/state_source.h"

namespace meridian::replica {

/// Question: tag, kind, number, then what is asked. Answer: tag, number, outcome; then the bytes.
enum class CopyQuestion : std::uint8_t { offer = 1, piece = 2, done = 3 };
io::SharedBytes encode_copy_question(CopyQuestion kind, std::uint64_t number, Bytes what);
struct CopyAnswer {
  std::uint64_t number;
  bool is_refusal;  ///< `bytes` say why.
  Bytes bytes;      ///< Of the parts that it was decoded from.
};
/// None: it is malformed.
std::optional<CopyAnswer> decode_copy_answer(const io::Parts& parts);

class StateGiver {
 public:
  struct Next {
    std::function<void(std::uint64_t peer)> asked;  ///< A sign of life of who copies.
    std::function<void(std::uint64_t peer)> done;   ///< It has installed the state.
    /// Somebody wants the state and there is no checkpoint yet: one should be cut.
    std::function<void()> wanted;
  };
  /// Registers with `peers`; answers on `executor`, which may block on the disk.
  StateGiver(Peers& peers, io::Executor& executor, StateSource& source, Next next);
  std::uint64_t given_bytes() const { return given_bytes_; }  ///< Any thread.

 private:
  void answer(std::uint64_t from, const io::Parts& question);

  Peers& peers_;
  io::Executor& executor_;
  StateSource& source_;
  Next next_;
  std::atomic<std::uint64_t> given_bytes_{0};
};

class StateTaker {
 public:
  static constexpr io::Duration patience = io::milliseconds(1'000);
  static constexpr std::size_t window = 8;

  struct Parts {
    io::Executor& executor;  ///< All of it runs here; it blocks on the disk.
    io::Clock& clock;
    Peers& peers;
    const storage::SealedContext& context;
    std::uint64_t bytes_per_second = 0;  ///< 0: no limit.
    /// Called before the state is committed: makes the own log fit what is installed.
    std::function<Status(const StateOffer&)> before_commit;
    std::function<void(const StateInstaller::Progress&)> progress;
    bool skips_sync = false;  ///< Canary::step_before_data.
    StateInstaller::Options::Beside beside{};
  };
  /// `done` once: the offer that was installed, or why not. Errors: unavailable if the peer does
  /// not answer; what StateInstaller says. Registers with `peers`.
  StateTaker(const Parts& parts, std::uint64_t peer, std::function<void(Result<StateOffer>)> done);
  /// No call is made from now on. On the executor, or when it is idle.
  ~StateTaker();

  void start();

 private:
  struct Asked {
    PieceRequest request;
    io::MonotonicTime at;
  };
  void receive(std::uint64_t from, const io::Parts& answer);
  void begin(Bytes offer);
  void take(std::uint64_t number, Bytes piece);
  void ask_more();
  void ask_offer();
  void watch();
  void repeat_questions();
  void finish();
  void end(Result<StateOffer> result);
  bool send(CopyQuestion kind, std::uint64_t number, Bytes what);

  Parts parts_;
  const std::uint64_t peer_;
  std::function<void(Result<StateOffer>)> done_;
  Lifetime lifetime_;
  std::optional<StateOffer> offer_;
  std::unique_ptr<StateInstaller> installer_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t next_number_ = 1;
  io::MonotonicTime heard_at_{};
  io::MonotonicTime began_at_{};
  std::uint64_t received_ = 0;
  int refused_ = 0;
  bool ended_ = false;
};

}  // namespace meridian::replica
