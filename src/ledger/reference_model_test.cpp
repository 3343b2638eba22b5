#include <algorithm>

#include "ledger/internal/reference_model.h"

namespace meridian::ledger {
namespace {

bool on(std::uint16_t flags, std::uint16_t bit) { return (flags & bit) != 0; }
bool too_much(u128 a, u128 b) { return a > u128_max - b; }
constexpr std::uint64_t end_of_time = (std::uint64_t{1} << 63) - 1;

const std::set<std::string> reasons_that_may_pass = {
    "debit_account_not_found",
    "credit_account_not_found",
    "pending_transfer_not_found",
    "exceeds_credits",
    "exceeds_debits",
    "debit_account_already_closed",
    "credit_account_already_closed",
};

}  // namespace

bool ReferenceModel::linked(const Command& command) {
  if (command.kind == CommandKind::create_account)
    return on(command.account.flags, account_flags::linked);
  if (command.kind == CommandKind::create_transfer)
    return on(command.transfer.flags, transfer_flags::linked);
  if (command.kind == CommandKind::append_event) return on(command.event.flags, event_flag_linked);
  return command.kind == CommandKind::delete_stream &&
         on(command.deletion.flags, event_flag_linked);
}

std::vector<ReferenceModel::Answer> ReferenceModel::apply(const std::vector<Command>& request,
                                                          std::uint64_t base_time, bool is_signed) {
  is_signed_ = is_signed;
  std::vector<Answer> answers;
  std::optional<bool> imports;
  for (const Command& command : request) {
    if (command.kind == CommandKind::create_account)
      imports = on(command.account.flags, account_flags::imported);
    if (command.kind == CommandKind::create_transfer)
      imports = on(command.transfer.flags, transfer_flags::imported);
    if (imports.has_value()) break;
  }
  std::uint64_t last_time = base_time + request.size() - 1;
  for (std::size_t begin = 0; begin < request.size();) {
    std::size_t end = begin;
    while (end < request.size() && linked(request[end])) ++end;
    bool open = end == request.size();
    if (!open) ++end;
    bool is_chain = end - begin > 1 || open;
    World before = world_;
    std::optional<std::size_t> failed;
    for (std::size_t i = begin; i < end; ++i) {
      const Command& command = request[i];
      std::uint64_t now = base_time + i;
      Answer answer;
      auto stamp_check = [&](bool imported, std::uint64_t stamp) -> std::string {
        if (imported != *imports)
          return imported ? "imported_event_not_expected" : "imported_event_expected";
        if (!imported) return stamp != 0 ? "timestamp_must_be_zero" : "";
        if (stamp == 0 || stamp > end_of_time) return "imported_event_timestamp_out_of_range";
        if (stamp >= last_time) return "imported_event_timestamp_must_not_advance";
        return "";
      };
      if (open && i + 1 == end) {
        answer.outcome = "linked_event_chain_open";
      } else if (failed.has_value()) {
        answer.outcome = "linked_event_failed";
      } else {
        if (command.kind == CommandKind::create_account)
          answer.outcome = stamp_check(on(command.account.flags, account_flags::imported),
                                       command.account.timestamp);
        if (command.kind == CommandKind::create_transfer)
          answer.outcome = stamp_check(on(command.transfer.flags, transfer_flags::imported),
                                       command.transfer.timestamp);
        if (answer.outcome.empty()) answer = judge(command, now);
      }
      if (answer.outcome != "created" && !failed.has_value()) {
        failed = i;
        if (is_chain) world_ = before;
        if (is_chain)
          for (std::size_t k = begin; k < i; ++k) answers[k] = {"linked_event_failed", 0};
      }
      if (command.kind == CommandKind::create_transfer &&
          reasons_that_may_pass.contains(answer.outcome))
        poisoned_.insert(command.transfer.id);
      answers.push_back(answer);
    }
    begin = end;
  }
  return answers;
}

ReferenceModel::Answer ReferenceModel::judge(const Command& command, std::uint64_t now) {
  if (command.kind == CommandKind::create_account) return judge_account(command.account, now);
  if (command.kind == CommandKind::create_transfer) return judge_transfer(command.transfer, now);
  if (command.kind == CommandKind::append_event) return judge_event(command.event);
  if (command.kind == CommandKind::delete_stream) return judge_deletion(command.deletion);
  return judge_expiry(command.expires, now);
}

bool ReferenceModel::timestamp_taken(std::uint64_t timestamp) const {
  auto is = [timestamp](const auto& pair) { return pair.second.timestamp == timestamp; };
  auto moved = [timestamp](const auto& pair) {
    return pair.second.transfer.timestamp == timestamp;
  };
  return std::ranges::any_of(world_.accounts, is) || std::ranges::any_of(world_.transfers, moved);
}

ReferenceModel::Answer ReferenceModel::judge_account(const Account& c, std::uint64_t now) {
  if (c.reserved != 0) return {"reserved_field"};
  if (c.flags % 32'768 >= 64) return {"reserved_flag"};
  if (c.id == 0) return {"id_must_not_be_zero"};
  if (c.id == u128_max) return {"id_must_not_be_int_max"};
  if (auto found = world_.accounts.find(c.id); found != world_.accounts.end()) {
    const Account& old = found->second;
    if (c.flags != old.flags) return {"exists_with_different_flags"};
    if (c.user_data_128 != old.user_data_128) return {"exists_with_different_user_data_128"};
    if (c.user_data_64 != old.user_data_64) return {"exists_with_different_user_data_64"};
    if (c.user_data_32 != old.user_data_32) return {"exists_with_different_user_data_32"};
    if (c.ledger != old.ledger) return {"exists_with_different_ledger"};
    if (c.code != old.code) return {"exists_with_different_code"};
    return {"exists", old.timestamp};
  }
  if (on(c.flags, account_flags::debits_must_not_exceed_credits) &&
      on(c.flags, account_flags::credits_must_not_exceed_debits))
    return {"flags_are_mutually_exclusive"};
  if (c.debits_pending != 0) return {"debits_pending_must_be_zero"};
  if (c.debits_posted != 0) return {"debits_posted_must_be_zero"};
  if (c.credits_pending != 0) return {"credits_pending_must_be_zero"};
  if (c.credits_posted != 0) return {"credits_posted_must_be_zero"};
  if (c.ledger == 0) return {"ledger_must_not_be_zero"};
  if (c.code == 0) return {"code_must_not_be_zero"};
  std::uint64_t timestamp = now;
  if (on(c.flags, account_flags::imported)) {
    timestamp = c.timestamp;
    if (timestamp <= world_.newest_account || timestamp_taken(timestamp))
      return {"imported_event_timestamp_must_not_regress"};
  }
  Account made = c;
  made.timestamp = timestamp;
  world_.accounts[c.id] = made;
  world_.newest_account = timestamp;
  return {"created", timestamp};
}

ReferenceModel::Answer ReferenceModel::judge_retry(const Transfer& c, const Transfer& old) const {
  if (c.flags != old.flags) return {"exists_with_different_flags"};
  if (c.pending_id != old.pending_id) return {"exists_with_different_pending_id"};
  if (c.timeout != old.timeout) return {"exists_with_different_timeout"};
  bool post = on(c.flags, transfer_flags::post_pending_transfer);
  bool resolves = post || on(c.flags, transfer_flags::void_pending_transfer);
  Transfer meant = c;
  if (resolves) {
    const Transfer& pending = world_.transfers.at(c.pending_id).transfer;
    if (meant.debit_account_id == 0) meant.debit_account_id = pending.debit_account_id;
    if (meant.credit_account_id == 0) meant.credit_account_id = pending.credit_account_id;
    if (meant.amount == (post ? u128_max : 0)) meant.amount = pending.amount;
    if (meant.user_data_128 == 0) meant.user_data_128 = pending.user_data_128;
    if (meant.user_data_64 == 0) meant.user_data_64 = pending.user_data_64;
    if (meant.user_data_32 == 0) meant.user_data_32 = pending.user_data_32;
    if (meant.ledger == 0) meant.ledger = pending.ledger;
    if (meant.code == 0) meant.code = pending.code;
  }
  if (meant.debit_account_id != old.debit_account_id)
    return {"exists_with_different_debit_account_id"};
  if (meant.credit_account_id != old.credit_account_id)
    return {"exists_with_different_credit_account_id"};
  bool limit =
      on(c.flags, transfer_flags::balancing_debit) || on(c.flags, transfer_flags::balancing_credit);
  if (limit ? meant.amount < old.amount : meant.amount != old.amount)
    return {"exists_with_different_amount"};
  if (meant.user_data_128 != old.user_data_128) return {"exists_with_different_user_data_128"};
  if (meant.user_data_64 != old.user_data_64) return {"exists_with_different_user_data_64"};
  if (meant.user_data_32 != old.user_data_32) return {"exists_with_different_user_data_32"};
  if (meant.ledger != old.ledger) return {"exists_with_different_ledger"};
  if (meant.code != old.code) return {"exists_with_different_code"};
  return {"exists", old.timestamp};
}

ReferenceModel::Answer ReferenceModel::judge_transfer(const Transfer& c, std::uint64_t now) {
  if (c.flags >= 512) return {"reserved_flag"};
  if (c.id == 0) return {"id_must_not_be_zero"};
  if (c.id == u128_max) return {"id_must_not_be_int_max"};
  if (auto found = world_.transfers.find(c.id); found != world_.transfers.end())
    return judge_retry(c, found->second.transfer);
  if (poisoned_.contains(c.id)) return {"id_already_failed"};
  if (on(c.flags, transfer_flags::post_pending_transfer) ||
      on(c.flags, transfer_flags::void_pending_transfer))
    return judge_resolution(c, now);

  bool pending = on(c.flags, transfer_flags::pending);
  bool closes_debit = on(c.flags, transfer_flags::closing_debit);
  bool closes_credit = on(c.flags, transfer_flags::closing_credit);
  if (c.debit_account_id == 0) return {"debit_account_id_must_not_be_zero"};
  if (c.debit_account_id == u128_max) return {"debit_account_id_must_not_be_int_max"};
  if (c.credit_account_id == 0) return {"credit_account_id_must_not_be_zero"};
  if (c.credit_account_id == u128_max) return {"credit_account_id_must_not_be_int_max"};
  if (c.debit_account_id == c.credit_account_id) return {"accounts_must_be_different"};
  if (c.pending_id != 0) return {"pending_id_must_be_zero"};
  if (!pending && c.timeout != 0) return {"timeout_reserved_for_pending_transfer"};
  if (!pending && (closes_debit || closes_credit)) return {"closing_transfer_must_be_pending"};
  if (c.ledger == 0) return {"ledger_must_not_be_zero"};
  if (c.code == 0) return {"code_must_not_be_zero"};
  if (!world_.accounts.contains(c.debit_account_id)) return {"debit_account_not_found"};
  if (!world_.accounts.contains(c.credit_account_id)) return {"credit_account_not_found"};
  Account& debit = world_.accounts.at(c.debit_account_id);
  Account& credit = world_.accounts.at(c.credit_account_id);
  if (debit.ledger != credit.ledger) return {"accounts_must_have_the_same_ledger"};
  if (c.ledger != debit.ledger) return {"transfer_must_have_the_same_ledger_as_accounts"};
  if (!is_signed_ && debit.flags >= 32'768) return {"debit_account_requires_signature"};
  if (!is_signed_ && credit.flags >= 32'768) return {"credit_account_requires_signature"};
  std::uint64_t timestamp = now;
  if (on(c.flags, transfer_flags::imported)) {
    timestamp = c.timestamp;
    if (timestamp <= world_.newest_transfer || timestamp_taken(timestamp))
      return {"imported_event_timestamp_must_not_regress"};
    if (timestamp <= debit.timestamp)
      return {"imported_event_timestamp_must_postdate_debit_account"};
    if (timestamp <= credit.timestamp)
      return {"imported_event_timestamp_must_postdate_credit_account"};
    if (c.timeout != 0) return {"imported_event_timeout_must_be_zero"};
  }
  if (on(debit.flags, account_flags::closed)) return {"debit_account_already_closed"};
  if (on(credit.flags, account_flags::closed)) return {"credit_account_already_closed"};
  u128 amount = c.amount;
  if (on(c.flags, transfer_flags::balancing_debit)) {
    u128 used = debit.debits_posted + debit.debits_pending;
    amount = std::min(amount, debit.credits_posted > used ? debit.credits_posted - used : 0);
  }
  if (on(c.flags, transfer_flags::balancing_credit)) {
    u128 used = credit.credits_posted + credit.credits_pending;
    amount = std::min(amount, credit.debits_posted > used ? credit.debits_posted - used : 0);
  }
  if (pending && too_much(amount, debit.debits_pending)) return {"overflows_debits_pending"};
  if (pending && too_much(amount, credit.credits_pending)) return {"overflows_credits_pending"};
  if (too_much(amount, debit.debits_posted)) return {"overflows_debits_posted"};
  if (too_much(amount, credit.credits_posted)) return {"overflows_credits_posted"};
  if (too_much(amount, debit.debits_pending + debit.debits_posted)) return {"overflows_debits"};
  if (too_much(amount, credit.credits_pending + credit.credits_posted))
    return {"overflows_credits"};
  if (u128{timestamp} + u128{c.timeout} * 1'000'000'000 > end_of_time) return {"overflows_timeout"};
  if (on(debit.flags, account_flags::debits_must_not_exceed_credits) &&
      debit.debits_pending + debit.debits_posted + amount > debit.credits_posted)
    return {"exceeds_credits"};
  if (on(credit.flags, account_flags::credits_must_not_exceed_debits) &&
      credit.credits_pending + credit.credits_posted + amount > credit.debits_posted)
    return {"exceeds_debits"};

  (pending ? debit.debits_pending : debit.debits_posted) += amount;
  (pending ? credit.credits_pending : credit.credits_posted) += amount;
  if (closes_debit) debit.flags |= account_flags::closed;
  if (closes_credit) credit.flags |= account_flags::closed;
  Transfer made = c;
  made.amount = amount;
  made.timestamp = timestamp;
  world_.transfers[c.id] = {made, pending ? Status::pending : Status::none};
  world_.newest_transfer = timestamp;
  return {"created", timestamp};
}

ReferenceModel::Answer ReferenceModel::judge_resolution(const Transfer& c, std::uint64_t now) {
  bool post = on(c.flags, transfer_flags::post_pending_transfer);
  bool voids = on(c.flags, transfer_flags::void_pending_transfer);
  if ((post && voids) || on(c.flags, transfer_flags::pending) ||
      on(c.flags, transfer_flags::balancing_debit) ||
      on(c.flags, transfer_flags::balancing_credit) || on(c.flags, transfer_flags::closing_debit) ||
      on(c.flags, transfer_flags::closing_credit))
    return {"flags_are_mutually_exclusive"};
  if (c.pending_id == 0) return {"pending_id_must_not_be_zero"};
  if (c.pending_id == u128_max) return {"pending_id_must_not_be_int_max"};
  if (c.pending_id == c.id) return {"pending_id_must_be_different"};
  if (c.timeout != 0) return {"timeout_reserved_for_pending_transfer"};
  auto found = world_.transfers.find(c.pending_id);
  if (found == world_.transfers.end()) return {"pending_transfer_not_found"};
  Moved& pending = found->second;
  const Transfer& p = pending.transfer;
  if (pending.status == Status::none) return {"pending_transfer_not_pending"};
  if (c.debit_account_id != 0 && c.debit_account_id != p.debit_account_id)
    return {"pending_transfer_has_different_debit_account_id"};
  if (c.credit_account_id != 0 && c.credit_account_id != p.credit_account_id)
    return {"pending_transfer_has_different_credit_account_id"};
  if (c.ledger != 0 && c.ledger != p.ledger) return {"pending_transfer_has_different_ledger"};
  if (c.code != 0 && c.code != p.code) return {"pending_transfer_has_different_code"};
  u128 amount = c.amount;
  if (post && amount == u128_max) amount = p.amount;
  if (voids && amount == 0) amount = p.amount;
  if (amount > p.amount) return {"exceeds_pending_transfer_amount"};
  if (voids && amount < p.amount) return {"pending_transfer_has_different_amount"};
  if (pending.status == Status::posted) return {"pending_transfer_already_posted"};
  if (pending.status == Status::voided) return {"pending_transfer_already_voided"};
  if (pending.status == Status::expired) return {"pending_transfer_expired"};
  if (p.timeout != 0 && p.timestamp + p.timeout * std::uint64_t{1'000'000'000} <= now)
    return {"pending_transfer_expired"};
  Account& debit = world_.accounts.at(p.debit_account_id);
  Account& credit = world_.accounts.at(p.credit_account_id);
  if (!is_signed_ && debit.flags >= 32'768) return {"debit_account_requires_signature"};
  if (!is_signed_ && credit.flags >= 32'768) return {"credit_account_requires_signature"};
  std::uint64_t timestamp = now;
  if (on(c.flags, transfer_flags::imported)) {
    timestamp = c.timestamp;
    if (timestamp <= world_.newest_transfer || timestamp_taken(timestamp))
      return {"imported_event_timestamp_must_not_regress"};
  }
  if (post && on(debit.flags, account_flags::closed)) return {"debit_account_already_closed"};
  if (post && on(credit.flags, account_flags::closed)) return {"credit_account_already_closed"};
  if (post) debit.debits_posted += amount;
  if (post) credit.credits_posted += amount;
  Transfer made = c;
  made.debit_account_id = p.debit_account_id;
  made.credit_account_id = p.credit_account_id;
  made.ledger = p.ledger;
  made.code = p.code;
  made.amount = amount;
  made.timestamp = timestamp;
  if (made.user_data_128 == 0) made.user_data_128 = p.user_data_128;
  if (made.user_data_64 == 0) made.user_data_64 = p.user_data_64;
  if (made.user_data_32 == 0) made.user_data_32 = p.user_data_32;
  give_back(pending, post ? Status::posted : Status::voided);
  world_.transfers[c.id] = {made, Status::none};
  world_.newest_transfer = timestamp;
  return {"created", timestamp};
}

void ReferenceModel::give_back(Moved& pending, Status status) {
  const Transfer& p = pending.transfer;
  Account& debit = world_.accounts.at(p.debit_account_id);
  Account& credit = world_.accounts.at(p.credit_account_id);
  debit.debits_pending -= p.amount;
  credit.credits_pending -= p.amount;
  if (on(p.flags, transfer_flags::closing_debit)) debit.flags ^= account_flags::closed;
  if (on(p.flags, transfer_flags::closing_credit)) credit.flags ^= account_flags::closed;
  pending.status = status;
}

ReferenceModel::Answer ReferenceModel::judge_expiry(u128 id, std::uint64_t now) {
  auto found = world_.transfers.find(id);
  if (found == world_.transfers.end() || found->second.status != Status::pending)
    return {"refused"};
  const Transfer& p = found->second.transfer;
  if (p.timeout == 0 || p.timestamp + p.timeout * std::uint64_t{1'000'000'000} > now)
    return {"refused"};
  give_back(found->second, Status::expired);
  return {"created", now};
}

ReferenceModel::Answer ReferenceModel::judge_event(const AppendEvent& c) {
  if (c.event_id == 0) return {"id_must_not_be_zero"};
  if (c.stream == 0) return {"stream_must_not_be_zero"};
  if (auto found = world_.events.find(c.event_id); found != world_.events.end()) {
    const Event& old = found->second;
    if (old.stream != c.stream) return {"exists_with_different_stream"};
    if (old.deletion) return {"exists_with_different_kind"};
    if (old.event.type != c.type) return {"exists_with_different_type"};
    if (old.event.content_type != c.content_type) return {"exists_with_different_content_type"};
    if (old.event.commitment != c.commitment) return {"exists_with_different_payload"};
    return {"exists"};
  }
  auto stream = world_.streams.find(c.stream);
  bool there = stream != world_.streams.end();
  bool visible = there && !stream->second.deleted;
  if (c.expected == Expected::exists && there && !visible) return {"stream_deleted"};
  if ((c.expected == Expected::none && visible) || (c.expected == Expected::exists && !there) ||
      (c.expected == Expected::exact && (!there || stream->second.revision != c.expected_revision)))
    return {"wrong_expected_revision"};
  world_.streams[c.stream] = {there ? stream->second.revision + 1 : 0, false};
  world_.events[c.event_id] = {false, c, c.stream};
  return {"created"};
}

ReferenceModel::Answer ReferenceModel::judge_deletion(const DeleteStream& c) {
  if (c.event_id == 0) return {"id_must_not_be_zero"};
  if (c.stream == 0) return {"stream_must_not_be_zero"};
  if (auto found = world_.events.find(c.event_id); found != world_.events.end()) {
    if (found->second.stream != c.stream) return {"exists_with_different_stream"};
    return {found->second.deletion ? "exists" : "exists_with_different_kind"};
  }
  auto stream = world_.streams.find(c.stream);
  bool there = stream != world_.streams.end();
  if (there && stream->second.deleted) return {"stream_deleted"};
  if ((c.expected == Expected::none && there) || (c.expected == Expected::exists && !there) ||
      (c.expected == Expected::exact && (!there || stream->second.revision != c.expected_revision)))
    return {"wrong_expected_revision"};
  if (!there) return {"stream_not_found"};
  stream->second.deleted = true;
  world_.events[c.event_id] = {true, {}, c.stream};
  return {"created"};
}

}  // namespace meridian::ledger
