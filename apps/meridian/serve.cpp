// `meridian serve`: builds the whole object graph of a node and runs it until a signal.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/listen_address.h"
#include "commands.h"
#include "crypto/core_dumps.h"
#include "crypto/secret.h"
#include "files.h"
#include "joined_file.h"
#include "replica_words.h"
#include "serve_identity.h"
#include "serving.h"
#include "stop_signals.h"

namespace meridian::app {
namespace {

constexpr const char* serve_help =
    R"(The directory is made at the first start, with fresh keys sealed under a passphrase. Later starts
recover what was acknowledged, kill -9 or not, and go on. A replica that was away for longer than the
others keep their log copies the state of one of them, and goes on. One line on stdout says when it is ready;
everything else goes to stderr. SIGTERM and SIGINT finish what is under way and stop.

It speaks TLS 1.3 only, to callers and replicas whose certificates are good, and each may do what the
policy says (--first-policy). Who it is, is in --identity DIR (meridian join --help); --dev makes an identity
for it and one for the commands of this user, listens on loopback only, and lets them do everything
(docs/security/identities.md).

Examples:
  meridian serve --data ./ledger --dev
      try it: passphrases lie beside the keys, which protects nothing
  meridian serve --data /var/lib/meridian --passphrase-file /run/secrets/meridian --identity ./node
    --first-policy policy.yaml
  meridian serve --data ./ledger --dev --witness http://127.0.0.1:7470=VKEY
      has its checkpoints cosigned by a witness, which another organisation should run
      (meridian witness --help); while it is down the ledger goes on
  meridian serve --data ./ledger --dev --grpc 127.0.0.1:0 --http 127.0.0.1:0
      ports that are free; the line on stdout names them
  meridian serve --data ./eu --dev --replica-id 1 --founder 1=eu@127.0.0.1:7501
      --founder 2=us@127.0.0.1:7502 --founder 3=asia@127.0.0.1:7503
      one of three replicas in three regions: what is answered is on two of them, and the cell goes
      on when one is lost. Start the other two with their own --data, --replica-id, --grpc and
      --http, and the same --founder list
  meridian serve --data ./eu2 --dev --replica-id 4 --region eu --peer-listen 127.0.0.1:7504
      --cell UUID --join 1=eu@127.0.0.1:7501 --join 2=us@127.0.0.1:7502 --grpc 127.0.0.1:7404
      --http 127.0.0.1:7484
      a new replica of a cell that runs: it waits until `meridian node add` or `node replace` names
      it, copies the state and is ready. Later starts need only --data, --dev, --grpc and --http
  curl --insecure --cert ~/.local/state/meridian/dev/caller/identity.pem https://127.0.0.1:7480/v1/status
      the HTTP interface is described in docs/api.md)";

struct ServeOptions {
  NodeOptions node;
  GroupFlags group;
  // Of tests, which want a log that is short of what they wrote.
  std::uint64_t checkpoint_interval = replica::ReplicaConfig().checkpoint_interval;
  std::uint64_t wal_file_size = replica::ReplicaConfig().wal_file_size;
  std::uint64_t poison_amount = 0;  // of tests: replica::Canary
  std::uint32_t feature_level = replica::ReplicaConfig().feature_level;
  std::uint64_t scrub_mib = replica::ReplicaConfig().scrub_bytes_per_second >> 20;
  std::uint32_t readings_seconds = 60;
  std::string grpc{default_grpc};
  std::string http{default_http};
  std::vector<std::string> witnesses;  ///< URL=VKEY
  IdentityFlags identity;
};

Result<api::ListenAddress> listen_address(const std::string& text, bool is_dev) {
  api::ListenAddress address = TRY(api::parse_listen_address(text));
  TRY(api::check_may_listen(address, is_dev));
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
  if (!node.kept_storage_key.empty())
    spdlog::warn("an older storage key is kept, as not every file could be turned over: {}",
                 node.kept_storage_key);
  if (options.identity.directory.empty())
    spdlog::warn(
        "--dev: this is {}, which no production believes, and whoever is of it may do everything. "
        "commands of this user take its identity by themselves",
        dev_trust_domain);
  if (std::size_t unlocked = crypto::secret_memory().unlocked; unlocked > 0) {
    spdlog::warn("{} bytes of key memory are not locked against swap: raise RLIMIT_MEMLOCK",
                 unlocked);
  }
}

void log_ready(Serving& serving, bool is_first) {
  const std::string where = fmt::format(
      "serving grpc {} http {} ({} records)", api::format_listen_address(serving.grpc()),
      api::format_listen_address(serving.http()), serving.cell().replica().visible_records());
  if (!is_first) return spdlog::info("{}", where);
  fmt::print("meridian: {}\n", where);
  std::fflush(stdout);
}

/// Tells a line whenever a tenth more is there, and counts what was received.
replica::CatchUp::Progress copy_progress(std::atomic<std::uint64_t>& received) {
  return
      [&received, told = std::uint64_t{0}](const replica::StateInstaller::Progress& now) mutable {
        received = now.received_bytes;
        const std::uint64_t total = now.chunk_bytes_total + now.records_total;
        const std::uint64_t tenths = total == 0 ? 0 : (now.chunk_bytes + now.records) * 10 / total;
        if (tenths <= told) return;
        told = tenths;
        spdlog::info("copying the state: {} of {} records, {} of {} bytes of state", now.records,
                     now.records_total, now.chunk_bytes, now.chunk_bytes_total);
      };
}

void log_copied(const replica::MemberInfo& peer, std::uint64_t received, io::Duration took) {
  const double seconds = static_cast<double>(static_cast<std::int64_t>(took)) / 1e9;
  spdlog::info("the state of replica {} is here: {} bytes in {:.2f} s", peer.id, received, seconds);
}

/// Whoever is behind closes, copies and opens again. What went wrong with a copy ends nothing: the
/// leader offers its state again, and a disk that failed shows when the cell is opened.
/// Returns the signal that came meanwhile, if one did.
Result<std::optional<int>> catch_up(const ServeSetting& setting,
                                    const std::optional<replica::MemberInfo>& peer,
                                    const StopSignals& signals) {
  std::mutex mutex;
  std::optional<Status> done;
  std::atomic<std::uint64_t> received{0};
  const io::MonotonicTime began = setting.node.clock->monotonic();
  if (peer)
    spdlog::info(
        "the log of the others does not reach this replica any more: copying the state of "
        "replica {}",
        peer->id);
  else if (TRY(storage::is_state_given_up(*setting.node.disk)))
    spdlog::warn("what this replica keeps is damaged: copying the state of another");
  else
    spdlog::warn("waiting for a leader to supply this replica's log again");
  const auto copying =
      TRY(StateCopying::start(setting, peer, copy_progress(received), [&](const Status& status) {
        const std::lock_guard lock(mutex);
        done = status;
        StopSignals::wake();
      }));
  for (;;) {
    if (const std::optional<int> signal = signals.wait()) return signal;
    const std::lock_guard lock(mutex);
    if (!done) continue;
    if (!*done)
      spdlog::warn("what this replica lacks did not come: {}", done->error().message);
    else if (peer)
      log_copied(*peer, received, setting.node.clock->monotonic() - began);
    return std::optional<int>();
  }
}

/// Of a replica that does not open, or stopped, because of `why`: true if it can be repaired.
Result<bool> give_up_if_damaged(const ServeSetting& setting, const Error& why) {
  if (!setting.config.group) return false;
  metrics::Registry metrics;
  return replica::CatchUp::give_up_if_damaged(setting.replica_io(metrics), setting.config, why);
}

/// Of a replica that was closed as it is damaged, or may be: stops the process over what no copy
/// repairs.
Status give_up_or_stop(const ServeSetting& setting, ReplicaWords& words) {
  metrics::Registry metrics;
  if (const std::optional<Error> damage = words.damaged())
    return replica::CatchUp::give_up(setting.replica_io(metrics), *damage);
  const Error why = *words.doubt();
  if (!TRY(give_up_if_damaged(setting, why))) stop_at_once(why);
  return {};
}

/// The others go on without it; what it was writing is looked at when it opens again, as after a
/// kill. Returns the signal that came meanwhile, if one did.
Result<std::optional<int>> wait_for_room(const ServeSetting& setting, const std::string& why,
                                         const StopSignals& signals) {
  const std::uint64_t needed = setting.config.limits.bytes_reserve;
  spdlog::error("{}: closed until {} MiB of the disk are free", why, needed >> 20);
  for (;;) {
    if (TRY(setting.node.disk->free_bytes()) >= needed) break;
    if (const std::optional<int> signal = signals.wait(1)) return signal;
  }
  spdlog::info("the disk has room again: this replica opens");
  return std::optional<int>();
}

/// Not while something is to be had from the others first.
Result<std::unique_ptr<Serving>> open_if_sound(const ServeSetting& setting) {
  if (setting.config.group && TRY(replica::CatchUp::is_needed(*setting.node.disk)))
    return fail(Code::unavailable, "this replica lacks what only the others have");
  return Serving::open(setting);
}

Exit stopped(int signal) {
  spdlog::info("stopped by signal {}", signal);
  return Exit::ok;
}

/// What outlives one opening of the cell.
struct Told {
  ReplicaWords words;
  std::optional<StandingLog> standing;  ///< Of one of several replicas.
  bool is_ready = false;                ///< The line on stdout was written.

