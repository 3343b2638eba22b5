#include "replica/cell_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "storage/cell_key.h"

namespace meridian::replica {

void CellKeys::watch() {
  open_own();
  if (parts_.leads() && !*is_granting_) grant_missing();
  parts_.apply.post_after(period, [this, alive = lifetime_.token()] {
    if (*alive) watch();
  });
}

/// What the box is for, so that it opens for nothing else.
CellKeys::BoxAad CellKeys::box_aad(std::uint64_t member, u128 check) const {
  BoxAad aad;
  Byte* at = std::copy_n(as_bytes(box_label).begin(), box_label.size(), aad.data());
  store_le(at, parts_.cell);
  store_le(at + 16, member);
  store_le(at + 24, check);
  return aad;
}

void CellKeys::open_own() {
  if (is_installed_) return;
  const ledger::CellKey& cell_key = parts_.ledger.cell_key();
  if (const auto held = parts_.keys.newest(storage::cell_key_name)) {
    if (cell_key.check == 0) return;  // a state that does not know of it yet
    is_installed_ = true;
    if (storage::cell_key_check(held->secret) != cell_key.check)
      next_.fatal(fail(Code::failed_precondition,
                       "the key store holds the key of another cell: bring back the key store that "
                       "belongs to this data"));
    return;
  }
  const ledger::CellKey::Grant* granted = cell_key.find(parts_.id);
  if (granted == nullptr) return;
  const Result<Buffer> bytes = parts_.header(granted->record);
  if (!bytes) return;  // not stored yet
  const Result<ledger::Header> header = ledger::Header::decode(*bytes);
  const auto* body = header ? std::get_if<ledger::SystemBody>(&header->body) : nullptr;
  ASSERT(body != nullptr && header->kind == ledger::CommandKind::cell_key_grant);
  const auto command = ledger::load_command<ledger::CellKeyGrant>(body->command.data());
  Result<crypto::Secret> key = parts_.own.open(command.box, box_aad(command.member, command.check));
  is_installed_ = true;
  if (!key || storage::cell_key_check(key->bytes()) != cell_key.check)
    return next_.fatal(
        fail(Code::failed_precondition,
             fmt::format("the cell's key was sealed for another key store than this one (record "
                         "{}): bring back the key store of replica {}, or replace this replica by "
                         "one with a new id",
                         raw(granted->record), parts_.id)));
  next_.install(std::move(*key));
}

void CellKeys::grant_missing() {
  const ledger::CellKey& cell_key = parts_.ledger.cell_key();
  const consensus::Membership membership = parts_.membership();
  std::set<std::uint64_t> missing = membership.ids();
  std::erase_if(missing, [&](std::uint64_t id) { return cell_key.find(id) != nullptr; });
  if (missing.empty()) return;
  const std::map<std::uint64_t, ReplicaKeys> known = parts_.keys_known();
  std::erase_if(missing, [&](std::uint64_t id) { return !known.contains(id); });
  if (missing.empty()) return;

  if (cell_key.check != 0) {
    if (const auto held = parts_.keys.newest(storage::cell_key_name))
      grant(held->secret, missing, known);
    return;
  }
  const bool is_safe = consensus::global_index(membership, parts_.region_of, [&](std::uint64_t id) {
                         return std::uint64_t{known.contains(id)};
                       }) == 1;
  if (!is_safe) return;
  std::array<Byte, 32> fresh;
  parts_.entropy.fill(fresh);
  grant(fresh, missing, known);
  crypto::cleanse(fresh);
}

void CellKeys::grant(Bytes key, const std::set<std::uint64_t>& members,
                     const std::map<std::uint64_t, ReplicaKeys>& known) {
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  for (const std::uint64_t member : members) {
    ledger::CellKeyGrant command{};
    command.member = member;
    command.check = storage::cell_key_check(key);
    std::array<Byte, 32> once;
    parts_.entropy.fill(once);
    const Result<crypto::SealedBox> box =
        crypto::seal_box(known.at(member).exchange, key, box_aad(member, command.check), once);
    crypto::cleanse(once);
    if (!box) continue;  // its key is none: it stays without
    command.box = *box;
    request->add(ledger::CommandKind::cell_key_grant, command);
  }
  if (request->command_count() == 0) return;
  *is_granting_ = true;
  parts_.submit(std::move(request), [granting = is_granting_](const Result<Answer>&) {
    *granting = false;  // what was lost on the way is proposed again
  });
}

}  // namespace meridian::replica
