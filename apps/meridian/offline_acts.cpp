#include "offline_acts.h"

#include <fmt/format.h>

#include "api/access.h"
#include "base/uuid.h"
#include "crypto/base64.h"
#include "files.h"
#include "identity_directory.h"
#include "mesh/act_history.h"
#include "output.h"

namespace meridian::app {
namespace {

constexpr std::uint64_t used_size_max = 1 << 20;
constexpr std::uint64_t kept_size_max = 1 << 20;

Error bad_file(std::string_view what) {
  return {Code::invalid_argument,
          fmt::format("this is no proposal of an act in a file ({}): `meridian act propose` writes "
                      "them",
                      what)};
}

OrderedJson json_of(const mesh::SignedText& text) {
  return {{"text", text.text},
          {"certificate", text.certificate},
          {"signature", crypto::to_base64(text.signature)}};
}

Result<mesh::SignedText> signed_text(const OrderedJson& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_object() || found->size() != 3) return bad_file(name);
  for (const char* member : {"text", "certificate", "signature"})
    if (!found->contains(member) || !(*found)[member].is_string()) return bad_file(member);
  mesh::SignedText text{
      (*found)["text"].get<std::string>(), (*found)["certificate"].get<std::string>(), {}};
  text.signature = TRY(crypto::from_base64((*found)["signature"].get_ref<const std::string&>()));
  return text;
}

struct Kept {
  std::string identity;
  std::shared_ptr<const mesh::Policy> policy;
};

Result<Kept> read_kept(io::Disk& disk) {
  const Buffer bytes = TRY(io::read_file(disk, second_person_path, kept_size_max));
  const OrderedJson json = OrderedJson::parse(as_text(bytes), nullptr, false);
  const auto damaged = [&] {
    return fail(Code::data_loss,
                fmt::format("{} is damaged: serve the node once, or restore the file",
                            disk.display(second_person_path)));
  };
  if (!json.is_object() || !json.contains("identity") || !json["identity"].is_string() ||
      !json.contains("policy") || !json["policy"].is_string())
    return damaged();
  Kept kept{json["identity"].get<std::string>(), nullptr};
  Result<std::shared_ptr<const mesh::Policy>> policy =
      mesh::Policy::parse(json["policy"].get_ref<const std::string&>());
  if (!policy) return damaged();
  kept.policy = *std::move(policy);
  return kept;
}

/// Who signed, judged by the bundles and deny lists of the node's identity.
Status check_signer(const mesh::Credentials& credentials, const mesh::Policy& policy, u128 cell,
                    const mesh::SignedText& text, mesh::Action action) {
  const mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(text.certificate));
  mesh::WantedPeer wanted;
  wanted.kinds = {mesh::IdKind::person};
  const std::vector<Bytes> ders = {chain[0].der()};
  const mesh::PeerIdentity signer = TRY(credentials.verify(ders, wanted));
  const std::string id = mesh::format_spiffe_id(signer.id);
  const mesh::Explanation why =
      policy.explain({.id = id, .cell = cell, .action = action, .ledger = {}, .stream = {}});
  if (!why.is_allowed)
    return fail(Code::permission_denied,
                fmt::format("{} by {}: {}", mesh::info(action).name, id, why.text));
  if (policy.mfa_needed() &&
      (!signer.evidence ||
       !signer.evidence->is_mfa_within(credentials.now(), api::Access::factor_seconds_max)))
    return fail(Code::permission_denied,
                fmt::format("{} signed without a second factor of the last 10 minutes: `meridian "
                            "sign-in --mfa --out DIR`, then sign again",
                            id));
  return {};
}

Error nothing_given(u128 cell, const mesh::ActRequest& what) {
  return {Code::permission_denied,
          fmt::format("this node served people who are known, so this needs two of them. one runs\n"
                      "  meridian act propose --cell {} --action {} --request '{}' --out FILE "
                      "--identity DIR\n"
                      "the other reads it and runs\n  meridian act approve FILE --identity DIR\n"
                      "then run the same command with --approval FILE",
                      format_uuid(cell), mesh::info(what.action).name, what.request)};
}

/// Appends `hash`, unless it is there. Errors: permission_denied: it is.
Status use_up(io::Disk& disk, const crypto::Digest& hash) {
  std::string used;
  if (TRY(disk.exists(acts_used_path))) {
    const Buffer bytes = TRY(io::read_file(disk, acts_used_path, used_size_max));
    used = as_text(bytes);
  }
  const std::string line = to_hex(hash) + "\n";
  if (used.find(line) != std::string::npos)
    return fail(Code::permission_denied,
                "this approval was used here already, and it is for once. look whether it was "
                "done; if not, propose it anew");
  return io::replace_file(disk, acts_used_path, as_bytes(used + line));
}

}  // namespace

