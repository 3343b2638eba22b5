// All metrics of a process, and their text for Prometheus (GET /metrics).
//
// A metric is made once, at start, by the object that counts; it keeps the reference, which lives
// as long as the Registry. Counting touches the metric alone, never the registry. Names follow
// Prometheus ([a-zA-Z_:][a-zA-Z0-9_:]*, unit last: `_total`, `_us`, `_bytes`) and are constants of
// ours: a malformed one, a second making of the same name and labels, and one name with two types
// or help texts are asserted against. Labels never hold personal data.
// Thread-safe. Cost: text() is O(metrics), with locks held only against making more.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/counter.h"
#include "metrics/gauge.h"
#include "metrics/histogram.h"

namespace meridian::metrics {

using Labels = std::map<std::string, std::string>;

class Registry {
 public:
  /// Bounds the text: labels come from a fixed set (cells, reasons), never from clients.
  static constexpr std::size_t metric_count_max = 10'000;

  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       std::vector<std::uint64_t> bounds, const Labels& labels = {});

  /// Text exposition format 0.0.4, families sorted by name.
  std::string text() const;
  static constexpr std::string_view text_content_type = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Families;  // hides the library's headers
  std::unique_ptr<Families> families_;
};

}  // namespace meridian::metrics
