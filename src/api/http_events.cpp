// Reading and following events and records: pages as JSON, live ones as server-sent events.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/convert_json.h"
#include "api/follow.h"
#include "api/header_json.h"
#include "api/internal/http_routes.h"
#include "api/readings.h"
#include "api/scope_checks.h"

namespace meridian::api::internal {
namespace {

using Call = HttpApi::CallRef;
using mesh::Action;
using Source = cell::ReadQuery::Source;

void read(Backend& backend, const Call& call, Source source, std::string name) {
  QueryFields fields(call->target);
  cell::ReadQuery query;
  query.source = source;
  query.name = std::move(name);
  query.position = fields.number("position");
  query.backwards = fields.flag("backwards");
  query.from_end = fields.flag("from_end");
  query.limit = static_cast<std::uint32_t>(fields.number("limit", cell::read_limit_max));
  if (query.limit == 0) query.limit = 100;
  if (query.from_end && !query.backwards) {
    fields.refuse("from_end", "needs backwards; nothing comes after the end");
  }
  if (Status status = fields.finish(); !status) return call->refuse(status.error());
  if (Status may = check_source(call->asker, source, query.name); !may)
    return call->refuse(may.error());
  if (Status sound = check_given_purpose(call->request.purpose); !sound)
    return call->refuse(sound.error());
  backend.cell.read_events(std::move(query), [&backend, call, source](Result<cell::ReadPage> page) {
    if (!page) return call->refuse(page.error());
    if (const Status owed = owe_reading(backend, call->asker, call->request.purpose, page->events);
        !owed)
      return call->refuse(owed.error());
    backend.work.post([call, source, page = std::move(*page)] {
      std::string out = "{\"events\":[";
      bool end = page.end;
      std::uint64_t next = page.next;
      for (std::size_t i = 0; i < page.events.size(); ++i) {
        if (i > 0 && out.size() + reply_size(page.events[i]) > reply_bytes_max) {
          end = false;
          next = position_of(page.events[i], source);
          break;
        }
        if (i > 0) out += ',';
        out += event_json_text(page.events[i]);
      }
      fmt::format_to(std::back_inserter(out), R"(],"next":"{}","end":{},"stream_deleted":{}}})",
                     next, end, page.stream_deleted);
      call->reply_json(std::move(out));
    });
  });
}

void get_stream(Backend& backend, const Call& call) {
  read(backend, call, Source::stream, call->arguments[0]);
}
void get_category(Backend& backend, const Call& call) {
  read(backend, call, Source::category, call->arguments[0]);
}
void get_events(Backend& backend, const Call& call) { read(backend, call, Source::all, {}); }

/// Adds one server-sent event. Line ends can only be white space of JSON: they would end the field.
void add_event(std::string& out, std::uint64_t id, std::string_view name, std::string data) {
  std::ranges::replace(data, '\n', ' ');
  std::ranges::replace(data, '\r', ' ');
  fmt::format_to(std::back_inserter(out), "id: {}\nevent: {}\ndata: {}\n\n", id, name, data);
}

class FollowedEvents final : public HttpEvents {
 public:
  FollowedEvents(Backend& backend, CallerRef caller, std::string purpose,
                 EventFollower::Begin begin)
      : backend_(backend),
        caller_(std::move(caller)),
        purpose_(std::move(purpose)),
        source_(begin.source),
        name_(begin.name),
        follower_(std::make_shared<EventFollower>(backend, std::move(begin))) {}

  void next(std::function<void(Result<std::string>)> ready) override {
    follower_->next([&backend = backend_, caller = caller_, purpose = purpose_, source = source_,
                     ready = std::move(ready)](Result<std::vector<cell::ReadEvent>> events) {
      if (!events) return ready(events.error());
      const Status owed = owe_reading(backend, backend.access.asker(caller), purpose, *events);
      if (!owed) return ready(owed.error());
      std::string out;
      for (const cell::ReadEvent& event : *events) {
        add_event(out, position_of(event, source), "event", event_json_text(event));
      }
      ready(std::move(out));
    });
  }
  void stop() override { follower_->stop(); }
  Status may_go_on() const override {
    return check_source(backend_.access.asker(caller_), source_, name_);
  }

