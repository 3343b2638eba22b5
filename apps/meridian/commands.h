// What the subcommands of the binary share with main: registration and exit codes.
//
// Each add_x adds its subcommand to `app` and sets, when that one was parsed, `invocation.run` from
// its callback; main runs it after parsing and returns what it gives. Subcommands print data on
// stdout (JSON with --json), messages on stderr as `meridian: what was wrong. what to do`.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"

namespace CLI {
class App;
}

namespace meridian::app {

/// What the process says to the shell. Shown in `meridian --help`.
enum class Exit : int {
  ok = 0,
  refused = 1,          ///< A check failed, or the ledger refused the command.
  usage = 2,            ///< The command line is wrong.
  unreachable = 3,      ///< No server answers.
  damaged = 4,          ///< Stored or given data is damaged.
  unknown_outcome = 5,  ///< The command may or may not have happened: repeat it with the same id.
  fatal = 6,            ///< The operating system or a disk failed.
};

struct Invocation {
  std::function<Exit()> run;
};

/// Prints `meridian: message` to stderr and returns the exit code that fits.
Exit report(const Error& error);
Exit exit_code(Code code);

// Names in the data directory that serve makes and verify reads.
inline constexpr std::string_view lock_path = "lock";  ///< Held while serving.
inline constexpr std::string_view cell_path = "cell";  ///< The cell's id, 32 hex digits.
inline constexpr std::string_view dev_passphrase_path = "dev-passphrase";  ///< Made by --dev only.

inline constexpr std::string_view default_grpc = "127.0.0.1:7400";
inline constexpr std::string_view default_http = "127.0.0.1:7480";

void add_serve(CLI::App& app, Invocation& invocation);

// Client commands.
void add_account(CLI::App& app, Invocation& invocation);
void add_transfer(CLI::App& app, Invocation& invocation);
void add_events(CLI::App& app, Invocation& invocation);  ///< append, read, subscribe
void add_balances(CLI::App& app, Invocation& invocation);
void add_import(CLI::App& app, Invocation& invocation);
void add_receipt(CLI::App& app, Invocation& invocation);
void add_evidence(CLI::App& app, Invocation& invocation);  ///< get, show, verify
void add_log(CLI::App& app, Invocation& invocation);
void add_subject(CLI::App& app, Invocation& invocation);
void add_schema(CLI::App& app, Invocation& invocation);   ///< check, set, remove, list, show
void add_keeping(CLI::App& app, Invocation& invocation);  ///< retention, hold
void add_residency(CLI::App& app, Invocation& invocation);
void add_status(CLI::App& app, Invocation& invocation);   ///< status, outcome
void add_node(CLI::App& app, Invocation& invocation);     ///< list, add, promote, remove, replace
void add_upgrade(CLI::App& app, Invocation& invocation);  ///< status, activate
void add_join(CLI::App& app, Invocation& invocation);
void add_sign_in(CLI::App& app, Invocation& invocation);
void add_identity(CLI::App& app, Invocation& invocation);   ///< keep
void add_readings(CLI::App& app, Invocation& invocation);   ///< list
void add_issuances(CLI::App& app, Invocation& invocation);  ///< list, export
void add_top(CLI::App& app, Invocation& invocation);
void add_bench(CLI::App& app, Invocation& invocation);

// Commands that start no call to a server of their own, or start the server themselves.
void add_verify(CLI::App& app, Invocation& invocation);
void add_keys(CLI::App& app, Invocation& invocation);  ///< list, rotate
void add_recovery(CLI::App& app, Invocation& invocation);
void add_init(CLI::App& app, Invocation& invocation);
void add_ca(CLI::App& app, Invocation& invocation);           ///< issue, list, deny
void add_policy(CLI::App& app, Invocation& invocation);       ///< actions, check, explain
void add_act(CLI::App& app, Invocation& invocation);          ///< list, show, approve
void add_break_glass(CLI::App& app, Invocation& invocation);  ///< keygen, propose, sign, use
void add_witness(CLI::App& app, Invocation& invocation);      ///< init, serve, key, logs, policy
void add_demo(CLI::App& app, Invocation& invocation);

}  // namespace meridian::app
