// entry = header(64) request* run* command* facts payloads          (docs/formats/entry.md)
#include "ledger/entry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "ledger/internal/command_checks.h"
#include "ledger/payload.h"

namespace meridian::ledger {
namespace {

constexpr std::uint16_t entry_version = 1;
constexpr std::size_t request_header_size = sizeof(RequestHeader);
constexpr std::size_t run_size = sizeof(Run);
constexpr std::size_t fact_header_size = 6;
// Times are 63 bits: account and transfer timestamps are, by the standard.
constexpr std::uint64_t time_max = ~std::uint64_t{0} >> 1;

static_assert(entry_commands_max * command_size <= request_size_max);
static_assert(entry_header_size + request_header_size + run_size + request_size_max <=
              entry_size_max);

Error wrong(const std::string& message) {
  return fail(Code::invalid_argument, "entry: " + message);
}

Status check_request_header(const RequestHeader& request, std::uint32_t number) {
  auto at = [&](std::string_view rest) {
    return wrong(fmt::format("request {}: {}", number, rest));
  };
  bool signed_by_client = !all_zero(request.signature_digest);
  if (request.zero_b != 0 || !all_zero(request.zero_a)) return at("a reserved byte is not zero");
  switch (request.attester) {
    case Attester::door: break;
    case Attester::client_signature:
      if (!signed_by_client)
        return at("signature_digest is zero although attester is client_signature");
      break;
    case Attester::replica:
      if (signed_by_client) return at("signature_digest is not zero although attester is replica");
      break;
    default:
      return at(
          fmt::format("attester {} is not 1, 2 or 3", static_cast<unsigned>(request.attester)));
  }
  if (request.run_count == 0) return at("run_count is 0: it needs at least one run");
  if (request.command_count == 0) return at("command_count is 0: it needs at least one command");
  return {};
}

Status check_run(const Run& run, std::uint32_t number, const RequestHeader& request) {
  auto at = [&](std::string_view rest) { return wrong(fmt::format("run {}: {}", number, rest)); };
  if (!all_zero(run.zero)) return at("a reserved byte is not zero");
  if (!is_known(run.kind))
    return at(fmt::format("kind {} is not known", static_cast<unsigned>(run.kind)));
  if (!made_by_clients(run.kind) && request.attester == Attester::client_signature)
    return at(
        fmt::format("kind {} is never accepted from a client", static_cast<unsigned>(run.kind)));
  if (run.count == 0) return at("count is 0: a run holds at least one command");
  return {};
}

// Walks runs in order and, within runs of events and of the replica's commands, the commands.
class EntryWalk {
 public:
  explicit EntryWalk(const EntryView& view) : view_(view) {}

  Status check_requests() {
    for (std::uint32_t number = 0; number < view_.request_count(); ++number)
      TRY(check_runs_of(view_.request(number), number));
    if (run_ != view_.run_count())
      return wrong(
          fmt::format("run_count is {}, but the requests have {} runs", view_.run_count(), run_));
    if (command_ != view_.command_count())
      return wrong(fmt::format("command_count is {}, but the requests have {} commands",
                               view_.command_count(), command_));
    if (payload_end_ != view_.payloads().size())
      return wrong(fmt::format("payloads_size is {}, but the events name {} bytes",
                               view_.payloads().size(), payload_end_));
    return {};
  }

