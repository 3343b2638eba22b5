// `meridian join` and `meridian identity`: getting an identity, and keeping it.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "api/authority_client.h"
#include "commands.h"
#include "files.h"
#include "identity_directory.h"
#include "identity_keeper.h"
#include "joining.h"
#include "key_bundle.h"
#include "mesh/authority.h"
#include "mesh/join_token.h"
#include "mesh/trust_bundle.h"
#include "on_run.h"
#include "output.h"
#include "stop_signals.h"

namespace meridian::app {

namespace {

constexpr const char* join_help =
    R"(The key is made here and stays here. With a token, which `meridian ca token` made at the authority, the whole
line comes from there. With an identity that is still good, the same id is given again, into another directory:
for a second process, or another machine of the same service.

The authority is remembered in the directory: `meridian serve --identity DIR` renews through it by itself, and for
a process that does not, `meridian identity keep` does.

Examples:
  meridian join --authority 10.1.0.1:7500 --id spiffe://eu-west.bank.example/service/payments
    --bundle 2f9c... --token-file ./token --out ./identity
  meridian join --identity ./old --out ./new)";

struct JoinOptions {
  std::vector<std::string> authorities;
  std::string id, token, token_file, bundle, identity, output;
  bool json = false;
};
struct KeepOptions {
  std::string identity;
};

struct Joined {
  mesh::CertificateChain chain;
  crypto::P256PrivateKey key;
  TrustFiles trust;
};

Status check_given(const mesh::CertificateChain& chain, const mesh::SpiffeId& id) {
  if (chain.front().claimed_id() == id) return {};
  return fail(Code::data_loss,
              fmt::format("the authority answered with a certificate of {}, not of {}",
                          chain.front().describe(), mesh::format_spiffe_id(id)));
}

/// Of the own domain as its digest says; the others come later, from who proved to be the
/// authority.
Result<mesh::AcceptedBundle> fetch_told(const std::vector<std::string>& addresses,
                                        const mesh::SpiffeId& id, const crypto::Digest& digest) {
  const api::TrustNotes notes =
      TRY(at_any(addresses, [](api::AuthorityClient& client) { return client.fetch_bundles({}); }));
  const auto own = std::ranges::find(notes.bundles, id.trust_domain, &api::TrustNote::trust_domain);
  if (own == notes.bundles.end())
    return fail(Code::not_found, fmt::format("{} is no authority of {}: it has no bundle of it",
                                             fmt::join(addresses, ", "), id.trust_domain));
  return mesh::AcceptedBundle::with_digest(own->note, digest);
}

Result<std::string> find_token(const JoinOptions& options) {
  if (!options.token.empty()) return options.token;
  std::string text = TRY(read_input(options.token_file, 4'096));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Result<Joined> join_by_token(const JoinOptions& options) {
  if (options.id.empty() || options.bundle.empty() || options.authorities.empty() ||
      options.token.empty() == options.token_file.empty())
    return fail(Code::invalid_argument,
                "--authority, --id, --bundle and --token (or --token-file) are needed: `meridian "
                "ca token` prints the whole line. With a good identity, --identity DIR will do");
  const mesh::SpiffeId id = TRY(mesh::parse_spiffe_id(options.id));
  const std::string token = TRY(find_token(options));
  TRY(mesh::join_token_digest(token));
  const crypto::Digest digest = TRY(told_digest(options.bundle));
  const mesh::AcceptedBundle bundle = TRY(fetch_told(options.authorities, id, digest));
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  metrics::Registry metrics;
  mesh::Credentials credentials(*clock, metrics);
  const mesh::TrustBundles bundles = TRY(mesh::TrustBundles().with(bundle.bundle()));
  credentials.replace_bundles(bundles);
  const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  const Buffer csr = TRY(mesh::make_csr(key, id.path.substr(1)));
  const api::AuthorityDesk::JoinAsk ask{token, id, csr};
  mesh::CertificateChain chain = TRY(at_any(options.authorities, [&](api::AuthorityClient& client) {
    return client.join(credentials, ask);
  }));
  TRY(check_given(chain, id));
  TRY(credentials.replace_own(chain, key));
  const api::TrustNotes notes = TRY(at_any(options.authorities, [&](api::AuthorityClient& client) {
    return client.wait_for_trust(credentials, id.trust_domain, {});
  }));
  return Joined{std::move(chain), key, files_of(notes)};
}

Result<Joined> join_by_identity(const JoinOptions& options,
                                const std::vector<std::string>& addresses) {
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  metrics::Registry metrics;
  const auto identity = TRY(IdentityDirectory::open(options.identity, *clock, metrics));
  const mesh::SpiffeId& id = identity->id();
  if (!options.id.empty() && options.id != mesh::format_spiffe_id(id))
    return fail(Code::permission_denied,
                fmt::format("--id: {} is {}, and gets that id again and no other", options.identity,
                            mesh::format_spiffe_id(id)));
  const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  const Buffer csr = TRY(mesh::make_csr(key, id.path.substr(1)));
  mesh::CertificateChain chain = TRY(at_any(addresses, [&](api::AuthorityClient& client) {
    return client.renew(identity->credentials(), id.trust_domain, csr);
  }));
  TRY(check_given(chain, id));
  const std::unique_ptr<io::Disk> disk = TRY(open_existing_directory(options.identity));
  TrustFiles trust = TRY(read_trust(*disk));
  return Joined{std::move(chain), key, std::move(trust)};
}

Result<Exit> run_join(const JoinOptions& options) {
  std::vector<std::string> addresses = options.authorities;
  if (addresses.empty() && !options.identity.empty()) {
    const std::unique_ptr<io::Clock> clock = io::os_clock();
    metrics::Registry metrics;
    addresses = TRY(IdentityDirectory::open(options.identity, *clock, metrics))->authorities();
    if (addresses.empty())
      return fail(Code::invalid_argument,
                  fmt::format("--authority is needed: {} names none", options.identity));
  }
  if (options.identity.empty() && !options.id.empty()) {
    const mesh::SpiffeId id = TRY(mesh::parse_spiffe_id(options.id));
    TRY(check_output(options.output, id));
  }
  const Joined joined = options.identity.empty() ? TRY(join_by_token(options))
                                                 : TRY(join_by_identity(options, addresses));
  const mesh::Certificate& leaf = joined.chain.front();
  TRY(check_output(options.output, *leaf.claimed_id()));
  TRY(write_identity(options.output, joined.key, joined.chain, joined.trust));
  TRY(write_authority(options.output, addresses));
  if (options.json)
    print_json({{"id", leaf.describe()},
                {"serial", leaf.serial()},
                {"not_after", leaf.not_after()},
                {"written_to", options.output}});
  else
    print_line(fmt::format("{} is {} until {}, and is renewed through {}", options.output,
                           leaf.describe(), format_seconds(leaf.not_after()),
                           fmt::join(addresses, ", ")));
  return Exit::ok;
}

Result<Exit> run_keep(const KeepOptions& options) {
  const StopSignals signals;
  metrics::Registry metrics;
  const auto tell = [](const std::string& line) { spdlog::info("{}", line); };
  const auto held = TRY(
      HeldIdentity::open(options.identity, &metrics, [](const IdentityDirectory::Change& change) {
        if (change.taken)
          spdlog::info("{}: taken up", change.file);
        else
          spdlog::warn("{} stays as it was: {}", change.file, change.taken.error().message);
      }));
  if (held->directory().authorities().empty())
    return fail(Code::failed_precondition,
                fmt::format("{} names no authority: write its address into {}/authority, or use "
                            "`meridian join`",
                            options.identity, options.identity));
  const IdentityKeeper keeper(*held, metrics, tell);
  fmt::print("meridian: keeping {} in {}\n", mesh::format_spiffe_id(held->id()), options.identity);
  std::fflush(stdout);
  std::optional<int> signal;
  while (!signal) signal = signals.wait();
  return Exit::ok;
}

}  // namespace

void add_join(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<JoinOptions>();
  CLI::App& join = *app.add_subcommand("join", "Get an identity from an authority");
  join.add_option("--authority", options->authorities,
                  "Where it answers; of several repeated, or with commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("ADDR");
  join.add_option("--id", options->id, "Whose the token is")->type_name("SPIFFE-ID");
  join.add_option("--token", options->token, "Join token; others on this machine can see it")
      ->type_name("TEXT");
  join.add_option("--token-file", options->token_file, "File that holds it; -: stdin")
      ->type_name("FILE");
  join.add_option("--bundle", options->bundle,
                  "Digest of the authority's trust bundle, or a file that holds the bundle")
      ->type_name("HEX|FILE");
  join.add_option("--identity", options->identity, "Directory of an identity that is still good")
      ->type_name("DIR");
  join.add_option("--out", options->output, "Directory of the identity")
      ->required()
      ->type_name("DIR");
  join.add_flag("--json", options->json, "Print JSON");
  join.footer(join_help);
  on_run(join, invocation, options, run_join);
}

void add_identity(CLI::App& app, Invocation& invocation) {
  CLI::App& group = *app.add_subcommand("identity", "Keep an identity alive");
  group.require_subcommand(1);
  auto options = std::make_shared<KeepOptions>();
  CLI::App& keep = *group.add_subcommand(
      "keep", "Renew an identity through its authority, for whoever uses the directory");
  keep.add_option("--identity", options->identity, "Its directory")
      ->required()
      ->envname("MERIDIAN_IDENTITY")
      ->type_name("DIR");
  keep.footer(
      "A new key and certificate come at half of the certificate's life; bundles and deny lists as "
      "the authority\nhas them. Whoever uses the directory takes them up within a second. "
      "`meridian serve` does this itself.\n\n"
      "Example: meridian identity keep --identity ./identity");
  keep.callback([options, &invocation] {
    invocation.run = [options] {
      spdlog::set_default_logger(spdlog::stderr_color_mt("meridian"));
      spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
      const Result<Exit> done = run_keep(*options);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace meridian::app
