// `meridian ca serve` and `meridian ca token`: an authority that answers by itself.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include "api/authority_http.h"
#include "api/authority_server.h"
#include "api/http_server.h"
#include "ca_commands.h"
#include "ca_desk.h"
#include "commands.h"
#include "files.h"
#include "issuance_recorder.h"
#include "key_bundle.h"
#include "mesh/join_token.h"
#include "oidc/https.h"
#include "on_run.h"
#include "output.h"
#include "serving.h"
#include "stop_signals.h"
#include "trust_follower.h"

namespace meridian::app {

namespace {

constexpr io::Duration stop_patience = io::seconds(5);
/// It is told to who signs in, beside a handful of words.
constexpr std::uint64_t ca_pem_size_max = 64 << 10;

struct ServeOptions {
  CaDesk::Options desk;
  std::string listen = "127.0.0.1:7500";
  std::string announce, http;
  std::vector<std::string> peers;
  std::string oidc;
  std::vector<std::string> cell;  ///< That records the journal.
};
struct TokenOptions {
  NodeOptions ca;
  std::string id, authority;
  std::int64_t minutes = 10;
  bool json = false;
};

/// One for each "us=10.2.0.1:7500": "us" beside the own region, or a whole trust domain.
Result<std::vector<std::unique_ptr<TrustFollower>>> follow_peers(const ServeOptions& options,
                                                                 CaDesk& desk) {
  std::vector<std::unique_ptr<TrustFollower>> followers;
  for (const std::string& text : options.peers) {
    const std::size_t equals = text.find('=');
    std::string domain = text.substr(0, equals);
    if (equals == std::string::npos || domain.empty() || equals + 1 == text.size())
      return fail(Code::invalid_argument, fmt::format("--peer {}: write REGION=ADDR", text));
    if (domain.find('.') == std::string::npos)
      domain += desk.trust_domain().substr(desk.trust_domain().find('.'));
    if (desk.held_of(domain).bundle_sequence == 0)
      return fail(
          Code::not_found,
          fmt::format("--peer {}: there is no bundle of {} here to know it by", text, domain));
    followers.push_back(std::make_unique<TrustFollower>(TrustFollower::Setting{
        desk.credentials(), domain,
        [address = text.substr(equals + 1)] { return std::vector{address}; },
        [&desk, domain] { return std::vector{desk.held_of(domain)}; },
        [&desk, domain](const api::TrustNotes& notes) { return desk.take(domain, notes); },
        [](const std::string& line) { spdlog::warn("{}", line); }}));
  }
  return followers;
}

Result<std::unique_ptr<api::HttpServer>> serve_http(const ServeOptions& options, CaDesk& desk,
                                                    metrics::Registry& metrics,
                                                    api::LiveCalls& live, api::CallCounts& calls) {
  if (options.http.empty()) return std::unique_ptr<api::HttpServer>();
  api::HttpOptions http;
  http.credentials = &desk.credentials();
  return api::HttpServer::start({api::make_authority_http(metrics), live, calls},
                                TRY(api::parse_listen_address(options.http)), http);
}

std::unique_ptr<IssuanceRecorder> record_journal(const ServeOptions& options, CaDesk& desk) {
  if (options.cell.empty()) return nullptr;
  IssuanceRecorder::Setting setting;
  setting.client.servers = options.cell;
  setting.client.credentials = &desk.credentials();
  setting.trust_domain = desk.trust_domain();
  setting.source = [&desk](std::uint64_t count) { return desk.journal_after(count); };
  setting.notice = [](const std::string& line) { spdlog::warn("{}", line); };
  return std::make_unique<IssuanceRecorder>(std::move(setting));
}

/// The settings, and the file that they name, which is beside them unless it says from the root.
Result<CaDesk::Options::SignIn> read_sign_in(const std::string& path) {
  const std::string yaml = TRY(read_input(path, oidc::settings_size_max + 1));
  Result<oidc::Settings> settings = oidc::parse_settings(yaml);
  if (!settings) return with_context(settings.error(), path);
  CaDesk::Options::SignIn sign_in{*std::move(settings), "", oidc::fetch_https};
  if (std::string ca_file = sign_in.settings.ca_file; !ca_file.empty()) {
    const std::size_t slash = path.rfind('/');
    if (!ca_file.starts_with('/') && slash != std::string::npos)
      ca_file.insert(0, path.substr(0, slash + 1));
    sign_in.ca_pem = TRY(read_input(ca_file, ca_pem_size_max));
    const Result<mesh::CertificateChain> chain = mesh::parse_pem_chain(sign_in.ca_pem);
    if (!chain) return with_context(chain.error(), ca_file);
  }
  return sign_in;
}

Result<Exit> run_serve(const ServeOptions& options) {
  const api::ListenAddress address = TRY(api::parse_listen_address(options.listen));
  const StopSignals signals;
  raise_open_files();
  metrics::Registry metrics;
  CaDesk::Options desk_options = options.desk;
  desk_options.notice = [](const std::string& line) { spdlog::info("{}", line); };
  if (!options.oidc.empty()) desk_options.sign_in = TRY(read_sign_in(options.oidc));
  const std::unique_ptr<CaDesk> desk = TRY(CaDesk::open(desk_options, metrics));
  if (options.desk.ca.dev)
    spdlog::warn("--dev: the passphrase lies beside the keys it seals. this protects nothing");
  api::CallCounts calls(metrics, "authority"), http_calls(metrics, "http");
  api::LiveCalls live;
  const auto server = TRY(api::AuthorityServer::start(
      {desk->calls(), desk->credentials(), desk->clock(), calls}, address));
  const auto http = TRY(serve_http(options, *desk, metrics, live, http_calls));
  const std::string here = api::format_listen_address(server->address());
  const std::string announced = options.announce.empty() ? here : options.announce;
  TRY(io::replace_file(desk->disk(), address_path, as_bytes(announced + "\n")));
  fmt::print("meridian: authority of {} at {}{}\n", desk->trust_domain(), here,
             http ? " http " + api::format_listen_address(http->address()) : "");
  std::fflush(stdout);
  auto followers = TRY(follow_peers(options, *desk));
  std::unique_ptr<IssuanceRecorder> recorder = record_journal(options, *desk);
  std::optional<int> signal;
  while (!signal) signal = signals.wait();
  spdlog::info("signal {}: finishing what is under way", *signal);
  recorder.reset();
  followers.clear();
  if (http) http->stop(stop_patience);
  server->stop(stop_patience);
  spdlog::info("stopped");
  return Exit::ok;
}

Result<std::string> find_address(const TokenOptions& options, io::Disk& disk) {
  if (!options.authority.empty()) return options.authority;
  const Result<Buffer> line = io::read_file(disk, address_path, 256);
  if (!line)
    return fail(Code::failed_precondition,
                "--authority is needed: `meridian ca serve` has not run here yet, so its address "
                "is not known");
  std::string address(as_text(*line));
  while (address.ends_with('\n')) address.pop_back();
  return address;
}

Result<Exit> run_token(const TokenOptions& options) {
  const mesh::SpiffeId id = TRY(mesh::parse_spiffe_id(options.id));
  CaDirectory ca = TRY(open_ca(options.ca));
  if (id.trust_domain != ca.trust_domain() || id.path.starts_with("/ca/"))
    return fail(Code::permission_denied,
                fmt::format("--for: {} is nobody that the authority of {} issues for", options.id,
                            ca.trust_domain()));
  const std::string address = TRY(find_address(options, *ca.node.disk));
  mesh::JoinTokens tokens =
      TRY(mesh::JoinTokens::open(*ca.node.disk, std::string(tokens_path), *ca.node.clock));
  const crypto::Secret token = TRY(tokens.make(id, options.minutes * 60, *ca.node.entropy));
  const std::int64_t expires = tokens.tokens().back().expires;
  const std::string bundle = to_hex(ca.bundle->digest());
  const std::string text(as_text(token.bytes()));
  if (options.json)
    print_json({{"id", options.id},
                {"token", text},
                {"bundle", bundle},
                {"authority", address},
                {"expires", expires}});
  else
    fmt::print(
        "meridian join --authority {} --id {} --bundle {} --token {} --out ./identity\n"
        "\nthat line once, by {}, where {} will run. nobody can show it again; keep it from "
        "others\n",
        address, options.id, bundle, text, format_seconds(expires), options.id);
  return Exit::ok;
}

void add_token(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<TokenOptions>();
  CLI::App& token = *group.add_subcommand("token", "Make a join token: one line, good once");
  add_ca_options(token, options->ca);
  token.add_option("--for", options->id, "Who joins with it")->required()->type_name("SPIFFE-ID");
  token.add_option("--minutes", options->minutes, "How long it can be used")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, mesh::join_token_lifetime_max / 60))
      ->type_name("N");
  token
      .add_option("--authority", options->authority,
                  "Where `meridian ca serve` answers, as who joins reaches it; what it announced "
                  "last if not given")
      ->type_name("ADDR");
  token.add_flag("--json", options->json, "Print JSON");
  token.footer(
      "The line holds what proves the authority to who joins (the digest of its trust bundle), and "
      "what\nproves who joins to the authority (the token). The key is made where it is typed, and "
      "stays there.\n\n"
      "Example: meridian ca token --dir ./ca --passphrase-file ca.pass\n"
      "           --for spiffe://eu-west.bank.example/service/payments");
  on_run(token, invocation, options, run_token);
}

}  // namespace

