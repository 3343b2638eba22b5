#include "replica/level_news.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::replica {

namespace {

constexpr std::size_t message_size = 1 + 4 + 4;

std::string range_of(const ledger::FeatureLevels& levels) {
  return levels.oldest == levels.newest
             ? fmt::format("level {} only", levels.newest)
             : fmt::format("levels {} to {}", levels.oldest, levels.newest);
}

Error refuse(std::string why) { return {Code::failed_precondition, std::move(why)}; }

}  // namespace

Buffer encode_levels(const ledger::FeatureLevels& levels) {
  Buffer bytes(message_size);
  bytes[0] = static_cast<Byte>(PeerTag::levels);
  store_le(bytes.data() + 1, levels.oldest);
  store_le(bytes.data() + 5, levels.newest);
  return bytes;
}

Result<ledger::FeatureLevels> decode_levels(Bytes bytes) {
  if (bytes.size() != message_size)
    return fail(Code::invalid_argument, "what a replica says of its levels has another size");
  const ledger::FeatureLevels levels{load_le<std::uint32_t>(bytes.data() + 1),
                                     load_le<std::uint32_t>(bytes.data() + 5)};
  if (levels.oldest == 0 || levels.oldest > levels.newest)
    return fail(Code::invalid_argument, "a replica says that it runs levels that cannot be");
  return levels;
}

LevelNews::LevelNews(io::Clock& clock, ledger::FeatureLevels own, Send send)
    : clock_(clock),
      send_(std::move(send)),
      message_{std::make_shared<const Buffer>(encode_levels(own))} {}

void LevelNews::receive(std::uint64_t from, const io::Parts& message) {
  if (message.size() != 1) return;
  if (const Result<ledger::FeatureLevels> levels = decode_levels(*message[0]))
    heard_[from] = {*levels, clock_.monotonic()};
}

std::optional<ledger::FeatureLevels> LevelNews::of(std::uint64_t peer) const {
  const auto found = heard_.find(peer);
  if (found == heard_.end() || clock_.monotonic() - found->second.at > fresh) return std::nullopt;
  return found->second.levels;
}

std::uint32_t activatable_level(const LevelReport& report) {
  std::uint32_t newest = report.own.newest;
  for (const LevelReport::Member& member : report.members)
    newest = std::min(newest, member.levels ? member.levels->newest : 1);
  return newest > report.active && check_activation(report, newest) ? newest : 0;
}

Status check_activation(const LevelReport& report, std::uint32_t level) {
  if (level == report.active)
    return refuse(fmt::format("feature level {} is active already: nothing was done", level));
  if (level < report.active)
    return refuse(
        fmt::format("feature level {} is active, and a level that was activated is never "
                    "taken back: nothing was done",
                    report.active));
  std::string missing;
  const auto add = [&missing](const std::string& text) {
    missing += (missing.empty() ? "" : "; ") + text;
  };
  for (const LevelReport::Member& member : report.members) {
    const std::string who = fmt::format("replica {} ({})", member.id, member.region);
    if (!member.levels)
      add(who +
          " has not said which levels it runs: it is down, or a version that runs level 1 "
          "only");
    else if (!member.levels->contains(level))
      add(fmt::format("{} runs {}", who, range_of(*member.levels)));
  }
  if (missing.empty()) return {};
  return refuse(
      fmt::format("feature level {} is not run by every member yet, and nothing was done: "
                  "{}. start a version that runs level {} there, then try again",
                  level, missing, level));
}

}  // namespace meridian::replica
