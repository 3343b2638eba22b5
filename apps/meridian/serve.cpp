// `meridian serve`: builds the whole object graph of a node and runs it until a signal.
#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "api/backend.h"
#include "api/grpc_server.h"
#include "api/http_server.h"
#include "api/listen_address.h"
#include "api/witness_link_http.h"
#include "cell/local_cell.h"
#include "commands.h"
#include "crypto/secret.h"
#include "io/executor.h"
#include "metrics/registry.h"
#include "node.h"
#include "stop_signals.h"
#include "witness/witnessing.h"

namespace meridian::app {
namespace {

constexpr io::Duration stop_patience = io::seconds(5);

constexpr const char* serve_help =
    R"(The directory is made at the first start, with fresh keys sealed under a passphrase. Later starts
recover what was acknowledged, kill -9 or not, and go on. One line on stdout says when it is ready;
everything else goes to stderr. SIGTERM and SIGINT finish what is under way and stop.

Until callers have identities it listens on loopback only.

Examples:
  meridian serve --data ./ledger --dev
      try it: the passphrase lies beside the keys, which protects nothing
  meridian serve --data /var/lib/meridian --passphrase-file /run/secrets/meridian
  meridian serve --data ./ledger --dev --witness http://127.0.0.1:7470=VKEY
      has its checkpoints cosigned by a witness, which another organisation should run
      (meridian witness --help); while it is down the ledger goes on
  meridian serve --data ./ledger --dev --grpc 127.0.0.1:0 --http 127.0.0.1:0
      ports that are free; the line on stdout names them
  curl http://127.0.0.1:7480/v1/status
      the HTTP interface is described in docs/api.md)";

struct ServeOptions {
  NodeOptions node;
  std::string grpc{default_grpc};
  std::string http{default_http};
  std::vector<std::string> witnesses;  ///< URL=VKEY
  bool insecure_test = false;
};

/// The threads of a node, one per stage.
struct Threads {
  std::unique_ptr<io::Executor> log = io::os_executor("log");
  std::unique_ptr<io::Executor> apply = io::os_executor("apply");
  std::unique_ptr<io::Executor> prove = io::os_executor("prove");
  std::unique_ptr<io::Executor> checkpoint = io::os_executor("checkpoint");
  std::unique_ptr<io::Executor> door = io::os_executor("door");
  std::unique_ptr<io::Executor> reads = io::os_executor("reads");
  std::unique_ptr<io::Executor> work = io::os_executor("api");
  std::unique_ptr<io::Executor> witnessing = io::os_executor("witnessing");

