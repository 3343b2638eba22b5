#include "replica/round_trips.h"

namespace meridian::replica {

namespace {

io::Parts message(PeerTag tag, std::uint64_t time) {
  Buffer bytes(9);
  bytes[0] = static_cast<Byte>(tag);
  store_le(bytes.data() + 1, time);
  return {std::make_shared<const Buffer>(std::move(bytes))};
}

}  // namespace

void RoundTrips::ask(std::uint64_t peer) {
  const io::Duration now = clock_.monotonic() - io::MonotonicTime{};
  send_(peer, message(PeerTag::ping, static_cast<std::uint64_t>(now)));
}

void RoundTrips::receive(std::uint64_t from, const io::Parts& parts) {
  if (parts.size() != 1 || parts[0]->size() != 9) return;
  const auto time = load_le<std::uint64_t>(parts[0]->data() + 1);
  if (static_cast<PeerTag>(parts[0]->front()) == PeerTag::ping)
    return send_(from, message(PeerTag::pong, time));
  const io::MonotonicTime now = clock_.monotonic();
  const auto since_start = static_cast<std::uint64_t>(now - io::MonotonicTime{});
  if (time > since_start) return;  // none of ours: a peer may send anything
  const io::Duration took{static_cast<std::int64_t>(since_start - time)};
  Seen& seen = seen_[from];
  seen.longest.add(took, now);
  seen.usual.add(took, now);
}

io::Duration RoundTrips::longest(std::uint64_t peer) const {
  const auto found = seen_.find(peer);
  return found == seen_.end() ? io::Duration{} : found->second.longest.get(clock_.monotonic());
}

io::Duration RoundTrips::usual(std::uint64_t peer) const {
  const auto found = seen_.find(peer);
  return found == seen_.end() ? io::Duration{} : found->second.usual.get(clock_.monotonic());
}

}  // namespace meridian::replica
