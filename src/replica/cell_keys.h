// How all replicas of a cell come to hold its one key (docs/formats/keys.md).
//
//   leader knows the exchange keys of a quorum of two regions (cosigner_exchange.h)
//     -> makes the key, proposes a cell_key_grant for each: sealed for that replica alone
//     -> applied: the first grant says which key it is; who was granted opens its box, once the
//        record is stored, and hands the key to install()
//   later: the leader grants it to whoever is a member and was not handed it yet
//
// The first grants stand in one entry, so a key that is in use can be opened by a quorum of two
// regions: no loss that the cell survives loses it. Two leaders may both propose one; the log says
// which is first. A grant is read from the record's header, so a copied state brings it too.
//
// On the apply executor: looks now and then, and does nothing when all is well.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "consensus/membership.h"
#include "crypto/sealed_box.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "ledger/entry.h"
#include "ledger/ledger.h"
#include "replica/cosign_message.h"
#include "replica/lifetime.h"
#include "replica/replica.h"

namespace meridian::replica {

class CellKeys {
 public:
  static constexpr io::Duration period = io::milliseconds(100);

  struct Parts {
    io::Executor& apply;
    io::Entropy& entropy;
    const storage::KeyStore& keys;
    const ledger::Ledger& ledger;
    const crypto::ExchangeKey& own;
    u128 cell;
    std::uint64_t id;
    std::function<std::string(std::uint64_t id)> region_of;
    /// As of what is applied.
    std::function<consensus::Membership()> membership;
    /// Of every replica that told them.
    std::function<std::map<std::uint64_t, ReplicaKeys>()> keys_known;
    /// Of a stored record; out_of_range as long as it is not.
    std::function<Result<Buffer>(ledger::RecordIndex)> header;
    std::function<bool()> leads;
    std::function<void(std::unique_ptr<ledger::Request>, Replica::Answered)> submit;
  };
  struct Next {
    /// Once a life, unless the key store held it at the start.
    std::function<void(crypto::Secret)> install;
    std::function<void(Error)> fatal;
  };
  CellKeys(Parts parts, Next next) : parts_(std::move(parts)), next_(std::move(next)) {}

  void start() { watch(); }
  void stop() { lifetime_.end(); }  ///< Any thread.

 private:
  void watch();
  void open_own();
  void grant_missing();
  void grant(Bytes key, const std::set<std::uint64_t>& members,
             const std::map<std::uint64_t, ReplicaKeys>& known);
  static constexpr std::string_view box_label = "meridian/cell-key-grant/1";
  using BoxAad = std::array<Byte, box_label.size() + 16 + 8 + 16>;
  BoxAad box_aad(std::uint64_t member, u128 check) const;

  Parts parts_;
  Next next_;
  Lifetime lifetime_;
  bool is_installed_ = false;
  std::shared_ptr<std::atomic<bool>> is_granting_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace meridian::replica
