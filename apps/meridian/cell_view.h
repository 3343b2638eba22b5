// How a cell stands, made of what its replicas say, sample after sample: rates, lags, alarms.
//
// PURE: no I/O, no clock. What needs two samples (rates, loads) is unknown after the first.
// What the alarms mean and what to do: docs/operations/replicas.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cell_watch.h"

namespace meridian::app {

/// One replica, as it is shown. Numbers of one that does not answer are 0.
struct ReplicaRow {
  std::string address;
  std::string region;    ///< Kept from earlier, or told by others, when it does not answer.
  std::uint64_t id = 0;  ///< 0: not known, or not one of several.
  bool answers = false;
  std::string role;  ///< "leader", "follower", "candidate", ...; "alone"; "down".
  std::uint64_t term = 0, commit_index = 0, applied_index = 0;
  std::optional<std::uint64_t> lag;  ///< Entries that the leader does not know it to have.
  std::uint64_t records = 0, signed_records = 0;
  std::string root;  ///< Of the newest tree that it signed; hexadecimal, "": none yet.
  std::uint64_t queued_requests = 0, unproven_entries = 0;
  std::uint64_t debt_bytes = 0, disk_free_bytes = 0;
  // Since the sample before:
  std::optional<double> records_per_s;
  std::optional<double> sync_ms;  ///< One write and sync of the log; none if there was none.
  std::optional<double> log_load, apply_load, prove_load;  ///< Part of the time: 0 to 1.
};

struct CellView {
  std::string cell;  ///< Its id in hexadecimal; "": nobody answers.
  std::uint64_t term = 0;
  std::optional<std::size_t> leader;  ///< The row of who takes writes.
  std::uint64_t failover_bound_ms = 0;
  std::optional<double> records_per_s;  ///< Of the leader.
  std::vector<ReplicaRow> rows;
  std::vector<std::string> alarms;  ///< For people; empty: none.
};

class CellObserver {
 public:
  /// A lag is an alarm when it has grown so many times in a row, to at least so many entries.
  static constexpr std::size_t lag_samples = 5;
  static constexpr std::uint64_t lag_entries_min = 50;
  /// Below this a replica refuses writes (ReplicaLimits::bytes_reserve).
  static constexpr std::uint64_t disk_free_min = 256 << 20;

  /// The samples of one moment, always of the same replicas in the same order.
  CellView add(std::vector<ReplicaSample> samples);

 private:
  struct Known {
    std::string region;
    std::uint64_t id = 0;
    std::uint64_t checkpoints_passed = 0;
    std::vector<std::uint64_t> lags;  ///< The last ones.
    std::optional<ReplicaSample> before;
  };
  static constexpr std::size_t roots_max = 4'096;

  void learn_names(const std::vector<ReplicaSample>& samples);
  void fill_row(const ReplicaSample& sample, const Known& known, ReplicaRow& row) const;
  void find_leader(const std::vector<ReplicaSample>& samples, CellView& view) const;
  void alarm_roles(const std::vector<ReplicaSample>& samples, CellView& view) const;
  void alarm_links(const ReplicaSample& leader, CellView& view) const;
  void alarm_lags(CellView& view);
  void alarm_roots(CellView& view);
  void alarm_disks(const std::vector<ReplicaSample>& samples, CellView& view);

  std::vector<Known> known_;
  /// Of each size of tree that somebody signed: its root and who did. The newest sizes.
  std::map<std::uint64_t, std::pair<std::string, std::string>> roots_;
  std::string forked_;  ///< Roots that differ are an alarm for ever.
};

}  // namespace meridian::app
