#include "load.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>

#include "api/convert.h"
#include "base/assert.h"
#include "ledger/command.h"
#include "ledger/outcome.h"

namespace meridian::app {

namespace {

constexpr io::Duration repeat_pause = io::milliseconds(2);
constexpr std::uint32_t ledger_number = 1;
constexpr std::uint16_t code = 1;

/// SplitMix64: numbers that look random, from one to the next in a nanosecond.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

void put_transfers(const LoadPlan& plan, std::uint64_t first, std::uint64_t count,
                   std::string& out) {
  out.resize(count * ledger::command_size);
  for (std::uint64_t i = 0; i < count; ++i) {
    const ledger::Transfer transfer = load_transfer(plan, first + i);
    std::memcpy(out.data() + i * ledger::command_size, &transfer, sizeof transfer);
  }
}

void put_events(const LoadPlan& plan, std::uint64_t first, std::uint64_t count,
                v1::AppendRequest& request) {
  request.Clear();
  for (std::uint64_t i = 0; i < count; ++i) {
    v1::NewEvent& event = *request.add_events();
    event.set_event_id(api::format_u128(load_id(plan, first + i)));
    event.set_stream(fmt::format("bench-{}", (first + i) % plan.accounts));
    event.set_type("measured");
    event.set_content_type("application/octet-stream");
    event.set_data(std::string(plan.event_bytes, static_cast<char>('a' + (first + i) % 26)));
  }
}

/// Of packed exceptions, as many as are refusals; `exists` is none if `may_exist`.
template <typename Outcome>
std::uint64_t count_refusals(std::string_view exceptions, Outcome exists, bool may_exist) {
  std::uint64_t refused = 0;
  for (std::size_t at = 0; at + 8 <= exceptions.size(); at += 8) {
    std::uint32_t status = 0;
    std::memcpy(&status, exceptions.data() + at + 4, sizeof status);
    if (!may_exist || status != static_cast<std::uint32_t>(exists)) ++refused;
  }
  return refused;
}

class Load {
 public:
  Load(Client& client, const LoadPlan& plan,
       const std::function<void(const Acknowledged&)>& answered)
      : client_(client), plan_(plan), answered_(answered), slots_(plan.in_flight) {}

  Result<LoadResult> run();

 private:
  struct Slot {
    std::uint64_t first = 0, count = 0;
    v1::PackedRequest packed;
    v1::PackedReply packed_reply;
    v1::AppendRequest events;
    v1::CreateReply events_reply;
    std::unique_ptr<grpc::ClientContext> context;
    Connection* at = nullptr;
    Client::Attempts attempts{};
    io::MonotonicTime sent{}, attempt_sent{};
    std::vector<std::uint64_t> latencies_ns;
  };

  LoadEnd end() const { return plan_.end == nullptr ? LoadEnd::none : plan_.end->load(); }
  io::Duration too_early(std::uint64_t number) const;
  void next(Slot& slot);
  void begin(Slot& slot);
  void send(Slot& slot);
  void done(Slot& slot, const grpc::Status& status);
  void end_slot();
  std::uint64_t refusals(const Slot& slot) const;

  Client& client_;
  const LoadPlan& plan_;
  const std::function<void(const Acknowledged&)>& answered_;
  std::vector<Slot> slots_;
  std::unique_ptr<io::Executor> later_ = io::os_executor("repeat");
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> stopped_{false};
  io::MonotonicTime start_{};

  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  LoadResult result_;
  std::optional<Error> error_;
};

/// How long command `number` has to wait so that the load is not faster than it should be.
io::Duration Load::too_early(std::uint64_t number) const {
  if (plan_.per_second == 0) return io::Duration{};
  const double due_s = static_cast<double>(number) / static_cast<double>(plan_.per_second);
  const io::MonotonicTime due = start_ + io::Duration{static_cast<std::int64_t>(due_s * 1e9)};
  return due - client_.clock().monotonic();
}

void Load::next(Slot& slot) {
  if (stopped_ || end() != LoadEnd::none) return end_slot();
  const std::uint64_t first = next_.fetch_add(plan_.batch);
  if (first >= plan_.count) return end_slot();
  slot.first = first;
  slot.count = std::min<std::uint64_t>(plan_.batch, plan_.count - first);
  const io::Duration wait = too_early(first);
  if (wait <= io::Duration{}) return begin(slot);
  later_->post_after(wait, [this, &slot] { begin(slot); });
}

void Load::begin(Slot& slot) {
  if (stopped_ || end() != LoadEnd::none) return end_slot();
  if (plan_.kind == LoadKind::transfers) {
    put_transfers(plan_, slot.first, slot.count, *slot.packed.mutable_commands());
  } else {
    put_events(plan_, slot.first, slot.count, slot.events);
  }
  slot.sent = client_.clock().monotonic();
  slot.attempts = {client_.deadline()};
  send(slot);
}

void Load::send(Slot& slot) {
  slot.context = std::make_unique<grpc::ClientContext>();
  client_.set_deadline(*slot.context, client_.attempt_deadline(slot.attempts));
  slot.at = &client_.connection();
  slot.attempt_sent = client_.clock().monotonic();
  const auto ended = [this, &slot](const grpc::Status& status) { done(slot, status); };
  if (plan_.kind == LoadKind::transfers) {
    slot.at->stub<v1::Transfers::Stub>().async()->CreatePacked(slot.context.get(), &slot.packed,
                                                               &slot.packed_reply, ended);
  } else {
    slot.at->stub<v1::Streams::Stub>().async()->Append(slot.context.get(), &slot.events,
                                                       &slot.events_reply, ended);
  }
}

/// What an earlier attempt did whose answer got lost `exists` now: done, and done once.
std::uint64_t Load::refusals(const Slot& slot) const {
  const bool may_exist = slot.attempts.may_be_done;
  if (plan_.kind == LoadKind::transfers)
    return count_refusals(slot.packed_reply.exceptions(), ledger::TransferOutcome::exists,
                          may_exist);
  return static_cast<std::uint64_t>(
      std::count_if(slot.events_reply.results().begin(), slot.events_reply.results().end(),
                    [may_exist](const v1::CommandResult& result) {
                      return may_exist ? !is_created_or_exists(result) : !is_created(result);
                    }));
}

void Load::done(Slot& slot, const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    {
      const std::lock_guard lock(mutex_);
      ++result_.repeated;
    }
    return later_->post_after(repeat_pause, [this, &slot] { send(slot); });
  }
  if (!status.ok()) {
    const bool is_abandoned = end() == LoadEnd::abandon;
    if (const auto wait =
            is_abandoned ? std::nullopt
                         : client_.may_repeat(slot.attempts, *slot.at, *slot.context, status)) {
      {
        const std::lock_guard lock(mutex_);
        ++result_.repeated;
      }
      return later_->post_after(*wait, [this, &slot] { send(slot); });
    }
    stopped_ = true;
    {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = Client::last_error(slot.attempts, status);
    }
    return end_slot();
  }
  slot.latencies_ns.push_back(static_cast<std::uint64_t>(client_.clock().monotonic() - slot.sent));
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t refused = refusals(slot);
    result_.refused += refused;
    result_.done += slot.count - refused;
    answered_({slot.first, slot.count, slot.attempt_sent});
  }
  next(slot);
}

