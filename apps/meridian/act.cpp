// `meridian act`: dangerous acts that one person proposed and another approves.
#include <fmt/format.h>

#include <algorithm>

#include "act_calls.h"
#include "act_words.h"
#include "base/uuid.h"
#include "commands.h"
#include "files.h"
#include "group_flags.h"
#include "ids.h"
#include "leader_call.h"
#include "offline_acts.h"
#include "on_run.h"
#include "output.h"
#include "run_with.h"
#include "signer.h"

namespace meridian::app {
namespace {

constexpr std::string_view unknown_outcome =
    "it is unknown whether the approval was recorded: see with `meridian act list`, then repeat "
    "the command if it was not";

struct ListOptions {
  ClientOptions client;
  bool json = false;
};
struct OneOptions {
  ClientOptions client;
  std::string hash;
  bool json = false;
};

struct ProposeOptions {
  ClientOptions client;
  std::string cell, action, request, out;
  std::uint32_t valid_s = 3'600;
};

std::string_view state(const KnownAct& act) {
  if (act.used_s != 0) return "used";
  return act.approved_by.empty() ? "open" : "approved";
}

OrderedJson json_of(const KnownAct& act) {
  const mesh::ActStatement& statement = act.statement;
  OrderedJson out;
  out["hash"] = to_hex(act.hash);
  out["state"] = state(act);
  out["action"] = mesh::info(statement.what.action).name;
  out["words"] = words_of(statement.what);
  out["by"] = statement.by;
  out["ends"] = iso_seconds(statement.ends_s);
  if (!act.approved_by.empty()) out["approved_by"] = act.approved_by;
  if (act.used_s != 0) out["used"] = iso_seconds(act.used_s);
  out["statement"] = act.text;
  return out;
}

void print(const KnownAct& act) {
  const mesh::ActStatement& statement = act.statement;
  fmt::print("{} ({}) in cell {}:\n", mesh::info(statement.what.action).name, state(act),
             format_uuid(statement.cell));
  for (const std::string& line : words_of(statement.what)) fmt::print("  {}\n", line);
  fmt::print("proposed by {} at {}, ends at {}\n", statement.by, iso_seconds(statement.at_s),
             iso_seconds(statement.ends_s));
  if (!act.approved_by.empty()) fmt::print("approved by {}\n", act.approved_by);
  if (act.used_s != 0) fmt::print("used at {}\n", iso_seconds(act.used_s));
}

Result<Exit> run_list(Client& client, const ListOptions& options) {
  const KnownActs known = TRY(ask_acts(client));
  if (options.json) {
    OrderedJson list = OrderedJson::array();
    for (const KnownAct& one : known.acts) list.push_back(json_of(one));
    print_json(list);
    return Exit::ok;
  }
  if (known.acts.empty()) {
    print_line("nothing is proposed");
    return Exit::ok;
  }
  std::vector<std::vector<std::string>> rows = {{"hash", "state", "by", "ends", "what"}};
  for (const KnownAct& one : known.acts)
    rows.push_back({to_hex(one.hash), std::string(state(one)), one.statement.by,
                    iso_seconds(one.statement.ends_s), word_of(one.statement.what)});
  fmt::print("{}", format_table(rows, {}));
  return Exit::ok;
}

Result<KnownAct> find_act(Client& client, const std::string& hash_text) {
  const crypto::Digest hash = TRY(parse_hash(hash_text, "meridian act list"));
  const KnownActs known = TRY(ask_acts(client));
  const auto found = std::ranges::find(known.acts, hash, &KnownAct::hash);
  if (found == known.acts.end())
    return fail(Code::not_found,
                "there is no such proposal, or it is over (`meridian act list` shows them)");
  return *found;
}

Exit show(const KnownAct& act, bool json) {
  if (json) {
    print_json(json_of(act));
    return Exit::ok;
  }
  print(act);
  fmt::print("\nwhat is signed:\n{}", act.text);
  return Exit::ok;
}

Result<Exit> run_show(Client& client, const OneOptions& options) {
  return show(TRY(find_act(client, options.hash)), options.json);
}

Result<Exit> run_approve(Client& client, const OneOptions& options) {
  const std::shared_ptr<const mesh::OwnIdentity> own = client.options().credentials->own();
  KnownAct act = TRY(find_act(client, options.hash));
  const std::string id = mesh::format_spiffe_id(own->id);
  v1::ApproveActRequest request;
  request.set_hash(act.hash.data(), act.hash.size());
  *request.mutable_approval() = signed_by(*own, mesh::format_act_approval(act.hash, id));
  TRY(call_leader(client, client.deadline(), Repeat::only_undone, unknown_outcome,
                  &v1::Acts::Stub::Approve, request));
  act.approved_by = id;
  if (options.json)
    print_json(json_of(act));
  else
    print(act);
  return Exit::ok;
}

// --- in a file, for a node that does not serve ---

Result<std::shared_ptr<const mesh::OwnIdentity>> open_signer(ClientOptions& options) {
  TRY(open_identity(options));
  return options.credentials->own();
}

KnownAct known(const ActFile& file) {
  KnownAct act;
  act.text = file.proposal.text;
  act.hash = mesh::act_hash(act.text);
  if (Result<mesh::ActStatement> statement = mesh::parse_act(act.text))
    act.statement = *std::move(statement);
  if (file.approval)
    if (const Result<std::string> signer = mesh::claimed_signer(*file.approval))
      act.approved_by = *signer;
  return act;
}

Result<Exit> run_propose(const ProposeOptions& options) {
  ClientOptions client = options.client;
  const std::shared_ptr<const mesh::OwnIdentity> own = TRY(open_signer(client));
  const std::optional<mesh::Action> action = mesh::action_named(options.action);
  if (!action) return fail(Code::invalid_argument, "--action: there is no such action");
  const auto clock = io::os_clock();
  mesh::ActStatement act;
  act.cell = TRY(parse_cell(options.cell));
  act.what = {*action, TRY(offline_method(*action, options.request)), options.request};
  act.by = mesh::format_spiffe_id(own->id);
  act.nonce = time_ordered_id(*clock, *io::os_entropy());
  act.at_s = client.credentials->now();
  act.ends_s = act.at_s + options.valid_s;
  const std::string text = mesh::format_act(act);
  TRY(mesh::parse_act(text));
  const ActFile file{signed_text(*own, text)};
  TRY(write_output(options.out, format_act_file(file)));
  print(known(file));
  fmt::print(stderr, "a second person reads and approves it: meridian act approve {}\n",
             options.out);
  return Exit::ok;
}

Result<Exit> approve_file(const OneOptions& options, const ActFile& given) {
  ClientOptions client = options.client;
  const std::shared_ptr<const mesh::OwnIdentity> own = TRY(open_signer(client));
  const KnownAct act = known(given);
  const std::string id = mesh::format_spiffe_id(own->id);
  if (mesh::is_one_person(id, act.statement.by))
    return fail(Code::permission_denied,
                fmt::format("{} proposed it: a second person approves", act.statement.by));
  ActFile file = given;
  file.approval = signed_text(*own, mesh::format_act_approval(act.hash, id));
  TRY(write_output(options.hash, format_act_file(file)));
  if (options.json)
    print_json(json_of(known(file)));
  else
    print(known(file));
  return Exit::ok;
}

/// A hash, or else a file.
bool is_hash(const std::string& text) { return parse_hash(text, "").has_value(); }

Result<Exit> run_one(const OneOptions& options, Result<Exit> (*online)(Client&, const OneOptions&),
                     Result<Exit> (*offline)(const OneOptions&, const ActFile&)) {
  if (is_hash(options.hash)) {
    const std::unique_ptr<Client> client = TRY(Client::connect(options.client));
    return online(*client, options);
  }
  const std::string text = TRY(read_input(options.hash, act_file_size_max));
  Result<ActFile> file = parse_act_file(text);
  if (!file) return with_context(file.error(), options.hash);
  return offline(options, *file);
}

Result<Exit> run_show_any(const OneOptions& options) {
  return run_one(options, run_show, [](const OneOptions& one, const ActFile& file) -> Result<Exit> {
    return show(known(file), one.json);
  });
}
Result<Exit> run_approve_any(const OneOptions& options) {
  return run_one(options, run_approve, approve_file);
}

void add_one(CLI::App& act, Invocation& invocation, const char* name, const char* what,
             const char* footer, Result<Exit> (*body)(const OneOptions&)) {
  auto options = std::make_shared<OneOptions>();
  CLI::App& command = *act.add_subcommand(name, what);
  command.add_option("hash", options->hash, "Of the proposal; or the file that holds it")
      ->required()
      ->type_name("HASH");
  command.add_flag("--json", options->json, "Print JSON");
  command.footer(footer);
  add_client_options(command, options->client);
  on_run(command, invocation, options, body);
}

}  // namespace

void add_act(CLI::App& app, Invocation& invocation) {
  CLI::App& act = *app.add_subcommand(
      "act", "Dangerous acts that one person proposed: list, show and approve them");
  act.require_subcommand(1);
  act.footer(
      "Changing members, activating a level, forgetting a person and defining retention need two "
      "people.\nThe first runs the command: it proposes exactly that. The second approves it. Then "
      "the first runs the\nsame command again, and it is done, once (docs/security/policy.md).");

  auto listing = std::make_shared<ListOptions>();
  CLI::App& list = *act.add_subcommand("list", "List what is proposed, approved or used");
  list.add_flag("--json", listing->json, "Print JSON");
  list.footer("Example: meridian act list --identity ./grace");
  on_call(list, invocation, listing, run_list);

  add_one(act, invocation, "show", "Say in words what would be done",
          "Example: meridian act show HASH --identity ./grace", run_show_any);
  add_one(act, invocation, "approve", "Approve what another person proposed",
          "Read it first: `meridian act show HASH`. What you sign is exactly that.\n\n"
          "Example: meridian act approve HASH --identity ./grace",
          run_approve_any);

  auto proposing = std::make_shared<ProposeOptions>();
  CLI::App& propose =
      *act.add_subcommand("propose", "Propose an act on a node that does not serve, in a file");
  propose.add_option("--cell", proposing->cell, "Of the node")->required()->type_name("UUID");
  propose.add_option("--action", proposing->action, "recovery.run or keys.rotate")
      ->required()
      ->type_name("ACTION");
  propose.add_option("--request", proposing->request, "Exactly as the command's refusal names it")
      ->required()
      ->type_name("JSON");
  propose.add_option("--valid", proposing->valid_s, "When it ends")
      ->capture_default_str()
      ->check(CLI::Range(1, static_cast<int>(mesh::act_lifetime_s_max)))
      ->type_name("SECONDS");
  propose.add_option("--out", proposing->out, "Where it goes")->required()->type_name("FILE");
  propose.add_option("--identity", proposing->client.identity, "Directory of who signs")
      ->envname("MERIDIAN_IDENTITY")
      ->type_name("DIR");
  propose.footer(
      "Example: meridian act propose --cell 5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11 --action "
      "keys.rotate\n           --request '{\"key\":\"storage\"}' --out rotate.act --identity "
      "./ada");
  on_run(propose, invocation, proposing, run_propose);
}

}  // namespace meridian::app
