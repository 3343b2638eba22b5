//   (none) --proposed--> open --approved by another--> approved --used--> used
//   any of them --its end comes--> over
#include "mesh/act_history.h"

#include <fmt/format.h>

#include <algorithm>

#include "mesh/internal/record_body.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {
namespace {

using Json = nlohmann::ordered_json;
using internal::add_signature;
using internal::parse_body;
using internal::signed_text;

}  // namespace

std::string act_proposed_json(const SignedText& statement) {
  Json body{{"statement", statement.text}};
  add_signature(body, statement);
  return body.dump();
}

std::string act_approved_json(const crypto::Digest& act, const SignedText& approval) {
  return internal::approved_json(act, approval);
}

std::string act_used_json(const crypto::Digest& act) {
  return Json{{"proposal", to_hex(act)}}.dump();
}

Status ActHistory::apply(std::string_view type, std::string_view json, std::int64_t time_s) {
  if (type == act_proposed_type) return propose(json, time_s);
  if (type == act_approved_type) return approve(json, time_s);
  if (type == act_used_type) return use(json, time_s);
  return fail(Code::invalid_argument, fmt::format("a record of the unknown type {}", type));
}

std::vector<ActHistory::Act> ActHistory::acts(std::int64_t now_s) const {
  std::vector<Act> acts;
  for (const Act& one : acts_)
    if (now_s < one.statement.ends_s) acts.push_back(one);
  return acts;
}

Result<ActHistory::Act> ActHistory::usable(const std::string& by, const ActRequest& what,
                                           std::int64_t now_s) const {
  const Act* open = nullptr;
  const Act* used = nullptr;
  for (const Act& one : acts_) {
    if (now_s >= one.statement.ends_s || one.statement.by != by || one.statement.what != what)
      continue;
    if (one.is_usable()) return one;
    (one.used_s != 0 ? used : open) = &one;
  }
  const std::string_view action = info(what.action).name;
  if (open != nullptr)
    return fail(Code::permission_denied,
                fmt::format("{}: a second person has not approved it yet. they run `meridian act "
                            "approve {}`, then run this again",
                            action, to_hex(open->hash)));
  if (used != nullptr)
    return fail(Code::permission_denied,
                fmt::format("{}: the approval of proposal {} was used already, and it is for once. "
                            "look whether it was done; if not, propose it anew",
                            action, to_hex(used->hash)));
  return fail(Code::permission_denied,
              fmt::format("{} needs a second person, and no proposal of exactly this by {} is "
                          "there. the commands of `meridian` propose it by themselves; a second "
                          "person then runs `meridian act approve HASH` (`meridian act list`)",
                          action, by));
}

Status ActHistory::propose(std::string_view json, std::int64_t time_s) {
  const Json body = TRY(parse_body(json, {"statement", "certificate", "signature"}));
  const SignedText given = TRY(signed_text(body, body["statement"].get<std::string>()));
  Act made{act_hash(given.text), TRY(parse_act(given.text))};
  TRY(check_signature(given, made.statement.by));
  if (made.statement.cell != cell_)
    return fail(Code::failed_precondition, "the proposal is for another cell");
  if (std::max(made.statement.at_s, time_s) - std::min(made.statement.at_s, time_s) >
      clock_difference_max_s)
    return fail(Code::failed_precondition,
                "the proposal was signed more than 5 minutes from now: compare the clocks");
  if (time_s >= made.statement.ends_s)
    return fail(Code::failed_precondition, "the proposal is over already");
  std::erase_if(acts_, [&](const Act& one) { return time_s >= one.statement.ends_s; });
  if (std::ranges::find(acts_, made.hash, &Act::hash) != acts_.end())
    return fail(Code::failed_precondition, "this very proposal is there already");
  const auto by_them = std::ranges::count_if(
      acts_, [&](const Act& one) { return is_one_person(one.statement.by, made.statement.by); });
  if (acts_.size() >= acts_max || static_cast<std::size_t>(by_them) >= acts_of_one_max)
    return fail(Code::resource_exhausted,
                fmt::format("{} proposals that are not over, {} of them by {}, are too many",
                            acts_.size(), by_them, made.statement.by));
  acts_.push_back(std::move(made));
  return {};
}

Result<ActHistory::Act*> ActHistory::find(const crypto::Digest& hash, std::int64_t time_s) {
  const auto found = std::ranges::find(acts_, hash, &Act::hash);
  if (found == acts_.end() || time_s >= found->statement.ends_s)
    return fail(Code::not_found,
                "there is no such proposal, or it is over (`meridian act list` shows them)");
  return &*found;
}

Status ActHistory::approve(std::string_view json, std::int64_t time_s) {
  const Json body = TRY(parse_body(json, {"proposal", "approval", "certificate", "signature"}));
  const crypto::Digest hash = TRY(parse_digest(body["proposal"].get_ref<const std::string&>()));
  const SignedText given = TRY(signed_text(body, body["approval"].get<std::string>()));
  Act* const act = TRY(find(hash, time_s));
  const std::string id = TRY(claimed_signer(given));
  if (given.text != format_act_approval(hash, id))
    return fail(Code::invalid_argument, "what was signed is not the approval of this proposal");
  TRY(check_signature(given, id));
  const SpiffeId who = TRY(parse_spiffe_id(id));
  if (kind_of(who) != IdKind::person)
    return fail(Code::permission_denied,
                fmt::format("{} is no person, and only people may do that", id));
  if (is_one_person(id, act->statement.by))
    return fail(Code::permission_denied,
                fmt::format("{} proposed it: a second person approves", act->statement.by));
  if (!act->approved_by.empty())
    return fail(Code::failed_precondition, fmt::format("{} approved it already", act->approved_by));
  act->approved_by = id;
  return {};
}

Status ActHistory::use(std::string_view json, std::int64_t time_s) {
  const Json body = TRY(parse_body(json, {"proposal"}));
  const crypto::Digest hash = TRY(parse_digest(body["proposal"].get_ref<const std::string&>()));
  Act* const act = TRY(find(hash, time_s));
  if (act->approved_by.empty())
    return fail(Code::permission_denied, "it was used before a second person approved it");
  if (act->used_s != 0) return fail(Code::permission_denied, "it was used already");
  act->used_s = std::max<std::int64_t>(time_s, 1);
  return {};
}

}  // namespace meridian::mesh
