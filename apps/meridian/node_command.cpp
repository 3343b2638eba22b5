// `meridian node`: who takes part in a cell of several replicas, and changes of it.
//
//   replace:  absent --add--> learner --has the log--> one joint change: votes, and the old one is
//   out
// Each run of `replace` looks first where it is, so that it goes on after an interruption.
#include <fmt/format.h>

#include <algorithm>

#include "act_calls.h"
#include "consensus/membership.h"
#include "group_flags.h"
#include "member_calls.h"
#include "run_with.h"

namespace meridian::app {

namespace {

using Step = v1::ChangeMembersRequest::Step;

struct ListOptions {
  ClientOptions client;
  bool json = false;
};
struct ChangeOptions {
  ClientOptions client;
  std::string member;  ///< ID=REGION@HOST:PORT
  std::uint64_t id = 0;
  bool wait = false;
  std::uint32_t patience_s = 86'400;
  bool json = false;
};

io::Duration patience_of(const ChangeOptions& options) { return io::seconds(options.patience_s); }
io::Duration timeout_of(const ClientOptions& options) { return io::seconds(options.timeout_s); }

void add_step(v1::ChangeMembersRequest& request, Step::Kind kind, std::uint64_t id) {
  Step& step = *request.add_steps();
  step.set_kind(kind);
  step.set_id(id);
}

v1::ChangeMembersRequest addition_of(const replica::MemberInfo& member) {
  v1::ChangeMembersRequest request;
  add_step(request, Step::ADD, member.id);
  request.mutable_steps(0)->set_region(member.region);
  request.mutable_steps(0)->set_peer_address(member.address);
  return request;
}

Exit show(const v1::MembersReply& reply, bool json) {
  if (json)
    print_json(json_of(reply));
  else
    fmt::print("{}", table_of(reply));
  return Exit::ok;
}

Result<Exit> run_list(Client& client, const ListOptions& options) {
  return show(TRY(members_seen(client)), options.json);
}

Error no_member(std::uint64_t id, const v1::MembersReply& seen) {
  return {
      Code::not_found,
      has_left(seen, id)
          ? fmt::format("replica {} left the cell already", id)
          : fmt::format("replica {} is no member. `meridian node list` shows those that are", id)};
}

/// Done or unknown; then shows who takes part once the change is complete.
Result<Exit> change_and_show(Client& client, const v1::ChangeMembersRequest& request,
                             const ChangeOptions& options, const std::string& said) {
  TRY(change_members(client, request));
  const v1::MembersReply after = TRY(wait_complete(client, timeout_of(options.client)));
  if (!options.json) print_line(said);
  return show(after, options.json);
}

Result<Exit> run_add(Client& client, const ChangeOptions& options) {
  const replica::MemberInfo member = TRY(parse_member(options.member, "node add"));
  TRY(change_members(client, addition_of(member)));
  const v1::MembersReply after = TRY(wait_complete(client, timeout_of(options.client)));
  if (options.json) return show(after, true);
  print_line(fmt::format(
      "replica {} is a learner now: it gets the log once it runs. if it does not yet, start it:\n"
      "  {} --grpc HOST:PORT --http HOST:PORT\n"
      "then give it a vote:\n  meridian node promote {} --wait\n",
      member.id, join_command(after, member.id, member.region, member.address), member.id));
  return show(after, false);
}

Result<Exit> run_remove(Client& client, const ChangeOptions& options) {
  const v1::MembersReply seen = TRY(members_of_leader(client));
  if (find_member(seen, options.id) == nullptr) return no_member(options.id, seen);
  v1::ChangeMembersRequest request;
  add_step(request, Step::REMOVE, options.id);
  return change_and_show(client, request, options,
                         fmt::format("replica {} left the cell; its process stops by itself, and "
                                     "its id is never used again\n",
                                     options.id));
}

/// Waits until `id` may vote. Errors: not_found if it is no member.
Result<v1::MembersReply> wait_for_learner(Client& client, std::uint64_t id, io::Duration patience) {
  return wait_members(
      client, patience,
      [id](const v1::MembersReply& seen,
           std::string& progress) -> Result<std::optional<v1::MembersReply>> {
        const v1::Member* member = find_member(seen, id);
        if (member == nullptr) return no_member(id, seen);
        if (!seen.changing() && (member->part() != v1::Member::LEARNER || may_vote(*member)))
          return std::optional(seen);
        progress = fmt::format("replica {}: {}", id, progress_of(*member));
        if (!member->active())
          progress += fmt::format(
              " at {}. if it does not run, start it: {} --grpc HOST:PORT --http "
              "HOST:PORT",
              member->peer_address(),
              join_command(seen, id, member->region(), member->peer_address()));
        return std::optional<v1::MembersReply>();
      });
}

Result<Exit> run_promote(Client& client, const ChangeOptions& options) {
  if (options.wait) TRY(wait_for_learner(client, options.id, patience_of(options)));
  v1::ChangeMembersRequest request;
  add_step(request, Step::PROMOTE, options.id);
  return change_and_show(client, request, options,
                         fmt::format("replica {} votes now\n", options.id));
}

/// No copy is begun that could not end: the placement once `now` votes and `old` is out (L6).
Status check_replacement(const v1::MembersReply& seen, std::uint64_t old,
                         const replica::MemberInfo& now) {
  consensus::Membership after;
  for (const v1::Member& member : seen.members())
    if (member.part() == v1::Member::VOTER && member.id() != old && member.id() != now.id)
      after.voters.push_back(member.id());
  after.voters.push_back(now.id);
  return consensus::check_placement(after, [&](std::uint64_t id) {
    const v1::Member* member = id == now.id ? nullptr : find_member(seen, id);
    return member != nullptr ? member->region() : now.region;
  });
}

Status check_new_one(const v1::MembersReply& seen, std::uint64_t old,
                     const replica::MemberInfo& now) {
  if (now.id == old)
    return fail(
        Code::invalid_argument,
        fmt::format("the new replica needs an id of its own: {} belongs to the old disk for "
                    "ever",
                    old));
  if (has_left(seen, now.id))
    return fail(
        Code::invalid_argument,
        fmt::format("replica {} left the cell, and its id is never used again: take another "
                    "one for the new replica",
                    now.id));
  if (const v1::Member* known = find_member(seen, now.id);
      known != nullptr && (known->region() != now.region || known->peer_address() != now.address))
    return fail(Code::invalid_argument,
                fmt::format("replica {} is a member already, in {} at {}", now.id, known->region(),
                            known->peer_address()));
  if (find_member(seen, old) == nullptr && find_member(seen, now.id) == nullptr)
    return no_member(old, seen);
  return check_replacement(seen, old, now);
}

/// What is left to be done once the new one has the log, in one change; no steps: nothing.
v1::ChangeMembersRequest exchange_of(const v1::MembersReply& seen, std::uint64_t old,
                                     std::uint64_t now) {
  v1::ChangeMembersRequest request;
  if (find_member(seen, now)->part() == v1::Member::LEARNER) add_step(request, Step::PROMOTE, now);
  if (find_member(seen, old) != nullptr) add_step(request, Step::REMOVE, old);
  return request;
}

/// A change that was refused for what may pass, or whose outcome is unknown, is looked at again.
bool may_pass(const Error& error) {
  return error.code == Code::failed_precondition || error.code == Code::unavailable ||
         error.code == Code::deadline_exceeded;
}

Result<Exit> run_replace(Client& client, const ChangeOptions& options) {
  const std::uint64_t old = options.id;
  const replica::MemberInfo now = TRY(parse_member(options.member, "node replace"));
  const io::MonotonicTime end = client.clock().monotonic() + patience_of(options);
  v1::MembersReply seen = TRY(wait_complete(client, timeout_of(options.client)));
  TRY(check_new_one(seen, old, now));
  if (find_member(seen, now.id) == nullptr) {
    TRY(change_members(client, addition_of(now)));
    fmt::print(stderr, "replica {} is a learner now\n", now.id);
  }
  Status refused;
  while (client.clock().monotonic() < end) {
    seen = TRY(wait_for_learner(client, now.id, end - client.clock().monotonic()));
    const v1::ChangeMembersRequest request = exchange_of(seen, old, now.id);
    if (request.steps_size() == 0) {
      if (!options.json)
        print_line(fmt::format(
            "replica {} votes in the place of {}, whose id is never used again\n", now.id, old));
      return show(seen, options.json);
    }
    refused = change_members(client, request);
    if (!refused && !may_pass(refused.error())) return refused.error();
    if (!refused) {
      fmt::print(stderr, "{}\n", refused.error().message);
      pause(io::seconds(1));
    }
  }
  return fail(Code::deadline_exceeded,
              fmt::format("replica {} does not stand in for {} yet ({}). the same command goes on "
                          "from there",
                          now.id, old, refused ? "it took too long" : refused.error().message));
}

constexpr const char* node_help =
    R"(A cell of three replicas goes on when one is lost. Members come, vote and leave one change at a time,
each of them a record of the ledger. An id belongs to one disk for ever: a disk that was emptied or
exchanged comes back under a new id (`node replace`).

Grow:    meridian serve --join ... on the new machine; node add; node promote --wait
Shrink:  node remove
Replace: meridian serve --join ... on an empty directory; node replace
docs/operations/replicas.md has it step by step.)";

void add_json(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "Print the members as JSON");
}
void add_id(CLI::App& command, std::uint64_t& id, const char* what) {
  command.add_option("id", id, what)
      ->required()
      ->type_name("ID")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 62));
}
/// Before anything is asked of the cell: what is wrong with `text`, or nothing.
std::string check_member(const std::string& text) {
  const Result<replica::MemberInfo> member = parse_member(text, "the replica");
  return member ? std::string() : member.error().message;
}
void add_member(CLI::App& command, std::string& member) {
  command
      .add_option("member", member,
                  "The new replica; HOST:PORT is its --peer-listen, where its peers reach it")
      ->required()
      ->check(check_member)
      ->type_name("ID=REGION@HOST:PORT");
}
void add_patience(CLI::App& command, ChangeOptions& options) {
  command
      .add_option("--patience", options.patience_s, "How long to wait for the copy of the state")
      ->capture_default_str()
      ->check(CLI::Range(1, 30 * 86'400))
      ->type_name("SECONDS");
}

void add_list(CLI::App& node, Invocation& invocation) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& list = *node.add_subcommand("list", "Show who takes part, and how far each is");
  add_json(list, options->json);
  list.footer(
      "The leader is asked, as only it knows how far the others are; without one, whoever answers "
      "shows\nwhat it knows. `lacks` counts entries of the log. `answers` is no if nothing was "
      "heard of it within\ntwo election timeouts. `storage` begins the UUID of its disk.\n\n"
      "Example: meridian node list --server 127.0.0.1:7401,127.0.0.1:7402");
  on_call(list, invocation, options, run_list);
}

void add_add(CLI::App& node, Invocation& invocation) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& add = *node.add_subcommand("add", "Add a replica as a learner");
  add_member(add, options->member);
  add_json(add, options->json);
  add.footer(
      "A learner gets the log and has no vote, so that a slow or wrong one holds nobody up. Its id "
      "must\nnever have been used in this cell. Start its process with `meridian serve --join` "
      "before or after;\nthe output says how.\n\n"
      "Example: meridian node add 4=eu@127.0.0.1:7504");
  add_approval_options(add, options->client);
  on_call(add, invocation, options, run_add);
}

