// A cell that lives in a test: one ledger behind several gRPC servers that misbehave as scripted.
//
// The ledger knows what the client's promises depend on: ids, chains, refusals that pass and those
// that stick. Writes that were taken but not applied yet are applied before the next write, as in a
// log; those still on their way arrive whenever their delay is over. For tests only.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "meridian/client.h"
#include "meridian/v1/ledger.grpc.pb.h"
#include "statuses.h"
#include "wire.h"

namespace meridian::client {

using std::chrono::milliseconds;

/// What a server does with one request.
enum class Do {
  serve,
  redirect,        ///< UNAVAILABLE naming the leader; nothing is done.
  refuse,          ///< UNAVAILABLE without a word; nothing is done.
  no_room,         ///< RESOURCE_EXHAUSTED; nothing is done.
  serve_and_lose,  ///< Applied; the answer is lost: UNAVAILABLE.
  serve_late,      ///< Applied; DEADLINE_EXCEEDED.
  take_late,       ///< DEADLINE_EXCEEDED; applied before the next write, whoever sends it.
  arrive_later,    ///< UNAVAILABLE; applied after `delay`, if nothing of the id came before.
  serve_slowly,    ///< Applied and answered after `delay`.
  hang,            ///< Nothing is done, no answer until the caller gives up.
  fail,            ///< INTERNAL; nothing is done.
};

class FakeCell {
 public:
  FakeCell() : courier_([this](const std::stop_token& stop) { deliver(stop); }) {}

  // Called for each request; set before the first.
  std::function<Do(int server, bool is_write)> script = [](int, bool) { return Do::serve; };
  std::atomic<int> leader = 0;
  std::vector<std::string> addresses;
  milliseconds delay{30};
  std::atomic<int> requests = 0;
  std::atomic<int> local_reads = 0;
  std::string read_wish{};  ///< Of the local read that came last.
  /// What a transfer that is new gets; created unless a test wants a refusal.
  std::function<std::uint32_t(const Transfer&)> verdict = [](const Transfer&) {
    return status_created;
  };

  std::map<u128, Transfer> transfers() const {
    const std::lock_guard lock(mutex_);
    return transfers_;
  }
  std::map<u128, Record> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  /// Waits until everything that was on its way has arrived, and applies what was taken.
  void come_to_rest() {
    std::unique_lock lock(mutex_);
    delivered_.wait(lock, [this] { return on_their_way_.empty(); });
    apply_taken();
  }

  // One write: `apply` under the lock, behind what was taken before.
  void write(const std::function<void()>& apply) {
    const std::lock_guard lock(mutex_);
    apply_taken();
    apply();
  }
  void read(const std::function<void()>& look) {
    const std::lock_guard lock(mutex_);
    look();
  }
  void take(std::function<void()> apply) {
    const std::lock_guard lock(mutex_);
    taken_.push_back(std::move(apply));
  }
  void send_later(std::function<void()> apply) {
    const std::lock_guard lock(mutex_);
    on_their_way_.emplace(std::chrono::steady_clock::now() + delay, std::move(apply));
    delivered_.notify_all();
  }

  void apply(const v1::PackedRequest& request, v1::PackedReply& reply);
  void apply(const v1::AppendRequest& request, v1::CreateReply& reply);
  void look(const v1::LookupRequest& request, v1::LookupTransfersReply& reply) const;
  void look(const v1::OutcomeRequest& request, v1::OutcomeReply& reply) const;

 private:
  std::uint32_t judge(const Transfer& transfer) const;
  void apply_taken() {
    for (const std::function<void()>& apply : taken_) apply();
    taken_.clear();
  }
  void deliver(const std::stop_token& stop);

  mutable std::mutex mutex_;
  std::condition_variable_any delivered_;
  std::map<u128, Transfer> transfers_;
  std::set<u128> failed_;  // transfer ids that may never be used again
  std::map<u128, Record> events_;
  std::uint64_t time_ = 1'000;
  std::vector<std::function<void()>> taken_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> on_their_way_;
  std::jthread courier_;
};

/// One server of the cell, on a port of its own.
class FakeServer {
 public:
  FakeServer(FakeCell& cell, int number);
  ~FakeServer();
  /// Breaks every connection and call.
  void stop() { server_->Shutdown(std::chrono::system_clock::now()); }
  const std::string& address() const { return address_; }

 private:
  struct Services;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace meridian::client