void Load::end_slot() {
  const std::lock_guard lock(mutex_);
  --running_;
  ended_.notify_all();
}

Result<LoadResult> Load::run() {
  start_ = client_.clock().monotonic();
  running_ = slots_.size();
  for (Slot& slot : slots_) next(slot);
  {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
  }
  result_.seconds = static_cast<double>(client_.clock().monotonic() - start_) / 1e9;
  if (error_) return *error_;
  for (const Slot& slot : slots_)
    result_.latencies_ns.insert(result_.latencies_ns.end(), slot.latencies_ns.begin(),
                                slot.latencies_ns.end());
  std::sort(result_.latencies_ns.begin(), result_.latencies_ns.end());
  return std::move(result_);
}

}  // namespace

ledger::Transfer load_transfer(const LoadPlan& plan, std::uint64_t number) {
  const std::uint64_t random = mix(plan.seed * 31 + number);
  const std::uint64_t debit = random % plan.accounts;
  const std::uint64_t step = 1 + (random >> 32) % (plan.accounts - 1);
  ledger::Transfer transfer{};
  transfer.id = load_id(plan, number);
  transfer.debit_account_id = plan.first_account + debit;
  transfer.credit_account_id = plan.first_account + (debit + step) % plan.accounts;
  transfer.amount = 1 + random % 1'000;
  transfer.ledger = ledger_number;
  transfer.code = code;
  return transfer;
}

u128 load_id(const LoadPlan& plan, std::uint64_t number) {
  if (!plan.random_ids) return make_u128(plan.seed, number + 1);
  return make_u128(mix(plan.seed ^ mix(number)), mix(plan.seed + 0x5bd1e995 + number) | 1);
}

Status make_accounts(Client& client, const LoadPlan& plan) {
  constexpr std::uint64_t batch = 8'000;
  for (std::uint64_t first = 0; first < plan.accounts; first += batch) {
    const std::uint64_t count = std::min(batch, plan.accounts - first);
    v1::PackedRequest request;
    request.mutable_commands()->resize(count * ledger::command_size);
    for (std::uint64_t i = 0; i < count; ++i) {
      ledger::Account account{};
      account.id = plan.first_account + first + i;
      account.ledger = ledger_number;
      account.code = code;
      std::memcpy(request.mutable_commands()->data() + i * ledger::command_size, &account,
                  sizeof account);
    }
    const v1::PackedReply reply =
        TRY(client.write(*client.accounts, &v1::Accounts::Stub::CreatePacked, request));
    // Their ids are new: one that exists is of an earlier attempt.
    const std::uint64_t refused =
        count_refusals(reply.exceptions(), ledger::AccountOutcome::exists, true);
    if (refused != 0)
      return fail(Code::already_exists,
                  fmt::format("{} of the accounts from {} on were refused", refused,
                              to_decimal(plan.first_account + first)));
  }
  return {};
}

Result<LoadResult> run_load(Client& client, const LoadPlan& plan,
                            const std::function<void(const Acknowledged&)>& answered) {
  ASSERT(plan.batch > 0);
  ASSERT(plan.in_flight > 0);
  ASSERT(plan.accounts > 1);
  return Load(client, plan, answered).run();
}

}  // namespace meridian::app
