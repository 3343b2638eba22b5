//   looking --events--> apply all, looking again        --nothing new--> waiting --200 ms-->
//   looking handed in --> look --> judge on a copy --> append behind the last record seen --> look
//   --> done
//                  ^---------- another record came first: again, a few times ---------'
#include "cell/internal/folded_stream.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace meridian::cell::internal {
namespace {

constexpr std::uint32_t page = 16;
constexpr int tries_max = 5;
constexpr std::size_t without_effect_max = 64;

std::int64_t seconds(std::uint64_t ns) { return static_cast<std::int64_t>(ns / 1'000'000'000); }

}  // namespace

void FoldedStream::begin() {
  if (parts_.cell.replica().is_alone()) return look_later(io::Duration{0});
  parts_.cell.replica().catch_up([weak = weak_from_this()](const Status& current) {
    const auto self = weak.lock();
    if (!self) return;
    if (current) return self->look_later(io::Duration{0});
    self->parts_.executor.post_after(look_every, [weak] {
      const auto again = weak.lock();
      if (again && !again->stopped_) again->begin();
    });
  });
}

void FoldedStream::stop() {
  stopped_ = true;
  parts_.executor.drain();
}

void FoldedStream::refresh(std::function<void()> then) {
  post([then = std::move(then)](FoldedStream& stream) {
    stream.look([then](FoldedStream&) { then(); });
  });
}

std::int64_t FoldedStream::now_s() const {
  return seconds(static_cast<std::uint64_t>(parts_.clock.now().time));
}

void FoldedStream::post(std::function<void(FoldedStream&)> task) {
  parts_.executor.post([weak = weak_from_this(), task = std::move(task)] {
    const auto self = weak.lock();
    if (self && !self->stopped_) task(*self);
  });
}

void FoldedStream::look_later(io::Duration delay) {
  parts_.executor.post_after(delay, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->stopped_) return;
    self->look([](FoldedStream& stream) { stream.look_later(look_every); });
  });
}

/// Applies what is there and not seen yet, then calls `then`.
void FoldedStream::look(std::function<void(FoldedStream&)> then) {
  ReadQuery query;
  query.source = ReadQuery::Source::stream;
  query.name = parts_.stream;
  query.position = next_;
  query.limit = page;
  parts_.cell.read_events(
      query, [weak = weak_from_this(), then = std::move(then)](Result<ReadPage> read) mutable {
        const auto self = weak.lock();
        if (!self) return;
        self->post([read = std::move(read), then = std::move(then)](FoldedStream& stream) {
          if (read && stream.apply(*read)) return stream.look(then);
          if (read || read.error().code == Code::not_found) stream.parts_.seen();
          then(stream);
        });
      });
}

/// True if there may be more.
bool FoldedStream::apply(const ReadPage& read) {
  bool is_new = false;
  for (const ReadEvent& one : read.events) {
    const auto* body = std::get_if<ledger::EventBody>(&one.header.body);
    if (body == nullptr || body->revision != next_) continue;  // another look was faster
    ++next_;
    is_new = true;
    const Status done =
        parts_.apply(one.event.type, as_text(one.event.data), seconds(one.header.time));
    if (done) continue;
    without_effect_.emplace(body->revision, done.error());
    if (without_effect_.size() > without_effect_max) without_effect_.erase(without_effect_.begin());
    parts_.notice(fmt::format("record {} ({}) changes nothing: {}", raw(one.header.record_index),
                              one.event.type, done.error().message));
  }
  if (!is_new) return false;
  parts_.changed();
  return !read.end;
}

void FoldedStream::hand_in(u128 actor, Judge judge, Done done) {
  auto wish = std::make_shared<Wish>(Wish{actor, std::move(judge), std::move(done)});
  post([wish](FoldedStream& stream) { stream.try_to_add(wish); });
}

/// A replica that is behind would judge by what was.
void FoldedStream::try_to_add(const std::shared_ptr<Wish>& wish) {
  auto go_on = [weak = weak_from_this(), wish](const Status& current) {
    const auto self = weak.lock();
    if (!self) return;
    self->post([wish, current](FoldedStream& stream) {
      if (!current) return wish->done(current);
      stream.look([wish](FoldedStream& up_to_date) { up_to_date.add(wish); });
    });
  };
  if (parts_.cell.replica().is_alone()) return go_on({});
  parts_.cell.replica().catch_up(std::move(go_on));
}

void FoldedStream::add(const std::shared_ptr<Wish>& wish) {
  const Result<std::vector<Body>> bodies = wish->judge(now_s());
  if (!bodies) return wish->done(bodies.error());
  std::vector<door::CommandDraft> drafts;
  for (std::size_t i = 0; i < bodies->size(); ++i) {
    door::EventDraft event = draft((*bodies)[i]);
    if (i == 0) expect_nothing_new(event);
    event.linked = i + 1 < bodies->size();
    drafts.emplace_back(std::move(event));
  }
  parts_.cell.submit(wish->actor, std::move(drafts),
                     [weak = weak_from_this(), wish](Result<replica::Answer> answer) {
                       const auto self = weak.lock();
                       if (!self) return;
                       self->post([wish, answer = std::move(answer)](FoldedStream& stream) {
                         stream.added(wish, answer);
                       });
                     });
}

void FoldedStream::added(const std::shared_ptr<Wish>& wish, const Result<replica::Answer>& answer) {
  if (!answer) return wish->done(answer.error());
  if (answer->results.back().outcome == ledger::Outcome::created)
    return wait_for(wish, answer->results.back().revision);
  if (++wish->tries < tries_max) return try_to_add(wish);
  wish->done(fail(Code::unavailable,
                  fmt::format("others write to {} at the same time; ask again", parts_.stream)));
}

/// It is stored a moment after it was answered.
void FoldedStream::wait_for(const std::shared_ptr<Wish>& wish, std::uint64_t revision) {
  look([wish, revision](FoldedStream& stream) {
    if (stream.next_ > revision) {
      const auto failed = stream.without_effect_.find(revision);
      return wish->done(failed == stream.without_effect_.end() ? Status() : Status(failed->second));
    }
    stream.parts_.executor.post_after(io::milliseconds(10),
                                      [weak = stream.weak_from_this(), wish, revision] {
                                        const auto self = weak.lock();
                                        if (self && !self->stopped_) self->wait_for(wish, revision);
                                      });
  });
}

door::EventDraft FoldedStream::draft(const Body& body) {
  door::EventDraft event;
  std::array<Byte, 16> id{};
  parts_.entropy.fill(id);
  event.event_id = load_le<u128>(id.data());
  event.stream = parts_.stream;
  event.type = body.type;
  event.is_of_cell = true;
  event.data = to_buffer(as_bytes(body.json));
  return event;
}

void FoldedStream::expect_nothing_new(door::EventDraft& event) const {
  event.expected = next_ == 0 ? ledger::Expected::none : ledger::Expected::exact;
  event.expected_revision = next_ == 0 ? 0 : next_ - 1;
}

}  // namespace meridian::cell::internal
