// `meridian sign-in`: a person gets a certificate by the word of their identity provider.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "api/access.h"
#include "browser.h"
#include "commands.h"
#include "crypto/p256.h"
#include "files.h"
#include "identity_directory.h"
#include "io/unix_time.h"
#include "joining.h"
#include "key_bundle.h"
#include "mesh/authority.h"
#include "oidc/https.h"
#include "on_run.h"
#include "output.h"
#include "redirect_listener.h"

namespace meridian::app {

namespace {

constexpr const char* sign_in_help =
    R"(Prints the address of your identity provider's page, and opens it in a browser. When you have signed in there, an
identity is in the directory, good for an hour or what the authority gives: as `--identity` takes it. It is not renewed;
sign in again into the same directory, and what uses it goes on.

The first time --authority and --bundle say whom to believe (`meridian ca token` prints both, for anybody); the directory
remembers them. Dangerous acts (members, keys, policies, forgetting) want --mfa, not more than ten minutes ago.

Without a browser on this machine: --no-browser --port 8123, and from yours `ssh -L 8123:127.0.0.1:8123 HERE`.

Examples:
  meridian sign-in --authority 10.1.0.1:7500 --bundle 2f9c... --out ./ada
  meridian sign-in --mfa --out ./ada)";

struct SignInOptions {
  std::vector<std::string> authorities;
  std::string bundle, output, client_secret_file;
  std::uint16_t port = 0;
  std::int64_t patience_seconds = 300;
  bool is_mfa = false, no_browser = false, json = false;
};

/// Whom this sign-in believes, and where they answer.
class Believed {
 public:
  static Result<std::unique_ptr<Believed>> open(const SignInOptions& options) {
    std::unique_ptr<Believed> made(new Believed);
    made->addresses = options.authorities;
    if (!options.bundle.empty())
      TRY(made->believe_told(options.bundle));
    else
      TRY(made->believe_kept(options.output));
    return made;
  }

  std::vector<std::string> addresses;
  std::string domain;

  mesh::Credentials& credentials() { return credentials_; }
  template <typename Call>
  auto at_authority(Call call) {
    return at_any(addresses, call);
  }

 private:
  Believed() = default;

  /// The bundle with the digest that the person was told, whose ever it is.
  Status believe_told(const std::string& text) {
    const crypto::Digest digest = TRY(told_digest(text));
    if (addresses.empty()) return fail(Code::invalid_argument, "--authority is needed");
    const api::TrustNotes notes =
        TRY(at_authority([](api::AuthorityClient& client) { return client.fetch_bundles({}); }));
    for (const api::TrustNote& one : notes.bundles) {
      const Result<mesh::AcceptedBundle> bundle =
          mesh::AcceptedBundle::with_digest(one.note, digest);
      if (!bundle) continue;
      domain = bundle->document().trust_domain;
      const mesh::TrustBundles bundles = TRY(mesh::TrustBundles().with(bundle->bundle()));
      credentials_.replace_bundles(bundles);
      return {};
    }
    return fail(
        Code::permission_denied,
        fmt::format("{} has no bundle with the digest of --bundle: it is another authority, "
                    "or its bundle has changed since (`meridian ca token` prints it)",
                    fmt::join(addresses, ", ")));
  }

  /// What the directory holds of the sign-in before, brought up to date: its certificate may be
  /// over, and its bundle followed by others.
  Status believe_kept(const std::string& output) {
    const Result<std::string> pem = read_input(output + "/identity.pem", 256 << 10);
    const Result<mesh::CertificateChain> chain =
        pem ? mesh::parse_pem_chain(*pem) : Result<mesh::CertificateChain>(pem.error());
    if (!chain || !chain->front().claimed_id())
      return fail(Code::invalid_argument,
                  fmt::format("--authority and --bundle are needed the first time: {} holds no "
                              "identity that says whom to believe",
                              output));
    domain = chain->front().claimed_id()->trust_domain;
    disk_ = TRY(open_existing_directory(output));
    if (addresses.empty()) addresses = authorities_in(*disk_);
    if (addresses.empty())
      return fail(Code::invalid_argument,
                  fmt::format("--authority is needed: {} names none", output));
    trust_ = std::make_unique<TrustDirectory>(*disk_, credentials_);
    for (const TrustDirectory::Change& change : trust_->refresh())
      if (!change.taken) return with_context(change.taken.error(), change.file);
    const api::TrustNotes news = TRY(at_authority(
        [this](api::AuthorityClient& client) { return client.fetch_bundles(trust_->held()); }));
    for (const TrustDirectory::Change& change : trust_->take(news))
      if (!change.taken) return with_context(change.taken.error(), change.file);
    return {};
  }

