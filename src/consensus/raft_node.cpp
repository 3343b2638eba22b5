#include "consensus/raft_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/assert.h"
#include "consensus/internal/raft_host.h"

namespace meridian::consensus {

Timing Timing::measured(io::Duration round_trip, io::Duration sync) {
  const auto ns = [](io::Duration d) { return static_cast<std::int64_t>(d); };
  Timing timing;
  // A vote or heartbeat answer takes a round trip and, if the term is new, a sync on each side.
  const std::int64_t answer = ns(round_trip) + 2 * ns(sync);
  const std::int64_t election = std::max(ns(timing.election), 5 * answer);
  timing.election = io::Duration{election};
  timing.heartbeat = io::Duration{std::max(ns(timing.heartbeat), election / 5)};
  return timing;
}

io::Duration Timing::failover_bound(io::Duration round_trip, io::Duration sync,
                                    io::Duration delay) const {
  const auto ns = [](io::Duration d) { return static_cast<std::int64_t>(d); };
  const std::int64_t detect = ns(round_trip) + 2 * ns(election) + ns(tick) + ns(delay);
  const std::int64_t split_vote = 2 * ns(election) + ns(tick) + ns(delay);
  // Pre-vote, vote, the new leader's first entry: each a round trip, in which the delay of who
  // answers is counted, and one of who asked; two syncs on each side.
  const std::int64_t win = 3 * ns(round_trip) + 3 * ns(delay) + 4 * ns(sync);
  return io::Duration{detect + split_vote + win};
}

Timing Timing::stretched(io::Duration election_wanted) const {
  const auto ns = [](io::Duration d) { return static_cast<std::int64_t>(d); };
  if (election_wanted <= election) return *this;
  Timing timing = *this;
  timing.election = election_wanted;
  timing.tick = io::Duration{ns(tick) * ns(election_wanted) / ns(election)};
  return timing;
}

RaftNode::RaftNode(const Config& config, const Parts& parts, const Start& start, Handler handler)
    : host_(std::make_unique<RaftHost>(config, parts, start, std::move(handler))) {}
RaftNode::~RaftNode() = default;

void RaftNode::start() { host_->start(); }
void RaftNode::stop() { host_->stop(); }
void RaftNode::receive(io::PeerId from, io::Parts parts) {
  host_->post([host = host_.get(), from, parts = std::move(parts)]() mutable {
    host->receive(static_cast<std::uint64_t>(from), std::move(parts));
  });
}
void RaftNode::propose(std::uint64_t term, std::vector<EntryBytes> entries) {
  host_->post([host = host_.get(), term, entries = std::move(entries)]() mutable {
    host->propose(term, std::move(entries));
  });
}
void RaftNode::propose_change(std::uint64_t term, CheckedChange change, EntryBytes record,
                              std::function<void(Status)> done) {
  host_->post([host = host_.get(), term, change = std::move(change), record = std::move(record),
               done = std::move(done)]() mutable {
    done(host->propose_change(term, change, std::move(record)));
  });
}
void RaftNode::applied(std::uint64_t index) {
  host_->post([host = host_.get(), index] { host->applied(index); });
}
void RaftNode::read_index(std::function<void(Result<std::uint64_t>)> done) {
  host_->post([host = host_.get(), done = std::move(done)]() mutable {
    host->read_index(std::move(done));
  });
}
void RaftNode::transfer_leadership(std::uint64_t to) {
  host_->post([host = host_.get(), to] { host->transfer_leadership(to); });
}
void RaftNode::set_election_timeout(io::Duration election) {
  host_->post([host = host_.get(), election] { host->set_election_timeout(election); });
}
void RaftNode::link_down(std::uint64_t peer) {
  host_->post([host = host_.get(), peer] { host->link_down(peer); });
}
void RaftNode::snapshot_active(std::uint64_t to) {
  host_->post([host = host_.get(), to] { host->snapshot_active(to); });
}
void RaftNode::snapshot_sent(std::uint64_t to, bool succeeded) {
  host_->post([host = host_.get(), to, succeeded] { host->snapshot_sent(to, succeeded); });
}
void RaftNode::release_before(std::uint64_t index) {
  host_->post([host = host_.get(), index] { host->release_before(index); });
}
void RaftNode::keep_for_copies(std::uint64_t bytes_max) {
  host_->post([host = host_.get(), bytes_max] { host->keep_for_copies(bytes_max); });
}
void RaftNode::read_log(std::uint64_t first, std::uint64_t bytes_max,
                        std::function<void(Result<LogPiece>)> done) {
  host_->post([host = host_.get(), first, bytes_max, done = std::move(done)]() mutable {
    host->read_log(first, bytes_max, std::move(done));
  });
}
RaftNode::Report RaftNode::report() const { return host_->report(); }

}  // namespace meridian::consensus