  cell::LocalCell::Executors for_cell() {
    return {{*log, *apply, *prove, *checkpoint}, *door, *reads};
  }
};

Result<api::ListenAddress> listen_address(const std::string& text, bool insecure_test) {
  api::ListenAddress address = TRY(api::parse_listen_address(text));
  TRY(api::check_may_listen(address, insecure_test));
  return address;
}

void show_progress(const replica::RecoveryProgress& progress) {
  if (progress.total == 0) return;
  spdlog::info("recovering {}: {} of {} ({} %)", progress.stage, progress.done, progress.total,
               progress.done * 100 / progress.total);
}

[[noreturn]] void stop_at_once(const Error& error) {
  spdlog::critical("{}", error.message);
  fmt::print(stderr,
             "meridian: {}. the server stopped at once; what was not answered is unknown: start it "
             "again, then ask with the same ids\n",
             error.message);
  spdlog::default_logger()->flush();
  std::_Exit(static_cast<int>(Exit::fatal));
}

void log_start(const Node& node, const ServeOptions& options) {
  if (node.dev_keys) {
    spdlog::warn(
        "--dev: the passphrase lies in {}, beside the keys it seals. This protects "
        "nothing: use it to try Meridian, never for real books",
        node.disk->display(dev_passphrase_path));
  }
  if (node.is_new) spdlog::info("made new keys in {}", node.disk->display("keys"));
  if (node.key_table_dropped_bytes > 0) {
    spdlog::warn(
        "the key table ended in {} bytes that do not open; they were dropped. torn by a crash, "
        "they "
        "were keys that nothing acknowledged used; should the disk have damaged them instead, "
        "payloads of subjects met last cannot be opened any more: `meridian verify` names them",
        node.key_table_dropped_bytes);
  }
  if (options.insecure_test) {
    spdlog::warn("--insecure-test: anyone who reaches this address can read and write");
  }
  if (std::size_t unlocked = crypto::secret_memory().unlocked; unlocked > 0) {
    spdlog::warn("{} bytes of key memory are not locked against swap: raise RLIMIT_MEMLOCK",
                 unlocked);
  }
}

Result<std::vector<witness::Witnessing::Peer>> parse_witnesses(const ServeOptions& options) {
  std::vector<witness::Witnessing::Peer> peers;
  for (const std::string& text : options.witnesses) {
    witness::WitnessAddress address = TRY(witness::parse_witness_address(text));
    std::unique_ptr<witness::WitnessLink> link = TRY(api::make_witness_link(address.url));
    peers.push_back({std::move(address), std::move(link)});
  }
  return peers;
}

/// Null without --witness.
Result<std::unique_ptr<witness::Witnessing>> start_witnessing(
    std::vector<witness::Witnessing::Peer> peers, replica::Replica& replica, const Node& node,
    const Threads& threads, metrics::Registry& metrics) {
  if (peers.empty()) return std::unique_ptr<witness::Witnessing>();
  const proof::VerifierKey own = TRY(proof::parse_vkey(replica.cosigner_vkey()));
  for (const witness::Witnessing::Peer& peer : peers)
    if (peer.address.key.public_key == own.public_key)
      return fail(Code::invalid_argument,
                  "--witness: this is the key of this very replica, which can be no witness of "
                  "its own log");
  return witness::Witnessing::start({*threads.witnessing, *node.clock, metrics,
                                     [](const std::string& line) { spdlog::warn("{}", line); }},
                                    witness::witnessed_log(replica), std::move(peers));
}

Result<Exit> serve(const ServeOptions& options) {
  const api::ListenAddress grpc_address = TRY(listen_address(options.grpc, options.insecure_test));
  const api::ListenAddress http_address = TRY(listen_address(options.http, options.insecure_test));
  const StopSignals signals;
  std::vector<witness::Witnessing::Peer> witnesses = TRY(parse_witnesses(options));
  Node node = TRY(open_node(options.node));
  if (node.generation.opening) {
    return fail(Code::failed_precondition,
                fmt::format("generation {} is being opened and is not open yet. run `meridian "
                            "recovery new-generation --accept-loss {}` to the end",
                            node.generation.number, node.generation.opening->range()));
  }
  log_start(node, options);

  metrics::Registry metrics;
  Threads threads;
  replica::ReplicaConfig config;
  config.cell = node.cell;
  config.generation = node.generation.number;
  std::unique_ptr<cell::LocalCell> cell =
      TRY(cell::LocalCell::open({*node.disk, *node.clock, *node.entropy, *node.keys, metrics,
                                 [](const std::string& notice) { spdlog::warn("{}", notice); }},
                                config, threads.for_cell(), show_progress, stop_at_once));
  malloc_trim(0);  // what recovery needed goes back: a third of 3.2 GB with ten million accounts
  const std::unique_ptr<witness::Witnessing> witnessing =
      TRY(start_witnessing(std::move(witnesses), cell->replica(), node, threads, metrics));
  api::Backend backend(*cell, *node.clock, *threads.work, metrics, node.cell);
  backend.witnessing = witnessing.get();
  api::HttpOptions http_options;
  http_options.check_host = !options.insecure_test;
  auto grpc = TRY(api::GrpcServer::start(backend, grpc_address));
  auto http = TRY(api::HttpServer::start(backend, http_address, http_options));

  fmt::print("meridian: serving grpc {} http {} ({} records)\n",
             api::format_listen_address(grpc->address()),
             api::format_listen_address(http->address()), cell->replica().visible_records());
  std::fflush(stdout);
  const int signal = signals.wait();
  spdlog::info("signal {}: finishing what is under way", signal);
  if (witnessing) witnessing->stop();
  http->stop(stop_patience);
  grpc->stop(stop_patience);
  threads.work->drain();  // late conversions borrow the backend
  cell.reset();
  spdlog::info("stopped");
  return Exit::ok;
}

}  // namespace

void add_serve(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("serve", "Serve one cell from a data directory, over gRPC and HTTP");
  command->footer(serve_help);
  auto options = std::make_shared<ServeOptions>();
  command->add_option("--data", options->node.directory, "Directory of the ledger; made if missing")
      ->required();
  command->add_flag("--dev", options->node.dev,
                    "Make a passphrase beside the keys: for trying out only");
  command->add_option("--passphrase-file", options->node.passphrase_file,
                      "File whose content seals the keys (else the systemd credential "
                      "meridian-passphrase)");
  command->add_option("--grpc", options->grpc, "Address of the gRPC interface")
      ->capture_default_str();
  command->add_option("--http", options->http, "Address of the HTTP interface")
      ->capture_default_str();
  command->add_option("--witness", options->witnesses,
                      "URL=VKEY of an outside witness that cosigns checkpoints; repeatable");
  command->add_flag("--insecure-test", options->insecure_test,
                    "Listen where others can reach it, without any authentication");
  command->callback([options, &invocation] {
    invocation.run = [options] {
      spdlog::set_default_logger(spdlog::stderr_color_mt("meridian"));
      spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
      Result<Exit> done = serve(*options);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace meridian::app
