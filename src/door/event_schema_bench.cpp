// What checking an event by its schema and taking it apart costs; and putting it together again.
#include <benchmark/benchmark.h>

#include <string>

#include "base/assert.h"
#include "door/event_schema.h"

namespace meridian::door {
namespace {

std::string event_of(std::size_t bytes) {
  return R"({"ward":"surgery","patient":{"number":"P-1","weight":61.50,"note":")" +
         std::string(bytes, 'x') + R"("},"payer":"P-1's aunt","beds":3})";
}

std::shared_ptr<const EventSchema> admission() {
  const auto schema = EventSchema::parse(R"({
    "type": "object", "required": ["ward", "patient"], "properties": {
      "ward": {"type": "string", "x-fact": "channel"}, "beds": {"type": "integer"},
      "patient": {"type": "object", "x-tags": ["PHI"], "x-subject": "/patient/number",
                  "x-retention": 7, "properties": {"number": {"type": "string"}}},
      "payer": {"type": "string", "x-tags": ["PII"], "x-subject": "/patient/number"}}})");
  ASSERT(schema.has_value());
  return *schema;
}

void split_event(benchmark::State& state) {
  const auto schema = admission();
  const std::string event = event_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    auto split = schema->split(as_bytes(event));
    ASSERT(split.has_value());
    benchmark::DoNotOptimize(split);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(event.size()) * state.iterations());
}
BENCHMARK(split_event)->ArgName("note")->Arg(100)->Arg(10'000);

void join_event(benchmark::State& state) {
  const auto split =
      admission()->split(as_bytes(event_of(static_cast<std::size_t>(state.range(0)))));
  ASSERT(split.has_value());
  std::vector<Bytes> parts;
  for (const EventSchema::Part& part : split->parts) parts.emplace_back(part.content);
  for (auto _ : state) {
    auto whole = join_split(split->rest, parts);
    ASSERT(whole.has_value());
    benchmark::DoNotOptimize(whole);
  }
}
BENCHMARK(join_event)->ArgName("note")->Arg(100)->Arg(10'000);

}  // namespace
}  // namespace meridian::door
