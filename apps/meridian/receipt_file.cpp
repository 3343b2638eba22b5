#include "receipt_file.h"

#include <fmt/format.h>

#include "files.h"
#include "proof/receipt.h"

namespace meridian::app {

Result<JudgedReceipt> judge_receipt(const std::string& file, const std::string& policy_file) {
  const auto damaged = [&file](const Error& error) {
    return fail(Code::data_loss, fmt::format("{}: {}", file, error.message));
  };
  const std::string text = TRY(read_input(file, proof::receipt_size_max));
  const Result<std::string> policy_text = read_input(policy_file, proof::policy_size_max);
  if (!policy_text)
    return fail(policy_text.error().code,
                policy_text.error().message +
                    ". `meridian log policy -o FILE` writes the one of a running server; get it "
                    "from somebody you trust");
  const Result<proof::Policy> policy = proof::parse_policy(*policy_text);
  if (!policy) return with_context(policy.error(), policy_file);
  const Result<proof::Receipt> receipt = proof::parse_receipt(text);
  if (!receipt) return damaged(receipt.error());
  Result<proof::Evidence> evidence = proof::evaluate(*receipt, *policy);
  if (!evidence && evidence.error().code != Code::permission_denied)
    return damaged(evidence.error());
  if (!evidence) return with_context(evidence.error(), file);
  Result<ledger::Header> header = ledger::Header::decode(receipt->header);
  if (!header) return with_context(header.error(), file);
  if (raw(header->record_index) != raw(receipt->index))
    return damaged(
        fail(Code::data_loss, fmt::format("the header says record {}, its place in the log is {}",
                                          raw(header->record_index), raw(receipt->index))));
  return JudgedReceipt{*std::move(evidence), *std::move(header)};
}

}  // namespace meridian::app
