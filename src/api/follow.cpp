//   next -> read -> (something there) -> deliver -> next ...
//             ^  \-> (nothing yet) -> wait until more is visible -.
//             '---------------------------------------------------'
// `visible` is taken before the read, so what appears between the two only makes the next wait end
// at once: nothing is missed.
#include "api/follow.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/convert.h"
#include "ledger/header.h"

namespace meridian::api {

void Follower::stop() {
  std::uint64_t token = 0;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    token = std::exchange(wait_token_, 0);
  }
  if (token != 0) backend_.cell.replica().cancel_wait(token);
}

bool Follower::is_stopped() {
  std::lock_guard lock(mutex_);
  return stopped_;
}

void Follower::read_soon() {
  backend_.work.post([self = shared_from_this()] {
    if (!self->is_stopped()) self->read();
  });
}

void Follower::read_when_visible(std::uint64_t count) {
  std::uint64_t token = backend_.cell.replica().when_visible(
      count, [self = shared_from_this()](std::uint64_t) { self->read_soon(); });
  bool cancel = false;
  {
    std::lock_guard lock(mutex_);
    wait_token_ = token;  // the wait may be over already: cancelling it then does nothing
    cancel = stopped_;
  }
  if (cancel) backend_.cell.replica().cancel_wait(token);
}

EventFollower::EventFollower(Backend& backend, Begin begin)
    : Follower(backend), begin_(std::move(begin)) {}

void EventFollower::next(Ready ready) {
  ready_ = std::move(ready);
  read_soon();
}

void EventFollower::deliver(Result<std::vector<cell::ReadEvent>> events) {
  if (!is_stopped()) std::exchange(ready_, nullptr)(std::move(events));
}

void EventFollower::read() {
  if (begin_.live_only) {
    find_end();
  } else {
    read_page();
  }
}

void EventFollower::find_end() {
  if (begin_.source != cell::ReadQuery::Source::stream) {
    begin_.position = backend_.cell.replica().visible_records();
    begin_.live_only = false;
    return read_page();
  }
  cell::ReadQuery query;
  query.source = begin_.source;
  query.name = begin_.name;
  query.backwards = query.from_end = true;
  query.limit = 1;
  backend_.cell.read_events(
      std::move(query), [self = std::static_pointer_cast<EventFollower>(shared_from_this())](
                            Result<cell::ReadPage> page) {
        if (!page && page.error().code != Code::not_found) return self->deliver(page.error());
        Begin& begin = self->begin_;
        begin.position =
            page && !page->events.empty() ? position_of(page->events[0], begin.source) + 1 : 0;
        begin.live_only = false;
        self->read_soon();
      });
}

void EventFollower::read_page() {
  std::uint64_t visible = backend_.cell.replica().visible_records();
  cell::ReadQuery query;
  query.source = begin_.source;
  query.name = begin_.name;
  query.position = begin_.position;
  query.limit = page_events_max;
  backend_.cell.read_events(
      std::move(query),
      [self = std::static_pointer_cast<EventFollower>(shared_from_this()),
       visible](Result<cell::ReadPage> page) { self->got(visible, std::move(page)); });
}

void EventFollower::got(std::uint64_t visible_before, Result<cell::ReadPage> page) {
  if (is_stopped()) return;
  if (!page && page.error().code != Code::not_found) return deliver(page.error());
  if (page && !page->events.empty()) {
    begin_.position = page->next;
    return deliver(std::move(page->events));
  }
  if (page && !page->end && page->next > begin_.position) {
    begin_.position = page->next;
    return read_soon();
  }
  read_when_visible(visible_before + 1);
}

RecordFollower::RecordFollower(Backend& backend, std::uint64_t position, bool with_payloads)
    : Follower(backend), position_(position), with_payloads_(with_payloads) {}

void RecordFollower::next(std::size_t count_max, Ready ready) {
  count_max_ = std::clamp<std::size_t>(count_max, 1, page_records_max);
  ready_ = std::move(ready);
  read_soon();
}

void RecordFollower::read() {
  std::uint64_t visible = backend_.cell.replica().visible_records();
  if (position_ >= visible) return read_when_visible(position_ + 1);
  Result<std::vector<FeedItem>> page = read_page(visible);
  if (page) position_ += page->size();
  if (!is_stopped()) std::exchange(ready_, nullptr)(std::move(page));
}

Result<std::vector<FeedItem>> RecordFollower::read_page(std::uint64_t visible) {
  replica::Replica& replica = backend_.cell.replica();
  std::vector<FeedItem> items;
  std::size_t bytes = 0;
  std::uint64_t count = std::min<std::uint64_t>(visible - position_, count_max_);
  TRY(replica.scan(ledger::RecordIndex{position_}, count,
                   [&](ledger::RecordIndex index, Bytes header) {
                     items.push_back({raw(index), to_buffer(header), {}});
                     bytes += header.size();
                     return bytes < page_bytes_max;
                   }));
  if (!with_payloads_) return items;
  bytes = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ledger::Header header = TRY(ledger::Header::decode(items[i].header));
    const auto* event = std::get_if<ledger::EventBody>(&header.body);
    if (event != nullptr && event->payload_size > 0) {
      Result<Buffer> payload = replica.payload(ledger::RecordIndex{items[i].record_index});
      // Refused, or erased and punched out: there is nothing to hand out, and the header tells.
      if (!payload && payload.error().code != Code::not_found) return payload.error();
      if (payload) items[i].payload = std::move(*payload);
    }
    bytes += items[i].header.size() + items[i].payload.size();
    if (bytes >= page_bytes_max) items.resize(i + 1);
  }
  return items;
}

}  // namespace meridian::api
