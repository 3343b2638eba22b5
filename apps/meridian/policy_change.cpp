#include "policy_change.h"

#include <fmt/format.h>

#include "base/uuid.h"
#include "files.h"
#include "leader_call.h"
#include "mesh/policy_history.h"
#include "output.h"
#include "run_with.h"
#include "signer.h"

namespace meridian::app {

namespace {

constexpr std::string_view unknown_outcome =
    "it is unknown whether that was recorded: see with `meridian policy proposals` and `meridian "
    "policy show`, then repeat the command if it was not";

struct ShowOptions {
  ClientOptions client;
  bool json = false;
};
struct ProposeOptions {
  ClientOptions client;
  std::string file;
  bool json = false;
};
struct ApproveOptions {
  ClientOptions client;
  std::string hash;
  bool json = false;
};

OrderedJson state_json(const v1::PolicyState& state) {
  OrderedJson out;
  out["digest"] = to_hex(as_bytes(state.digest()));
  out["on_record"] = state.on_record();
  out["version"] = state.version();
  out["bootstrap"] = state.bootstrap();
  return out;
}

OrderedJson proposal_json(const v1::PolicyProposal& proposal) {
  OrderedJson out;
  out["hash"] = to_hex(as_bytes(proposal.hash()));
  out["ends"] = iso_seconds(proposal.ends());
  out["statement"] = proposal.statement();
  out["policy"] = proposal.policy();
  return out;
}

Result<Exit> run_show(Client& client, const ShowOptions& options) {
  const v1::PolicyReply reply = TRY(ask_policy(client));
  if (options.json) {
    OrderedJson out = state_json(reply.state());
    out["policy"] = reply.policy();
    print_json(out);
    return Exit::ok;
  }
  fmt::print("{}", reply.policy());
  fmt::print(stderr, "digest {}, {}{}\n", to_hex(as_bytes(reply.state().digest())),
             reply.state().on_record()
                 ? fmt::format("version {} on record", reply.state().version())
                 : std::string("as the server was started with it: none is on record"),
             reply.state().bootstrap()
                 ? ". fewer than two people may approve: nothing dangerous is done"
                 : "");
  return Exit::ok;
}

Result<Exit> run_proposals(Client& client, const ShowOptions& options) {
  const v1::PolicyReply reply = TRY(ask_policy(client));
  OrderedJson list = OrderedJson::array();
  for (const v1::PolicyProposal& one : reply.open()) list.push_back(proposal_json(one));
  if (options.json) {
    print_json(list);
    return Exit::ok;
  }
  if (list.empty()) print_line("no proposal is open");
  for (const OrderedJson& one : list)
    fmt::print("proposal {}\nopen until {}\n{}\n{}\n", one["hash"].get<std::string>(),
               one["ends"].get<std::string>(), one["statement"].get<std::string>(),
               one["policy"].get<std::string>());
  return Exit::ok;
}

Result<Exit> run_propose(Client& client, const ProposeOptions& options) {
  const std::string text = TRY(read_input(options.file, mesh::policy_size_max));
  Result<std::shared_ptr<const mesh::Policy>> policy = mesh::Policy::parse(text);
  if (!policy) return fail(policy.error().code, options.file + ": " + policy.error().message);
  const std::shared_ptr<const mesh::OwnIdentity> own = client.options().credentials->own();
  const v1::PolicyReply now = TRY(ask_policy(client));
  mesh::PolicyStatement statement;
  statement.cell = to_u128(now.cell());
  statement.replaces = crypto::sha256(as_bytes(now.policy()));
  statement.policy = (*policy)->digest();
  statement.by = mesh::format_spiffe_id(own->id);
  statement.at_s = client.options().credentials->now();
  v1::ProposePolicyRequest request;
  *request.mutable_statement() = signed_by(*own, mesh::format_statement(statement));
  request.set_policy(text);
  const v1::ProposePolicyReply reply =
      TRY(call_leader(client, client.deadline(), Repeat::only_undone, unknown_outcome,
                      &v1::Policy::Stub::Propose, request));
  const std::string hash = to_hex(as_bytes(reply.hash()));
  if (options.json)
    print_json({{"hash", hash}});
  else
    print_line(
        fmt::format("proposed. within 24 hours a second person approves it with\n"
                    "  meridian policy approve {}",
                    hash));
  return Exit::ok;
}

Result<Exit> run_approve(Client& client, const ApproveOptions& options) {
  const crypto::Digest digest = TRY(parse_hash(options.hash, "meridian policy proposals"));
  const std::shared_ptr<const mesh::OwnIdentity> own = client.options().credentials->own();
  v1::ApprovePolicyRequest request;
  request.set_hash(digest.data(), digest.size());
  *request.mutable_approval() =
      signed_by(*own, mesh::format_approval(digest, mesh::format_spiffe_id(own->id)));
  const v1::ApprovePolicyReply reply =
      TRY(call_leader(client, client.deadline(), Repeat::only_undone, unknown_outcome,
                      &v1::Policy::Stub::Approve, request));
  if (options.json)
    print_json(state_json(reply.state()));
  else
    print_line(fmt::format("in force: version {}, digest {}", reply.state().version(),
                           to_hex(as_bytes(reply.state().digest()))));
  return Exit::ok;
}

}  // namespace

Result<v1::PolicyReply> ask_policy(Client& client) {
  v1::PolicyReply reply =
      TRY(client.call(*client.policy, &v1::Policy::Stub::Show, v1::PolicyRequest()));
  if (reply.state().digest().empty())
    return fail(Code::not_found,
                "the cell has no policy: its replicas are started with --first-policy FILE");
  return reply;
}

void add_policy_changes(CLI::App& policy, Invocation& invocation) {
  auto showing = std::make_shared<ShowOptions>();
  CLI::App& show = *policy.add_subcommand("show", "Print the policy in force");
  show.add_flag("--json", showing->json, "Print JSON");
  show.footer("Example: meridian policy show --identity ./ada > policy.yaml");
  on_call(show, invocation, showing, run_show);

  auto listing = std::make_shared<ShowOptions>();
  CLI::App& proposals =
      *policy.add_subcommand("proposals", "List what was proposed and is not approved yet");
  proposals.add_flag("--json", listing->json, "Print JSON");
  proposals.footer("Example: meridian policy proposals --identity ./grace");
  on_call(proposals, invocation, listing, run_proposals);

  auto proposing = std::make_shared<ProposeOptions>();
  CLI::App& propose =
      *policy.add_subcommand("propose", "Propose another policy; a second person approves it");
  propose.add_option("--file", proposing->file, "The policy")->required()->type_name("FILE");
  propose.add_flag("--json", proposing->json, "Print JSON");
  propose.footer(
      "Signed with the key of your identity, which is a person's. It replaces the policy that is "
      "in "
      "force\nnow, whole, and ends after 24 hours.\n\n"
      "Example: meridian policy propose --file policy.yaml --identity ./ada");
  on_call(propose, invocation, proposing, run_propose);

  auto approving = std::make_shared<ApproveOptions>();
  CLI::App& approve = *policy.add_subcommand(
      "approve", "Approve what another person proposed: it is in force at once");
  approve.add_option("hash", approving->hash, "Of the proposal")->required()->type_name("HASH");
  approve.add_flag("--json", approving->json, "Print JSON");
  approve.footer(
      "Read it first: `meridian policy proposals`. What you sign is exactly that proposal.\n\n"
      "Example: meridian policy approve HASH --identity ./grace");
  on_call(approve, invocation, approving, run_approve);
}

}  // namespace meridian::app
