#include "serve_identity.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "files.h"
#include "mesh/spiffe_id.h"

namespace meridian::app {

namespace {

/// The trust domain of a region of the same deployment: "us.bank.example" beside "eu.bank.example".
std::string domain_of(const std::string& region, const std::string& own_domain) {
  return region + own_domain.substr(std::min(own_domain.find('.'), own_domain.size()));
}

/// That it is of this very replica.
Status check_id(const mesh::SpiffeId& id, const mesh::NodeName& name,
                const std::string& directory) {
  if (mesh::node_of(id) == name) return {};
  const std::string needed = mesh::format_spiffe_id(mesh::node_id(id.trust_domain, name));
  return fail(Code::permission_denied,
              fmt::format("--identity: {} is {}, and this replica is {}. issue that: meridian ca "
                          "issue --dir CA --id {} --out {}",
                          directory, mesh::format_spiffe_id(id), needed, needed, directory));
}

/// Null if none is named.
Result<std::shared_ptr<const mesh::Policy>> read_policy(const std::string& file) {
  if (file.empty()) return std::shared_ptr<const mesh::Policy>();
  const std::string text = TRY(read_input(file, mesh::policy_size_max));
  Result<std::shared_ptr<const mesh::Policy>> policy = mesh::Policy::parse(text);
  if (!policy) return with_context(policy.error(), file);
  return policy;
}

}  // namespace

void add_identity_flags(CLI::App& command, IdentityFlags& flags) {
  command
      .add_option("--identity", flags.directory,
                  "Directory of who this replica is (`meridian ca issue`), taken up again within a "
                  "second when it is renewed")
      ->type_name("DIR");
  command
      .add_option(
          "--first-policy", flags.first_policy,
          "Who may do what, until the cell has a policy of its own; without one it says how "
          "it is and no more (docs/security/policy.md)")
      ->type_name("FILE");
  command
      .add_option("--peer-domain", flags.peer_domains,
                  "Trust domain of another region that replicas of this cell are in; those of the "
                  "regions of --founder and --join need not be named; repeatable")
      ->type_name("DOMAIN");
}

Status check_identity_flags(const IdentityFlags& flags, bool is_dev) {
  if (is_dev || !flags.directory.empty()) return {};
  return fail(Code::invalid_argument,
              "--identity: a server says who it is, and none is named. give --identity DIR "
              "(`meridian join --help`), or --dev to try Meridian on this machine");
}

Status ServeIdentity::open(const IdentityFlags& flags, const std::string& data, const Node& node,
                           const std::optional<replica::GroupConfig>& group) {
  const mesh::NodeName name{node.cell, group ? group->id : 1};
  first_policy = TRY(read_policy(flags.first_policy));
  std::string directory = flags.directory;
  if (directory.empty()) {
    directory = data + "/dev-identity";
    const mesh::SpiffeId id = mesh::node_id(std::string(dev_trust_domain), name);
    TRY(issue_dev_identity(directory, id));
    TRY(make_dev_caller());
    if (first_policy == nullptr) first_policy = TRY(dev_policy());
    dev_keeper = std::make_unique<DevKeeper>(
        directory, id, [](const std::string& line) { spdlog::warn("{}", line); });
  }
  TRY(process.open(directory, dev_keeper == nullptr));
  const mesh::SpiffeId& id = process.held->id();
  TRY(check_id(id, name, directory));
  peer_domains = flags.peer_domains;
  if (group)
    for (const replica::MemberInfo& one : group->founders)
      peer_domains.push_back(domain_of(one.region, id.trust_domain));
  return {};
}

}  // namespace meridian::app
