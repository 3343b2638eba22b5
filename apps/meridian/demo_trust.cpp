#include "demo_trust.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "child.h"
#include "client.h"
#include "demo_intruder.h"
#include "dev_deployment.h"
#include "files.h"

namespace meridian::app {

namespace {

constexpr std::string_view person = "ada.lovelace";
constexpr std::string_view invoice = R"({"total":"90.00"})", taste = R"({"likes":"jazz"})";
constexpr std::string_view policy_text = R"(meridian-policy: 1
mfa: not-needed
second-person: not-needed
purpose: optional
grants:
  - who: "spiffe://local.dev.invalid/person/*"
    roles: [writer, reader, auditor, operator, privacy officer]
    actions: [retention.change]
    cells: all
    ledgers: all
    streams: all
  - who: spiffe://local.dev.invalid/service/reports
    roles: [auditor]
    cells: all
    ledgers: all
    streams: all
)";
constexpr std::string_view denials = R"(meridian_policy_denials_total{action="events.append"})";
constexpr std::string_view strangers = R"(meridian_mesh_refusals_total{reason="untrusted_chain"})";

class Trust {
 public:
  explicit Trust(Stage& stage) : stage_(stage) {}
  Status run();

 private:
  Status start(const std::string& name, const std::vector<std::string>& more);
  Status refuse_stranger();
  Status refuse_role();
  Status write_events();
  Status back_up();
  Status forget();
  Status restore();
  Status show_count(std::string_view name);
  Result<bool> can_read(std::string_view stream, std::string_view text);

  std::string file(std::string_view name) const { return stage_.at(name); }
  std::string server() const { return server_->grpc(); }

