#include "api/proof_texts.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "proof/policy.h"
#include "proof/receipt.h"
#include "replica/cell_policy.h"

namespace meridian::api {
namespace {

std::string_view noun(ledger::CommandKind kind) {
  if (kind == ledger::CommandKind::create_account) return "account";
  if (kind == ledger::CommandKind::append_event) return "event";
  return "transfer";
}

void prove_record(Backend& backend, ledger::RecordIndex index, std::uint32_t witnesses,
                  const std::function<void(Result<std::string>)>& ready) {
  const auto give = [ready](const Result<proof::Receipt>& receipt) {
    if (!receipt) return ready(receipt.error());
    ready(proof::format_receipt(*receipt));
  };
  if (backend.witnessing == nullptr) return backend.cell.replica().receipt(index, give);
  if (witnesses > 0) return backend.witnessing->wait_receipt(raw(index), witnesses, give);
  backend.witnessing->find_receipt(
      raw(index), [&backend, index, give](Result<std::optional<proof::Receipt>> found) {
        if (!found) return give(found.error());
        if (found->has_value()) return give(**std::move(found));
        backend.cell.replica().receipt(index, give);
      });
}

}  // namespace

Result<KeyTexts> key_texts(replica::Replica& replica) {
  KeyTexts texts{replica.origin(), replica.log_vkey(), replica.cosigner_vkey(), {}};
  const auto voters = TRY(replica.voter_keys());
  texts.policy = proof::format_policy(TRY(replica::make_policy(voters)));
  return texts;
}

void find_record(Backend& backend, const RecordName& name,
                 std::function<void(Result<ledger::RecordIndex>)> found) {
  if (const auto* index = std::get_if<ledger::RecordIndex>(&name)) return found(*index);
  const RecordOf& of = std::get<RecordOf>(name);
  backend.cell.outcome(
      of.kind, of.id,
      [of, found = std::move(found)](Result<std::optional<cell::LocalCell::KnownOutcome>> outcome) {
        if (!outcome) return found(outcome.error());
        if (!outcome->has_value()) {
          return found(fail(Code::not_found, fmt::format("there is no {} with id {}", noun(of.kind),
                                                         to_decimal(of.id))));
        }
        found((*outcome)->header.record_index);
      });
}

void make_receipt(Backend& backend, const RecordName& name, std::uint32_t witnesses,
                  std::function<void(Result<std::string>)> ready) {
  if (witnesses > 0 && backend.witnessing == nullptr) {
    return ready(fail(Code::failed_precondition,
                      "this server has no witness: start it with --witness URL=VKEY, or take the "
                      "receipt without one"));
  }
  find_record(backend, name,
              [&backend, witnesses, ready = std::move(ready)](Result<ledger::RecordIndex> index) {
                if (!index) return ready(index.error());
                prove_record(backend, *index, witnesses, ready);
              });
}

void find_signature(Backend& backend, const RecordName& name,
                    std::function<void(Result<cell::LocalCell::KeptSignature>)> ready) {
  find_record(backend, name,
              [&backend, ready = std::move(ready)](const Result<ledger::RecordIndex>& index) {
                if (!index) return ready(index.error());
                backend.cell.signature(*index, ready);
              });
}

void make_checkpoint(Backend& backend, std::function<void(Result<std::string>)> ready) {
  backend.cell.replica().checkpoint([&backend, ready = std::move(ready)](Result<std::string> note) {
    if (!note || backend.witnessing == nullptr) return ready(std::move(note));
    backend.witnessing->add_cosignatures(*std::move(note), ready);
  });
}

void report_witnesses(Backend& backend,
                      std::function<void(std::vector<witness::WitnessReport>)> ready) {
  if (backend.witnessing == nullptr) return ready({});
  backend.witnessing->report(std::move(ready));
}

}  // namespace meridian::api
