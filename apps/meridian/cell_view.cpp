#include "cell_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/group_status.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "ledger/describe.h"
#include "output.h"

namespace meridian::app {

namespace {

bool leads(const ReplicaSample& sample) {
  return sample.answers() && sample.status.group().role() == v1::GroupStatus::LEADER;
}
/// One that is alone is its own leader.
bool takes_writes(const ReplicaSample& sample) {
  return sample.answers() && (!sample.status.has_group() || sample.status.group().may_propose());
}

std::string role_name(const v1::StatusReply& status) {
  if (!status.has_group()) return "alone";
  return std::string(api::name(static_cast<consensus::Role>(status.group().role())));
}

/// What grew between two samples of one process; none if it was another process before.
struct Growth {
  const ReplicaSample& before;
  const ReplicaSample& now;

  double seconds() const { return static_cast<double>(now.at - before.at) / 1e9; }
  std::optional<double> of(std::string_view name) const {
    const std::uint64_t from = before.metrics.of(name);
    const std::uint64_t to = now.metrics.of(name);
    if (to < from) return std::nullopt;
    return static_cast<double>(to - from);
  }
  /// The part of the time that a stage, which is one thread, was at work.
  std::optional<double> load(std::string_view sum_us) const {
    const std::optional<double> us = of(sum_us);
    if (!us || seconds() <= 0) return std::nullopt;
    return std::min(*us / 1e6 / seconds(), 1.0);
  }
};

void fill_rates(const Growth& growth, ReplicaRow& row) {
  const std::uint64_t before = growth.before.status.records();
  if (growth.seconds() > 0 && row.records >= before)
    row.records_per_s = static_cast<double>(row.records - before) / growth.seconds();
  const std::optional<double> writes = growth.of("meridian_log_write_us_count");
  const std::optional<double> us = growth.of("meridian_log_write_us_sum");
  if (writes && us && *writes > 0) row.sync_ms = *us / *writes / 1e3;
  row.log_load = growth.load("meridian_log_write_us_sum");
  row.apply_load = growth.load("meridian_apply_us_sum");
  row.prove_load = growth.load("meridian_prove_us_sum");
}

}  // namespace

void CellObserver::learn_names(const std::vector<ReplicaSample>& samples) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i].answers()) continue;
    const v1::GroupStatus& group = samples[i].status.group();
    known_[i].region = samples[i].status.has_group() ? group.region() : "local";
    known_[i].id = group.id();
    for (const v1::GroupStatus::Peer& peer : group.peers())
      for (std::size_t k = 0; k < samples.size(); ++k)
        if (known_[k].id == 0 && samples[k].address == peer.client_address()) {
          known_[k].region = peer.region();
          known_[k].id = peer.id();
        }
  }
}

void CellObserver::fill_row(const ReplicaSample& sample, const Known& known,
                            ReplicaRow& row) const {
  row.address = sample.address;
  row.region = known.region.empty() ? sample.address : known.region;
  row.id = known.id;
  row.answers = sample.answers();
  row.role = row.answers ? role_name(sample.status) : "down";
  if (!row.answers) return;
  const v1::StatusReply& status = sample.status;
  row.term = status.term();
  row.commit_index = status.has_group() ? status.group().commit_index() : status.last_entry_index();
  row.applied_index =
      status.has_group() ? status.group().applied_index() : status.last_entry_index();
  row.records = status.records();
  row.signed_records = status.signed_records();
  row.root = to_hex(as_bytes(status.signed_root()));
  row.debt_bytes = status.debt_bytes();
  row.queued_requests = sample.metrics.of("meridian_requests_waiting");
  row.unproven_entries = sample.metrics.of("meridian_entries_unproven");
  row.disk_free_bytes = sample.metrics.of("meridian_disk_free_bytes");
  if (known.before) fill_rates({*known.before, sample}, row);
}

/// Of two that say they lead, the one of the later term does.
void CellObserver::find_leader(const std::vector<ReplicaSample>& samples, CellView& view) const {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i].answers()) continue;
    const v1::StatusReply& status = samples[i].status;
    if (view.cell.empty()) view.cell = ledger::opaque_hex(to_u128(status.cell()));
    view.term = std::max(view.term, status.term());
    view.failover_bound_ms = std::max(view.failover_bound_ms, status.group().failover_bound_ms());
    if (takes_writes(samples[i]) && (!view.leader || status.term() > view.rows[*view.leader].term))
      view.leader = i;
  }
  if (!view.leader) return;
  view.records_per_s = view.rows[*view.leader].records_per_s;
  for (const v1::GroupStatus::Peer& peer : samples[*view.leader].status.group().peers())
    for (ReplicaRow& row : view.rows)
      if (row.id == peer.id()) row.lag = peer.lag_entries();
}

