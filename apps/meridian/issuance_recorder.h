// Hands the journal of a certificate authority in to a cell, where it becomes records.
//
// What the cell has is compared first: a journal that is not the one on record is told about, and
// never sent. The authority needs nothing of the cell: while none answers, the journal grows, and
// what is missing follows later.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "cell/issuance_records.h"
#include "client.h"
#include "io/executor.h"

namespace meridian::app {

/// Entries after the first `count`, as CaDesk::journal_after.
using JournalSource = std::function<Result<cell::JournalPart>(std::uint64_t count)>;

/// Hands in all that is there. Returns how far the journal is on record then. Errors: data_loss if
/// the cell has another journal of that domain on record, or a longer one; those of the calls.
Result<mesh::JournalHead> hand_in_journal(Client& client, const std::string& trust_domain,
                                          const JournalSource& source);

/// Does it again and again, in a thread of its own.
class IssuanceRecorder {
 public:
  static constexpr io::Duration period = io::seconds(5);

  struct Setting {
    ClientOptions client;
    std::string trust_domain;
    JournalSource source;
    std::function<void(const std::string&)> notice;
  };
  /// What the setting refers to outlives it.
  explicit IssuanceRecorder(Setting setting);
  ~IssuanceRecorder();
  IssuanceRecorder(const IssuanceRecorder&) = delete;
  IssuanceRecorder& operator=(const IssuanceRecorder&) = delete;

 private:
  void hand_in();
  void tell(const Result<mesh::JournalHead>& done);

  Setting setting_;
  std::string told_;  ///< What failed last; empty: nothing.
  std::unique_ptr<io::Executor> executor_ = io::os_executor("issuances");
};

}  // namespace meridian::app