 private:
  Status check_runs_of(const RequestHeader& request, std::uint32_t number) {
    TRY(check_request_header(request, number));
    if (request.run_count > view_.run_count() - run_)
      return wrong(fmt::format("request {}: run_count {} is more than the {} runs left", number,
                               request.run_count, view_.run_count() - run_));
    std::uint32_t first_command = command_;
    std::uint64_t first_payload = payload_end_;
    CommandKind previous{};
    for (std::uint32_t i = 0; i < request.run_count; ++i, ++run_) {
      Run run = view_.run(run_);
      TRY(check_run(run, run_, request));
      if (run.kind == previous)
        return wrong(fmt::format("run {}: kind is that of the run before it: merge them", run_));
      if (run.count > view_.command_count() - command_)
        return wrong(fmt::format("run {}: count {} is more than the {} commands left", run_,
                                 run.count, view_.command_count() - command_));
      TRY(check_commands(run));
      command_ += run.count;
      previous = run.kind;
    }
    if (command_ - first_command != request.command_count)
      return wrong(fmt::format("request {}: command_count is {}, but its runs hold {} commands",
                               number, request.command_count, command_ - first_command));
    std::uint64_t size =
        std::uint64_t{request.command_count} * command_size + (payload_end_ - first_payload);
    if (size > request_size_max)
      return wrong(fmt::format("request {}: {} bytes of commands and payloads, at most {}", number,
                               size, request_size_max));
    return {};
  }

  Status check_commands(const Run& run) {
    if (run.kind == CommandKind::append_event) return check_payloads(run.count);
    if (made_by_clients(run.kind)) return {};
    for (std::uint32_t number = command_; number < command_ + run.count; ++number)
      if (!reserved_bytes_are_zero(run.kind, view_.command(number)))
        return wrong(fmt::format("command {}: a reserved byte is not zero", number));
    return {};
  }

  Status check_payloads(std::uint32_t count) {
    for (std::uint32_t number = command_; number < command_ + count; ++number) {
      auto event = load_command<AppendEvent>(view_.command(number));
      if (event.payload_offset != payload_end_)
        return wrong(fmt::format("command {}: payload_offset is {}, must be {}", number,
                                 event.payload_offset, payload_end_));
      if (event.payload_size > payload_size_max)
        return wrong(fmt::format("command {}: payload_size is {}, at most {}", number,
                                 event.payload_size, payload_size_max));
      payload_end_ += event.payload_size;
      if (payload_end_ > view_.payloads().size())
        return wrong(fmt::format("command {}: payload_size {} goes past the end of the payloads",
                                 number, event.payload_size));
    }
    return {};
  }

