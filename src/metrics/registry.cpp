#include "metrics/registry.h"

#include <prometheus/check_names.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <mutex>
#include <sstream>
#include <utility>
#include <variant>

#include "base/assert.h"

// Values live in our own atomics, because the library's histogram takes a lock for each
// observation; the library checks names and writes the text.
namespace meridian::metrics {
namespace {

using Metric =
    std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;

prometheus::ClientMetric sample(const Counter& counter) {
  prometheus::ClientMetric out;
  out.counter.value = static_cast<double>(counter.value());
  return out;
}

prometheus::ClientMetric sample(const Gauge& gauge) {
  prometheus::ClientMetric out;
  out.gauge.value = static_cast<double>(gauge.value());
  return out;
}

prometheus::ClientMetric sample(const Histogram& histogram) {
  prometheus::ClientMetric out;
  std::vector<std::uint64_t> counts = histogram.counts();
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    prometheus::ClientMetric::Bucket bucket;
    bucket.cumulative_count = cumulative;
    bucket.upper_bound = i < histogram.bounds().size() ? static_cast<double>(histogram.bounds()[i])
                                                       : std::numeric_limits<double>::infinity();
    out.histogram.bucket.push_back(bucket);
  }
  out.histogram.sample_count = cumulative;
  out.histogram.sample_sum = static_cast<double>(histogram.sum());
  return out;
}

prometheus::MetricType type_of(const Metric& metric) {
  if (std::holds_alternative<std::unique_ptr<Counter>>(metric)) {
    return prometheus::MetricType::Counter;
  }
  if (std::holds_alternative<std::unique_ptr<Gauge>>(metric)) return prometheus::MetricType::Gauge;
  return prometheus::MetricType::Histogram;
}

struct Family {
  std::string help;
  std::map<Labels, Metric> metrics;
};

}  // namespace

struct Registry::Families {
  std::mutex mutex;
  std::map<std::string, Family, std::less<>> by_name;
  std::size_t metric_count = 0;

  template <typename Kind>
  Kind& add(std::string_view name, std::string_view help, const Labels& labels,
            std::unique_ptr<Kind> metric) {
    std::string key(name);
    ASSERT(prometheus::CheckMetricName(key));
    for (const auto& [label, value] : labels) {
      ASSERT(prometheus::CheckLabelName(label));
      ASSERT(label != "le");  // a histogram's own
    }
    std::lock_guard lock(mutex);
    ASSERT(metric_count < metric_count_max);
    Family& family = by_name[key];
    if (family.metrics.empty()) family.help = help;
    Kind& result = *metric;
    auto [position, added] = family.metrics.emplace(labels, std::move(metric));
    ASSERT(added);
    ASSERT(family.help == help);
    ASSERT(type_of(family.metrics.begin()->second) == type_of(position->second));
    ++metric_count;
    return result;
  }
};

Registry::Registry() : families_(std::make_unique<Families>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return families_->add(name, help, labels, std::make_unique<Counter>());
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return families_->add(name, help, labels, std::make_unique<Gauge>());
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::vector<std::uint64_t> bounds, const Labels& labels) {
  return families_->add(name, help, labels, std::make_unique<Histogram>(std::move(bounds)));
}

std::string Registry::text() const {
  std::vector<prometheus::MetricFamily> out;
  {
    std::lock_guard lock(families_->mutex);
    for (const auto& [name, family] : families_->by_name) {
      prometheus::MetricFamily written;
      written.name = name;
      written.help = family.help;
      written.type = type_of(family.metrics.begin()->second);
      for (const auto& [labels, metric] : family.metrics) {
        prometheus::ClientMetric client =
            std::visit([](const auto& kind) { return sample(*kind); }, metric);
        for (const auto& [label, value] : labels) client.label.push_back({label, value});
        written.metric.push_back(std::move(client));
      }
      out.push_back(std::move(written));
    }
  }
  std::ostringstream stream;
  prometheus::TextSerializer().Serialize(stream, out);
  return std::move(stream).str();
}

}  // namespace meridian::metrics
