// A log of records of erasures, with real receipts and a policy that trusts it. For tests only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/bits.h"
#include "ledger/header.h"
#include "proof/merkle_tree.h"
#include "proof/policy.h"

namespace meridian::door {

inline constexpr u128 anna = 5, bert = 6;

template <typename Command>
struct OfKind {
  ledger::CommandKind kind;
  Command command;
};
inline auto erase_key(u128 subject, std::uint8_t retention, std::uint32_t version,
                      std::uint32_t epoch) {
  ledger::EraseKey command{};
  command.subject = subject;
  command.retention = retention;
  command.version = version;
  command.epoch = epoch;
  return OfKind<ledger::EraseKey>{ledger::CommandKind::erase_key, command};
}
inline auto erase_all(u128 subject, const std::vector<std::uint8_t>& classes, std::uint32_t keys,
                      std::uint32_t epoch) {
  ledger::EraseSubject command{};
  command.subject = subject;
  for (const std::uint8_t one : classes) add_bit(command.classes, one);
  command.keys_destroyed = keys;
  command.epoch = epoch;
  return OfKind<ledger::EraseSubject>{ledger::CommandKind::erase_subject, command};
}
inline auto wish(u128 subject, std::uint32_t day, std::uint32_t kept) {
  ledger::ForgetSubject command{};
  command.subject = subject;
  command.day = day;
  command.keys_kept = kept;
  return OfKind<ledger::ForgetSubject>{ledger::CommandKind::forget_subject, command};
}
inline auto expire(std::uint8_t retention, std::uint32_t through, std::uint32_t epoch,
                   std::uint32_t keys) {
  ledger::ExpireClass command{};
  command.retention = retention;
  command.through = through;
  command.epoch = epoch;
  command.keys_destroyed = keys;
  return OfKind<ledger::ExpireClass>{ledger::CommandKind::expire_class, command};
}
inline auto place_hold(u128 subject, u128 hold, const std::vector<std::uint8_t>& classes) {
  ledger::PlaceHold command{};
  command.subject = subject;
  command.hold = hold;
  for (const std::uint8_t one : classes) add_bit(command.classes, one);
  return OfKind<ledger::PlaceHold>{ledger::CommandKind::place_hold, command};
}
inline auto release_hold(u128 subject, u128 hold) {
  ledger::ReleaseHold command{};
  command.subject = subject;
  command.hold = hold;
  return OfKind<ledger::ReleaseHold>{ledger::CommandKind::release_hold, command};
}
inline auto turn(std::uint32_t number) {
  ledger::TurnEpoch command{};
  command.number = number;
  command.check = 1;
  return OfKind<ledger::TurnEpoch>{ledger::CommandKind::turn_epoch, command};
}

class ErasureRigLog {
 public:
  explicit ErasureRigLog(std::string origin = "example.com/log")
      : signer_(std::move(origin), proof::KeyType::ed25519, std::array<Byte, 32>{1}) {}

  template <typename Command>
  std::uint64_t add(const OfKind<Command>& one) {
    ledger::Header header;
    header.kind = one.kind;
    header.cell = 1;
    header.record_index = ledger::RecordIndex{headers_.size()};
    header.term = 1;
    header.entry_index = entry_;
    header.time = 1'700'000'000'000'000'000 + headers_.size() * 1'000'000'000;
    header.attester = ledger::Attester::replica;
    ledger::SystemBody body;
    store_le(body.command.data(), one.command);
    header.body = body;
    headers_.push_back(header);
    tree_.append(proof::leaf_hash(header.encode()));
    return headers_.size() - 1;
  }
  void next_entry() { ++entry_; }
  const std::vector<ledger::Header>& headers() const { return headers_; }

  /// Under a tree of all that was added so far.
  std::string receipt(std::uint64_t record) const {
    proof::Receipt receipt;
    receipt.header = headers_[record].encode();
    receipt.index = proof::LeafIndex{record};
    const proof::TreeHead head = tree_.head();
    receipt.path = *tree_.prove_inclusion(receipt.index, head.size);
    receipt.checkpoint = *proof::sign_checkpoint(head, signer_);
    return proof::format_receipt(receipt);
  }
  proof::Policy policy() const {
    const auto policy =
        proof::parse_policy("log " + proof::format_vkey(signer_.verifier()) + "\nquorum none\n");
    ASSERT(policy.has_value());
    return *policy;
  }

 private:
  proof::Signer signer_;
  std::vector<ledger::Header> headers_;
  proof::MerkleTree tree_;
  std::uint64_t entry_ = 1;
};

}  // namespace meridian::door
