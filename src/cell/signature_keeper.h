// What clients signed of their requests, kept as events of the cell's own stream
// (docs/decisions/0036, docs/formats/signature.md).
//
// The evidence is the first command of the request that it is about, so that both stand in one
// entry or in none. Thread-safe; callbacks come on the reads or the door's executor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cell/event_reader.h"
#include "cell/local_cell.h"

namespace meridian::cell {

class SignatureKeeper {
 public:
  /// All outlive it, or at least stop().
  SignatureKeeper(replica::Replica& replica, door::Door& door, EventReader& reader,
                  io::Executor& executor)
      : replica_(replica), door_(door), reader_(reader), executor_(executor) {}

  /// Errors: those of the door; resource_exhausted if there is one command too many.
  void submit(u128 actor, std::vector<door::CommandDraft> commands, const std::string& jws,
              replica::Replica::Answered answered);
  /// LocalCell::signature.
  void find(ledger::RecordIndex record, std::function<void(Result<LocalCell::KeptSignature>)> done);
  /// What is under way ends without an answer.
  void stop() { *alive_ = false; }

 private:
  using Done = std::function<void(Result<LocalCell::KeptSignature>)>;
  void read_kept(const crypto::Digest& digest, ledger::RecordIndex at, Done done);

  replica::Replica& replica_;
  door::Door& door_;
  EventReader& reader_;
  io::Executor& executor_;
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
};

}  // namespace meridian::cell