  std::unique_ptr<io::Clock> clock_ = io::os_clock();
  metrics::Registry metrics_;
  mesh::Credentials credentials_{*clock_, metrics_};
  std::unique_ptr<io::Disk> disk_;
  std::unique_ptr<TrustDirectory> trust_;
};

Result<std::string> find_secret(const SignInOptions& options) {
  if (options.client_secret_file.empty()) return std::string();
  std::string text = TRY(read_input(options.client_secret_file, 4'096));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

struct Brought {
  std::string id_token;
  Buffer random;
};

/// The person, their browser and the provider.
Result<Brought> ask_provider(const SignInOptions& options, const oidc::SignInTerms& terms,
                             const crypto::Digest& key) {
  const std::string secret = TRY(find_secret(options));
  const oidc::Provider provider =
      TRY(oidc::discover(oidc::fetch_https, terms.issuer, terms.ca_pem));
  const std::unique_ptr<RedirectListener> listener = TRY(RedirectListener::start(options.port));
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  const oidc::SignInAttempt attempt = oidc::make_attempt(key, listener->uri(), *entropy);
  const std::string url = oidc::authorization_url(provider, terms, attempt, options.is_mfa);
  listener->expect(provider, attempt);
  fmt::print(stderr, "sign in at {}, in a browser on this machine:\n\n{}\n\n", terms.issuer, url);
  if (!options.no_browser) open_browser(url);
  const std::string code = TRY(listener->wait(io::seconds(options.patience_seconds)));
  const oidc::HttpsAnswer answer =
      TRY(oidc::fetch_https(oidc::token_request(provider, terms, attempt, code, secret)));
  return Brought{TRY(oidc::read_token_answer(answer)), attempt.random};
}

Status check_given(const mesh::CertificateChain& chain, const std::string& domain,
                   const crypto::P256PrivateKey& key) {
  const mesh::Certificate& leaf = chain.front();
  if (leaf.claimed_id() && leaf.claimed_id()->trust_domain == domain &&
      mesh::kind_of(*leaf.claimed_id()) == mesh::IdKind::person &&
      leaf.spki_digest() == key.spki_digest())
    return {};
  return fail(Code::data_loss, fmt::format("the authority answered with a certificate of {}, which "
                                           "is no person of {} with this key",
                                           leaf.describe(), domain));
}

/// True if it is what --mfa asked for.
bool tell(const SignInOptions& options, const mesh::Certificate& leaf,
          const mesh::PersonEvidence& evidence) {
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  const bool is_fresh =
      evidence.is_mfa_within(io::unix_seconds(*clock), api::Access::factor_seconds_max);
  if (options.json) {
    OrderedJson out{{"id", leaf.describe()},
                    {"serial", leaf.serial()},
                    {"not_after", leaf.not_after()},
                    {"issuer", evidence.issuer},
                    {"second_factor", evidence.is_mfa},
                    {"methods", evidence.methods},
                    {"auth_time", nullptr},
                    {"written_to", options.output}};
    if (evidence.auth_time) out["auth_time"] = *evidence.auth_time;
    print_json(out);
  } else {
    print_line(fmt::format("{} is {} until {}; signed in {} a second factor, {}", options.output,
                           leaf.describe(), format_seconds(leaf.not_after()),
                           evidence.is_mfa ? "with" : "without",
                           evidence.auth_time ? "at " + format_seconds(*evidence.auth_time)
                                              : "at a time that the provider does not tell"));
  }
  return is_fresh || !options.is_mfa;
}

Result<Exit> run_sign_in(const SignInOptions& options) {
  const std::unique_ptr<Believed> believed = TRY(Believed::open(options));
  const std::string& domain = believed->domain;
  mesh::Credentials& credentials = believed->credentials();
  const api::SignInTerms terms = TRY(believed->at_authority(
      [&](api::AuthorityClient& client) { return client.sign_in_terms(credentials, domain); }));
  const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  const Brought brought = TRY(ask_provider(
      options, {terms.issuer, terms.client_id, terms.scopes, terms.acr_values, terms.ca_pem},
      key.spki_digest()));
  const Buffer csr = TRY(mesh::make_csr(key, ""));
  const mesh::CertificateChain chain =
      TRY(believed->at_authority([&](api::AuthorityClient& client) {
        return client.sign_in(credentials, domain, {brought.id_token, brought.random, csr});
      }));
  TRY(check_given(chain, domain, key));
  const mesh::Certificate& leaf = chain.front();
  TRY(check_output(options.output, *leaf.claimed_id()));
  TRY(credentials.replace_own(chain, key));
  const api::TrustNotes notes = TRY(believed->at_authority([&](api::AuthorityClient& client) {
    return client.wait_for_trust(credentials, domain, {});
  }));
  TRY(write_identity(options.output, key, chain, files_of(notes)));
  TRY(write_authority(options.output, believed->addresses));
  const std::optional<mesh::PersonEvidence> evidence = TRY(mesh::person_evidence_of(leaf));
  if (!evidence) return fail(Code::data_loss, "the certificate does not say how you signed in");
  if (tell(options, leaf, *evidence)) return Exit::ok;
  return fail(
      Code::permission_denied,
      "--mfa: the identity provider does not say that a second factor was used just now, so "
      "dangerous acts will be denied. it may need a rule for this client, and the authority's "
      "settings (`mfa`) name what counts");
}

}  // namespace

void add_sign_in(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<SignInOptions>();
  CLI::App& sign_in =
      *app.add_subcommand("sign-in", "Get a person's identity from an identity provider");
  sign_in
      .add_option("--authority", options->authorities,
                  "Where the authority answers; of several repeated, or with commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("ADDR");
  sign_in
      .add_option("--bundle", options->bundle,
                  "Digest of the authority's trust bundle, or a file that holds the bundle")
      ->type_name("HEX|FILE");
  sign_in.add_option("--out", options->output, "Directory of the identity")
      ->required()
      ->envname("MERIDIAN_IDENTITY")
      ->type_name("DIR");
  sign_in.add_flag("--mfa", options->is_mfa, "Prove it again, with a second factor");
  sign_in.add_flag("--no-browser", options->no_browser, "Only print the address");
  sign_in.add_option("--port", options->port, "Where the browser comes back to; 0: any")
      ->capture_default_str()
      ->type_name("PORT");
  sign_in.add_option("--patience", options->patience_seconds, "How long to wait for the browser")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{3'600}))
      ->type_name("SECONDS");
  sign_in
      .add_option("--client-secret-file", options->client_secret_file,
                  "For providers that want a secret even of programs on a person's machine")
      ->type_name("FILE");
  sign_in.add_flag("--json", options->json, "Print JSON");
  sign_in.footer(sign_in_help);
  on_run(sign_in, invocation, options, run_sign_in);
}

}  // namespace meridian::app
