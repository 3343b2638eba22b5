//   (none) --first--> in force --approved--> in force ...
//   proposed --approved--> in force        --another approved, or 24 h--> over
//
//   statement = "meridian-policy-proposal 1\ncell UUID\nreplaces HEX\npolicy HEX\nby ID\nat
//   SECONDS\n" approval  = "meridian-policy-approval 1\nproposal HEX\nby ID\n"
#include "mesh/policy_history.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/uuid.h"
#include "mesh/internal/record_body.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {
namespace {

using Json = nlohmann::ordered_json;
using internal::add_signature;
using internal::parse_body;
using internal::signed_text;

constexpr std::string_view statement_title = "meridian-policy-proposal 1";
constexpr std::string_view approval_title = "meridian-policy-approval 1";
constexpr std::size_t text_size_max = 4'096;

Error bad_statement() {
  return {Code::invalid_argument,
          "this is no statement of a proposal: `meridian policy propose` makes one"};
}

/// A line's text by `parse`, or none.
template <typename Value>
Result<Value> value_of(std::string_view& text, std::string_view key,
                       Result<Value> (*parse)(std::string_view)) {
  const Result<std::string_view> line = take_line(text, key);
  if (!line) return bad_statement();
  Result<Value> value = parse(*line);
  if (!value) return bad_statement();
  return value;
}

}  // namespace

std::string format_statement(const PolicyStatement& statement) {
  return fmt::format("{}\ncell {}\nreplaces {}\npolicy {}\nby {}\nat {}\n", statement_title,
                     format_uuid(statement.cell), to_hex(statement.replaces),
                     to_hex(statement.policy), statement.by, statement.at_s);
}

Result<PolicyStatement> parse_statement(std::string_view text) {
  if (text.size() > text_size_max) return bad_statement();
  std::string_view rest = text;
  const Result<std::string_view> title = take_line(rest, "meridian-policy-proposal");
  if (!title || *title != "1") return bad_statement();
  PolicyStatement statement;
  const Result<std::string_view> cell_text = take_line(rest, "cell");
  const std::optional<u128> cell = cell_text ? parse_uuid(*cell_text) : std::nullopt;
  if (!cell) return bad_statement();
  statement.cell = *cell;
  statement.replaces = TRY(value_of(rest, "replaces", parse_digest));
  statement.policy = TRY(value_of(rest, "policy", parse_digest));
  const Result<std::string_view> by = take_line(rest, "by");
  if (!by) return bad_statement();
  statement.by = *by;
  statement.at_s = TRY(value_of(rest, "at", parse_seconds));
  if (!parse_spiffe_id(statement.by) || format_statement(statement) != text) return bad_statement();
  return statement;
}

std::string format_approval(const crypto::Digest& proposal, std::string_view by) {
  return fmt::format("{}\nproposal {}\nby {}\n", approval_title, to_hex(proposal), by);
}

std::string first_policy_json(const Policy& policy) {
  return Json{{"policy", policy.text()}}.dump();
}

std::string proposed_json(const SignedText& statement, const std::string& policy) {
  Json body{{"statement", statement.text}, {"policy", policy}};
  add_signature(body, statement);
  return body.dump();
}

std::string approved_json(const crypto::Digest& proposal, const SignedText& approval) {
  return internal::approved_json(proposal, approval);
}

Status PolicyHistory::apply(std::string_view type, std::string_view json, std::int64_t time_s) {
  if (type == first_policy_type) return begin(json);
  if (type == policy_proposed_type) return propose(json, time_s);
  if (type == policy_approved_type) return approve(json, time_s);
  return fail(Code::invalid_argument, fmt::format("a record of the unknown type {}", type));
}

std::vector<PolicyHistory::Proposal> PolicyHistory::open(std::int64_t now_s) const {
  std::vector<Proposal> open;
  for (const Proposal& one : proposals_)
    if (now_s < one.ends_s) open.push_back(one);
  return open;
}

Status PolicyHistory::begin(std::string_view json) {
  if (policy_) return fail(Code::failed_precondition, "the cell has a policy already");
  const Json body = TRY(parse_body(json, {"policy"}));
  policy_ = TRY(Policy::parse(body["policy"].get_ref<const std::string&>()));
  version_ = 1;
  return {};
}