void add_ca_serve(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App& serve = *group.add_subcommand("serve", "Answer who joins, renews, or keeps its trust");
  add_ca_options(serve, options->desk.ca);
  serve.add_option("--listen", options->listen, "Address of its gRPC interface")
      ->capture_default_str()
      ->type_name("ADDR");
  serve
      .add_option("--announce", options->announce,
                  "The address that others reach it by, if that is another")
      ->type_name("ADDR");
  serve
      .add_option("--peer", options->peers,
                  "Where the authority of another region answers: its bundles and deny lists are "
                  "taken up and handed on; repeatable")
      ->allow_extra_args(false)
      ->type_name("REGION=ADDR");
  serve.add_option("--http", options->http, "Address of /metrics and /health; none if not given")
      ->type_name("ADDR");
  serve
      .add_option("--oidc", options->oidc,
                  "Where people sign in, and who they are here (YAML); nobody does if not given")
      ->type_name("FILE");
  serve
      .add_option(
          "--record-to", options->cell,
          "The cell whose records its journal becomes: a replica's gRPC port; repeatable, or "
          "with commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("ADDR");
  serve.add_option("--lifetime", options->desk.lifetime_seconds, "Of the certificates it issues")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, mesh::svid_lifetime_max))
      ->type_name("SECONDS");
  serve.footer(
      "TLS 1.3 on every port. What it issues is in the journal before it is answered. The other "
      "`ca` commands\ngo on working beside it, and it takes up at once what they change: they and "
      "it "
      "take turns at the directory.\n\n"
      "--oidc FILE lets people sign in at an OpenID Connect provider (`meridian sign-in`):\n"
      "  meridian-oidc: 1\n"
      "  issuer: https://login.bank.example/realms/staff\n"
      "  client_id: meridian\n"
      "  people: {8f2c9a1e-0f4d-4a53-9f0e-2b1c4d5e6f70: ada}   # what the provider calls them, and "
      "we\n"
      "  mfa: {amr: [mfa, otp, hwk]}                           # what counts as a second factor\n"
      "The rest of its keys: docs/security/identities.md.\n\n"
      "Example: meridian ca serve --dir ./ca --passphrase-file ca.pass --listen 10.1.0.1:7500");
  serve.callback([options, &invocation] {
    invocation.run = [options] {
      spdlog::set_default_logger(spdlog::stderr_color_mt("meridian"));
      spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
      const Result<Exit> done = run_serve(*options);
      return done ? *done : report(done.error());
    };
  });
  add_token(group, invocation);
}

}  // namespace meridian::app
