#include "cell/schema_book.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace meridian::cell {

namespace {

constexpr std::uint32_t page_events = 256;

}  // namespace

std::uint64_t SchemaBook::term() const {
  if (replica_.is_alone()) return 1;
  const replica::Leadership now = replica_.leadership();
  return now.is_ours ? now.term : 0;
}

bool SchemaBook::is_current() const {
  const std::uint64_t now = term();
  return now == 0 || current_in_.load() == now;
}

void SchemaBook::when_current(std::function<void(Status)> ready) {
  if (is_current()) return ready({});
  refresh(std::move(ready));
}

void SchemaBook::refresh(std::function<void(Status)> ready) {
  {
    const std::lock_guard lock(mutex_);
    if (is_reading_) return late_.push_back(std::move(ready));
    is_reading_ = true;
    waiting_.push_back(std::move(ready));
  }
  begin();
}

/// A leader of a group reads what leaders before it committed, too.
void SchemaBook::begin() {
  const std::uint64_t in = term();
  const auto read = [this, in, alive = alive_](const Status& caught_up) {
    executor_.post([this, in, alive, caught_up] {
      if (!*alive) return;
      if (caught_up)
        read_on(in);
      else
        finish(caught_up, in);
    });
  };
  if (replica_.is_alone()) return read({});
  replica_.catch_up(read);
}

void SchemaBook::read_on(std::uint64_t in) {
  ReadQuery query;
  query.source = ReadQuery::Source::stream;
  query.name = stream;
  {
    const std::lock_guard lock(mutex_);
    query.position = position_;
  }
  query.limit = page_events;
  reader_.read(query, [this, in, alive = alive_](const Result<ReadPage>& page) {
    if (!*alive) return;
    if (!page)  // nothing was ever set if there is no such stream
      return finish(page.error().code == Code::not_found ? Status{} : page.error(), in);
    if (Status taken = take(*page); !taken) return finish(taken, in);
    if (page->end) return finish({}, in);
    executor_.post([this, in, alive] {
      if (*alive) read_on(in);
    });
  });
}

Status SchemaBook::take(const ReadPage& page) {
  const std::lock_guard lock(mutex_);
  for (const ReadEvent& read : page.events) {
    const auto unknown = [&](std::string_view why) {
      return fail(Code::internal,
                  fmt::format("record {} sets a schema in a way that this version does not know "
                              "({}): run the version that the cell's leader runs",
                              raw(read.header.record_index), why));
    };
    const nlohmann::json data =
        nlohmann::json::parse(read.event.data.begin(), read.event.data.end(), nullptr, false);
    if (!data.is_object() || !data.contains("type") || !data["type"].is_string() ||
        !data.contains("schema"))
      return unknown("type and schema");
    const std::string of_type = data["type"];
    if (data["schema"].is_null()) {
      sets_.erase(of_type);
      continue;
    }
    if (!data["schema"].is_string()) return unknown("the schema's text");
    const std::string text = data["schema"];
    Result<std::shared_ptr<const door::EventSchema>> schema = door::EventSchema::parse(text);
    if (!schema) return unknown(schema.error().message);
    sets_[of_type] = {of_type, std::move(*schema), raw(read.header.record_index), read.header.time,
                      read.header.actor};
  }
  position_ = page.next;
  return {};
}

void SchemaBook::finish(const Status& how, std::uint64_t in) {
  std::vector<std::function<void(Status)>> done;
  bool goes_on = false;
  {
    const std::lock_guard lock(mutex_);
    if (how) {
      auto schemas = std::make_shared<door::Schemas>();
      for (const auto& [of_type, set] : sets_) schemas->emplace(of_type, set.schema);
      door_.use_schemas(std::move(schemas));
      if (in != 0) current_in_ = in;
    }
    done = std::exchange(waiting_, std::exchange(late_, {}));
    goes_on = is_reading_ = !waiting_.empty();
  }
  if (goes_on) begin();
  for (const auto& call : done) call(how);
}

std::vector<LocalCell::SchemaOfType> SchemaBook::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<LocalCell::SchemaOfType> all;
  for (const auto& [of_type, set] : sets_) all.push_back(set);
  return all;
}

Result<door::EventDraft> SchemaBook::draft(u128 event_id, const std::string& of_type,
                                           const std::string& schema) {
  TRY(door::check_name("type", of_type, 0));
  if (of_type.starts_with('$'))
    return fail(Code::invalid_argument, "type: names that begin with `$` are the cell's own");
  nlohmann::json data{{"type", of_type}, {"schema", nullptr}};
  if (!schema.empty()) {
    TRY(door::EventSchema::parse(schema));
    data["schema"] = schema;
  }
  door::EventDraft draft;
  draft.event_id = event_id;
  draft.stream = stream;
  draft.type = type;
  draft.data =
      to_buffer(as_bytes(data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  draft.is_of_cell = true;
  return draft;
}

}  // namespace meridian::cell
