#include "cell/key_custodian.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace meridian::cell {

KeyCustodian::KeyCustodian(KeyParts parts, std::function<void()> erased)
    : parts_(std::move(parts)),
      fold_(parts_, board_,
            {std::move(erased), [this](std::uint32_t number) { maker_.turned(number); },
             [this](std::uint64_t end) { maker_.folded(end); }, [this] { tell(); },
             [this] { maker_.not_handed_on(); }}),
      maker_(parts_, fold_, board_, [this] { tell(); }) {}

void KeyCustodian::start() {
  parts_.executor.post([this, alive = lifetime_.token()] {
    if (!*alive) return;
    is_started_ = true;
    fold_.start();
    tick();
  });
}

void KeyCustodian::stop() {
  parts_.executor.post([this] {
    maker_.end();
    if (is_started_) fold_.close();
    lifetime_.end();
    fold_.stop();
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
    if (*alive) maker_.keep(actor, std::move(draft), std::move(done));
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
  if (const auto* answer = std::get_if<KeyAnswer>(&message)) return fold_.receive(from, *answer);
  if (const auto* question = std::get_if<KeyQuestion>(&message))
    return fold_.receive(from, *question);
  if (const auto* table = std::get_if<TableQuestion>(&message)) return fold_.receive(from, *table);
  if (from == parts_.leadership().leader && parts_.turn_storage) parts_.turn_storage();
}

void KeyCustodian::tell() {
  const Buffer news = encode_key_message(fold_.news());
  for (const auto& [id, key] : parts_.exchange_keys())
    if (id != parts_.id) parts_.send(id, news);
}

void KeyCustodian::tick() {
  if (ticks_++ % ticks_between_news == 0) {
    fold_.tick();
    tell();
  }
  maker_.tick();
  parts_.executor.post_after(period, [this, alive = lifetime_.token()] {
    if (*alive) tick();
  });
}

}  // namespace meridian::cell