Status PolicyHistory::check_person(const std::string& id, Action action) const {
  const SpiffeId who = TRY(parse_spiffe_id(id));
  if (kind_of(who) != IdKind::person)
    return fail(Code::permission_denied,
                fmt::format("{} is no person, and only people may do that", id));
  if (policy_->approvers(cell_) < 2)
    return fail(
        Code::permission_denied,
        "by the policy in force fewer than two people may approve: it cannot be changed so");
  const Explanation why = policy_->explain({.id = id, .cell = cell_, .action = action});
  if (!why.is_allowed) return fail(Code::permission_denied, why.text);
  return {};
}

Status PolicyHistory::propose(std::string_view json, std::int64_t time_s) {
  if (!policy_)
    return fail(Code::failed_precondition, "the cell has no policy that lets anybody propose");
  const Json body = TRY(parse_body(json, {"statement", "policy", "certificate", "signature"}));
  const auto given = TRY(signed_text(body, body["statement"].get<std::string>()));
  Proposal made{crypto::sha256(as_bytes(given.text)), TRY(parse_statement(given.text)), nullptr,
                time_s + proposal_lifetime_s};
  const PolicyStatement& statement = made.statement;
  TRY(check_signature(given, statement.by));
  TRY(check_person(statement.by, Action::policy_propose));
  if (statement.cell != cell_)
    return fail(Code::failed_precondition, "the proposal is for another cell");
  if (statement.replaces != policy_->digest())
    return fail(Code::failed_precondition,
                "the proposal replaces another policy than the one in force: look at that "
                "(`meridian policy show`) and propose again");
  if (std::max(statement.at_s, time_s) - std::min(statement.at_s, time_s) > clock_difference_max_s)
    return fail(Code::failed_precondition,
                "the proposal was signed more than 5 minutes from now: compare the clocks");
  made.policy = TRY(Policy::parse(body["policy"].get_ref<const std::string&>()));
  if (made.policy->digest() != statement.policy)
    return fail(Code::invalid_argument, "the text is not the one that was signed");
  if (made.policy->approvers(cell_) < 2)
    return fail(Code::failed_precondition,
                "by the policy proposed fewer than two people could approve: it could never be "
                "changed again");
  std::erase_if(proposals_, [&](const Proposal& one) { return time_s >= one.ends_s; });
  if (std::ranges::find(proposals_, made.hash, &Proposal::hash) != proposals_.end())
    return fail(Code::failed_precondition, "this very proposal is there already");
  if (proposals_.size() >= open_max)
    return fail(Code::resource_exhausted,
                fmt::format("{} proposals are open, which is the limit", open_max));
  proposals_.push_back(std::move(made));
  return {};
}

Status PolicyHistory::approve(std::string_view json, std::int64_t time_s) {
  const Json body = TRY(parse_body(json, {"proposal", "approval", "certificate", "signature"}));
  const crypto::Digest hash = TRY(parse_digest(body["proposal"].get_ref<const std::string&>()));
  const auto given = TRY(signed_text(body, body["approval"].get<std::string>()));
  const auto found = std::ranges::find(proposals_, hash, &Proposal::hash);
  if (found == proposals_.end() || time_s >= found->ends_s)
    return fail(
        Code::not_found,
        "no such proposal is open (`meridian policy proposals`): it was approved, another one "
        "was, or its 24 hours are over");
  const std::string id = TRY(claimed_signer(given));
  if (given.text != format_approval(hash, id))
    return fail(Code::invalid_argument, "what was signed is not the approval of this proposal");
  TRY(check_signature(given, id));
  TRY(check_person(id, Action::policy_approve));
  if (is_one_person(id, found->statement.by))
    return fail(Code::permission_denied,
                fmt::format("{} proposed it: a second person approves", found->statement.by));
  if (found->statement.replaces != policy_->digest())
    return fail(Code::failed_precondition,
                "the policy changed since this was proposed: propose again");
  policy_ = found->policy;
  ++version_;
  proposals_.clear();  // they replace what is no more in force
  return {};
}

}  // namespace meridian::mesh
