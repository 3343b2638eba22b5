// The three regions of the demo: replicas of this binary on loopback, as processes that are killed
// and come back; and what becomes of the load meanwhile.
//
// Of the main thread, which also starts the processes: they die with it.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cell_view.h"
#include "cell_watch.h"
#include "child.h"
#include "demo_stage.h"
#include "io/executor.h"
#include "load.h"

namespace meridian::app {

/// Ports that nobody listens at now, below those that outgoing connections are given. All that are
/// needed are asked for at once: another call may give the same again.
Result<std::vector<std::string>> free_addresses(std::size_t count);

class DemoCell {
 public:
  static constexpr std::size_t region_count = 3;
  static constexpr std::array<std::string_view, region_count> regions{"us-east", "eu-west",
                                                                      "ap-south"};
  /// What every message between regions is held back: 3,000 km of fibre.
  static constexpr std::uint64_t one_way_ms = 15;

  static constexpr std::size_t address_count = 3 * region_count;

  /// Starts nothing yet. `addresses`: address_count of them; `witness`: URL=VKEY.
  DemoCell(const Stage& stage, std::vector<std::string> addresses, std::string witness);

  Status start_all();
  Status start(std::size_t region);       ///< One that was killed; returns when it serves.
  void kill_at_once(std::size_t region);  ///< kill -9, waited for.
  Status stop_all();                      ///< In good order.

  /// Waits for somebody to take writes. Errors: deadline_exceeded.
  Result<CellView> wait_leader();
  /// Until all hold equally many records and signed them. Errors: deadline_exceeded, with how they
  /// stand; data_loss if what they signed differs.
  Result<CellView> wait_equal();
  CellView look();

  std::vector<std::string> servers() const;
  std::string servers_text() const;
  pid_t pid(std::size_t region) const { return processes_[region]->pid(); }
  std::string data(std::size_t region) const;
  /// As a person would type it.
  std::vector<std::string> arguments(std::size_t region) const;

 private:
  Result<ChildServer> begin(std::size_t region) const;
  std::vector<std::string> group_arguments(std::size_t region) const;
  const std::string& peer_address(std::size_t region) const { return addresses_[3 * region]; }
  const std::string& grpc(std::size_t region) const { return addresses_[3 * region + 1]; }
  const std::string& http(std::size_t region) const { return addresses_[3 * region + 2]; }

  const Stage& stage_;
  std::vector<std::string> addresses_;
  std::string witness_;
  std::array<std::optional<ChildServer>, region_count> processes_;
  ClientOptions watching_;
  std::unique_ptr<CellWatch> watch_;
  CellObserver observer_;
};

/// Transfers that stream into the cell all along, whoever leads it.
class DemoLoad {
 public:
  static constexpr std::uint64_t per_second = 20'000;
  static constexpr std::uint64_t accounts = 1'000;

  /// Makes the accounts.
  static Result<std::unique_ptr<DemoLoad>> make(const std::vector<std::string>& servers);
  ~DemoLoad();

  void start();
  /// Lets what is under way end. Errors: of the load; what was not acknowledged is open then.
  Status finish();

  std::uint64_t acknowledged() const { return acknowledged_count_; }
  /// From now on the moment is noted when a batch is acknowledged that was sent after `dead_at`.
  void watch_for_answer(io::MonotonicTime dead_at);
  std::optional<io::MonotonicTime> answered_at() const;
  /// The load has ended by itself, which it should not.
  bool is_over() const { return is_over_; }

  const LoadPlan& plan() const { return plan_; }
  /// All that were acknowledged; after finish().
  const std::vector<Acknowledged>& batches() const { return batches_; }
  io::Clock& clock() { return client_->clock(); }

 private:
  explicit DemoLoad(std::unique_ptr<Client> client) : client_(std::move(client)) {}
  void note(const Acknowledged& batch);

  std::unique_ptr<Client> client_;
  LoadPlan plan_;
  std::atomic<LoadEnd> end_{LoadEnd::none};
  std::atomic<bool> is_over_{false};
  std::atomic<std::uint64_t> acknowledged_count_{0};
  std::vector<Acknowledged> batches_;
  std::optional<Result<LoadResult>> result_;
  mutable std::mutex mutex_;
  std::optional<io::MonotonicTime> dead_at_, answered_at_;
  std::unique_ptr<io::Executor> thread_;  ///< Last: it stops before what it uses goes.
};

}  // namespace meridian::app
