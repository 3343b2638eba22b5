// What of a leader's log is kept past its checkpoints, for members that copy its state, and how
// fast it is read back for them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "consensus/internal/raft_host.h"

namespace meridian::consensus {

std::optional<SnapshotOffer> RaftHost::make_offer(std::uint64_t to) {
  std::optional<SnapshotOffer> offer = handler_.make_offer(to);
  if (offer) kept_.offered(to, offer->index + 1, parts_.clock.monotonic());
  return offer;
}

void RaftHost::keep_for_copies(std::uint64_t bytes_max) {
  kept_bytes_max_ = bytes_max;
  if (!kept_.is_empty()) cut_log();
}

void RaftHost::release_before(std::uint64_t index) {
  index = std::min(index, applied_ + 1);  // the report of what was applied may come later
  releasable_ = std::max(releasable_, index);
  cut_log();
}

void RaftHost::look_after_kept(const CoreStatus& status) {
  if (kept_.is_empty()) return;
  const io::MonotonicTime now = parts_.clock.monotonic();
  if (status.role != Role::leader || persister_.lacks_room()) {
    kept_.clear();
  } else {
    if (now - kept_looked_at_ < keep_look_period) return;
    kept_looked_at_ = now;
    const std::vector<PeerProgress> members = core_.progress();
    if (!kept_.look(members, status.last_index, releasable_, now)) return;
  }
  cut_log();
}

/// What checkpoints cover goes, but for what is kept, and that is bounded.
void RaftHost::cut_log() {
  std::uint64_t first = kept_.first(releasable_);
  while (first < releasable_ && visible_.disk_bytes(first, releasable_) > kept_bytes_max_) {
    const std::optional<std::uint64_t> member = kept_.give_up();
    handler_.log(2, fmt::format("the log is not kept any longer for member {}, which copies the "
                                "state: that would take more than {} MiB",
                                *member, kept_bytes_max_ >> 20));
    first = kept_.first(releasable_);
  }
  if (first <= released_) return;
  released_ = first;
  visible_.release_before(first);
  parts_.log.post([this, first] {
    if (stopped_) return;
    if (Status released = parts_.store.release_before(first); !released)
      post([this, error = released.error()] {
        fatal(with_context(error, "the write-ahead log cannot be cut"));
      });
  });
}

void RaftHost::keep_read_back_pace() {
  outbox_.go_on();
  const io::MonotonicTime now = parts_.clock.monotonic();
  if (now - paced_at_ < keep_look_period) return;
  const auto passed_ms = static_cast<std::uint64_t>(now - paced_at_) / 1'000'000;
  const std::uint64_t written = std::exchange(proposed_bytes_, 0) * 1'000 / passed_ms;
  outbox_.set_read_back_pace(written > busy_bytes_per_second ? 2 * written : 0);
  paced_at_ = now;
}

}  // namespace meridian::consensus
