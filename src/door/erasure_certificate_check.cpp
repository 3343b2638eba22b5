// What a certificate says against what its receipts prove.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "door/erasure_certificate.h"
#include "ledger/describe.h"
#include "proof/receipt.h"

namespace meridian::door {
namespace {

using ledger::CommandKind;

Error differs(std::string_view what) {
  return fail(Code::data_loss,
              fmt::format("the records do not say what the certificate does: {}", what));
}
Error differs(std::uint64_t record, std::string_view what) {
  return differs(fmt::format("record {} {}", record, what));
}

int strength(const proof::Evidence& evidence) {
  return (evidence.global ? 1 : 0) + (evidence.witnessed ? 2 : 0);
}

/// Of the records that receipts prove, in their order.
struct Told {
  std::vector<ErasureRecord> records;
  ProvenErasure proven;
};

Status tell(const std::string& text, const proof::Policy& policy, Told& told) {
  const Result<proof::Receipt> receipt = proof::parse_receipt(text);
  if (!receipt) return fail(Code::data_loss, "a receipt is malformed: " + receipt.error().message);
  proof::Evidence evidence = TRY(proof::evaluate(*receipt, policy));
  const Result<ledger::Header> header = ledger::Header::decode(receipt->header);
  if (!header) return fail(Code::data_loss, "a record is malformed: " + header.error().message);
  const std::uint64_t index = raw(header->record_index);
  if (index != raw(receipt->index))
    return fail(Code::data_loss, "a record has another place than its receipt says");
  ProvenErasure& proven = told.proven;
  if (std::ranges::find(proven.records, index) != proven.records.end())
    return differs("a receipt stands twice");
  if (!proven.records.empty() && evidence.checkpoint.origin != proven.evidence.checkpoint.origin)
    return differs("its records are of several logs");
  std::optional<ErasureRecord> one = erasure_record_of(*header);
  if (!one) return differs(index, "is of another kind");
  told.records.push_back(std::move(*one));
  if (proven.records.empty() || strength(evidence) < strength(proven.evidence))
    proven.evidence = std::move(evidence);
  proven.records.push_back(index);
  return {};
}

// --- version 1 ---

Status check_records(const ForgettingCertificate& certificate, const Told& told) {
  for (const ErasureRecord& one : told.records) {
    if (one.kind != CommandKind::erase_subject && one.kind != CommandKind::erase_key &&
        one.kind != CommandKind::forget_subject)
      return differs(one.record, "is of another kind");
    if (one.subject != certificate.subject) return differs(one.record, "is about another person");
  }
  return {};
}

Status compare(const ForgettingCertificate& certificate, Told& told) {
  TRY(check_records(certificate, told));
  using Erased = ForgettingCertificate::Erased;
  std::uint64_t keys_destroyed = 0;
  std::optional<std::uint32_t> keys_kept;
  std::set<std::uint32_t> epochs;
  std::set<std::uint8_t> classes, named_classes;
  std::set<Erased> keys;
  bool is_all = false;
  for (const ErasureRecord& one : told.records) {
    if (one.kind == CommandKind::forget_subject) {
      keys_kept = one.keys;
      continue;
    }
    keys_destroyed += one.keys;
    if (one.kind == CommandKind::erase_key || one.epoch != 0) epochs.insert(one.epoch);
    if (one.kind == CommandKind::erase_key) {
      keys.insert({one.classes.front(), storage::period_text(one.version)});
    } else {
      is_all = true;
      classes.insert(one.classes.begin(), one.classes.end());
    }
  }
  if (is_all == keys_kept.has_value())
    return differs("either everything is erased, or something is kept");
  if (keys_destroyed != certificate.keys_destroyed) return differs("keys destroyed");
  const std::set<std::uint32_t> named =
      certificate.epoch == 0 ? std::set<std::uint32_t>{} : std::set{certificate.epoch};
  if (epochs != named) return differs("the epoch");
  if (keys_kept.value_or(0) != certificate.kept.size()) return differs("keys kept");
  const std::set<Erased> erased(certificate.erased.begin(), certificate.erased.end());
  for (const Erased& one : erased) named_classes.insert(one.retention);
  if (is_all && named_classes != classes) return differs("classes erased");
  if (!is_all && erased != keys) return differs("keys erased");
  told.proven.is_all = is_all;
  return {};
}

// --- version 2 ---

ErasureCertificate::Destroyed destroyed_by(const ErasureRecord& one) {
  ErasureCertificate::Destroyed out{.record = one.record,
                                    .time = ledger::iso_time(one.time_ns),
                                    .by = std::string(ledger::kind_name(one.kind)),
                                    .classes = one.classes,
                                    .keys = one.keys,
                                    .epoch = one.epoch};
  if (one.kind != CommandKind::erase_subject) out.period = storage::period_text(one.version);
  return out;
}

/// Each is of whom the certificate is of, and was looked at; each turn is of what was destroyed.
Status check_records(const ErasureCertificate& certificate, const Told& told) {
  const auto* subject = std::get_if<u128>(&certificate.of);
  std::set<std::uint64_t> turns;
  for (const auto& one : certificate.destroyed)
    if (one.turn) turns.insert(*one.turn);
  std::uint64_t last = 0;
  for (const ErasureRecord& one : told.records) {
    if (&one != told.records.data() && one.record <= last)
      return differs(one.record, "stands in another order");
    last = one.record;
    if (one.record < certificate.first || one.record >= certificate.next)
      return differs(one.record, "is none of those that were looked at");
    if (one.kind == CommandKind::turn_epoch) {
      if (!turns.contains(one.record)) return differs(one.record, "turns no epoch that is named");
      continue;
    }
    if (!one.destroys() && one.kind != CommandKind::forget_subject)
      return differs(one.record, "is of another kind");
    const bool is_expiry = one.kind == CommandKind::expire_class;
    if (subject != nullptr && !is_expiry && one.subject != *subject)
      return differs(one.record, "is about another person");
    if (subject == nullptr &&
        (!is_expiry || one.classes.front() != raw(std::get<RetentionNumber>(certificate.of))))
      return differs(one.record, "is not about that class");
  }
  return {};
}

Status compare(const ErasureCertificate& certificate, Told& told) {
  TRY(check_records(certificate, told));
  ErasureCertificate said{.of = certificate.of};
  set_said(told.records, said);
  if (said.wishes != certificate.wishes) return differs("when the person was to be forgotten");
  if (said.destroyed != certificate.destroyed) return differs("what was destroyed");
  TRY(check_kept(certificate));
  told.proven.is_all = std::ranges::any_of(told.records, [](const ErasureRecord& one) {
    return one.kind == CommandKind::erase_subject;
  });
  return {};
}

}  // namespace

Status check_kept(const ErasureCertificate& certificate) {
  const bool is_all = std::ranges::any_of(certificate.destroyed, [](const auto& one) {
    return one.by == ledger::kind_name(CommandKind::erase_subject);
  });
  if (is_all && !certificate.kept.empty())
    return differs("everything is erased, and something is named kept");
  for (const CertifiedKey& key : certificate.kept)
    for (const auto& one : certificate.destroyed)
      if (one.by == ledger::kind_name(CommandKind::erase_key) &&
          one.classes.front() == key.retention && one.period == key.period)
        return differs(one.record, "erased a key that is named kept");
  if (is_all || certificate.wishes.empty()) return {};
  const std::size_t kept_then = certificate.wishes.back().keys_kept;
  const bool has_expiry = std::ranges::any_of(certificate.destroyed, [](const auto& one) {
    return one.by == ledger::kind_name(CommandKind::expire_class);
  });
  if (certificate.kept.size() > kept_then || (certificate.kept.size() < kept_then && !has_expiry))
    return differs("keys kept");
  return {};
}

void set_said(const std::vector<ErasureRecord>& records, ErasureCertificate& certificate) {
  certificate.wishes.clear();
  certificate.destroyed.clear();
  for (const ErasureRecord& one : records) {
    if (one.wished)
      certificate.wishes.push_back(
          {one.record, ledger::iso_time(one.time_ns), storage::to_text(*one.wished), one.keys});
    if (!one.destroys()) continue;
    auto& destroyed = certificate.destroyed.emplace_back(destroyed_by(one));
    const auto turn = std::ranges::find_if(
        records, [&](const ErasureRecord& other) { return is_turn_of(other, one); });
    if (turn != records.end()) destroyed.turn = turn->record;
  }
}

std::vector<ErasureCertificate::Replica> ErasureCertificate::unconfirmed() const {
  std::uint32_t newest = 0;
  for (const Destroyed& one : destroyed)
    if (one.turn) newest = std::max(newest, one.epoch);
  std::vector<Replica> found;
  for (const Replica& one : replicas)
    if (newest != 0 && one.epoch <= newest) found.push_back(one);
  return found;
}

Result<ProvenErasure> verify_certificate(const Certificate& certificate,
                                         const proof::Policy& policy) {
  return std::visit(
      [&](const auto& one) -> Result<ProvenErasure> {
        Told told;
        if (one.receipts.empty()) return differs("there is no receipt");
        for (const std::string& receipt : one.receipts) TRY(tell(receipt, policy, told));
        TRY(compare(one, told));
        return std::move(told.proven);
      },
      certificate);
}

}  // namespace meridian::door
