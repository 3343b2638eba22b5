#include "replica/election_timing.h"

#include <algorithm>

namespace meridian::replica {

namespace {

constexpr std::int64_t answers_needed = 3;
constexpr std::int64_t steps = 4;  // to double the least
/// What a member may say of itself: nothing of a cell takes so long.
constexpr io::Duration word_max = io::seconds(3'600);

std::int64_t ns(io::Duration duration) { return static_cast<std::int64_t>(duration); }

}  // namespace

Buffer encode_timing_word(const TimingWord& word) {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(PeerTag::timing));
  for (const io::Duration one : {word.election, word.write, word.delay})
    out.u64(static_cast<std::uint64_t>(ns(one)));
  return bytes;
}

Result<TimingWord> decode_timing_word(Bytes bytes) {
  ByteReader in(bytes);
  in.u8();
  TimingWord word{};
  bool fits = true;
  for (io::Duration* one : {&word.election, &word.write, &word.delay}) {
    const std::uint64_t value = in.u64();
    fits = fits && value <= static_cast<std::uint64_t>(ns(word_max));
    if (fits) *one = io::Duration{static_cast<std::int64_t>(value)};
  }
  if (!in.done() || !fits)
    return fail(Code::invalid_argument, "what a replica says of its timing is malformed");
  return word;
}

io::Duration ElectionTiming::next(const Usual& usual) {
  const std::int64_t least = ns(least_.election);
  const std::int64_t needed =
      answers_needed * (ns(usual.round_trip) + 2 * ns(usual.write) + ns(usual.delay));
  too_much_ = needed > stretch_max * least ? io::Duration{needed} : io::Duration{};
  const bool is_too_short = needed > ns(election_);
  const bool is_too_long = needed < ns(election_) * 2 / 3;
  if (!is_too_short && !is_too_long) return election_;
  const std::int64_t step = std::max<std::int64_t>(least / steps, 1);
  election_ =
      io::Duration{std::clamp((needed + step - 1) / step * step, least, stretch_max * least)};
  return election_;
}

TimingWord ElectionTiming::worst(TimingWord ours, const consensus::Membership& membership) const {
  for (const std::uint64_t id : membership.voting_ids()) {
    const auto found = words_.find(id);
    if (found == words_.end()) continue;
    ours.election = std::max(ours.election, found->second.election);
    ours.write = std::max(ours.write, found->second.write);
    ours.delay = std::max(ours.delay, found->second.delay);
  }
  return ours;
}

}  // namespace meridian::replica
