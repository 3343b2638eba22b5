// `meridian top`: a cell of running replicas, watched.
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cell_view.h"
#include "cell_watch.h"
#include "interrupt.h"
#include "live_view.h"
#include "on_run.h"
#include "output.h"

namespace meridian::app {

namespace {

struct Options {
  ClientOptions client;
  double interval_s = 1;
  bool once = false;
  bool json = false;
};

/// A terminal whose keys come one by one and unseen, and whose screen comes back in the end.
class KeyTerminal {
 public:
  KeyTerminal() : is_on_(::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) {
    if (!is_on_ || ::tcgetattr(STDIN_FILENO, &before_) != 0) {
      is_on_ = false;
      return;
    }
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fmt::print("\033[?1049h\033[H");
  }
  ~KeyTerminal() {
    if (!is_on_) return;
    fmt::print("\033[?1049l");
    std::fflush(stdout);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  KeyTerminal(const KeyTerminal&) = delete;
  KeyTerminal& operator=(const KeyTerminal&) = delete;

  /// Waits, at most `patience`, for a key; a signal ends the wait too. None: there was none.
  std::optional<char> key(io::Duration patience) const {
    const int ms = static_cast<int>(static_cast<std::int64_t>(patience) / 1'000'000);
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const bool is_there = ::poll(is_on_ ? &input : nullptr, is_on_ ? 1 : 0, ms) > 0;
    char key = 0;
    if (!is_there || ::read(STDIN_FILENO, &key, 1) != 1) return std::nullopt;
    return key;
  }

 private:
  bool is_on_;
  termios before_{};
};

template <typename Number>
OrderedJson json_or_null(const std::optional<Number>& value) {
  return value ? OrderedJson(*value) : OrderedJson();
}

OrderedJson row_json(const ReplicaRow& row) {
  OrderedJson out;
  out["address"] = row.address;
  out["region"] = row.region;
  out["id"] = row.id;
  out["answers"] = row.answers;
  out["role"] = row.role;
  out["lag_entries"] = json_or_null(row.lag);
  if (!row.answers) return out;
  out["term"] = row.term;
  out["commit_index"] = row.commit_index;
  out["applied_index"] = row.applied_index;
  out["records"] = row.records;
  out["signed_records"] = row.signed_records;
  out["signed_root"] = row.root;
  out["records_per_second"] = json_or_null(row.records_per_s);
  out["requests_waiting"] = row.queued_requests;
  out["log_write_ms"] = json_or_null(row.sync_ms);
  out["log_load"] = json_or_null(row.log_load);
  out["apply_load"] = json_or_null(row.apply_load);
  out["prove_load"] = json_or_null(row.prove_load);
  out["entries_unproven"] = row.unproven_entries;
  out["debt_bytes"] = row.debt_bytes;
  out["disk_free_bytes"] = row.disk_free_bytes;
  return out;
}

OrderedJson view_json(const CellView& view) {
  OrderedJson out;
  out["cell"] = view.cell;
  out["term"] = view.term;
  out["leader"] = view.leader ? OrderedJson(view.rows[*view.leader].region) : OrderedJson();
  out["failover_bound_ms"] = view.failover_bound_ms;
  out["records_per_second"] = json_or_null(view.records_per_s);
  out["replicas"] = OrderedJson::array();
  for (const ReplicaRow& row : view.rows) out["replicas"].push_back(row_json(row));
  out["alarms"] = view.alarms;
  return out;
}

bool is_anybody_there(const CellView& view) {
  return std::any_of(view.rows.begin(), view.rows.end(),
                     [](const ReplicaRow& row) { return row.answers; });
}

Error nobody(const Options& options) {
  return fail(Code::unavailable, fmt::format("no server answers at {}. name the gRPC addresses of "
                                             "all replicas with --server A,B,C",
                                             fmt::join(options.client.servers, ", ")));
}

void show(Screen& screen, const CellView& view, const Options& options, bool has_keys) {
  if (options.json) return print_json(view_json(view));
  std::vector<ViewLine> lines = cell_lines(view);
  lines.push_back({});
  if (has_keys) lines.push_back({"q: quit", Tone::plain});
  screen.draw(lines);
}

/// Rates need two samples: the first is shown only where the second will take its place.
Result<Exit> watch(const Options& options) {
  const Interrupt interrupt;
  ClientOptions client = options.client;
  TRY(open_identity(client));
  CellWatch cell(client);
  CellObserver observer;
  const auto interval = io::Duration{static_cast<std::int64_t>(options.interval_s * 1e9)};
  const bool is_live = !options.once && !options.json && ::isatty(STDOUT_FILENO) == 1;
  std::optional<KeyTerminal> terminal;
  if (is_live) terminal.emplace();
  Screen screen(stdout);
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  for (bool is_first = true; !Interrupt::came(); is_first = false) {
    const io::MonotonicTime next = clock->monotonic() + interval;
    const CellView view = observer.add(cell.sample());
    if (!is_first || is_live) show(screen, view, options, is_live);
    if (!is_first && options.once) {
      if (!is_anybody_there(view)) return nobody(options);
      return Exit::ok;
    }
    while (clock->monotonic() < next && !Interrupt::came()) {
      // Short, for the case that a signal comes between the two.
      const io::Duration rest = std::min(next - clock->monotonic(), io::milliseconds(100));
      if (!terminal) {
        pause(rest);
      } else if (terminal->key(rest) == 'q') {
        return Exit::ok;
      }
    }
  }
  screen.keep();
  terminal.reset();
  Interrupt::end_by(*Interrupt::came());
  return Exit::ok;
}

}  // namespace

void add_top(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App& top = *app.add_subcommand("top", "Watch the replicas of a running cell");
  add_client_options(top, options->client);
  top.remove_option(top.get_option("--timeout"));
  top.add_option("--interval", options->interval_s, "Seconds from one sample to the next")
      ->capture_default_str()
      ->check(CLI::Range(0.2, 3'600.0))
      ->type_name("SECONDS");
  top.add_flag("--once", options->once, "Show one sample, with the rates of one interval, and end");
  top.add_flag("--json", options->json, "Print JSON, one object a line");
  top.footer(
      "Asks each server named for itself, so name all replicas. lag: entries that the leader does "
      "not\n"
      "know a replica to have. root: of the newest tree it signed. sync ms: one write and sync of "
      "its\n"
      "log. apply, prove: the part of the time that these stages, one thread each, are at work.\n"
      "unproven: entries answered whose records are not stored yet. debt: bytes still to be merged "
      "in\n"
      "the background. What to do at an ALARM: docs/operations/replicas.md. Key q quits.\n\n"
      "Examples:\n"
      "  meridian top --server 127.0.0.1:7691,127.0.0.1:7692,127.0.0.1:7693\n"
      "  meridian top --once --json --server 127.0.0.1:7400");
  on_run(top, invocation, options, watch);
}

}  // namespace meridian::app
