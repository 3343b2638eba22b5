// Outcomes: what the domain says of a command. Not errors: they are recorded like anything else.
//
// An Outcome is a number whose meaning depends on the command's kind. Accounts and transfers use
// the names and numbers that double entry made standard (TigerBeetle's status codes); `created`
// is 2^32-1 there and 65535 in a record's 16-bit field. Events and streams have numbers of our own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ledger/command.h"

namespace meridian::ledger {

enum class Outcome : std::uint16_t { deprecated_ok = 0, created = 65'535 };

enum class AccountOutcome : std::uint16_t {
  deprecated_ok = 0,
  created = 65535,
  linked_event_failed = 1,
  linked_event_chain_open = 2,
  imported_event_expected = 22,
  imported_event_not_expected = 23,
  timestamp_must_be_zero = 3,
  imported_event_timestamp_out_of_range = 24,
  imported_event_timestamp_must_not_advance = 25,
  reserved_field = 4,
  reserved_flag = 5,
  id_must_not_be_zero = 6,
  id_must_not_be_int_max = 7,
  exists_with_different_flags = 15,
  exists_with_different_user_data_128 = 16,
  exists_with_different_user_data_64 = 17,
  exists_with_different_user_data_32 = 18,
  exists_with_different_ledger = 19,
  exists_with_different_code = 20,
  exists = 21,
  flags_are_mutually_exclusive = 8,
  debits_pending_must_be_zero = 9,
  debits_posted_must_be_zero = 10,
  credits_pending_must_be_zero = 11,
  credits_posted_must_be_zero = 12,
  ledger_must_not_be_zero = 13,
  code_must_not_be_zero = 14,
  imported_event_timestamp_must_not_regress = 26,
};

enum class TransferOutcome : std::uint16_t {
  deprecated_ok = 0,
  created = 65535,
  linked_event_failed = 1,
  linked_event_chain_open = 2,
  imported_event_expected = 56,
  imported_event_not_expected = 57,
  timestamp_must_be_zero = 3,
  imported_event_timestamp_out_of_range = 58,
  imported_event_timestamp_must_not_advance = 59,
  reserved_flag = 4,
  id_must_not_be_zero = 5,
  id_must_not_be_int_max = 6,
  exists_with_different_flags = 36,
  exists_with_different_pending_id = 40,
  exists_with_different_timeout = 44,
  exists_with_different_debit_account_id = 37,
  exists_with_different_credit_account_id = 38,
  exists_with_different_amount = 39,
  exists_with_different_user_data_128 = 41,
  exists_with_different_user_data_64 = 42,
  exists_with_different_user_data_32 = 43,
  exists_with_different_ledger = 67,
  exists_with_different_code = 45,
  exists = 46,
  id_already_failed = 68,
  flags_are_mutually_exclusive = 7,
  debit_account_id_must_not_be_zero = 8,
  debit_account_id_must_not_be_int_max = 9,
  credit_account_id_must_not_be_zero = 10,
  credit_account_id_must_not_be_int_max = 11,
  accounts_must_be_different = 12,
  pending_id_must_be_zero = 13,
  pending_id_must_not_be_zero = 14,
  pending_id_must_not_be_int_max = 15,
  pending_id_must_be_different = 16,
  timeout_reserved_for_pending_transfer = 17,
  closing_transfer_must_be_pending = 64,
  ledger_must_not_be_zero = 19,
  code_must_not_be_zero = 20,
  debit_account_not_found = 21,
  credit_account_not_found = 22,
  accounts_must_have_the_same_ledger = 23,
  transfer_must_have_the_same_ledger_as_accounts = 24,
  pending_transfer_not_found = 25,
  pending_transfer_not_pending = 26,
  pending_transfer_has_different_debit_account_id = 27,
  pending_transfer_has_different_credit_account_id = 28,
  pending_transfer_has_different_ledger = 29,
  pending_transfer_has_different_code = 30,
  exceeds_pending_transfer_amount = 31,
  pending_transfer_has_different_amount = 32,
  pending_transfer_already_posted = 33,
  pending_transfer_already_voided = 34,
  pending_transfer_expired = 35,
  imported_event_timestamp_must_not_regress = 60,
  imported_event_timestamp_must_postdate_debit_account = 61,
  imported_event_timestamp_must_postdate_credit_account = 62,
  imported_event_timeout_must_be_zero = 63,
  debit_account_already_closed = 65,
  credit_account_already_closed = 66,
  overflows_debits_pending = 47,
  overflows_credits_pending = 48,
  overflows_debits_posted = 49,
  overflows_credits_posted = 50,
  overflows_debits = 51,
  overflows_credits = 52,
  overflows_timeout = 53,
  exceeds_credits = 54,
  exceeds_debits = 55,
  deprecated_18 = 18,
  // Ours: the standard's are counted from 0 up.
  debit_account_requires_signature = 126,
  credit_account_requires_signature = 127,
};

/// Events and stream deletions.
enum class EventOutcome : std::uint16_t {
  linked_event_failed = 1,
  linked_event_chain_open = 2,
  reserved_flag = 3,
  reserved_field = 4,
  id_must_not_be_zero = 5,
  id_must_not_be_int_max = 6,
  stream_must_not_be_zero = 7,
  category_must_not_be_zero = 8,
  type_must_not_be_zero = 9,
  exists_with_different_stream = 10,
  exists_with_different_type = 11,
  exists_with_different_content_type = 12,
  exists_with_different_payload = 13,
  exists_with_different_kind = 14,
  exists = 15,
  stream_deleted = 16,
  wrong_expected_revision = 17,
  stream_not_found = 18,
  revision_overflow = 19,
  created = 65'535,
};

/// Commands of the replica and the door.
enum class SystemOutcome : std::uint16_t {
  refused = 1,  ///< Not possible in this state (say, the pending transfer is no longer pending).
  needs_newer_level = 2,  ///< The cell's feature level has no such command yet.
  created = 65'535,
};

constexpr Outcome outcome(AccountOutcome value) { return static_cast<Outcome>(value); }
constexpr Outcome outcome(TransferOutcome value) { return static_cast<Outcome>(value); }
constexpr Outcome outcome(EventOutcome value) { return static_cast<Outcome>(value); }
constexpr Outcome outcome(SystemOutcome value) { return static_cast<Outcome>(value); }

/// The name of `value` for a command of `kind`, or "unknown" (numbers from outside).
std::string_view outcome_name(CommandKind kind, Outcome value);
/// Back from a name, for tests and tools.
std::optional<Outcome> outcome_from_name(CommandKind kind, std::string_view name);
/// The 32-bit code of the standard: 2^32-1 for created.
constexpr std::uint32_t status_code(Outcome value) {
  return value == Outcome::created ? ~std::uint32_t{0} : static_cast<std::uint32_t>(value);
}
/// True if a transfer that failed so may never be tried again under its id: the reason may pass.
bool is_transient(TransferOutcome value);

}  // namespace meridian::ledger
