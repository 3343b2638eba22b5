#include "cell/key_custodian.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/assert.h"

namespace meridian::cell {

KeyCustodian::KeyCustodian(KeyParts parts, std::function<void()> erased)
    : parts_(std::move(parts)),
      handover_(parts_,
                [this](u128 check, const std::string& region) -> Result<Bytes> {
                  if (Result<Bytes> kek = parts_.table.kek(check)) return kek;
                  if (check == parts_.table.check()) maker_.not_handed_on();
                  return residency_.find(check, region);
                }),
      fold_(parts_, board_, handover_,
            {std::move(erased), [this] { maker_.begun(); },
             [this](std::uint32_t number) { maker_.turned(number); },
             [this](std::uint64_t end) {
               maker_.folded(end);
               residency_.folded();
               relay_.folded();
             },
             [this] { tell(); }}),
      residency_(parts_, fold_, handover_),
      maker_(parts_, fold_, board_, [this] { tell(); }),
      relay_(parts_, maker_) {}

void KeyCustodian::start() {
  parts_.executor.post([this, alive = lifetime_.token()] {
    if (!*alive) return;
    is_started_ = true;
    handover_.start();
    fold_.start();
    tick();
  });
}

void KeyCustodian::stop() {
  parts_.executor.post([this] {
    maker_.end();
    residency_.end();
    relay_.end();
    if (is_started_) fold_.close();
    lifetime_.end();
    handover_.stop();
    fold_.stop();
    residency_.stop();
    relay_.stop();
    maker_.stop();
  });
  parts_.executor.drain();
}

void KeyCustodian::stored(std::vector<replica::KeyRecord> records) {
  parts_.executor.post([this, records = std::move(records), alive = lifetime_.token()]() mutable {
    if (*alive) fold_.stored(std::move(records));
  });
}

void KeyCustodian::forget(u128 actor, u128 subject, KeyMaker::Forgotten done) {
  parts_.executor.post(
      [this, actor, subject, done = std::move(done), alive = lifetime_.token()]() mutable {
        if (*alive) maker_.forget(actor, subject, std::move(done));
      });
}

void KeyCustodian::keep(u128 actor, door::KeepingDraft draft, KeyMaker::Recorded done) {
  parts_.executor.post([this, actor, draft = std::move(draft), done = std::move(done),
                        alive = lifetime_.token()]() mutable {
    if (!*alive) return;
    if (std::holds_alternative<door::ResidencyDraft>(draft))
      return keep_if_peopled(actor, std::move(draft), std::move(done));
    maker_.keep(actor, std::move(draft), std::move(done));
  });
}

void KeyCustodian::turn(u128 actor, KeyMaker::Forgotten done) {
  parts_.executor.post([this, actor, done = std::move(done), alive = lifetime_.token()]() mutable {
    if (*alive) maker_.turn(actor, std::move(done));
  });
}

void KeyCustodian::ask_storage_turn(std::optional<std::uint64_t> which,
                                    std::function<void(Result<std::vector<std::uint64_t>>)> done) {
  parts_.group([this, which, done = std::move(done), alive = lifetime_.token()](const auto& group) {
    parts_.executor.post([this, which, done, alive, ids = group.membership.ids()] {
      if (!*alive) return;
      if (!parts_.leadership().is_ours) return done(maker_.not_leading());
      if (which && std::ranges::find(ids, *which) == ids.end())
        return done(fail(Code::invalid_argument,
                         fmt::format("replica: {} is no member of the cell", *which)));
      std::vector<std::uint64_t> asked;
      for (const std::uint64_t id : ids) {
        if (which && id != *which) continue;
        asked.push_back(id);
        if (id == parts_.id)
          parts_.turn_storage();
        else
          parts_.send(id, encode_key_message(TurnStorage{}));
      }
      done(std::move(asked));
    });
  });
}

void KeyCustodian::progress(std::function<void(KeyProgress)> done) {
  parts_.group(
      [this, done = std::move(done), alive = lifetime_.token()](const replica::GroupState& group) {
        parts_.executor.post([this, done, alive, ids = group.membership.ids()] {
          if (!*alive) return;
          KeyProgress now{fold_.is_complete(), {}};
          for (const std::uint64_t id : ids) {
            const auto told = board_.find(id);
            const std::uint32_t turns = told == board_.end() ? 0 : told->second.turns;
            now.replicas.push_back({id, id == parts_.id ? parts_.table.place().turns : turns});
          }
          done(std::move(now));
        });
      });
}

/// A region is named for ever: it must be one that the cell has.
void KeyCustodian::keep_if_peopled(u128 actor, door::KeepingDraft draft, KeyMaker::Recorded done) {
  parts_.group([this, actor, draft = std::move(draft), done = std::move(done),
                alive = lifetime_.token()](const replica::GroupState& group) {
    std::set<std::string> regions;
    for (const std::uint64_t id : group.membership.ids()) regions.insert(group.region_of(id));
    parts_.executor.post([this, actor, draft, done, alive, regions = std::move(regions)] {
      if (!*alive) return;
      for (const std::string& region : std::get<door::ResidencyDraft>(draft).regions)
        if (!regions.contains(region))
          return done(fail(Code::failed_precondition,
                           fmt::format("no replica of the cell is in '{}'; its regions are {}: "
                                       "nothing was done",
                                       region, fmt::join(regions, ", "))));
      maker_.keep(actor, draft, done);
    });
  });
}

void KeyCustodian::hand_over(std::unique_ptr<ledger::Request> request,
                             replica::Replica::Answered answered) {
  parts_.executor.post([this, request = std::shared_ptr<ledger::Request>(std::move(request)),
                        answered = std::move(answered), alive = lifetime_.token()] {
    if (!*alive) return answered(fail(Code::unavailable, "this replica stops: nothing was done"));
    relay_.hand_over(*request, answered);
  });
}

void KeyCustodian::missing(const door::MissingKeys& missing, KeyMaker::GoOn go_on) {
  if (!missing.wanted.empty()) return relay_.want(missing.wanted, std::move(go_on));
  if (missing.rows.empty() && !missing.waits.empty())
    return residency_.wait(missing.waits, std::move(go_on));
  maker_.missing(missing.rows, std::move(go_on));
}

void KeyCustodian::receive(std::uint64_t from, Buffer message) {
  parts_.executor.post([this, from, message = std::move(message), alive = lifetime_.token()] {
    if (!*alive || !is_started_) return;
    if (Result<KeyMessage> decoded = decode_key_message(message)) take(from, std::move(*decoded));
  });
}

void KeyCustodian::take(std::uint64_t from, KeyMessage message) {
  if (auto* part = std::get_if<TablePart>(&message)) return fold_.receive(from, std::move(*part));
  if (const auto* news = std::get_if<KeyNews>(&message)) {
    board_[from] = *news;
    fold_.receive(from, *news);
    return maker_.heard();
  }
  if (const auto* answer = std::get_if<KeyAnswer>(&message)) {
    const std::optional<crypto::Secret> key = handover_.open(*answer);
    if (key && !residency_.take(answer->check, *key)) fold_.taken(from, answer->check, *key);
    return;
  }
  if (const auto* question = std::get_if<KeyQuestion>(&message))
    return handover_.receive(from, *question);
  if (auto* news = std::get_if<ResidencyNews>(&message))
    return residency_.receive(from, std::move(*news));
  if (const auto* wanted = std::get_if<RowsWanted>(&message)) return relay_.receive(from, *wanted);
  if (const auto* sealed = std::get_if<SealedRequest>(&message))
    return relay_.receive(from, *sealed);
  if (const auto* sealed = std::get_if<SealedAnswer>(&message))
    return relay_.receive(from, *sealed);
  if (const auto* table = std::get_if<TableQuestion>(&message)) return fold_.receive(from, *table);
  ASSERT(std::holds_alternative<TurnStorage>(message));
  if (from == parts_.leadership().leader && parts_.turn_storage) parts_.turn_storage();
}

void KeyCustodian::tell() {
  const Buffer news = encode_key_message(fold_.news());
  for (const auto& [id, key] : parts_.exchange_keys())
    if (id != parts_.id) parts_.send(id, news);
  residency_.tell();
}

void KeyCustodian::tick() {
  if (ticks_++ % ticks_between_news == 0) {
    handover_.tick();
    fold_.tick();
    tell();
  }
  residency_.tick();
  maker_.tick();
  relay_.tick();
  parts_.executor.post_after(period, [this, alive = lifetime_.token()] {
    if (*alive) tick();
  });
}

}  // namespace meridian::cell