 private:
  Backend& backend_;
  const CallerRef caller_;
  const std::string purpose_;
  const Source source_;
  const std::string name_;
  std::shared_ptr<EventFollower> follower_;
};

class FollowedRecords final : public HttpEvents {
 public:
  FollowedRecords(Backend& backend, CallerRef caller, std::uint64_t position)
      : backend_(backend),
        caller_(std::move(caller)),
        follower_(std::make_shared<RecordFollower>(backend, position, false)) {}

  void next(std::function<void(Result<std::string>)> ready) override {
    follower_->next(page_max, [ready = std::move(ready)](Result<std::vector<FeedItem>> items) {
      if (!items) return ready(items.error());
      std::string out;
      for (const FeedItem& item : *items) {
        Result<std::string> json = header_json_text(item.header);
        if (!json) return ready(json.error());
        add_event(out, item.record_index, "record", std::move(*json));
      }
      ready(std::move(out));
    });
  }
  void stop() override { follower_->stop(); }
  Status may_go_on() const override {
    return backend_.access.asker(caller_).check(Action::records_read);
  }

 private:
  Backend& backend_;
  const CallerRef caller_;
  static constexpr std::size_t page_max = 256;
  std::shared_ptr<RecordFollower> follower_;
};

/// Where to begin: after Last-Event-ID if the client reconnects, else at `position`.
std::uint64_t begin_position(const Call& call, QueryFields& fields) {
  std::uint64_t position = fields.number("position");
  const std::string& last = call->request.last_event_id;
  if (last.empty()) return position;
  Result<u128> parsed = parse_decimal(last);
  if (!parsed || *parsed >= ~std::uint64_t{0}) {
    fields.refuse("Last-Event-ID", "not a position that this server sent");
    return 0;
  }
  return low64(*parsed) + 1;
}

void get_subscribe(Backend& backend, const Call& call) {
  QueryFields fields(call->target);
  EventFollower::Begin begin;
  const bool by_stream = fields.has("stream");
  const bool by_category = fields.has("category");
  if (by_stream && by_category) fields.refuse("category", "contradicts stream; give one of them");
  if (by_stream || by_category) {
    begin.source = by_stream ? Source::stream : Source::category;
    begin.name = fields.text(by_stream ? "stream" : "category");
    if (begin.name.empty()) fields.refuse(by_stream ? "stream" : "category", "empty");
  }
  begin.position = begin_position(call, fields);
  begin.live_only = fields.flag("live_only") && call->request.last_event_id.empty();
  if (begin.live_only && fields.has("position")) {
    fields.refuse("position", "contradicts live_only; give one of them");
  }
  if (Status status = fields.finish(); !status) return call->refuse(status.error());
  if (Status may = check_source(call->asker, begin.source, begin.name); !may)
    return call->refuse(may.error());
  if (Status sound = check_given_purpose(call->request.purpose); !sound)
    return call->refuse(sound.error());
  call->respond(std::make_shared<FollowedEvents>(backend, call->asker.caller(),
                                                 call->request.purpose, std::move(begin)));
}

void get_feed(Backend& backend, const Call& call) {
  QueryFields fields(call->target);
  std::uint64_t position = begin_position(call, fields);
  if (Status status = fields.finish(); !status) return call->refuse(status.error());
  call->respond(std::make_shared<FollowedRecords>(backend, call->asker.caller(), position));
}

}  // namespace

void add_event_routes(std::vector<HttpApi::Route>& routes) {
  routes.push_back({HttpMethod::get, "v1/events", Action::events_read, get_events, true});
  routes.push_back({HttpMethod::get, "v1/streams/*", Action::events_read, get_stream, true});
  routes.push_back({HttpMethod::get, "v1/categories/*", Action::events_read, get_category, true});
  routes.push_back({HttpMethod::get, "v1/subscribe", Action::events_read, get_subscribe});
  routes.push_back({HttpMethod::get, "v1/feed", Action::records_read, get_feed});
}

}  // namespace meridian::api::internal
