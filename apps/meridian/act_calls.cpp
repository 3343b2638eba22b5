#include "act_calls.h"

#include <fmt/format.h>

#include <algorithm>

#include "act_words.h"
#include "ids.h"
#include "leader_call.h"
#include "mesh/spiffe_id.h"
#include "output.h"
#include "signer.h"

namespace meridian::app {
namespace {

constexpr std::string_view unknown_outcome =
    "it is unknown whether the proposal was recorded: see with `meridian act list`, then repeat "
    "the command";
constexpr io::Duration look_every = io::seconds(1);

const KnownAct* find_own(const KnownActs& known, const std::string& by,
                         const mesh::ActRequest& what) {
  const KnownAct* found = nullptr;
  for (const KnownAct& one : known.acts)
    if (one.statement.by == by && one.statement.what == what && one.used_s == 0 &&
        (found == nullptr || found->approved_by.empty()))
      found = &one;
  return found;
}

Result<KnownAct> propose(Client& client, u128 cell, const mesh::OwnIdentity& own,
                         const mesh::ActRequest& what) {
  KnownAct made;
  mesh::ActStatement& act = made.statement;
  act.cell = cell;
  act.what = what;
  act.by = mesh::format_spiffe_id(own.id);
  act.nonce = time_ordered_id(client.clock(), *io::os_entropy());
  act.at_s = client.options().credentials->now();
  act.ends_s = act.at_s + client.options().approval_valid_s;
  made.text = mesh::format_act(act);
  made.hash = mesh::act_hash(made.text);
  v1::ProposeActRequest request;
  *request.mutable_statement() = signed_by(own, made.text);
  TRY(call_leader(client, client.deadline(), Repeat::only_undone, unknown_outcome,
                  &v1::Acts::Stub::Propose, request));
  return made;
}

std::string what_comes_next(const KnownAct& act) {
  return fmt::format(
      "until {} a second person reads and approves it with\n  meridian act approve {}",
      iso_seconds(act.statement.ends_s), to_hex(act.hash));
}

/// Errors: permission_denied if nobody approves it in time.
Status wait_for_approval(Client& client, const KnownAct& act) {
  fmt::print(stderr, "{}\nwaiting\n", what_comes_next(act));
  const io::MonotonicTime end =
      client.clock().monotonic() + io::seconds(client.options().approval_wait_s);
  while (client.clock().monotonic() < end) {
    pause(look_every);
    const KnownActs known = TRY(ask_acts(client));
    const auto found = std::ranges::find(known.acts, act.hash, &KnownAct::hash);
    if (found == known.acts.end()) break;
    if (!found->approved_by.empty()) return {};
  }
  return fail(Code::permission_denied, "nobody approved it in time. " + what_comes_next(act) +
                                           "\nthen run the same command again");
}

}  // namespace

void add_approval_options(CLI::App& command, ClientOptions& options) {
  command
      .add_option("--wait-approval", options.approval_wait_s,
                  "Wait so long for a second person's approval, then go on")
      ->check(CLI::Range(1, 86'400))
      ->type_name("SECONDS");
  command
      .add_option("--approval-valid", options.approval_valid_s,
                  "When the proposal that is made for it ends")
      ->capture_default_str()
      ->check(CLI::Range(1, static_cast<int>(mesh::act_lifetime_s_max)))
      ->type_name("SECONDS");
}

Result<KnownActs> ask_acts(Client& client) {
  const v1::ActsReply reply =
      TRY(client.call(*client.acts, &v1::Acts::Stub::List, v1::ActsRequest()));
  KnownActs known{to_u128(reply.cell()), reply.needed(), {}, {}};
  for (const v1::BrokenGlass& one : reply.glasses())
    known.glasses.push_back(TRY(mesh::parse_glass(one.text())));
  for (const v1::Act& one : reply.acts()) {
    KnownAct act;
    act.hash = mesh::act_hash(one.statement());
    act.statement = TRY(mesh::parse_act(one.statement()));
    act.text = one.statement();
    act.approved_by = one.approved_by();
    act.used_s = one.used();
    if (one.hash() != as_text(act.hash))
      return fail(Code::data_loss, "the server lists a proposal under the hash of another one");
    known.acts.push_back(std::move(act));
  }
  return known;
}

Status ensure_approved(Client& client, const mesh::ActRequest& what) {
  const std::shared_ptr<const mesh::OwnIdentity> own = client.options().credentials->own();
  if (own == nullptr || mesh::kind_of(own->id) != mesh::IdKind::person) return {};
  Result<KnownActs> known = ask_acts(client);
  if (!known) {
    // The server says why the act itself is denied, or knows nothing of second persons.
    const Code code = known.error().code;
    if (code == Code::permission_denied || code == Code::unimplemented) return {};
    return known.error();
  }
  if (!known->needed) return {};
  const std::string by = mesh::format_spiffe_id(own->id);
  for (const mesh::Glass& one : known->glasses)
    if (one.to == by && one.actions.test(mesh::index_of(what.action))) return {};
  const KnownAct* mine = find_own(*known, by, what);
  if (mine != nullptr && !mine->approved_by.empty()) return {};
  const bool is_new = mine == nullptr;
  const KnownAct act = is_new ? TRY(propose(client, known->cell, *own, what)) : *mine;
  if (client.options().approval_wait_s != 0) return wait_for_approval(client, act);
  return fail(
      Code::permission_denied,
      fmt::format("this needs a second person: {}. {}. {}\nthen run the same command again, "
                  "or wait for it with --wait-approval SECONDS",
                  word_of(what), is_new ? "it is proposed" : "it is proposed already",
                  what_comes_next(act)));
}

}  // namespace meridian::app
