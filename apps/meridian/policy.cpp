// `meridian policy`: what a policy says, before anybody relies on it; changing it: policy_change.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "commands.h"
#include "files.h"
#include "group_flags.h"
#include "mesh/policy.h"
#include "on_run.h"
#include "output.h"
#include "policy_change.h"
#include "run_with.h"

namespace meridian::app {

namespace {

constexpr const char* policy_help =
    R"(A policy says who may do what: identities x actions x cells, ledgers and streams. What it does not give is
denied. docs/security/policy.md has the format and what each role may do.)";

struct CheckOptions {
  std::string file;
  bool json = false;
};
struct ExplainOptions {
  ClientOptions client;
  std::string file, id, action, cell, stream;
  std::uint32_t ledger = 0;
  bool json = false;
};

Result<std::shared_ptr<const mesh::Policy>> read_policy(const std::string& file) {
  const std::string text = TRY(read_input(file, mesh::policy_size_max));
  Result<std::shared_ptr<const mesh::Policy>> policy = mesh::Policy::parse(text);
  if (!policy) return with_context(policy.error(), file);
  return policy;
}

std::string_view scope_of(const mesh::ActionInfo& action) {
  switch (action.scope) {
    case mesh::Scope::cell: return "cell";
    case mesh::Scope::ledger: return "ledger";
    case mesh::Scope::stream: return "stream";
  }
  return "";
}

std::string roles_with(mesh::Action action) {
  std::string roles;
  for (std::size_t i = 0; i < mesh::role_count; ++i) {
    const auto role = static_cast<mesh::Role>(i);
    if (mesh::actions_of(role).test(mesh::index_of(action)))
      roles += fmt::format("{}{}", roles.empty() ? "" : ", ", mesh::name(role));
  }
  return roles;
}

Exit run_actions(bool json) {
  OrderedJson list = OrderedJson::array();
  std::vector<std::vector<std::string>> rows = {
      {"action", "about a", "second person", "on record", "roles"}};
  for (std::size_t i = 0; i < mesh::action_count; ++i) {
    const mesh::Action action = mesh::action_at(i);
    const mesh::ActionInfo& info = mesh::info(action);
    OrderedJson one;
    one["action"] = info.name;
    one["about"] = scope_of(info);
    one["second_person"] = info.is_dangerous;
    one["on_record"] = info.is_recorded;
    one["roles"] = roles_with(action);
    list.push_back(std::move(one));
    rows.push_back({std::string(info.name), std::string(scope_of(info)),
                    info.is_dangerous ? "yes" : "-", info.is_recorded ? "yes" : "-",
                    roles_with(action)});
  }
  if (json)
    print_json(list);
  else
    fmt::print("{}", format_table(rows, {}));
  return Exit::ok;
}

Result<Exit> run_check(const CheckOptions& options) {
  const std::shared_ptr<const mesh::Policy> policy = TRY(read_policy(options.file));
  OrderedJson out;
  out["grants"] = policy->grants().size();
  out["denials"] = policy->denials().size();
  out["digest"] = to_hex(policy->digest());
  if (options.json)
    print_json(out);
  else
    print_line(fmt::format("sound: {} grants, {} denials\ndigest {}", policy->grants().size(),
                           policy->denials().size(), to_hex(policy->digest())));
  return Exit::ok;
}

Result<mesh::Question> question_of(const ExplainOptions& options) {
  const std::optional<mesh::Action> action = mesh::action_named(options.action);
  if (!action)
    return fail(Code::invalid_argument,
                fmt::format("there is no action '{}'. `meridian policy actions` lists them",
                            options.action));
  mesh::Question question{.id = options.id, .action = *action};
  if (!options.cell.empty()) question.cell = TRY(parse_cell(options.cell));
  const mesh::Scope scope = mesh::info(*action).scope;
  if (scope == mesh::Scope::ledger && options.ledger == 0)
    return fail(Code::invalid_argument,
                fmt::format("{} is about a ledger: say which with --ledger", options.action));
  if (scope == mesh::Scope::stream && options.stream.empty())
    return fail(Code::invalid_argument,
                fmt::format("{} is about a stream: say which with --stream", options.action));
  if (scope == mesh::Scope::ledger) question.ledger = options.ledger;
  if (scope == mesh::Scope::stream) question.stream = options.stream;
  return question;
}

/// Of a file, or of the server and its cell.
Result<mesh::Explanation> explained(const ExplainOptions& options) {
  mesh::Question question = TRY(question_of(options));
  if (!options.file.empty()) {
    if (options.cell.empty())
      return fail(Code::invalid_argument, "--cell UUID is needed with --file");
    const std::shared_ptr<const mesh::Policy> policy = TRY(read_policy(options.file));
    return policy->explain(question);
  }
  const std::unique_ptr<Client> client = TRY(Client::connect(options.client));
  const v1::PolicyReply reply = TRY(ask_policy(*client));
  if (options.cell.empty()) question.cell = to_u128(reply.cell());
  const std::shared_ptr<const mesh::Policy> policy = TRY(mesh::Policy::parse(reply.policy()));
  return policy->explain(question);
}

Result<Exit> run_explain(const ExplainOptions& options) {
  const mesh::Explanation why = TRY(explained(options));
  if (options.json) {
    OrderedJson out;
    out["allowed"] = why.is_allowed;
    out["because"] = why.text;
    print_json(out);
  } else {
    print_line(why.text);
  }
  return why.is_allowed ? Exit::ok : Exit::refused;
}

template <typename Options>
void on_file(CLI::App& command, Invocation& invocation, std::shared_ptr<Options> options,
             Result<Exit> (*body)(const Options&)) {
  command.add_option("--file", options->file, "The policy")->required()->type_name("FILE");
  command.add_flag("--json", options->json, "Print JSON");
  on_run(command, invocation, std::move(options), body);
}

}  // namespace