  Stage& stage_;
  std::optional<ChildServer> server_;
};

Status Trust::start(const std::string& name, const std::vector<std::string>& more) {
  std::vector<std::string> typed{"serve", "--data", file(name), "--dev"};
  typed.insert(typed.end(), more.begin(), more.end());
  stage_.show_command(typed);
  server_.emplace(TRY(ChildServer::start(file(name), file(name) + ".log", more)));
  stage_.line("  " + server_->ready_line());
  return {};
}

/// What the server counted: it has to be once.
Status Trust::show_count(std::string_view name) {
  ClientOptions options;
  options.servers = {server()};
  const std::unique_ptr<Client> client = TRY(Client::connect(options));
  const v1::MetricsReply reply =
      TRY(client->call(*client->admin, &v1::Admin::Stub::Metrics, v1::MetricsRequest()));
  const std::size_t at = reply.text().find(name);
  if (at == std::string::npos) return fail(Code::internal, fmt::format("{} is not counted", name));
  const std::string line = reply.text().substr(at, reply.text().find('\n', at) - at);
  stage_.line("  counted: " + line);
  if (line.ends_with(" 0")) return fail(Code::internal, "counted nothing: " + line);
  return {};
}

/// The same name, and certificates that are as good as ours: of another root.
Status Trust::refuse_stranger() {
  stage_.line("Somebody with a deployment of their own issues themselves the very same name:");
  TRY(stage_.run({{"init", "--dir", file("strangers"), "--dev", "--deployment", "dev.invalid",
                   "--region", "local", "--officer", "eve", "--officer", "mallory"},
                  Exit::ok,
                  "",
                  3}));
  TRY(stage_.run(
      {{"ca", "issue", "--dir", file("strangers/ca/local"), "--dev", "--id",
        fmt::format("spiffe://{}/person/dev", dev_trust_domain), "--out", file("stranger")}}));
  TRY(stage_.run({{"status", "--identity", file("stranger")}, Exit::unreachable, server()}));
  stage_.line("That one did not believe the server. One who believes anybody is told:");
  stage_.line(wrap("  " + TRY(knock(server(), file("stranger"))), Stage::columns, "", "  "));
  return show_count(strangers);
}

Status Trust::refuse_role() {
  stage_.line("A service of ours that is an auditor and no writer:");
  const std::string id = fmt::format("spiffe://{}/service/reports", dev_trust_domain);
  const std::string authority = TRY(dev_directory()) + "/deployment/ca/local";
  TRY(stage_.run(
      {{"ca", "issue", "--dir", authority, "--dev", "--id", id, "--out", file("reports")}}));
  TRY(stage_.run(
      {{"append", "tastes-1", "noted", std::string(taste), "--identity", file("reports")},
       Exit::refused,
       server()}));
  return show_count(denials);
}

Status Trust::write_events() {
  stage_.line(
      fmt::format("Of {}: an invoice, which tax law keeps for seven years, and a taste:", person));
  const auto append = [&](std::string_view stream, std::string_view text,
                          std::string_view retention, std::string_view id) {
    return stage_.run(
        {{"append", std::string(stream), "noted", std::string(text), "--subject",
          std::string(person), "--retention", std::string(retention), "--id", std::string(id)},
         Exit::ok,
         server()});
  };
  TRY(stage_.run({{"retention", "set", "3", "--name", "tax_documents", "--basis", "AO 147",
                   "--keep-at-least", "7y"},
                  Exit::ok,
                  server()}));
  TRY(append("invoices-1", invoice, "3", "1"));
  TRY(append("tastes-1", taste, "1", "2"));
  TRY(stage_.run(
      {{"receipt", "get", "--event", "2", "-o", file("taste.tlog-proof")}, Exit::ok, server()}));
  TRY(stage_.run({{"log", "policy", "-o", file("registry.policy")}, Exit::ok, server()}));
  return {};
}

Status Trust::back_up() {
  server_->stop();
  TRY(stage_.run({{"backup", "create", "--data", file("registry"), "--to", file("backup"), "--keys",
                   file("backup-keys"), "--backup-passphrase-file", file("backup.passphrase")},
                  Exit::ok,
                  "",
                  1}));
  return {};
}

Result<bool> Trust::can_read(std::string_view stream, std::string_view text) {
  const std::vector<std::string> printed =
      TRY(stage_.run({{"read", std::string(stream)}, Exit::ok, server()}));
  return std::ranges::any_of(
      printed, [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

Status Trust::forget() {
  stage_.line("The person asks to be forgotten:");
  TRY(stage_.run({{"subject", "forget", std::string(person)}, Exit::ok, server()}));
  if (TRY(can_read("tastes-1", taste)))
    return fail(Code::internal, "what was forgotten can be read");
  return {};
}

/// The old data under the keys of today, as after a fire.
Status Trust::restore() {
  stage_.line(
      "The machine burns. Last month's backup is restored, with the keys as they are kept "
      "today:");
  const std::string passphrase = file("registry/dev-passphrase");
  TRY(stage_.run({{"backup", "restore", "--from", file("last-month"), "--keys", file("backup-keys"),
                   "--backup-passphrase-file", file("backup.passphrase"), "--data",
                   file("restored"), "--passphrase-file", passphrase},
                  Exit::ok,
                  "",
                  3}));
  TRY(start("restored", {"--passphrase-file", passphrase, "--first-policy", file("policy.yaml")}));
  if (TRY(can_read("tastes-1", taste)))
    return fail(Code::internal, "the backup brought back what was forgotten");
  if (!TRY(can_read("invoices-1", invoice)))
    return fail(Code::internal, "what must be kept cannot be read");
  stage_.line("And the receipt from before:");
  TRY(stage_.run(
      {{"receipt", "verify", file("taste.tlog-proof"), "--policy", file("registry.policy")},
       Exit::ok,
       "",
       2}));
  server_->stop();
  return {};
}

Status Trust::run() {
  stage_.say("Nobody unknown, nobody without a right, and nobody back from a backup.",
             "Every port is TLS 1.3 between identities, also here: --dev made them. A policy says "
             "who may do what. Then a person is forgotten who must partly be kept, and a backup "
             "from before is restored.");
  TRY(write_output(file("policy.yaml"), std::string(policy_text)));
  TRY(write_output(file("backup.passphrase"), "a passphrase of the backup\n"));
  TRY(start("registry", {"--first-policy", file("policy.yaml")}));
  TRY(refuse_stranger());
  TRY(refuse_role());
  TRY(write_events());
  TRY(back_up());
  std::error_code error;
  std::filesystem::copy(file("backup"), file("last-month"),
                        std::filesystem::copy_options::recursive, error);
  if (error) return fail(Code::internal, "keeping the backup: " + error.message());
  TRY(start("registry", {"--first-policy", file("policy.yaml")}));
  TRY(forget());
  TRY(back_up());
  return restore();
}

}  // namespace

Status show_trust(Stage& stage) { return Trust(stage).run(); }

}  // namespace meridian::app
