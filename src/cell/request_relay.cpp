#include "cell/request_relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cell/sealed_request.h"

namespace meridian::cell {
namespace {

Error nobody_leads() {
  return {Code::unavailable, "the cell has no other leader that orders now: nothing was done"};
}

}  // namespace

// --- in the jurisdiction ---

void RequestRelay::want(const std::vector<storage::WantedRow>& rows, GoOn go_on) {
  const replica::Leadership now = parts_.leadership();
  if (now.is_ours || now.leader == 0) return go_on(nobody_leads());
  RowsWanted wanted{rows};
  wanted.rows.resize(std::min(wanted.rows.size(), RowsWanted::rows_max));
  parts_.send(now.leader, encode_key_message(wanted));
  waiters_.push_back({std::move(wanted.rows), parts_.clock.monotonic(), std::move(go_on)});
}

void RequestRelay::folded() {
  std::vector<GoOn> ready;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    if (!std::ranges::all_of(
            waiter.rows, [&](const storage::WantedRow& row) { return parts_.table.is_there(row); }))
      return false;
    ready.push_back(std::move(waiter.go_on));
    return true;
  });
  for (const GoOn& call : ready) call({});
}

void RequestRelay::hand_over(const ledger::Request& request,
                             const replica::Replica::Answered& answered) {
  const replica::Leadership now = parts_.leadership();
  if (now.is_ours || now.leader == 0) return answered(nobody_leads());
  const Result<Buffer> bytes = encode_request(request);
  if (!bytes) return answered(bytes.error());
  std::array<Byte, 8> fresh;
  parts_.entropy.fill(fresh);  // an answer of before a restart is for nobody
  const auto number = load_le<std::uint64_t>(fresh.data());
  handed_over_[number] = {now.leader, parts_.clock.monotonic(), answered};
  parts_.send(now.leader, encode_key_message(SealedRequest{number, *bytes}));
}

void RequestRelay::receive(std::uint64_t from, const SealedAnswer& message) {
  const auto found = handed_over_.find(message.number);
  if (found == handed_over_.end() || found->second.to != from) return;
  const Result<Result<replica::Answer>> answer = decode_answer(message.answer);
  if (!answer) return;
  const replica::Replica::Answered answered = std::move(found->second.answered);
  handed_over_.erase(found);
  answered(*answer);
}

void RequestRelay::tick() {
  std::vector<GoOn> late;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    if (!has_passed(waiter.since, patience)) return false;
    late.push_back(std::move(waiter.go_on));
    return true;
  });
  for (const GoOn& call : late)
    call(fail(Code::unavailable,
              "the leader did not make the keys of a person: nothing was done, send it again"));
  std::vector<replica::Replica::Answered> unknown;
  std::erase_if(handed_over_, [&](auto& one) {
    if (!has_passed(one.second.since, answer_patience)) return false;
    unknown.push_back(std::move(one.second.answered));
    return true;
  });
  for (const auto& call : unknown)
    call(fail(Code::deadline_exceeded,
              "the leader did not answer: the outcome is unknown, ask for it by its id"));
}

void RequestRelay::end() {
  for (const Waiter& waiter : std::exchange(waiters_, {}))
    waiter.go_on(fail(Code::unavailable, "this replica stops: nothing was done"));
  for (const auto& [number, one] : std::exchange(handed_over_, {}))
    one.answered(fail(Code::deadline_exceeded,
                      "this replica stops: the outcome is unknown, ask for it by its id"));
}

// --- at the leader ---

void RequestRelay::receive(std::uint64_t from, const RowsWanted& message) {
  parts_.group([this, from, message, alive = lifetime_.token()](const auto& group) {
    if (!group.membership.has(from)) return;
    parts_.executor.post([this, message, alive] {
      if (*alive) make(message.rows, attempts_max);
    });
  });
}

/// Behind a turn that is on its way, or the first one. Whoever wants them asks again if that fails.
void RequestRelay::make(const std::vector<storage::WantedRow>& rows, int attempts) {
  if (parts_.table.makes_in() == 0 || attempts == 0) return;
  bool waits = false;
  for (const storage::WantedRow& row : rows) {
    const Status provided = parts_.table.provide(row);
    waits |= !provided && provided.error().code == Code::unavailable;
  }
  const std::vector<storage::KeyRow> fresh = parts_.table.take_unfolded();
  if (!fresh.empty()) maker_.missing(fresh, [](const Status&) {});
  if (!waits) return;
  maker_.missing({}, [this, rows, attempts, alive = lifetime_.token()](const Status& turned) {
    if (*alive && turned) make(rows, attempts - 1);
  });
}

void RequestRelay::receive(std::uint64_t from, const SealedRequest& message) {
  parts_.group([this, from, message, alive = lifetime_.token()](const auto& group) {
    if (!group.membership.has(from)) return;
    parts_.executor.post([this, from, message, alive, region = group.region_of(from)] {
      if (*alive) order(from, region, message, 0);
    });
  });
}

/// What is not folded in here yet, or waits for a turn, is tried again for a while.
void RequestRelay::order(std::uint64_t from, const std::string& region,
                         const SealedRequest& message, int attempt) {
  if (!parts_.leadership().is_ours) return answer(from, message.number, nobody_leads());
  Result<std::unique_ptr<ledger::Request>> request = decode_request(message.request);
  if (!request) return answer(from, message.number, request.error());
  const std::shared_ptr<ledger::Request> shared = std::move(*request);
  order_check_.check(
      *shared, region,
      [this, from, region, message, attempt, shared, alive = lifetime_.token()](const auto& sound) {
        if (!*alive) return;
        if (sound)
          return propose(from, message.number,
                         std::make_unique<ledger::Request>(std::move(*shared)));
        if (sound.error().code != Code::unavailable || attempt == orders_max)
          return answer(from, message.number, sound.error());
        parts_.executor.post_after(order_period, [this, from, region, message, attempt, alive] {
          if (*alive) order(from, region, message, attempt + 1);
        });
      });
}

void RequestRelay::propose(std::uint64_t from, std::uint64_t number,
                           std::unique_ptr<ledger::Request> request) {
  request->only_in_term = parts_.table.makes_in();  // 0: readings, under no key of a person
  // The answer may come when this is gone.
  parts_.submit(std::move(request),
                [this, &executor = parts_.executor, from, number,
                 alive = lifetime_.token()](const Result<replica::Answer>& ordered) {
                  executor.post([this, from, number, alive, ordered] {
                    if (*alive) answer(from, number, ordered);
                  });
                });
}

void RequestRelay::answer(std::uint64_t to, std::uint64_t number,
                          const Result<replica::Answer>& answer) {
  parts_.send(to, encode_key_message(SealedAnswer{number, encode_answer(answer)}));
}

}  // namespace meridian::cell