  const EntryView& view_;
  std::uint32_t run_ = 0;
  std::uint32_t command_ = 0;
  std::uint64_t payload_end_ = 0;
};

}  // namespace

Result<EntryView> EntryView::decode(Bytes entry) {
  if (entry.size() > entry_size_max)
    return wrong(fmt::format("{} bytes, at most {}", entry.size(), entry_size_max));
  if (entry.size() < entry_header_size)
    return wrong(fmt::format("{} bytes, the header alone has {}", entry.size(), entry_header_size));
  EntryView view;
  ByteReader reader(entry);
  std::uint16_t version = reader.u16();
  if (version != entry_version)
    return wrong(fmt::format("version is {}, this build reads {}", version, entry_version));
  view.bytes_ = entry;
  view.request_count_ = reader.u16();
  view.command_count_ = reader.u32();
  view.base_time_ = reader.u64();
  view.clock_uncertainty_us_ = reader.u32();
  view.run_count_ = reader.u32();
  std::uint32_t facts_size = reader.u32();
  std::uint32_t payloads_size = reader.u32();
  view.secret_ = reader.take(32);

  if (view.request_count_ == 0 || view.request_count_ > entry_commands_max)
    return wrong(fmt::format("request_count is {}, must be 1 to {}", view.request_count_,
                             entry_commands_max));
  if (view.command_count_ == 0 || view.command_count_ > entry_commands_max)
    return wrong(fmt::format("command_count is {}, must be 1 to {}", view.command_count_,
                             entry_commands_max));
  if (view.run_count_ == 0 || view.run_count_ > view.command_count_)
    return wrong(fmt::format("run_count is {}, must be 1 to command_count ({})", view.run_count_,
                             view.command_count_));
  if (view.base_time_ == 0 || view.base_time_ > time_max - view.command_count_)
    return wrong(fmt::format("base_time {} is not a time of 63 bits after 1970", view.base_time_));

  view.requests_ = reader.take(view.request_count_ * request_header_size);
  view.runs_ = reader.take(view.run_count_ * run_size);
  view.commands_ = reader.take(view.command_count_ * command_size);
  view.facts_ = reader.take(facts_size);
  view.payloads_ = reader.take(payloads_size);
  if (!reader.done()) {
    std::uint64_t expected = entry_header_size + view.request_count_ * request_header_size +
                             view.run_count_ * run_size + view.command_count_ * command_size +
                             std::uint64_t{facts_size} + payloads_size;
    return wrong(
        fmt::format("{} bytes, but its counts and sizes (facts_size {}, payloads_size {}) "
                    "add up to {}",
                    entry.size(), facts_size, payloads_size, expected));
  }
  TRY(EntryWalk(view).check_requests());
  TRY(view.index_facts());
  return view;
}

Status EntryView::index_facts() {
  ByteReader reader(facts_);
  while (reader.remaining() > 0) {
    std::uint32_t number = reader.u32();
    std::uint16_t size = reader.u16();
    if (!reader.ok()) return wrong("facts: the last entry is cut short");
    if (number >= command_count_)
      return wrong(fmt::format("facts: command {} does not exist, command_count is {}", number,
                               command_count_));
    if (!fact_positions_.empty() && number <= fact_positions_.back().command)
      return wrong(fmt::format("facts: command {} after command {}: not ascending", number,
                               fact_positions_.back().command));
    if (size == 0 || size > facts_size_max)
      return wrong(fmt::format("facts of command {}: size is {}, must be 1 to {}", number, size,
                               facts_size_max));
    std::size_t offset = facts_.size() - reader.remaining();
    Bytes facts = reader.take(size);
    if (!reader.ok())
      return wrong(fmt::format("facts of command {}: size {} goes past facts_size", number, size));
    if (Status status = Facts::check(facts); !status)
      return with_context(status.error(), fmt::format("entry: facts of command {}", number));
    fact_positions_.push_back({number, static_cast<std::uint32_t>(offset), size});
  }
  return {};
}

RequestHeader EntryView::request(std::uint32_t number) const {
  ASSERT(number < request_count_);
  return load_le<RequestHeader>(requests_.data() + number * request_header_size);
}

Run EntryView::run(std::uint32_t number) const {
  ASSERT(number < run_count_);
  return load_le<Run>(runs_.data() + number * run_size);
}

Bytes EntryView::facts(std::uint32_t number) const {
  auto at = std::ranges::lower_bound(fact_positions_, number, {}, &FactPosition::command);
  if (at == fact_positions_.end() || at->command != number) return {};
  return facts_.subspan(at->offset, at->size);
}

std::size_t Request::encoded_size() const {
  std::size_t size =
      request_header_size + runs.size() * run_size + commands.size() + payloads.size();
  for (const Facts& fact : facts) size += fact_header_size + fact.bytes.size();
  return size;
}

void Request::add(CommandKind kind, Bytes command) {
  ASSERT(command.size() == command_size);
  if (runs.empty() || runs.back().kind != kind) runs.push_back({kind, {}, 0});
  ++runs.back().count;
  commands.insert(commands.end(), command.begin(), command.end());
}

namespace {

RequestHeader header_of(const Request& request) {
  return {request.actor,
          request.signature_digest,
          request.attester,
          {},
          static_cast<std::uint32_t>(request.runs.size()),
          request.command_count(),
          0};
}

std::size_t facts_size_of(const Request& request) {
  std::size_t size = 0;
  for (const Request::Facts& fact : request.facts) size += fact_header_size + fact.bytes.size();
  return size;
}

struct EntrySizes {
  std::size_t requests = 0, runs = 0, commands = 0, facts = 0, payloads = 0;

