#include "witness/witnessing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "proof/checkpoint.h"
#include "replica/lifetime.h"
#include "witness/internal/courier.h"
#include "witness/internal/round.h"

namespace meridian::witness {

namespace {

using internal::BestRounds;
using internal::Courier;
using internal::Round;

class LogWitnessing final : public Witnessing {
 public:
  LogWitnessing(const Io& io, const WitnessedLog& log, std::vector<Peer> peers,
                const WitnessingOptions& options)
      : io_(io), log_(log), options_(options), best_(peers.size()) {
    for (Peer& peer : peers)
      couriers_.push_back(
          std::make_unique<Courier>(std::move(peer), io.metrics, io.notice, options));
  }
  ~LogWitnessing() override {
    stop();
    lifetime_.end();
    io_.executor.drain();  // the task that runs now ends; later ones find that it is over
  }

  void begin() {
    post([this] { tick(); });
  }

  void find_receipt(std::uint64_t record, Found found) override {
    post([this, record, found = std::move(found)] {
      const Round* round = stopping_ ? nullptr : best_.find(record, 1);
      if (round == nullptr) return found(std::optional<proof::Receipt>());
      Result<proof::Receipt> receipt = make_receipt(record, *round);
      if (!receipt) return found(receipt.error());
      found(std::optional<proof::Receipt>(*std::move(receipt)));
    });
  }
  void wait_receipt(std::uint64_t record, std::size_t count, Ready ready) override {
    post([this, record, count, ready = std::move(ready)]() mutable {
      wait({record, count, rounds_asked_, io_.clock.monotonic() + options_.wait_max,
            std::move(ready)});
    });
  }
  void add_cosignatures(std::string checkpoint, std::function<void(std::string)> ready) override {
    post([this, checkpoint = std::move(checkpoint), ready = std::move(ready)] {
      const Result<proof::Note> note = proof::parse_note(checkpoint);
      const Round* round = note ? best_.find(note->text) : nullptr;
      ready(round == nullptr ? checkpoint : proof::format_note(round->note));
    });
  }
  void report(std::function<void(std::vector<WitnessReport>)> ready) override {
    post([this, ready = std::move(ready)] { ready(reports()); });
  }
  void stop() override {
    post([this] {
      stopping_ = true;
      for (Waiter& waiter : std::exchange(waiting_, {}))
        waiter.ready(fail(Code::unavailable, "the server is stopping; ask again when it is back"));
    });
    io_.executor.drain();
  }

 private:
  struct Waiter {
    std::uint64_t record;
    std::size_t count;
    std::uint64_t rounds_asked;  ///< When it came: the next checkpoint covers it, if it exists.
    io::MonotonicTime until;
    Ready ready;
  };

  /// Runs `body` on the executor, unless this object has gone by then.
  template <typename Body>
  void post(Body body) {
    io_.executor.post([alive = lifetime_.token(), body = std::move(body)]() mutable {
      if (*alive) body();
    });
  }
  template <typename Body>
  void post_after(io::Duration delay, Body body) {
    io_.executor.post_after(delay, [alive = lifetime_.token(), body = std::move(body)]() mutable {
      if (*alive) body();
    });
  }

  void tick();
  void pump();
  void ask_for_round();
  void take_round(std::uint64_t number, const Result<std::string>& text);
  void send(Courier& courier);
  void wait(Waiter waiter);
  void serve_waiting();
  void expire_waiting();
  Result<proof::Receipt> make_receipt(std::uint64_t record, const Round& round);
  std::uint64_t visible_records();
  std::vector<WitnessReport> reports();