void add_promote(CLI::App& node, Invocation& invocation) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& promote = *node.add_subcommand("promote", "Give a learner a vote");
  add_id(promote, options->id, "The learner");
  promote.add_flag("--wait", options->wait, "Wait until it has the log, showing how far it is");
  add_patience(promote, *options);
  add_json(promote, options->json);
  promote.footer(
      "Refused while the learner lacks more of the log than what is under way, and if its region "
      "would\nhold a majority of the votes: losing that region would stop the cell.\n\n"
      "Example: meridian node promote 4 --wait");
  add_approval_options(promote, options->client);
  on_call(promote, invocation, options, run_promote);
}

void add_remove(CLI::App& node, Invocation& invocation) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& remove = *node.add_subcommand("remove", "Remove a replica for good");
  add_id(remove, options->id, "The replica");
  add_json(remove, options->json);
  remove.footer(
      "Refused if a region would hold a majority of the votes left, or if too few of those that "
      "are left\nanswer now. A leader hands over first. The removed process stops by itself; its "
      "directory may be\ndeleted, its id is never used again.\n\n"
      "Example: meridian node remove 1");
  add_approval_options(remove, options->client);
  on_call(remove, invocation, options, run_remove);
}

void add_replace(CLI::App& node, Invocation& invocation) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& replace =
      *node.add_subcommand("replace", "Put a new replica in the place of one whose disk is lost");
  add_id(replace, options->id, "The replica that goes");
  add_member(replace, options->member);
  add_patience(replace, *options);
  add_json(replace, options->json);
  replace.footer(
      "Adds the new one as a learner, waits until it has copied the state and the log, and then in "
      "one\nchange gives it the vote and removes the old one: the cell never has fewer votes than "
      "before. It\nmay be interrupted and run again: it goes on where it was.\n\n"
      "Example: meridian node replace 3 4=asia@127.0.0.1:7504");
  add_approval_options(replace, options->client);
  on_call(replace, invocation, options, run_replace);
}

}  // namespace

void add_node(CLI::App& app, Invocation& invocation) {
  CLI::App& node =
      *app.add_subcommand("node", "List, add, promote, remove and replace replicas of a cell");
  node.require_subcommand(1);
  node.footer(node_help);
  add_list(node, invocation);
  add_add(node, invocation);
  add_promote(node, invocation);
  add_remove(node, invocation);
  add_replace(node, invocation);
}

}  // namespace meridian::app
