#include "verdicts.h"

#include "statuses.h"

namespace meridian::client {
namespace {

/// The status that broke the chain [begin, end), or linked_event_failed if none did.
std::uint32_t breaker(std::span<const std::uint32_t> chain) {
  for (const std::uint32_t status : chain)
    if (status != status_created && status != status_linked_event_failed) return status;
  return status_linked_event_failed;
}

Verdict judge_one(Kind kind, std::uint32_t status, std::uint32_t broken_by, bool may_have_arrived) {
  if (status == status_created) return {.state = State::done};
  if (status == status_exists(kind)) return {.state = State::done, .existed = true, .ask = true};
  const bool failed_with_chain = status == status_linked_event_failed;
  const bool is_for_good = is_final(kind, failed_with_chain ? broken_by : status);
  const bool ask = failed_with_chain && broken_by == status_exists(kind);
  // `exists` in a chain does not say how the rest of it ended in the attempt that came first.
  const bool is_certain = !may_have_arrived || (is_for_good && !ask);
  return {.state = is_certain ? State::refused : State::unknown, .existed = false, .ask = ask};
}

}  // namespace

std::vector<Verdict> judge(Kind kind, std::span<const std::uint32_t> statuses,
                           const std::vector<bool>& linked, bool may_have_arrived) {
  std::vector<Verdict> verdicts;
  verdicts.reserve(statuses.size());
  for (std::size_t begin = 0; begin < statuses.size();) {
    std::size_t end = begin + 1;
    while (end < statuses.size() && linked[end - 1]) ++end;
    const std::uint32_t broken_by = breaker(statuses.subspan(begin, end - begin));
    for (; begin < end; ++begin)
      verdicts.push_back(judge_one(kind, statuses[begin], broken_by, may_have_arrived));
  }
  return verdicts;
}

}  // namespace meridian::client
