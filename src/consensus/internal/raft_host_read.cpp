// Parts of this member's log for others that cannot trust the end of theirs.
#include "base/assert.h"
#include "consensus/internal/raft_host.h"

namespace meridian::consensus {

void RaftHost::read_log(std::uint64_t first, std::uint64_t bytes_max,
                        std::function<void(Result<RaftNode::LogPiece>)> done) {
  const CoreStatus status = core_.status();
  RaftNode::LogPiece piece;
  piece.term = status.term;
  piece.leads = status.role == Role::leader;
  piece.first_index = visible_.first_index();
  piece.last = {visible_.last_index(), visible_.term(visible_.last_index()).value_or(0)};
  if (first > 0) piece.prev_term = visible_.term(first - 1).value_or(0);
  std::uint64_t bytes = 0;
  std::uint64_t index = first;
  for (; visible_.has(index) && visible_.is_cached(index); ++index) {
    bytes += visible_.size_of(index);
    if (!piece.entries.empty() && bytes > bytes_max) break;
    piece.entries.push_back(visible_.at(index));
  }
  if (!piece.entries.empty() || !visible_.has(first)) return done(std::move(piece));

  parts_.log.post(
      [this, first, bytes_max, piece = std::move(piece), done = std::move(done)]() mutable {
        if (stopped_) return;
        Result<std::vector<LogEntry>> read = parts_.store.read(first, piece.last.index, bytes_max);
        post([this, piece = std::move(piece), read = std::move(read),
              done = std::move(done)]() mutable {
          if (!read) return done(read.error());
          for (const LogEntry& entry : *read)
            if (visible_.term(entry.index) != entry.term)  // replaced meanwhile: ask again
              return done(fail(Code::unavailable, "the log changed while it was read"));
          piece.entries = std::move(*read);
          done(std::move(piece));
        });
      });
}

}  // namespace meridian::consensus