void CellObserver::alarm_roles(const std::vector<ReplicaSample>& samples, CellView& view) const {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i].answers()) {
      view.alarms.push_back(
          fmt::format("{} does not answer: {}", view.rows[i].region, samples[i].problem));
      continue;
    }
    const std::string cell = ledger::opaque_hex(to_u128(samples[i].status.cell()));
    if (cell != view.cell)
      view.alarms.push_back(fmt::format("{} serves another cell, {}", view.rows[i].region, cell));
    if (samples[i].status.at_capacity())
      view.alarms.push_back(
          fmt::format("{} is full: it refuses what would make it grow", view.rows[i].region));
    for (std::size_t k = 0; k < i; ++k)
      if (leads(samples[i]) && leads(samples[k]) &&
          samples[i].status.term() == samples[k].status.term())
        view.alarms.push_back(fmt::format("two leaders in term {}: {} and {}", view.rows[i].term,
                                          view.rows[k].region, view.rows[i].region));
  }
  if (!view.leader) view.alarms.emplace_back("no leader: nobody takes writes");
}

/// Between replicas that both answer us: what one of them hears of the other is another matter.
void CellObserver::alarm_links(const ReplicaSample& leader, CellView& view) const {
  for (const v1::GroupStatus::Peer& peer : leader.status.group().peers()) {
    const auto row = std::find_if(view.rows.begin(), view.rows.end(),
                                  [&](const ReplicaRow& one) { return one.id == peer.id(); });
    if (row != view.rows.end() && !row->answers) continue;  // it is down, and said to be
    if (!peer.active())
      view.alarms.push_back(fmt::format("a link is down: {}, which leads, hears nothing from {}",
                                        leader.status.group().region(), peer.region()));
    if (peer.state() == "snapshot")
      view.alarms.push_back(
          fmt::format("{} is too far behind for the log: it copies a state", peer.region()));
  }
}

void CellObserver::alarm_lags(CellView& view) {
  for (std::size_t i = 0; i < view.rows.size(); ++i) {
    std::vector<std::uint64_t>& lags = known_[i].lags;
    const std::optional<std::uint64_t> lag = view.rows[i].lag;
    if (!lag || (!lags.empty() && *lag <= lags.back())) lags.clear();
    if (!lag) continue;
    lags.push_back(*lag);
    if (lags.size() > lag_samples) lags.erase(lags.begin());
    if (lags.size() == lag_samples && *lag >= lag_entries_min)
      view.alarms.push_back(
          fmt::format("the lag of {} grows: {} entries", view.rows[i].region, *lag));
  }
}

/// Two never sign the same size at the same moment; so what was seen earlier is kept.
void CellObserver::alarm_roots(CellView& view) {
  for (const ReplicaRow& row : view.rows) {
    if (!row.answers || row.root.empty()) continue;
    const auto [known, is_new] =
        roots_.try_emplace(row.signed_records, std::pair(row.root, row.region));
    if (!is_new && known->second.first != row.root)
      forked_ = fmt::format("roots differ at {} records: {} signed {}, {} signed {}",
                            row.signed_records, known->second.second,
                            known->second.first.substr(0, 8), row.region, row.root.substr(0, 8));
    while (roots_.size() > roots_max) roots_.erase(roots_.begin());
  }
  if (!forked_.empty()) view.alarms.push_back(forked_);
}

void CellObserver::alarm_disks(const std::vector<ReplicaSample>& samples, CellView& view) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const ReplicaRow& row = view.rows[i];
    if (!row.answers) continue;
    // Free bytes of 0: it did not say.
    if (samples[i].status.group().lacks_room())
      view.alarms.push_back(
          fmt::format("the disk of {} is full: it takes no entries until there is room; the others "
                      "go on",
                      row.region));
    else if (row.disk_free_bytes != 0 && row.disk_free_bytes < disk_free_min)
      view.alarms.push_back(
          fmt::format("the disk of {} is full: {} MiB are free, and below {} "
                      "writes are refused",
                      row.region, row.disk_free_bytes >> 20, disk_free_min >> 20));
    const std::uint64_t passed = samples[i].metrics.of("meridian_state_checkpoints_passed_total");
    if (known_[i].before && passed > known_[i].checkpoints_passed)
      view.alarms.push_back(
          fmt::format("{} puts checkpoints off: its disk is too slow for the load", row.region));
    known_[i].checkpoints_passed = passed;
    if (const std::uint64_t damaged = samples[i].metrics.of("meridian_scrub_unrepaired"))
      view.alarms.push_back(
          fmt::format("{} holds {} damaged parts that are not repaired: its log names them",
                      row.region, damaged));
  }
}

CellView CellObserver::add(std::vector<ReplicaSample> samples) {
  ASSERT(known_.empty() || known_.size() == samples.size());
  known_.resize(samples.size());
  learn_names(samples);
  CellView view;
  view.rows.resize(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) fill_row(samples[i], known_[i], view.rows[i]);
  find_leader(samples, view);
  alarm_roles(samples, view);
  if (view.leader) alarm_links(samples[*view.leader], view);
  alarm_lags(view);
  alarm_roots(view);
  alarm_disks(samples, view);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    known_[i].before.reset();
    if (samples[i].answers()) known_[i].before = std::move(samples[i]);
  }
  return view;
}

}  // namespace meridian::app
