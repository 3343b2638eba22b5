#include "statuses.h"

#include <algorithm>
#include <span>

namespace meridian::client {
namespace {

// Numbers and names of docs/formats: the standard's for accounts and transfers (statuses_test.cpp
// compares them with the ledger's own).
struct Named {
  std::uint32_t status;
  std::string_view name;
};
constexpr Named account_names[] = {
    {0, "deprecated_ok"},
    {1, "linked_event_failed"},
    {2, "linked_event_chain_open"},
    {3, "timestamp_must_be_zero"},
    {4, "reserved_field"},
    {5, "reserved_flag"},
    {6, "id_must_not_be_zero"},
    {7, "id_must_not_be_int_max"},
    {8, "flags_are_mutually_exclusive"},
    {9, "debits_pending_must_be_zero"},
    {10, "debits_posted_must_be_zero"},
    {11, "credits_pending_must_be_zero"},
    {12, "credits_posted_must_be_zero"},
    {13, "ledger_must_not_be_zero"},
    {14, "code_must_not_be_zero"},
    {15, "exists_with_different_flags"},
    {16, "exists_with_different_user_data_128"},
    {17, "exists_with_different_user_data_64"},
    {18, "exists_with_different_user_data_32"},
    {19, "exists_with_different_ledger"},
    {20, "exists_with_different_code"},
    {21, "exists"},
    {22, "imported_event_expected"},
    {23, "imported_event_not_expected"},
    {24, "imported_event_timestamp_out_of_range"},
    {25, "imported_event_timestamp_must_not_advance"},
    {26, "imported_event_timestamp_must_not_regress"},
};
constexpr Named transfer_names[] = {
    {0, "deprecated_ok"},
    {1, "linked_event_failed"},
    {2, "linked_event_chain_open"},
    {3, "timestamp_must_be_zero"},
    {4, "reserved_flag"},
    {5, "id_must_not_be_zero"},
    {6, "id_must_not_be_int_max"},
    {7, "flags_are_mutually_exclusive"},
    {8, "debit_account_id_must_not_be_zero"},
    {9, "debit_account_id_must_not_be_int_max"},
    {10, "credit_account_id_must_not_be_zero"},
    {11, "credit_account_id_must_not_be_int_max"},
    {12, "accounts_must_be_different"},
    {13, "pending_id_must_be_zero"},
    {14, "pending_id_must_not_be_zero"},
    {15, "pending_id_must_not_be_int_max"},
    {16, "pending_id_must_be_different"},
    {17, "timeout_reserved_for_pending_transfer"},
    {18, "deprecated_18"},
    {19, "ledger_must_not_be_zero"},
    {20, "code_must_not_be_zero"},
    {21, "debit_account_not_found"},
    {22, "credit_account_not_found"},
    {23, "accounts_must_have_the_same_ledger"},
    {24, "transfer_must_have_the_same_ledger_as_accounts"},
    {25, "pending_transfer_not_found"},
    {26, "pending_transfer_not_pending"},
    {27, "pending_transfer_has_different_debit_account_id"},
    {28, "pending_transfer_has_different_credit_account_id"},
    {29, "pending_transfer_has_different_ledger"},
    {30, "pending_transfer_has_different_code"},
    {31, "exceeds_pending_transfer_amount"},
    {32, "pending_transfer_has_different_amount"},
    {33, "pending_transfer_already_posted"},
    {34, "pending_transfer_already_voided"},
    {35, "pending_transfer_expired"},
    {36, "exists_with_different_flags"},
    {37, "exists_with_different_debit_account_id"},
    {38, "exists_with_different_credit_account_id"},
    {39, "exists_with_different_amount"},
    {40, "exists_with_different_pending_id"},
    {41, "exists_with_different_user_data_128"},
    {42, "exists_with_different_user_data_64"},
    {43, "exists_with_different_user_data_32"},
    {44, "exists_with_different_timeout"},
    {45, "exists_with_different_code"},
    {46, "exists"},
    {47, "overflows_debits_pending"},
    {48, "overflows_credits_pending"},
    {49, "overflows_debits_posted"},
    {50, "overflows_credits_posted"},
    {51, "overflows_debits"},
    {52, "overflows_credits"},
    {53, "overflows_timeout"},
    {54, "exceeds_credits"},
    {55, "exceeds_debits"},
    {56, "imported_event_expected"},
    {57, "imported_event_not_expected"},
    {58, "imported_event_timestamp_out_of_range"},
    {59, "imported_event_timestamp_must_not_advance"},
    {60, "imported_event_timestamp_must_not_regress"},
    {61, "imported_event_timestamp_must_postdate_debit_account"},
    {62, "imported_event_timestamp_must_postdate_credit_account"},
    {63, "imported_event_timeout_must_be_zero"},
    {64, "closing_transfer_must_be_pending"},
    {65, "debit_account_already_closed"},
    {66, "credit_account_already_closed"},
    {67, "exists_with_different_ledger"},
    {68, "id_already_failed"},
    {126, "debit_account_requires_signature"},
    {127, "credit_account_requires_signature"},
};
constexpr Named event_names[] = {
    {1, "linked_event_failed"},
    {2, "linked_event_chain_open"},
    {3, "reserved_flag"},
    {4, "reserved_field"},
    {5, "id_must_not_be_zero"},
    {6, "id_must_not_be_int_max"},
    {7, "stream_must_not_be_zero"},
    {8, "category_must_not_be_zero"},
    {9, "type_must_not_be_zero"},
    {10, "exists_with_different_stream"},
    {11, "exists_with_different_type"},
    {12, "exists_with_different_content_type"},
    {13, "exists_with_different_payload"},
    {14, "exists_with_different_kind"},
    {15, "exists"},
    {16, "stream_deleted"},
    {17, "wrong_expected_revision"},
    {18, "stream_not_found"},
    {19, "revision_overflow"},
};

std::span<const Named> names(Kind kind) {
  switch (kind) {
    case Kind::account: return account_names;
    case Kind::transfer: return transfer_names;
    case Kind::event: return event_names;
  }
  return {};
}

bool is_named(Kind kind, std::uint32_t status) {
  return std::ranges::any_of(names(kind), [=](const Named& n) { return n.status == status; });
}

// Refusals whose reason may pass, and after which the ledger does not remember the id.
constexpr std::uint32_t passing_of_accounts[] = {1, 25, 26};
constexpr std::uint32_t passing_of_transfers[] = {1, 47, 48, 49, 50, 51, 52, 53, 59, 60, 61, 62};
constexpr std::uint32_t passing_of_events[] = {1, 16, 17, 18, 19};

std::span<const std::uint32_t> passing(Kind kind) {
  switch (kind) {
    case Kind::account: return passing_of_accounts;
    case Kind::transfer: return passing_of_transfers;
    case Kind::event: return passing_of_events;
  }
  return {};
}

}  // namespace

std::uint32_t status_exists(Kind kind) {
  switch (kind) {
    case Kind::account: return 21;
    case Kind::transfer: return 46;
    case Kind::event: return 15;
  }
  return 0;
}

std::string_view status_name(Kind kind, std::uint32_t status) {
  if (status == status_created) return "created";
  for (const Named& named : names(kind))
    if (named.status == status) return named.name;
  return "unknown";
}

bool is_final(Kind kind, std::uint32_t status) {
  return is_named(kind, status) && std::ranges::find(passing(kind), status) == passing(kind).end();
}

}  // namespace meridian::client