void add_policy(CLI::App& app, Invocation& invocation) {
  CLI::App& policy = *app.add_subcommand(
      "policy", "Who may do what: check, explain, propose and approve policies");
  policy.require_subcommand(1);
  policy.footer(policy_help);

  auto actions_json = std::make_shared<bool>(false);
  CLI::App& actions =
      *policy.add_subcommand("actions", "List what a policy can give, and the roles that have it");
  actions.add_flag("--json", *actions_json, "Print JSON");
  actions.callback([actions_json, &invocation] {
    invocation.run = [actions_json] { return run_actions(*actions_json); };
  });

  auto check = std::make_shared<CheckOptions>();
  CLI::App& checking =
      *policy.add_subcommand("check", "Read a policy and say what is wrong with it");
  checking.footer(
      "Exit code 0 if it is sound, 2 if it is not.\n\nExample: meridian policy check --file "
      "policy.yaml");
  on_file(checking, invocation, check, run_check);

  auto explain = std::make_shared<ExplainOptions>();
  CLI::App& explaining =
      *policy.add_subcommand("explain", "Say whether somebody may do something, and by which rule");
  explaining.add_option("--id", explain->id, "Who asks")->required()->type_name("SPIFFE-ID");
  explaining.add_option("--action", explain->action, "What is asked for")
      ->required()
      ->type_name("ACTION");
  explaining.add_option("--cell", explain->cell, "In which cell (else the server's)")
      ->type_name("UUID");
  explaining
      .add_option("--file", explain->file, "The policy (else the one in force at the server)")
      ->type_name("FILE");
  explaining.add_flag("--json", explain->json, "Print JSON");
  add_client_options(explaining, explain->client);
  explaining.add_option("--ledger", explain->ledger, "About which ledger")->type_name("NUMBER");
  explaining.add_option("--stream", explain->stream, "About which stream")->type_name("NAME");
  explaining.footer(
      "Exit code 0 if it is allowed, 1 if it is denied.\n\n"
      "Example: meridian policy explain --file policy.yaml --cell "
      "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11\n"
      "           --id spiffe://eu-west.bank.example/service/payments --action transfers.create "
      "--ledger 700");
  on_run(explaining, invocation, explain, run_explain);

  add_policy_changes(policy, invocation);
}

}  // namespace meridian::app