  Io io_;
  WitnessedLog log_;
  WitnessingOptions options_;
  replica::Lifetime lifetime_;
  std::vector<std::unique_ptr<Courier>> couriers_;
  std::shared_ptr<Round> round_;  ///< The newest.
  BestRounds best_;
  std::vector<Waiter> waiting_;
  std::uint64_t visible_ = 0;  ///< Records that could be read when it was asked last.
  std::uint64_t rounds_asked_ = 0;
  bool round_is_coming_ = false;
  bool pump_is_coming_ = false;
  bool stopping_ = false;
  io::MonotonicTime asked_at_{};
};

void LogWitnessing::tick() {
  if (stopping_) return;
  const std::uint64_t visible = visible_records();
  for (auto& courier : couriers_) courier->measure(visible);
  expire_waiting();
  if (visible > (round_ ? round_->size : 0)) ask_for_round();
  pump();
  post_after(options_.period, [this] { tick(); });
}

/// Whatever can go on now does.
void LogWitnessing::pump() {
  if (stopping_) return;
  serve_waiting();
  const std::uint64_t covered = round_ ? round_->size : 0;
  if (std::ranges::any_of(waiting_, [&](const Waiter& w) { return w.record >= covered; }))
    ask_for_round();
  for (auto& courier : couriers_)
    if (courier->wants(round_, io_.clock.monotonic())) send(*courier);
}

void LogWitnessing::ask_for_round() {
  if (round_is_coming_) return;
  const io::MonotonicTime now = io_.clock.monotonic();
  if (rounds_asked_ > 0 && now - asked_at_ < options_.spacing) {
    if (std::exchange(pump_is_coming_, true)) return;
    post_after(options_.spacing, [this] {
      pump_is_coming_ = false;
      pump();
    });
    return;
  }
  round_is_coming_ = true;
  asked_at_ = now;
  log_.checkpoint([this, alive = lifetime_.token(), &executor = io_.executor,
                   number = ++rounds_asked_](Result<std::string> text) {
    executor.post([this, alive, number, text = std::move(text)] {
      if (*alive) take_round(number, text);
    });
  });
}

void LogWitnessing::take_round(std::uint64_t number, const Result<std::string>& text) {
  round_is_coming_ = false;
  if (stopping_) return;
  if (!text) return;  // the replica has stopped, and says so itself
  Result<proof::Note> note = proof::parse_note(*text);
  ASSERT(note.has_value());
  const Result<proof::Checkpoint> checkpoint = proof::parse_checkpoint(note->text);
  ASSERT(checkpoint.has_value());
  const std::uint64_t size = raw(checkpoint->head.size);
  if (!round_ || size > round_->size)
    round_ = std::make_shared<Round>(Round{*std::move(note), size, 0});
  std::erase_if(waiting_, [&](const Waiter& waiter) {
    if (waiter.rounds_asked >= number || waiter.record < size) return false;
    waiter.ready(fail(Code::out_of_range,
                      fmt::format("there is no record {}: the cell holds {} records, 0 to {}",
                                  waiter.record, size, size - 1)));
    return true;
  });
  pump();
}

void LogWitnessing::send(Courier& courier) {
  Result<std::string> body = courier.begin(round_, log_.tiles);
  if (!body) {
    const bool is_refusal = body.error().code == Code::failed_precondition;
    courier.fail(is_refusal ? WitnessState::refusing : WitnessState::unreachable,
                 body.error().message, io_.clock.monotonic());
    return;
  }
  courier.link().add_checkpoint(
      *std::move(body), [this, &courier, alive = lifetime_.token(), &executor = io_.executor,
                         round = round_](Result<WitnessLink::Reply> reply) {
        executor.post([this, &courier, alive, round, reply = std::move(reply)] {
          if (!*alive || stopping_) return;
          if (courier.finish(reply, io_.clock.monotonic())) best_.add(round);
          courier.measure(visible_records());
          pump();
        });
      });
}

void LogWitnessing::wait(Waiter waiter) {
  if (stopping_)
    return waiter.ready(
        fail(Code::unavailable, "the server is stopping; ask again when it is back"));
  if (waiter.count == 0 || waiter.count > couriers_.size())
    return waiter.ready(
        fail(Code::invalid_argument, fmt::format("{} witnesses are asked for, this server has {}",
                                                 waiter.count, couriers_.size())));
  if (waiting_.size() == waiting_max)
    return waiter.ready(
        fail(Code::resource_exhausted,
             fmt::format("{} receipts wait for a witness, which is the limit", waiting_max)));
  waiting_.push_back(std::move(waiter));
  pump();
}

void LogWitnessing::serve_waiting() {
  std::erase_if(waiting_, [&](const Waiter& waiter) {
    const Round* round = best_.find(waiter.record, waiter.count);
    if (round == nullptr) return false;
    waiter.ready(make_receipt(waiter.record, *round));
    return true;
  });
}

void LogWitnessing::expire_waiting() {
  const io::MonotonicTime now = io_.clock.monotonic();
  std::erase_if(waiting_, [&](const Waiter& waiter) {
    if (now < waiter.until) return false;
    std::string states;
    for (const WitnessReport& report : reports())
      states += fmt::format("; {} is {}{}{}", report.name, name(report.state),
                            report.problem.empty() ? "" : ": ", report.problem);
    waiter.ready(fail(
        Code::unavailable,
        fmt::format("no checkpoint over record {} was cosigned by {} in time{}. the "
                    "record is safe: take the receipt without a witness now, or ask "
                    "again later",
                    waiter.record,
                    waiter.count == 1 ? "a witness" : fmt::format("{} witnesses", waiter.count),
                    states)));
    return true;
  });
}

Result<proof::Receipt> LogWitnessing::make_receipt(std::uint64_t record, const Round& round) {
  proof::Receipt receipt;
  receipt.header = TRY(log_.header(record));
  receipt.index = proof::LeafIndex{record};
  receipt.path =
      TRY(proof::prove_inclusion(receipt.index, proof::TreeSize{round.size}, log_.tiles));
  receipt.checkpoint = round.note;
  return receipt;
}

std::uint64_t LogWitnessing::visible_records() {
  if (!stopping_) visible_ = log_.visible_records();
  return visible_;
}

std::vector<WitnessReport> LogWitnessing::reports() {
  std::vector<WitnessReport> reports;
  for (const auto& courier : couriers_) reports.push_back(courier->report(visible_records()));
  return reports;
}

}  // namespace

std::string_view name(WitnessState state) {
  switch (state) {
    case WitnessState::unknown: return "unknown";
    case WitnessState::cosigning: return "cosigning";
    case WitnessState::unreachable: return "unreachable";
    case WitnessState::refusing: return "refusing";
  }
  return "unknown";
}

WitnessedLog witnessed_log(replica::Replica& replica) {
  return {
      [&replica] { return replica.visible_records(); },
      [&replica](replica::Replica::CheckpointReady ready) { replica.checkpoint(std::move(ready)); },
      [&replica](std::uint64_t record) { return replica.header(ledger::RecordIndex{record}); },
      replica.tiles()};
}

Result<std::unique_ptr<Witnessing>> Witnessing::start(const Io& io, const WitnessedLog& log,
                                                      std::vector<Peer> peers,
                                                      const WitnessingOptions& options) {
  if (peers.size() > witnesses_max)
    return fail(Code::invalid_argument, fmt::format("{} witnesses are named, at most {} can be",
                                                    peers.size(), witnesses_max));
  for (std::size_t i = 0; i < peers.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (peers[i].address.key.public_key == peers[j].address.key.public_key ||
          peers[i].address.key.name == peers[j].address.key.name)
        return fail(Code::invalid_argument,
                    fmt::format("the witness {} is named twice", peers[i].address.key.name));
  auto witnessing = std::make_unique<LogWitnessing>(io, log, std::move(peers), options);
  witnessing->begin();
  return std::unique_ptr<Witnessing>(std::move(witnessing));
}

}  // namespace meridian::witness
