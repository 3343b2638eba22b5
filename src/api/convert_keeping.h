// What is kept, held and erased of persons, between messages and the cell's terms. Pure.
#pragma once

#include "base/result.h"
#include "cell/local_cell.h"
#include "meridian/v1/ledger.pb.h"

namespace meridian::api {

/// Errors: invalid_argument naming the field.
Result<door::RetentionDraft> parse_retention(const v1::RetentionClass& message);
Result<door::ResidencyDraft> parse_residency(const v1::Jurisdiction& message);
Result<door::HoldDraft> parse_hold(const v1::PlaceHoldRequest& message, u128 subject);
Result<door::ReleaseDraft> parse_release(const v1::ReleaseHoldRequest& message);
Result<cell::ErasuresQuery> parse_erasures(const v1::ErasuresRequest& message);

void fill(const storage::RetentionClass& retention, v1::RetentionClass& message);
void fill(const storage::Hold& hold, v1::Hold& message);
void fill(const storage::KeyName& key, v1::SubjectKey& message);
void fill(const door::Kept& kept, v1::SubjectKey& message);
void fill(const cell::ForgetAnswer& answer, v1::ForgetReply& message);
void fill(const door::Door::SubjectStatus& status, v1::SubjectStatusReply& message);
void fill(const cell::Erasure& erasure, v1::Erasure& message);
void fill(const cell::ErasuresPage& page, v1::ErasuresReply& message);
void fill(const door::KeepingList& list, v1::KeepingReply& message);
void fill(const cell::KeepAnswer& answer, v1::KeepReply& message);

}  // namespace meridian::api
