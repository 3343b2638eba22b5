// What clients signed against what was recorded: each record that says so has its evidence, which
// is signed by the key of its certificate, and asks for exactly that record.
//
// Whom a certificate names is for who has the trust bundles of the time: `meridian evidence
// verify`. One thread. Memory: 100 bytes for each evidence, and the newest few as they are.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "audit/internal/findings.h"
#include "crypto/sha256.h"
#include "door/door.h"
#include "door/signed_text.h"
#include "ledger/header.h"

namespace meridian::audit::internal {

class SignatureCheck {
 public:
  /// Of an evidence that is not remembered any more: what record `record` holds.
  using ReadAgain = std::function<Result<door::OpenedEvent>(std::uint64_t record)>;

  SignatureCheck(Findings& findings, ReadAgain read_again)
      : findings_(findings), read_again_(std::move(read_again)) {}

  /// An event that was opened, behind add_record(): evidence, or what is compared with its own.
  void add_event(const ledger::Header& header, const door::OpenedEvent& opened);
  /// An event that could not be opened, as its key is not here: it may be evidence.
  void add_locked() { has_locked_ = true; }
  /// Any record, behind the evidence of its request.
  void add_record(const ledger::Header& header);

  std::uint64_t records() const { return records_; }
  std::uint64_t signatures() const { return signatures_; }
  /// Of the records, events whose content was compared with what was signed.
  std::uint64_t contents() const { return contents_; }
  /// Of the records, those whose evidence could not be read.
  std::uint64_t unread() const { return unread_; }

 private:
  using RequestRef = std::shared_ptr<const door::SignedRequest>;
  /// The first record of a request that was signed is the evidence.
  struct Place {
    std::uint64_t record = 0;
    u128 event_id = 0;
    bool is_kept = false;  ///< It was opened, and is that.
  };
  bool is_evidence(const ledger::Header& header);
  void add_unread(std::uint64_t record);
  void add_signed_event(const ledger::Header& header, const door::OpenedEvent& opened);
  RequestRef find(const crypto::Digest& digest);
  void remember(const crypto::Digest& digest, RequestRef request);
  RequestRef judge(std::uint64_t record, const std::string& jws);

  struct Hash {
    std::size_t operator()(const crypto::Digest& digest) const {
      return load_le<std::uint64_t>(digest.data());
    }
  };
  static constexpr std::size_t newest_max = 256;

  Findings& findings_;
  const ReadAgain read_again_;
  absl::flat_hash_map<crypto::Digest, Place, Hash> places_;
  std::list<std::pair<crypto::Digest, RequestRef>> newest_;
  std::uint64_t signatures_ = 0, records_ = 0, unread_ = 0, contents_ = 0;
  bool has_locked_ = false;
};

}  // namespace meridian::audit::internal
