// The one binary: parses the command line and runs the subcommand that was named.
#include <absl/synchronization/mutex.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "api/backend.h"
#include "api/tls13.h"
#include "backup.h"
#include "commands.h"

namespace {

constexpr const char* help = R"(Meridian: a ledger that can prove what it holds.

Start one, then talk to it:
  meridian serve --data ./ledger --dev
  meridian account create --help
Every command has --help with examples; those that print data take --json.

Exit codes: 0 done; 1 a check failed or the ledger refused; 2 wrong command line; 3 no server
answers; 4 damaged data; 5 unknown outcome (repeat it with the same id); 6 the system failed.)";

/// The first word that no command took, or "": CLI11 reports only that a command is missing.
std::string unknown_command(const CLI::App& app) {
  const CLI::App* inner = &app;
  while (!inner->get_subcommands().empty()) inner = inner->get_subcommands().front();
  const std::vector<std::string> rest = inner->remaining();
  if (inner->get_require_subcommand_min() == 0 || rest.empty()) return "";
  return rest.front();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace meridian::app;
  meridian::api::require_tls13();
  meridian::api::quiet_grpc_log();
  // Debian builds absl to look for lock cycles at every lock, and gRPC takes many per call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI::App app(help, "meridian");
  app.set_version_flag("--version", std::string(meridian::api::version));
  app.require_subcommand(1);
  Invocation invocation;
  for (auto* add :
       {add_serve,   add_account,     add_transfer, add_events,    add_balances, add_import,
        add_receipt, add_log,         add_subject,  add_schema,    add_keeping,  add_residency,
        add_status,  add_node,        add_upgrade,  add_verify,    add_keys,     add_recovery,
        add_init,    add_ca,          add_join,     add_identity,  add_sign_in,  add_policy,
        add_act,     add_break_glass, add_readings, add_issuances, add_witness,  add_backup,
        add_top,     add_bench,       add_demo,     add_evidence}) {
    add(app, invocation);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const std::string word = unknown_command(app);
        !word.empty() && error.get_exit_code() != 0) {
      std::fprintf(stderr, "meridian: there is no command '%s'. --help lists those there are\n",
                   word.c_str());
      return static_cast<int>(Exit::usage);
    }
    return app.exit(error) == 0 ? static_cast<int>(Exit::ok) : static_cast<int>(Exit::usage);
  }
  return invocation.run ? static_cast<int>(invocation.run()) : static_cast<int>(Exit::usage);
}
