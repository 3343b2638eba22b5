#include "cell_watch.h"

#include <charconv>
#include <condition_variable>
#include <mutex>

namespace meridian::app {

namespace {

/// The two calls to one replica, and what waits for them.
struct Asking {
  grpc::ClientContext status_context, metrics_context;
  v1::StatusRequest status_request;
  v1::MetricsRequest metrics_request;
  v1::StatusReply status;
  v1::MetricsReply metrics;
  grpc::Status status_end, metrics_end;
  io::MonotonicTime at{};
};

/// Counts calls down to none.
class Pending {
 public:
  explicit Pending(std::size_t count) : count_(count) {}
  void one_done() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  std::size_t count_;
};

gpr_timespec deadline_after(io::Duration duration) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(static_cast<std::int64_t>(duration), GPR_TIMESPAN));
}

ReplicaSample to_sample(const std::string& address, Asking& asking) {
  ReplicaSample sample{address, {}, asking.at, {}, {}};
  if (!asking.status_end.ok()) {
    sample.problem = asking.status_end.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED
                         ? "it is silent"
                         : asking.status_end.error_message();
    if (sample.problem.empty()) sample.problem = "it does not say why";
    return sample;
  }
  sample.status = std::move(asking.status);
  // An older server has no such call: what it counts stays unknown, the rest is worth showing.
  if (asking.metrics_end.ok()) sample.metrics = MetricValues::parse(asking.metrics.text());
  return sample;
}

}  // namespace

MetricValues MetricValues::parse(std::string_view text) {
  MetricValues values;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t space = line.rfind(' ');
    if (line.starts_with('#') || space == std::string_view::npos) continue;
    double value = 0;
    const auto [end, error] =
        std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
    constexpr double value_max = 1.8e19;
    if (error != std::errc() || end != line.data() + line.size() || !(value <= value_max)) continue;
    values.set(std::string(line.substr(0, space)),
               value < 0 ? 0 : static_cast<std::uint64_t>(value));
  }
  return values;
}

std::uint64_t MetricValues::of(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? 0 : found->second;
}

CellWatch::CellWatch(const ClientOptions& options) {
  for (const std::string& server : options.servers)
    connections_.push_back(std::make_unique<Connection>(server, options.credentials));
}

std::vector<ReplicaSample> CellWatch::sample() {
  std::vector<Asking> askings(connections_.size());
  Pending pending(2 * askings.size());
  for (std::size_t i = 0; i < askings.size(); ++i) {
    Asking& asking = askings[i];
    auto* admin = connections_[i]->stub<v1::Admin::Stub>().async();
    asking.status_context.set_deadline(deadline_after(patience));
    asking.metrics_context.set_deadline(deadline_after(patience));
    admin->Status(&asking.status_context, &asking.status_request, &asking.status,
                  [&asking, &pending, this](grpc::Status end) {
                    asking.status_end = std::move(end);
                    asking.at = clock_->monotonic();
                    pending.one_done();
                  });
    admin->Metrics(&asking.metrics_context, &asking.metrics_request, &asking.metrics,
                   [&asking, &pending](grpc::Status end) {
                     asking.metrics_end = std::move(end);
                     pending.one_done();
                   });
  }
  pending.wait();
  std::vector<ReplicaSample> samples;
  for (std::size_t i = 0; i < askings.size(); ++i)
    samples.push_back(to_sample(connections_[i]->address(), askings[i]));
  return samples;
}

}  // namespace meridian::app
