#include "replica/stage_metrics.h"

namespace meridian::replica {

namespace {

std::vector<std::uint64_t> microseconds() { return metrics::exponential_bounds(50, 2, 18); }

}  // namespace

StageMetrics::StageMetrics(metrics::Registry& registry)
    : queued_requests(
          registry.gauge("meridian_requests_waiting", "Requests submitted and not yet answered.")),
      queued_bytes(
          registry.gauge("meridian_requests_waiting_bytes", "Bytes of the requests waiting.")),
      requests_accepted(
          registry.counter("meridian_requests_accepted_total", "Requests taken into the queue.")),
      requests_refused(registry.counter(
          "meridian_requests_refused_total",
          "Requests refused before anything was done: malformed, too many waiting, cell or disk "
          "full.")),
      entry_commands(registry.histogram("meridian_entry_commands",
                                        "Commands per log entry: how well load is batched.",
                                        metrics::exponential_bounds(1, 2, 14))),
      log_write_us(registry.histogram("meridian_log_write_us",
                                      "Time to write and sync a group of log entries.",
                                      microseconds())),
      log_bytes(registry.counter("meridian_log_bytes_total", "Bytes of entries logged.")),
      apply_us(registry.histogram("meridian_apply_us", "Time to apply one entry.", microseconds())),
      records(registry.gauge("meridian_records", "Records of the ledger.")),
      accounts(registry.gauge("meridian_accounts", "Accounts of the ledger.")),
      disk_free_bytes(registry.gauge("meridian_disk_free_bytes", "Free bytes of the data disk.")),
      prove_us(registry.histogram("meridian_prove_us",
                                  "Time to encode, hash, seal and store the records of one entry.",
                                  microseconds())),
      unproven_entries(registry.gauge("meridian_entries_unproven",
                                      "Entries answered whose records are not stored yet.")),
      tree_heads_signed(
          registry.counter("meridian_tree_heads_signed_total", "Tree heads signed and cosigned.")),
      checkpoint_ms(registry.histogram("meridian_state_checkpoint_ms",
                                       "Time from cutting a state checkpoint to its durability.",
                                       metrics::exponential_bounds(5, 2, 16))),
      checkpoints_passed(registry.counter(
          "meridian_state_checkpoints_passed_total",
          "Times that a state checkpoint was put off, the one before being still written.")),
      checkpoint_record(registry.gauge("meridian_state_checkpoint_record",
                                       "Records covered by the newest durable checkpoint.")) {}

}  // namespace meridian::replica
