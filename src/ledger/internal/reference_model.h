// The rules of double entry and streams once more, written naively from their description: maps,
// whole-state copies for chains, transfers kept for ever. What the Ledger is compared with.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ledger/command.h"
#include "ledger/effect.h"

namespace meridian::ledger {

class ReferenceModel {
 public:
  struct Command {
    CommandKind kind;
    Account account{};
    Transfer transfer{};
    AppendEvent event{};
    DeleteStream deletion{};
    u128 expires = 0;
  };
  struct Answer {
    std::string outcome;
    std::uint64_t timestamp = 0;  ///< Of what was created or existed.
  };
  enum class Status : std::uint8_t { none, pending, posted, voided, expired };
  struct Moved {
    Transfer transfer;
    Status status = Status::none;
  };
  struct Stream {
    std::uint64_t revision = 0;
    bool deleted = false;
  };
  struct Event {
    bool deletion = false;
    AppendEvent event{};
    u128 stream = 0;
  };
  struct World {
    std::map<u128, Account> accounts;
    std::map<u128, Moved> transfers;
    std::map<u128, Stream> streams;
    std::map<u128, Event> events;
    std::uint64_t newest_account = 0;
    std::uint64_t newest_transfer = 0;
  };

  /// Applies one request whose first command has `base_time`.
  std::vector<Answer> apply(const std::vector<Command>& request, std::uint64_t base_time,
                            bool is_signed = false);

  const World& world() const { return world_; }

 private:
  static bool linked(const Command& command);
  Answer judge(const Command& command, std::uint64_t now);
  Answer judge_account(const Account& command, std::uint64_t now);
  Answer judge_transfer(const Transfer& command, std::uint64_t now);
  Answer judge_resolution(const Transfer& command, std::uint64_t now);
  Answer judge_retry(const Transfer& command, const Transfer& old) const;
  Answer judge_event(const AppendEvent& command);
  Answer judge_deletion(const DeleteStream& command);
  Answer judge_expiry(u128 id, std::uint64_t now);
  bool timestamp_taken(std::uint64_t timestamp) const;
  void give_back(Moved& pending, Status status);

  World world_;
  std::set<u128> poisoned_;
  bool is_signed_ = false;  ///< The request that is applied.
};

}  // namespace meridian::ledger
