// Ledgers worth copying, and what carries pieces from one replica to another. For tests only.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ledger/payload.h"
#include "replica/cosigned_head.h"
#include "replica/internal/replica_rig.h"
#include "replica/state_installer.h"
#include "replica/state_source.h"
#include "sim/random.h"
#include "storage/wal.h"

namespace meridian::replica {

/// Requests of every kind, with payloads as the door makes them.
class CopyWorkload {
 public:
  explicit CopyWorkload(std::uint64_t seed) : random_(seed) {}
  static constexpr std::uint64_t accounts = 20;

  std::unique_ptr<ledger::Request> next(std::uint64_t commands) {
    if (++requests_ == 1) {
      auto first = accounts_request(accounts);
      add_account(*first,
                  make_account(poor, ledger::account_flags::debits_must_not_exceed_credits));
      return first;
    }
    auto request = make_request();
    for (std::uint64_t i = 0; i < commands; ++i) add(*request);
    return request;
  }

 private:
  static constexpr std::uint64_t poor = 77;  // an account that cannot pay

  void add(ledger::Request& request) {
    const std::uint64_t dice = random_.below(100);
    if (dice < 55) return add_transfer(request, plain());
    if (dice < 65) return add_pending(request);
    if (dice < 72 && !pendings_.empty()) return end_pending(request);
    if (dice < 75) return add_transfer(request, make_transfer(next_id_++, poor, 1, 5));
    if (dice < 78) return add_chain(request);
    if (dice < 80) return add_deletion(request);
    if (dice < 82) return add_transfer(request, make_transfer(next_id_++, 1, 999, 5));
    add_event(request);
  }
  ledger::Transfer plain(std::uint16_t flags = 0) {
    const u128 debit = 1 + random_.below(accounts);
    return make_transfer(next_id_++, debit, debit % accounts + 1, 1 + random_.below(50), flags);
  }
  void add_pending(ledger::Request& request) {
    ledger::Transfer pending = plain(ledger::transfer_flags::pending);
    pending.timeout = random_.chance(0.3) ? 1 : 0;
    pendings_.push_back(pending.id);
    add_transfer(request, pending);
  }
  void end_pending(ledger::Request& request) {
    const bool post = random_.chance(0.6);
    ledger::Transfer end = make_transfer(next_id_++, 0, 0, post ? u128_max : 0,
                                         post ? ledger::transfer_flags::post_pending_transfer
                                              : ledger::transfer_flags::void_pending_transfer);
    end.pending_id = pendings_[random_.below(pendings_.size())];
    end.ledger = 0;
    end.code = 0;
    add_transfer(request, end);
  }
  void add_chain(ledger::Request& request) {
    add_transfer(request, plain(ledger::transfer_flags::linked));
    add_transfer(request, plain(ledger::transfer_flags::linked));
    ledger::Transfer last = plain();
    if (random_.chance(0.5)) last.debit_account_id = poor;  // fails for a reason that may pass
    add_transfer(request, last);
  }
  void add_deletion(ledger::Request& request) {
    ledger::DeleteStream deletion{};
    deletion.event_id = next_id_++;
    deletion.stream = 1 + random_.below(6);
    request.add(ledger::CommandKind::delete_stream, command_bytes(deletion));
  }
  void add_event(ledger::Request& request) {
    ledger::AppendEvent event{};
    event.event_id = next_id_++;
    event.stream = 1 + random_.below(6);
    event.category = 100 + low64(event.stream) % 2;
    event.type = 78;
    event.content_type = ledger::ContentType::bytes;
    event.payload_offset = static_cast<std::uint32_t>(request.payloads.size());
    if (!random_.chance(0.1)) {
      ledger::Payload payload;
      ledger::Compartment part;
      for (Byte& byte : part.commitment) byte = static_cast<Byte>(random_.next());
      part.key_version = 1;
      part.sealed.resize(48 + random_.below(random_.chance(0.02) ? 20'000 : 200));
      for (Byte& byte : part.sealed) byte = static_cast<Byte>(random_.next());
      payload.compartments.push_back(part);
      payload.encode(request.payloads);
      event.commitment = ledger::fold_commitments({&part.commitment, 1});
      event.payload_size =
          static_cast<std::uint32_t>(request.payloads.size() - event.payload_offset);
    }
    request.add(ledger::CommandKind::append_event, command_bytes(event));
  }

  sim::Random random_;
  std::uint64_t requests_ = 0;
  u128 next_id_ = 1'000;
  std::vector<u128> pendings_;
};

/// A data directory that is installed into while no replica runs on it.
inline Result<std::unique_ptr<storage::KeyStore>> open_keys(ReplicaRig& rig) {
  return storage::KeyStore::open({*rig.disk, rig.world.clock(), rig.world.entropy()},
                                 ReplicaRig::passphrase());
}
inline storage::SealedContext context_of(ReplicaRig& rig, const storage::KeyStore& keys) {
  return {*rig.disk, rig.world.entropy(), keys, rig.config.cell};
}

/// What may happen to an answer on its way; the peer that it is said to come from.
using OnTheWay = std::function<std::string(const PieceRequest&, Buffer& piece)>;

/// Carries pieces until the installer is complete: in order, or as `shuffle` has it.
inline Status carry(StateSource& source, StateInstaller& installer, sim::Random* shuffle = nullptr,
                    const OnTheWay& on_the_way = {}) {
  while (!installer.is_complete()) {
    std::vector<PieceRequest> requests;
    while (const auto request = installer.next()) {
      requests.push_back(TRY(PieceRequest::decode(request->encode())));
      if (shuffle != nullptr && shuffle->chance(0.2)) break;
    }
    if (requests.empty()) return fail(Code::internal, "the installer asks for nothing");
    for (std::size_t i = requests.size(); shuffle != nullptr && i > 1; --i)
      std::swap(requests[i - 1], requests[shuffle->below(i)]);
    for (const PieceRequest& request : requests) {
      if (shuffle != nullptr && shuffle->chance(0.1)) {
        installer.give_up(request);
        continue;
      }
      Buffer piece = TRY(source.read(request));
      EXPECT_LE(piece.size(), piece_size_max);
      std::string peer = "peer 1";
      if (on_the_way) peer = on_the_way(request, piece);
      TRY(installer.add(request, piece, peer));
    }
  }
  return {};
}

/// From the running replica of `from` into the directory of `to`.
inline Status copy_state(ReplicaRig& from, ReplicaRig& to,
                         const StateInstaller::Options& options = {},
                         sim::Random* shuffle = nullptr) {
  const auto keys = TRY(open_keys(to));
  const Buffer offered = TRY(from.replica->state_source().describe()).encode();
  const StateOffer offer = TRY(StateOffer::decode(offered));
  const auto installer = TRY(StateInstaller::begin(context_of(to, *keys), offer, options));
  TRY(carry(from.replica->state_source(), *installer, shuffle));
  TRY(installer->commit());
  from.replica->state_source().release(offer.record_index);
  return {};
}

/// Both closed: what `from` logged after the state that `to` holds goes into the log of `to`.
inline Status copy_log(ReplicaRig& from, ReplicaRig& to, std::uint64_t after) {
  const auto from_keys = TRY(open_keys(from)), to_keys = TRY(open_keys(to));
  TRY(CosignedHead::open(*to.disk));  // a replica makes it before its log
  const auto nothing = [](std::uint64_t, std::uint64_t) {};
  auto log = TRY(storage::Wal::open(
      context_of(to, *to_keys), {to.config.wal_file_size}, after + 1,
      [](const storage::WalEntry&) -> Status { return {}; }, nothing));
  TRY(storage::Wal::read_only(
      context_of(from, *from_keys), after + 1,
      [&](const storage::WalEntry& entry) -> Status {
        if (entry.index <= log->last_index()) return {};
        return log->append({&entry, 1});
      },
      nothing));
  return {};
}

}  // namespace meridian::replica
