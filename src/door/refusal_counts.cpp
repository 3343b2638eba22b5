#include "door/refusal_counts.h"

#include <string>

namespace meridian::door {
namespace {

std::uint64_t minute_of(io::WallTime now) {
  return static_cast<std::uint64_t>(now) / 60'000'000'000ULL;
}

}  // namespace

void RefusalCounts::count(u128 actor, const Error& error, io::WallTime now) {
  Refusal reason = Refusal::malformed;
  if (error.message.find("personal data must be") != std::string::npos)
    reason = Refusal::personal_data;
  if (error.code == Code::failed_precondition) reason = Refusal::forgotten;
  count({actor, reason, 0, minute_of(now)});
}

void RefusalCounts::count_denial(u128 actor, mesh::Action action, io::WallTime now) {
  count({actor, Refusal::denied, mesh::number_of(action), minute_of(now)});
}

void RefusalCounts::count_bad_signature(u128 actor, io::WallTime now) {
  count({actor, Refusal::bad_signature, 0, minute_of(now)});
}

void RefusalCounts::count(Key key) {
  const std::lock_guard lock(mutex_);
  if (counts_.size() >= keys_max && !counts_.contains(key)) key.actor = 0;
  ++counts_[key];
}

std::unique_ptr<ledger::Request> RefusalCounts::take() {
  std::map<Key, std::uint64_t> counted;
  {
    const std::lock_guard lock(mutex_);
    counted.swap(counts_);
  }
  if (counted.empty()) return nullptr;
  auto request = std::make_unique<ledger::Request>();
  for (const auto& [key, count] : counted) {
    ledger::DoorRefusals command{};
    command.actor = key.actor;
    command.minute = key.minute;
    command.count = count;
    command.action = key.action;
    command.reason = static_cast<std::uint32_t>(key.reason);
    request->add(ledger::CommandKind::door_refusals, command);
  }
  return request;
}

}  // namespace meridian::door
