// A receipt in a file, judged by a policy in another: offline.
#pragma once

#include <string>

#include "base/result.h"
#include "ledger/header.h"
#include "proof/policy.h"

namespace meridian::app {

struct JudgedReceipt {
  proof::Evidence evidence;
  ledger::Header header;
};
/// Errors: permission_denied if too few whom the policy trusts signed; data_loss if it was changed;
/// those of the files.
Result<JudgedReceipt> judge_receipt(const std::string& file, const std::string& policy_file);

}  // namespace meridian::app