std::string format_act_file(const ActFile& file) {
  OrderedJson json{{"proposal", json_of(file.proposal)}};
  if (file.approval) json["approval"] = json_of(*file.approval);
  return json.dump(2) + "\n";
}

Result<ActFile> parse_act_file(std::string_view text) {
  const OrderedJson json = OrderedJson::parse(text, nullptr, false);
  if (!json.is_object() || json.size() != (json.contains("approval") ? 2U : 1U))
    return bad_file("its shape");
  ActFile file{TRY(signed_text(json, "proposal"))};
  if (json.contains("approval")) file.approval = TRY(signed_text(json, "approval"));
  TRY(mesh::parse_act(file.proposal.text));
  return file;
}

mesh::ActRequest skipping_of(std::uint64_t index, std::string_view digest) {
  return {mesh::Action::recovery_run, "meridian recovery skip",
          OrderedJson{{"index", std::to_string(index)}, {"digest", digest}}.dump()};
}

mesh::ActRequest opening_of(std::uint64_t generation, std::string_view lost) {
  return {mesh::Action::recovery_run, "meridian recovery new-generation",
          OrderedJson{{"generation", std::to_string(generation)}, {"lost", lost}}.dump()};
}

Result<std::string> offline_method(mesh::Action action, std::string_view request) {
  const OrderedJson json = OrderedJson::parse(request, nullptr, false);
  const auto has = [&](const char* member) { return json.is_object() && json.contains(member); };
  if (action == mesh::Action::recovery_run && has("index"))
    return std::string("meridian recovery skip");
  if (action == mesh::Action::recovery_run && has("generation"))
    return std::string("meridian recovery new-generation");
  if (action == mesh::Action::keys_rotate && has("key")) return std::string("meridian keys rotate");
  return fail(Code::invalid_argument,
              "--action, --request: recovery.run or keys.rotate, with what the command's refusal "
              "names; the commands of other acts propose them by themselves");
}

mesh::ActRequest rotation_of(std::string_view key) {
  return {mesh::Action::keys_rotate, "meridian keys rotate", OrderedJson{{"key", key}}.dump()};
}

Status keep_second_person(io::Disk& disk, const std::string& identity, const mesh::Policy& policy) {
  const std::string text =
      OrderedJson{{"identity", identity}, {"policy", policy.text()}}.dump() + "\n";
  return io::replace_file(disk, second_person_path, as_bytes(text));
}

Status use_act_file(io::Disk& disk, u128 cell, const mesh::ActRequest& what,
                    const std::string& file) {
  if (!TRY(disk.exists(second_person_path))) return {};
  const Kept kept = TRY(read_kept(disk));
  if (!kept.policy->needs_second_person()) return {};
  if (file.empty()) return nothing_given(cell, what);
  const std::string text = TRY(read_input(file, act_file_size_max));
  Result<ActFile> act = parse_act_file(text);
  if (!act) return with_context(act.error(), file);
  if (!act->approval)
    return fail(Code::permission_denied,
                fmt::format("{}: a second person has not approved it yet: meridian act approve {} "
                            "--identity DIR",
                            file, file));
  const auto clock = io::os_clock();
  metrics::Registry metrics;
  Result<std::unique_ptr<IdentityDirectory>> identity =
      IdentityDirectory::open(kept.identity, *clock, metrics);
  if (!identity)
    return with_context(identity.error(),
                        "the identity of this node, by which people are known, cannot be read");
  const mesh::Credentials& credentials = (*identity)->credentials();
  TRY(check_signer(credentials, *kept.policy, cell, act->proposal, what.action));
  TRY(check_signer(credentials, *kept.policy, cell, *act->approval, what.action));
  // The same judgement as online, by records that are made here for it.
  const mesh::ActStatement statement = TRY(mesh::parse_act(act->proposal.text));
  const crypto::Digest hash = mesh::act_hash(act->proposal.text);
  const std::int64_t now = credentials.now();
  if (now + mesh::ActHistory::clock_difference_max_s < statement.at_s)
    return fail(Code::failed_precondition, "it was proposed in the future: compare the clocks");
  mesh::ActHistory history(cell);
  TRY(history.apply(mesh::act_proposed_type, mesh::act_proposed_json(act->proposal),
                    statement.at_s));
  TRY(history.apply(mesh::act_approved_type, mesh::act_approved_json(hash, *act->approval), now));
  if (statement.what != what)
    return fail(Code::permission_denied,
                fmt::format("{} is for another act: {} {}, not {}", file, statement.what.method,
                            statement.what.request, what.request));
  TRY(history.usable(statement.by, what, now));
  return use_up(disk, hash);
}

}  // namespace meridian::app
