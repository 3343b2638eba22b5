#include "door/erasure_records.h"

#include <algorithm>
#include <array>

#include "base/bits.h"
#include "door/keeping_commands.h"

namespace meridian::door {
namespace {

using ledger::CommandKind;
using ledger::load_command;

std::vector<std::uint8_t> classes_in(const std::array<Byte, 32>& bits) {
  std::vector<std::uint8_t> classes;
  for (std::uint32_t retention = 0; retention < 8 * bits.size(); ++retention)
    if (has_bit(bits, retention)) classes.push_back(static_cast<std::uint8_t>(retention));
  return classes;
}

void fill(const ledger::EraseSubject& command, ErasureRecord& out) {
  out.subject = command.subject;
  out.classes = classes_in(command.classes);
  out.keys = command.keys_destroyed;
  out.epoch = command.epoch;
}

void fill(const ledger::EraseKey& command, ErasureRecord& out) {
  out.subject = command.subject;
  out.classes = {command.retention};
  out.version = command.version;
  out.keys = 1;
  out.epoch = command.epoch;
}

void fill(const ledger::ForgetSubject& command, ErasureRecord& out) {
  out.subject = command.subject;
  out.keys = command.keys_kept;
  out.wished = storage::Day{static_cast<std::int32_t>(command.day)};
}

void fill(const ledger::ExpireClass& command, ErasureRecord& out) {
  out.classes = {command.retention};
  out.version = command.through;
  out.keys = command.keys_destroyed;
  out.epoch = command.epoch;
}

void fill(const ledger::PlaceHold& command, ErasureRecord& out) {
  out.subject = command.subject;
  out.hold = command.hold;
  out.classes = classes_in(command.classes);
}

void fill(const ledger::ReleaseHold& command, ErasureRecord& out) {
  out.subject = command.subject;
  out.hold = command.hold;
}

void fill(const ledger::TurnEpoch& command, ErasureRecord& out) { out.epoch = command.number; }

/// False if it is of another kind.
bool fill(CommandKind kind, const Byte* command, ErasureRecord& out) {
  if (kind == CommandKind::erase_subject)
    fill(load_command<ledger::EraseSubject>(command), out);
  else if (kind == CommandKind::erase_key)
    fill(load_command<ledger::EraseKey>(command), out);
  else if (kind == CommandKind::forget_subject)
    fill(load_command<ledger::ForgetSubject>(command), out);
  else if (kind == CommandKind::expire_class)
    fill(load_command<ledger::ExpireClass>(command), out);
  else if (kind == CommandKind::place_hold)
    fill(load_command<ledger::PlaceHold>(command), out);
  else if (kind == CommandKind::release_hold)
    fill(load_command<ledger::ReleaseHold>(command), out);
  else if (kind == CommandKind::turn_epoch)
    fill(load_command<ledger::TurnEpoch>(command), out);
  else
    return false;
  return true;
}

}  // namespace

std::optional<ErasureRecord> erasure_record_of(const ledger::Header& header) {
  const auto* body = std::get_if<ledger::SystemBody>(&header.body);
  if (body == nullptr || header.outcome != ledger::Outcome::created) return std::nullopt;
  const Byte* command = body->command.data();
  ErasureRecord out{.kind = header.kind,
                    .record = raw(header.record_index),
                    .entry = header.entry_index,
                    .time_ns = header.time};
  if (!fill(header.kind, command, out)) return std::nullopt;
  if (header.kind != CommandKind::turn_epoch && !change_of(header.kind, command))
    return std::nullopt;
  return out;
}

bool is_turn_of(const ErasureRecord& turn, const ErasureRecord& erasure) {
  return turn.kind == CommandKind::turn_epoch && erasure.destroys() && erasure.epoch != 0 &&
         turn.epoch == std::uint64_t{erasure.epoch} + 1 && turn.entry == erasure.entry &&
         turn.record > erasure.record;
}

// --- finding them ---

bool ErasureFinder::is_wanted(const ErasureRecord& one) const {
  const bool is_expiry = one.kind == CommandKind::expire_class;
  if (one.kind == CommandKind::turn_epoch) return false;
  if (const auto* subject = std::get_if<u128>(&of_)) return is_expiry || one.subject == *subject;
  return is_expiry && one.classes.front() == raw(std::get<RetentionNumber>(of_));
}

void ErasureFinder::add(const ledger::Header& header) {
  if (header.entry_index != entry_) open_.clear();
  entry_ = header.entry_index;
  const std::optional<ErasureRecord> one = erasure_record_of(header);
  if (!one) return;
  std::erase_if(open_, [&](std::size_t at) {
    if (!is_turn_of(*one, found_[at].said)) return false;
    found_[at].turn = one->record;
    return true;
  });
  if (!is_wanted(*one)) return;
  if (one->destroys() && one->epoch != 0) open_.push_back(found_.size());
  found_.push_back({*one});
}

// --- expiries that concern a person ---

void ExpiryChoice::add(const ErasureRecord& one, bool is_clear) {
  if (one.kind == CommandKind::erase_subject) is_forgotten_ = true;
  if (one.kind == CommandKind::place_hold) holds_[one.hold] = one.classes;
  if (one.kind == CommandKind::release_hold) holds_.erase(one.hold);
  if (one.kind != CommandKind::expire_class || is_forgotten_ || !is_clear) return;
  const std::uint8_t retention = one.classes.front();
  for (const auto& [id, classes] : holds_)
    if (std::ranges::find(classes, retention) != classes.end()) return;
  const auto [at, is_first] = chosen_.try_emplace(retention, Expiry{one.record, one.version});
  if (!is_first && at->second.through < one.version) at->second = {one.record, one.version};
}

std::vector<std::uint64_t> ExpiryChoice::records() const {
  std::vector<std::uint64_t> records;
  for (const auto& [retention, expiry] : chosen_) records.push_back(expiry.record);
  std::ranges::sort(records);
  return records;
}

}  // namespace meridian::door
