#include "ledger/outcome.h"

namespace meridian::ledger {
namespace {

constexpr std::string_view unknown = "unknown";
constexpr std::uint16_t outcome_number_max = 127;  // the largest number below `created` in use

std::string_view name_of(AccountOutcome value) {
  switch (value) {
    case AccountOutcome::deprecated_ok: return "deprecated_ok";
    case AccountOutcome::created: return "created";
    case AccountOutcome::linked_event_failed: return "linked_event_failed";
    case AccountOutcome::linked_event_chain_open: return "linked_event_chain_open";
    case AccountOutcome::imported_event_expected: return "imported_event_expected";
    case AccountOutcome::imported_event_not_expected: return "imported_event_not_expected";
    case AccountOutcome::timestamp_must_be_zero: return "timestamp_must_be_zero";
    case AccountOutcome::imported_event_timestamp_out_of_range:
      return "imported_event_timestamp_out_of_range";
    case AccountOutcome::imported_event_timestamp_must_not_advance:
      return "imported_event_timestamp_must_not_advance";
    case AccountOutcome::reserved_field: return "reserved_field";
    case AccountOutcome::reserved_flag: return "reserved_flag";
    case AccountOutcome::id_must_not_be_zero: return "id_must_not_be_zero";
    case AccountOutcome::id_must_not_be_int_max: return "id_must_not_be_int_max";
    case AccountOutcome::exists_with_different_flags: return "exists_with_different_flags";
    case AccountOutcome::exists_with_different_user_data_128:
      return "exists_with_different_user_data_128";
    case AccountOutcome::exists_with_different_user_data_64:
      return "exists_with_different_user_data_64";
    case AccountOutcome::exists_with_different_user_data_32:
      return "exists_with_different_user_data_32";
    case AccountOutcome::exists_with_different_ledger: return "exists_with_different_ledger";
    case AccountOutcome::exists_with_different_code: return "exists_with_different_code";
    case AccountOutcome::exists: return "exists";
    case AccountOutcome::flags_are_mutually_exclusive: return "flags_are_mutually_exclusive";
    case AccountOutcome::debits_pending_must_be_zero: return "debits_pending_must_be_zero";
    case AccountOutcome::debits_posted_must_be_zero: return "debits_posted_must_be_zero";
    case AccountOutcome::credits_pending_must_be_zero: return "credits_pending_must_be_zero";
    case AccountOutcome::credits_posted_must_be_zero: return "credits_posted_must_be_zero";
    case AccountOutcome::ledger_must_not_be_zero: return "ledger_must_not_be_zero";
    case AccountOutcome::code_must_not_be_zero: return "code_must_not_be_zero";
    case AccountOutcome::imported_event_timestamp_must_not_regress:
      return "imported_event_timestamp_must_not_regress";
  }
  return unknown;
}

std::string_view name_of(TransferOutcome value) {
  switch (value) {
    case TransferOutcome::deprecated_ok: return "deprecated_ok";
    case TransferOutcome::created: return "created";
    case TransferOutcome::linked_event_failed: return "linked_event_failed";
    case TransferOutcome::linked_event_chain_open: return "linked_event_chain_open";
    case TransferOutcome::imported_event_expected: return "imported_event_expected";
    case TransferOutcome::imported_event_not_expected: return "imported_event_not_expected";
    case TransferOutcome::timestamp_must_be_zero: return "timestamp_must_be_zero";
    case TransferOutcome::imported_event_timestamp_out_of_range:
      return "imported_event_timestamp_out_of_range";
    case TransferOutcome::imported_event_timestamp_must_not_advance:
      return "imported_event_timestamp_must_not_advance";
    case TransferOutcome::reserved_flag: return "reserved_flag";
    case TransferOutcome::id_must_not_be_zero: return "id_must_not_be_zero";
    case TransferOutcome::id_must_not_be_int_max: return "id_must_not_be_int_max";
    case TransferOutcome::exists_with_different_flags: return "exists_with_different_flags";
    case TransferOutcome::exists_with_different_pending_id:
      return "exists_with_different_pending_id";
    case TransferOutcome::exists_with_different_timeout: return "exists_with_different_timeout";
    case TransferOutcome::exists_with_different_debit_account_id:
      return "exists_with_different_debit_account_id";
    case TransferOutcome::exists_with_different_credit_account_id:
      return "exists_with_different_credit_account_id";
    case TransferOutcome::exists_with_different_amount: return "exists_with_different_amount";
    case TransferOutcome::exists_with_different_user_data_128:
      return "exists_with_different_user_data_128";
    case TransferOutcome::exists_with_different_user_data_64:
      return "exists_with_different_user_data_64";
    case TransferOutcome::exists_with_different_user_data_32:
      return "exists_with_different_user_data_32";
    case TransferOutcome::exists_with_different_ledger: return "exists_with_different_ledger";
    case TransferOutcome::exists_with_different_code: return "exists_with_different_code";
    case TransferOutcome::exists: return "exists";
    case TransferOutcome::id_already_failed: return "id_already_failed";
    case TransferOutcome::flags_are_mutually_exclusive: return "flags_are_mutually_exclusive";
    case TransferOutcome::debit_account_id_must_not_be_zero:
      return "debit_account_id_must_not_be_zero";
    case TransferOutcome::debit_account_id_must_not_be_int_max:
      return "debit_account_id_must_not_be_int_max";
    case TransferOutcome::credit_account_id_must_not_be_zero:
      return "credit_account_id_must_not_be_zero";
    case TransferOutcome::credit_account_id_must_not_be_int_max:
      return "credit_account_id_must_not_be_int_max";
    case TransferOutcome::accounts_must_be_different: return "accounts_must_be_different";
    case TransferOutcome::pending_id_must_be_zero: return "pending_id_must_be_zero";
    case TransferOutcome::pending_id_must_not_be_zero: return "pending_id_must_not_be_zero";
    case TransferOutcome::pending_id_must_not_be_int_max: return "pending_id_must_not_be_int_max";
    case TransferOutcome::pending_id_must_be_different: return "pending_id_must_be_different";
    case TransferOutcome::timeout_reserved_for_pending_transfer:
      return "timeout_reserved_for_pending_transfer";
    case TransferOutcome::closing_transfer_must_be_pending:
      return "closing_transfer_must_be_pending";
    case TransferOutcome::ledger_must_not_be_zero: return "ledger_must_not_be_zero";
    case TransferOutcome::code_must_not_be_zero: return "code_must_not_be_zero";
    case TransferOutcome::debit_account_not_found: return "debit_account_not_found";
    case TransferOutcome::credit_account_not_found: return "credit_account_not_found";
    case TransferOutcome::accounts_must_have_the_same_ledger:
      return "accounts_must_have_the_same_ledger";
    case TransferOutcome::transfer_must_have_the_same_ledger_as_accounts:
      return "transfer_must_have_the_same_ledger_as_accounts";
    case TransferOutcome::pending_transfer_not_found: return "pending_transfer_not_found";
    case TransferOutcome::pending_transfer_not_pending: return "pending_transfer_not_pending";
    case TransferOutcome::pending_transfer_has_different_debit_account_id:
      return "pending_transfer_has_different_debit_account_id";
    case TransferOutcome::pending_transfer_has_different_credit_account_id:
      return "pending_transfer_has_different_credit_account_id";
    case TransferOutcome::pending_transfer_has_different_ledger:
      return "pending_transfer_has_different_ledger";
    case TransferOutcome::pending_transfer_has_different_code:
      return "pending_transfer_has_different_code";
    case TransferOutcome::exceeds_pending_transfer_amount: return "exceeds_pending_transfer_amount";
    case TransferOutcome::pending_transfer_has_different_amount:
      return "pending_transfer_has_different_amount";
    case TransferOutcome::pending_transfer_already_posted: return "pending_transfer_already_posted";
    case TransferOutcome::pending_transfer_already_voided: return "pending_transfer_already_voided";
    case TransferOutcome::pending_transfer_expired: return "pending_transfer_expired";
    case TransferOutcome::imported_event_timestamp_must_not_regress:
      return "imported_event_timestamp_must_not_regress";
    case TransferOutcome::imported_event_timestamp_must_postdate_debit_account:
      return "imported_event_timestamp_must_postdate_debit_account";
    case TransferOutcome::imported_event_timestamp_must_postdate_credit_account:
      return "imported_event_timestamp_must_postdate_credit_account";
    case TransferOutcome::imported_event_timeout_must_be_zero:
      return "imported_event_timeout_must_be_zero";
    case TransferOutcome::debit_account_already_closed: return "debit_account_already_closed";
    case TransferOutcome::credit_account_already_closed: return "credit_account_already_closed";
    case TransferOutcome::overflows_debits_pending: return "overflows_debits_pending";
    case TransferOutcome::overflows_credits_pending: return "overflows_credits_pending";
    case TransferOutcome::overflows_debits_posted: return "overflows_debits_posted";
    case TransferOutcome::overflows_credits_posted: return "overflows_credits_posted";
    case TransferOutcome::overflows_debits: return "overflows_debits";
    case TransferOutcome::overflows_credits: return "overflows_credits";
    case TransferOutcome::overflows_timeout: return "overflows_timeout";
    case TransferOutcome::exceeds_credits: return "exceeds_credits";
    case TransferOutcome::exceeds_debits: return "exceeds_debits";
    case TransferOutcome::deprecated_18: return "deprecated_18";
    case TransferOutcome::debit_account_requires_signature:
      return "debit_account_requires_signature";
    case TransferOutcome::credit_account_requires_signature:
      return "credit_account_requires_signature";
  }
  return unknown;
}

std::string_view name_of(EventOutcome value) {
  switch (value) {
    case EventOutcome::linked_event_failed: return "linked_event_failed";
    case EventOutcome::linked_event_chain_open: return "linked_event_chain_open";
    case EventOutcome::reserved_flag: return "reserved_flag";
    case EventOutcome::reserved_field: return "reserved_field";
    case EventOutcome::id_must_not_be_zero: return "id_must_not_be_zero";
    case EventOutcome::id_must_not_be_int_max: return "id_must_not_be_int_max";
    case EventOutcome::stream_must_not_be_zero: return "stream_must_not_be_zero";
    case EventOutcome::category_must_not_be_zero: return "category_must_not_be_zero";
    case EventOutcome::type_must_not_be_zero: return "type_must_not_be_zero";
    case EventOutcome::exists_with_different_stream: return "exists_with_different_stream";
    case EventOutcome::exists_with_different_type: return "exists_with_different_type";
    case EventOutcome::exists_with_different_content_type:
      return "exists_with_different_content_type";
    case EventOutcome::exists_with_different_payload: return "exists_with_different_payload";
    case EventOutcome::exists_with_different_kind: return "exists_with_different_kind";
    case EventOutcome::exists: return "exists";
    case EventOutcome::stream_deleted: return "stream_deleted";
    case EventOutcome::wrong_expected_revision: return "wrong_expected_revision";
    case EventOutcome::stream_not_found: return "stream_not_found";
    case EventOutcome::revision_overflow: return "revision_overflow";
    case EventOutcome::created: return "created";
  }
  return unknown;
}

std::string_view name_of(SystemOutcome value) {
  switch (value) {
    case SystemOutcome::refused: return "refused";
    case SystemOutcome::needs_newer_level: return "needs_newer_level";
    case SystemOutcome::created: return "created";
  }
  return unknown;
}

}  // namespace

std::string_view outcome_name(CommandKind kind, Outcome value) {
  switch (kind) {
    case CommandKind::create_account: return name_of(static_cast<AccountOutcome>(value));
    case CommandKind::create_transfer: return name_of(static_cast<TransferOutcome>(value));
    case CommandKind::append_event:
    case CommandKind::delete_stream: return name_of(static_cast<EventOutcome>(value));
    case CommandKind::open_generation:
    case CommandKind::set_feature_level:
    case CommandKind::expire_pending:
    case CommandKind::state_digest:
    case CommandKind::time_advance:
    case CommandKind::erase_subject:
    case CommandKind::door_refusals:
    case CommandKind::dropped_tail:
    case CommandKind::member_change:
    case CommandKind::cell_key_grant:
    case CommandKind::subject_key:
    case CommandKind::turn_epoch:
    case CommandKind::set_retention:
    case CommandKind::place_hold:
    case CommandKind::release_hold:
    case CommandKind::forget_subject:
    case CommandKind::erase_key:
    case CommandKind::expire_class:
    case CommandKind::set_residency:
    case CommandKind::residency_key:
    case CommandKind::turn_residency:
    case CommandKind::entry_skipped: return name_of(static_cast<SystemOutcome>(value));
  }
  return unknown;
}

std::optional<Outcome> outcome_from_name(CommandKind kind, std::string_view name) {
  if (name == unknown) return std::nullopt;
  if (name == outcome_name(kind, Outcome::created)) return Outcome::created;
  for (std::uint16_t number = 0; number <= outcome_number_max; ++number)
    if (outcome_name(kind, Outcome{number}) == name) return Outcome{number};
  return std::nullopt;
}

bool is_transient(TransferOutcome value) {
  return value == TransferOutcome::debit_account_not_found ||
         value == TransferOutcome::credit_account_not_found ||
         value == TransferOutcome::pending_transfer_not_found ||
         value == TransferOutcome::exceeds_credits || value == TransferOutcome::exceeds_debits ||
         value == TransferOutcome::debit_account_already_closed ||
         value == TransferOutcome::credit_account_already_closed;
}

}  // namespace meridian::ledger
