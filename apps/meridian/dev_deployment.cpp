#include "dev_deployment.h"

#include <fmt/format.h>

#include <cstdlib>

#include "ca_directory.h"
#include "ceremony.h"
#include "files.h"
#include "identity_directory.h"
#include "io/end_executor.h"
#include "io/unix_time.h"
#include "sealed_directory.h"

namespace meridian::app {

namespace {

constexpr io::Duration turn_patience = io::seconds(20);
constexpr std::int64_t lifetime_seconds = 24 * 3'600;
constexpr std::string_view policy_text = R"(meridian-policy: 1
mfa: not-needed
second-person: not-needed
purpose: optional
grants:
  - who: "spiffe://local.dev.invalid/*"
    roles: [writer, reader, auditor, operator, privacy officer]
    actions: [issuances.record]
    cells: all
    ledgers: all
    streams: all
)";

std::string deployment_of(const std::string& root) { return root + "/deployment"; }

/// What an environment variable holds; empty if it is not set.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Status make_deployment(const std::string& root) {
  CeremonyOptions options;
  options.directory = deployment_of(root);
  options.deployment = "dev.invalid";
  options.regions = {"local"};
  options.officers = {"one", "two"};
  options.dev = true;
  const Result<OrderedJson> made = hold_ceremony(options);
  if (made) return {};
  return with_context(made.error(),
                      fmt::format("--dev: {} is not whole (remove it, and start again)", root));
}

Result<CaDirectory> open_authority(const std::string& root) {
  NodeOptions options;
  options.directory = deployment_of(root) + "/ca/local";
  options.dev = true;
  return open_ca(options);
}

/// Not one of another id, of an authority that was made anew, or with less than half of its life.
bool is_fresh(const std::string& directory, const mesh::SpiffeId& id,
              const std::string& authority) {
  metrics::Registry unseen;
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  const auto held = IdentityDirectory::open(directory, *clock, unseen);
  if (!held || (*held)->id() != id) return false;
  const mesh::CertificateChain& chain = (*held)->credentials().own()->chain;
  return chain.back().pem() == authority &&
         chain.front().not_after() - io::unix_seconds(*clock) > lifetime_seconds / 2;
}

Status issue(const std::string& root, const std::string& directory, const mesh::SpiffeId& id) {
  CaDirectory ca = TRY(open_authority(root));
  const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  const Buffer csr = TRY(mesh::make_csr(key, id.path.substr(1)));
  const mesh::Certificate leaf =
      TRY(mesh::issue_on_record(*ca.authority, *ca.journal, csr, id, lifetime_seconds,
                                {mesh::IssuanceGrounds::Kind::officer, "dev"}, *ca.node.clock));
  const TrustFiles trust = TRY(read_trust(*ca.node.disk));
  return write_identity(directory, key, {leaf, ca.authority->certificate()}, trust);
}

mesh::SpiffeId caller_id() { return {std::string(dev_trust_domain), "/person/dev"}; }
std::string caller_of(const std::string& root) { return root + "/caller"; }

}  // namespace

Result<std::string> dev_directory() {
  if (std::string named = variable("MERIDIAN_DEV_DIR"); !named.empty()) return named;
  if (const std::string state = variable("XDG_STATE_HOME"); !state.empty())
    return state + "/meridian/dev";
  if (const std::string home = variable("HOME"); !home.empty())
    return home + "/.local/state/meridian/dev";
  return fail(Code::failed_precondition,
              "--dev: HOME is not set. say where its identities shall lie: MERIDIAN_DEV_DIR=DIR");
}

Status issue_dev_identity(const std::string& directory, const mesh::SpiffeId& id) {
  const std::string root = TRY(dev_directory());
  const std::unique_ptr<io::Disk> disk = TRY(open_directory(root));
  const std::unique_ptr<io::DiskLock> turn = TRY(take_turn(*disk, turn_patience));
  if (!TRY(disk->exists("deployment/ceremony.json"))) TRY(make_deployment(root));
  const Buffer authority =
      TRY(io::read_file(*disk, "deployment/ca/local/ca.pem", mesh::certificate_size_max));
  if (is_fresh(directory, id, std::string(as_text(authority)))) return {};
  return issue(root, directory, id);
}

Result<std::string> make_dev_caller() {
  const std::string directory = caller_of(TRY(dev_directory()));
  TRY(issue_dev_identity(directory, caller_id()));
  return directory;
}

Result<std::string> dev_caller() {
  const Result<std::string> root = dev_directory();
  if (root && open_existing_directory(caller_of(*root))) return make_dev_caller();
  return fail(
      Code::not_found,
      "who are you? name your identity with --identity DIR or MERIDIAN_IDENTITY (meridian join "
      "--help). to try Meridian on this machine, `meridian serve --data DIR --dev` makes one that "
      "is taken by itself");
}

Result<std::shared_ptr<const mesh::Policy>> dev_policy() {
  return mesh::Policy::parse(policy_text);
}

DevKeeper::DevKeeper(std::string directory, mesh::SpiffeId id,
                     std::function<void(const std::string&)> notice)
    : directory_(std::move(directory)), id_(std::move(id)), notice_(std::move(notice)) {
  executor_->post_after(look_every, [this] { look(); });
}

DevKeeper::~DevKeeper() { io::end_executor(executor_); }

void DevKeeper::look() {
  if (const Status done = issue_dev_identity(directory_, id_); !done)
    notice_("--dev: " + done.error().message);
  if (const Result<std::string> done = make_dev_caller(); !done)
    notice_("--dev: " + done.error().message);
  executor_->post_after(look_every, [this] { look(); });
}

}  // namespace meridian::app
