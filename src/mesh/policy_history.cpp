//   (none) --first--> in force --approved--> in force ...
//   proposed --approved--> in force        --another approved, or 24 h--> over
//
//   statement = "meridian-policy-proposal 1\ncell UUID\nreplaces HEX\npolicy HEX\nby ID\nat
//   SECONDS\n" approval  = "meridian-policy-approval 1\nproposal HEX\nby ID\n"
#include "mesh/policy_history.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "base/uuid.h"
#include "crypto/base64.h"
#include "mesh/internal/openssl.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {
namespace {

using Json = nlohmann::ordered_json;
using Context = std::unique_ptr<EVP_MD_CTX, internal::Free<EVP_MD_CTX_free>>;

constexpr std::string_view statement_title = "meridian-policy-proposal 1";
constexpr std::string_view approval_title = "meridian-policy-approval 1";
constexpr std::size_t text_size_max = 4'096;

Error bad_statement() {
  return {Code::invalid_argument,
          "this is no statement of a proposal: `meridian policy propose` makes one"};
}

Result<crypto::Digest> parse_digest(std::string_view hex) {
  Buffer bytes;
  crypto::Digest digest{};
  if (!from_hex(hex, bytes) || bytes.size() != digest.size()) return bad_statement();
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

/// The rest of a line that begins with `key` and a space; moves past it.
Result<std::string_view> take_line(std::string_view& text, std::string_view key) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return bad_statement();
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (!line.starts_with(key) || line.substr(key.size(), 1) != " ") return bad_statement();
  return line.substr(key.size() + 1);
}

/// Members of a record's body, all texts.
Result<Json> parse_body(std::string_view json, std::initializer_list<const char*> members) {
  Json body = Json::parse(json, nullptr, false);
  if (!body.is_object() || body.size() != members.size())
    return fail(Code::invalid_argument, "the record is not what its type says");
  for (const char* member : members)
    if (!body.contains(member) || !body[member].is_string())
      return fail(Code::invalid_argument, fmt::format("the record has no text `{}`", member));
  return body;
}

Result<SignedText> signed_text(const Json& body, std::string text) {
  SignedText made{std::move(text), body["certificate"].get<std::string>(), {}};
  made.signature = TRY(crypto::from_base64(body["signature"].get_ref<const std::string&>()));
  return made;
}

/// That the certificate is of `id`, and its key signed.
Status check_signature(const SignedText& given, const std::string& id) {
  if (given.text.size() > text_size_max) return bad_statement();
  const CertificateChain chain = TRY(parse_pem_chain(given.certificate));
  const std::optional<SpiffeId>& claimed = chain[0].claimed_id();
  if (!claimed || format_spiffe_id(*claimed) != id)
    return fail(Code::permission_denied, fmt::format("the certificate is not that of {}", id));
  if (!is_signed_by(chain[0], given.text, given.signature))
    return fail(Code::permission_denied, fmt::format("the signature is not by the key of {}", id));
  return {};
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
  const std::string_view title = TRY(take_line(rest, "meridian-policy-proposal"));
  if (title != "1") return bad_statement();
  PolicyStatement statement;
  const std::optional<u128> cell = parse_uuid(TRY(take_line(rest, "cell")));
  if (!cell) return bad_statement();
  statement.cell = *cell;
  const std::string_view replaces = TRY(take_line(rest, "replaces"));
  statement.replaces = TRY(parse_digest(replaces));
  const std::string_view policy = TRY(take_line(rest, "policy"));
  statement.policy = TRY(parse_digest(policy));
  statement.by = TRY(take_line(rest, "by"));
  const Result<u128> at = parse_decimal(TRY(take_line(rest, "at")));
  if (!at || high64(*at) != 0 || low64(*at) >> 62 != 0) return bad_statement();
  statement.at_s = static_cast<std::int64_t>(low64(*at));
  if (!parse_spiffe_id(statement.by) || format_statement(statement) != text) return bad_statement();
  return statement;
}

std::string format_approval(const crypto::Digest& proposal, std::string_view by) {
  return fmt::format("{}\nproposal {}\nby {}\n", approval_title, to_hex(proposal), by);
}

Buffer sign(const crypto::P256PrivateKey& key, std::string_view text) {
  const Context context(EVP_MD_CTX_new());
  ASSERT(context != nullptr);
  const Bytes bytes = as_bytes(text);
  std::size_t size = 0;
  const int begun = EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.handle());
  ASSERT(begun == 1);
  const int measured = EVP_DigestSign(context.get(), nullptr, &size, bytes.data(), bytes.size());
  ASSERT(measured == 1);
  Buffer signature(size);
  const int done =
      EVP_DigestSign(context.get(), signature.data(), &size, bytes.data(), bytes.size());
  ASSERT(done == 1);
  signature.resize(size);
  return signature;
}

bool is_signed_by(const Certificate& certificate, std::string_view text, Bytes signature) {
  EVP_PKEY* key = X509_get0_pubkey(certificate.handle());
  const Context context(EVP_MD_CTX_new());
  ASSERT(context != nullptr);
  const Bytes bytes = as_bytes(text);
  const bool good = key != nullptr && internal::is_p256(key) &&
                    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                     bytes.data(), bytes.size()) == 1;
  if (!good) internal::take_openssl_error();
  return good;
}

std::string first_policy_json(const Policy& policy) {
  return Json{{"policy", policy.text()}}.dump();
}

std::string proposed_json(const SignedText& statement, const std::string& policy) {
  return Json{{"statement", statement.text},
              {"policy", policy},
              {"certificate", statement.certificate},
              {"signature", crypto::to_base64(statement.signature)}}
      .dump();
}

std::string approved_json(const crypto::Digest& proposal, const SignedText& approval) {
  return Json{{"proposal", to_hex(proposal)},
              {"approval", approval.text},
              {"certificate", approval.certificate},
              {"signature", crypto::to_base64(approval.signature)}}
      .dump();
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
  const CertificateChain chain = TRY(parse_pem_chain(given.certificate));
  const std::optional<SpiffeId>& who = chain[0].claimed_id();
  if (!who) return fail(Code::permission_denied, "the certificate names nobody");
  const std::string id = format_spiffe_id(*who);
  if (given.text != format_approval(hash, id))
    return fail(Code::invalid_argument, "what was signed is not the approval of this proposal");
  TRY(check_signature(given, id));
  TRY(check_person(id, Action::policy_approve));
  // One name in two regions is one person.
  const SpiffeId proposer = TRY(parse_spiffe_id(found->statement.by));
  if (who->path == proposer.path)
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