  explicit Told(ServeSetting& setting) : words(setting) {
    if (setting.config.group) standing.emplace(*setting.config.group);
  }
  /// Errors: failed_precondition: it is out.
  Status check_standing() {
    const auto now = words.standing();
    if (now && replica::is_out(*now))
      return fail(Code::failed_precondition, standing->describe(*now));
    return {};
  }
};

/// Until a signal comes (which it returns), or the replica has to copy a state, or is out. One that
/// joins is ready once it is a member.
Result<std::optional<int>> serve_open(Serving& serving, const ServeSetting& setting, Told& told,
                                      const StopSignals& signals) {
  bool is_ready = false;
  for (;;) {
    const auto now = told.words.standing();
    if (now && told.standing) told.standing->show(*now);
    TRY(told.check_standing());
    const bool waits = setting.config.group && setting.config.group->joins &&
                       now.value_or(replica::Standing::outsider) == replica::Standing::outsider;
    if (!waits && !std::exchange(is_ready, true))
      log_ready(serving, !std::exchange(told.is_ready, true));
    ReplicaWords& words = told.words;
    if (words.behind() || words.full() || words.damaged() || words.doubt())
      return std::optional<int>();
    if (const std::optional<int> signal = signals.wait()) return signal;
  }
}

/// Opens the cell, as often as it falls behind its peers, until a signal comes.
Result<Exit> serve_until_signal(ServeSetting& setting, const StopSignals& signals) {
  Told told(setting);
  for (;;) {
    told.words.forget();
    Result<std::unique_ptr<Serving>> opened = open_if_sound(setting);
    if (!opened && setting.config.group && opened.error().code == Code::resource_exhausted) {
      if (const std::optional<int> signal =
              TRY(wait_for_room(setting, opened.error().message, signals)))
        return stopped(*signal);
      continue;
    }
    if (!opened && !TRY(give_up_if_damaged(setting, opened.error())) &&
        !TRY(replica::CatchUp::is_needed(*setting.node.disk)))
      return opened.error();
    if (!opened) {
      std::optional<int> signal = TRY(catch_up(setting, std::nullopt, signals));
      // Not copied: the others may come back.
      if (!signal && TRY(replica::CatchUp::is_needed(*setting.node.disk))) signal = signals.wait(1);
      if (signal) return stopped(*signal);
      TRY(told.check_standing());
      continue;
    }
    std::unique_ptr<Serving> serving = std::move(*opened);
    setting.grpc = serving->grpc();  // a free port that was found stays the same
    setting.http = serving->http();
    Result<std::optional<int>> signal = serve_open(*serving, setting, told, signals);
    if (signal && *signal) spdlog::info("signal {}: finishing what is under way", **signal);
    serving.reset();
    if (signal && !*signal) {
      if (told.words.damaged() || told.words.doubt()) {
        TRY(give_up_or_stop(setting, told.words));
        continue;
      }
      const std::optional<std::string> full = told.words.full();
      signal = full ? wait_for_room(setting, *full, signals)
                    : catch_up(setting, told.words.behind(), signals);
    }
    if (!signal) return signal.error();
    if (*signal) return stopped(**signal);
    TRY(told.check_standing());
  }
}

/// A directory that was made by --cell, or none: who joins cannot know which cell it is.
Status check_cell_is_named(const GroupFlags& flags, io::Disk& disk) {
  if (flags.joins.empty() || !flags.cell.empty() || TRY(disk.exists(cell_path))) return {};
  return fail(Code::invalid_argument,
              "--join: needs --cell UUID, the cell to join: `meridian node list --server MEMBER` "
              "shows it");
}

Result<Exit> serve(const ServeOptions& options) {
  keep_freed_memory();
  raise_open_files();
  if (!crypto::leave_no_core())
    spdlog::warn("this process may leave core dumps, with keys of OpenSSL's in them: ulimit -c 0");
  replica::ReplicaConfig config;
  const std::unique_ptr<io::Disk> directory = TRY(open_directory(options.node.directory));
  const GroupFlags flags = TRY(with_joined(options.group, *directory));
  TRY(check_identity_flags(options.identity, options.node.dev));
  const bool is_dev = options.identity.directory.empty();
  const std::optional<GroupSettings> group =
      TRY(parse_group(flags, config.deployment, options.grpc, is_dev));
  TRY(check_cell_is_named(flags, *directory));
  const api::ListenAddress grpc_address = TRY(listen_address(options.grpc, is_dev));
  const api::ListenAddress http_address = TRY(listen_address(options.http, is_dev));
  NodeOptions node_options = options.node;
  if (!flags.cell.empty()) node_options.cell = TRY(parse_cell(flags.cell));
  if (group) {
    node_options.is_replica = true;
    node_options.cell_if_new = group->derived_cell;
    config.group = group->config;
  }
  const StopSignals signals;
  Node node = TRY(open_node(node_options));
  if (node.generation.opening) {
    return fail(Code::failed_precondition,
                fmt::format("generation {} is being opened and is not open yet. run `meridian "
                            "recovery new-generation --accept-loss {}` to the end",
                            node.generation.number, node.generation.opening->range()));
  }
  if (group && group->config.joins) TRY(write_joined(*node.disk, flags));
  log_start(node, options);
  ServeIdentity identity;
  TRY(identity.open(options.identity, options.node.directory, node,
                    group ? std::optional(group->config) : std::nullopt));
  config.cell = node.cell;
  config.generation = node.generation.number;
  config.checkpoint_interval = options.checkpoint_interval;
  config.wal_file_size = options.wal_file_size;
  config.feature_level = options.feature_level;
  config.scrub_bytes_per_second = options.scrub_mib << 20;
  config.canary.poison_amount = options.poison_amount;
  config.canary.poison_asserts = true;
  ServeSetting setting{node,
                       config,
                       group ? group->network : io::OsNetworkOptions(),
                       grpc_address,
                       http_address,
                       *identity.process.held,
                       identity.process.metrics,
                       identity.peer_domains,
                       [](const std::string& notice) { spdlog::warn("{}", notice); },
                       show_progress,
                       stop_at_once,
                       options.witnesses,
                       identity.first_policy,
                       {}};
  setting.readings_every = io::seconds(options.readings_seconds);
  if (!is_dev) setting.identity_directory = "/" + below_root(options.identity.directory);
  const std::unique_ptr<io::Executor> turning = io::os_executor("keys");
  const std::unique_ptr<storage::StorageTurner> turner = storage::StorageTurner::start(
      {*node.disk, *node.keys, *turning, setting.notice, stop_at_once});
  setting.storage_turner = turner.get();
  return serve_until_signal(setting, signals);
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
                    "Make a passphrase beside the keys, and identities: for trying out only");
  add_key_access(*command, options->node, "File whose content seals the keys");
  command->add_option("--grpc", options->grpc, "Address of the gRPC interface")
      ->capture_default_str();
  command->add_option("--http", options->http, "Address of the HTTP interface")
      ->capture_default_str();
  command->add_option("--witness", options->witnesses,
                      "URL=VKEY of an outside witness that cosigns checkpoints; repeatable");
  command
      ->add_option("--scrub-rate", options->scrub_mib,
                   "MiB a second of what is stored that are read back to find damage; 0: only "
                   "what readers come across is looked at (docs/operations/repair.md)")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("N");
  command
      ->add_option(
          "--readings-every", options->readings_seconds,
          "Seconds between records of who read personal data; what was read in the last of "
          "them is lost if the process is killed")
      ->capture_default_str()
      ->check(CLI::Range(1, 60))
      ->type_name("SECONDS");
  add_identity_flags(*command, options->identity);
  command
      ->add_option("--feature-level", options->feature_level,
                   "Newest feature level to run; 1: as the version before does, so that an upgrade "
                   "can be tried (meridian upgrade --help)")
      ->check(CLI::Range(std::uint32_t{1}, ledger::feature_level_newest))
      ->type_name("N");
  add_group_flags(*command, options->group);
  command->add_option("--test-checkpoint-interval", options->checkpoint_interval)->group("");
  command->add_option("--test-wal-file-size", options->wal_file_size)->group("");
  command->add_option("--test-poison-amount", options->poison_amount)->group("");
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