  explicit EntrySizes(std::span<const Request* const> all) : requests(all.size()) {
    for (const Request* request : all) {
      ASSERT(request->commands.size() + request->payloads.size() <= request_size_max);
      runs += request->runs.size();
      commands += request->command_count();
      payloads += request->payloads.size();
      facts += facts_size_of(*request);
    }
    ASSERT(requests >= 1);
    ASSERT(commands >= requests);
    ASSERT(commands <= entry_commands_max);
    ASSERT(total() <= entry_size_max);
  }
  std::size_t total() const {
    return entry_header_size + requests * request_header_size + runs * run_size +
           commands * command_size + facts + payloads;
  }
};

void write_bytes(Byte*& at, Bytes bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  at += bytes.size();
}
template <typename Value>
void write(Byte*& at, const Value& value) {
  store_le(at, value);
  at += sizeof value;
}

void write_header(Byte*& at, const EntryStamp& stamp, const EntrySizes& sizes) {
  write(at, entry_version);
  write(at, static_cast<std::uint16_t>(sizes.requests));
  write(at, static_cast<std::uint32_t>(sizes.commands));
  write(at, stamp.base_time);
  write(at, stamp.clock_uncertainty_us);
  write(at, static_cast<std::uint32_t>(sizes.runs));
  write(at, static_cast<std::uint32_t>(sizes.facts));
  write(at, static_cast<std::uint32_t>(sizes.payloads));
  write_bytes(at, stamp.secret);
}

// Events' offsets are relative to their request's payloads; in the entry, to all of them.
void write_commands(Byte*& at, const Request& request, std::uint32_t payloads_before) {
  Byte* command = at;
  write_bytes(at, request.commands);
  for (const Run& run : request.runs) {
    bool shift = run.kind == CommandKind::append_event && payloads_before != 0;
    for (std::uint32_t i = 0; shift && i < run.count; ++i) {
      Byte* offset = command + i * command_size + offsetof(AppendEvent, payload_offset);
      store_le(offset, load_le<std::uint32_t>(offset) + payloads_before);
    }
    command += run.count * command_size;
  }
  ASSERT(command == at);
}

void write_facts(Byte*& at, const Request& request, std::uint32_t commands_before) {
  for (const Request::Facts& fact : request.facts) {
    write(at, commands_before + fact.command);
    write(at, static_cast<std::uint16_t>(fact.bytes.size()));
    write_bytes(at, fact.bytes);
  }
}

}  // namespace

// A view over the request where it stands: nothing is copied but its facts.
Status check_request(const Request& request) {
  const std::size_t size = request.commands.size() + request.payloads.size();
  ASSERT(request.commands.size() % command_size == 0);
  if (size > request_size_max)
    return fail(Code::invalid_argument,
                fmt::format("the request holds {} bytes of commands and payloads; at most {} fit: "
                            "split it",
                            size, request_size_max));
  const RequestHeader header = header_of(request);
  std::array<Byte, request_header_size> header_bytes;
  store_le(header_bytes.data(), header);
  Buffer facts(facts_size_of(request));
  Byte* at = facts.data();
  write_facts(at, request, 0);

  EntryView view;
  view.request_count_ = 1;
  view.run_count_ = header.run_count;
  view.command_count_ = header.command_count;
  view.requests_ = header_bytes;
  view.runs_ = {reinterpret_cast<const Byte*>(request.runs.data()), request.runs.size() * run_size};
  view.commands_ = request.commands;
  view.facts_ = facts;
  view.payloads_ = request.payloads;
  TRY(EntryWalk(view).check_requests());
  return view.index_facts();
}

void encode_entry(const EntryStamp& stamp, std::span<const Request* const> requests, Buffer& out) {
  EntrySizes sizes(requests);
  out.resize(sizes.total());
  Byte* at = out.data();
  write_header(at, stamp, sizes);
  for (const Request* request : requests) write(at, header_of(*request));
  for (const Request* request : requests)
    for (const Run& run : request->runs) write(at, run);
  std::uint32_t payloads_before = 0;
  for (const Request* request : requests) {
    write_commands(at, *request, payloads_before);
    payloads_before += static_cast<std::uint32_t>(request->payloads.size());
  }
  std::uint32_t commands_before = 0;
  for (const Request* request : requests) {
    write_facts(at, *request, commands_before);
    commands_before += request->command_count();
  }
  for (const Request* request : requests) write_bytes(at, request->payloads);
  ASSERT(at == out.data() + out.size());
}

}  // namespace meridian::ledger
