#include <fmt/format.h>

#include <array>

#include "api/convert.h"
#include "door/signed_event.h"
#include "files.h"
#include "ids.h"
#include "ledger/describe.h"
#include "names.h"
#include "output.h"
#include "request_signer.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct AppendOptions {
  ClientOptions client;
  std::string stream, type, data, file, metadata, subject, id, expect = "any";
  std::uint32_t retention = 0;
  bool bytes = false, sign = false;
  bool json = false;
};
struct ReadOptions {
  ClientOptions client;
  std::string stream, category;
  bool all = false;
  std::uint64_t from = 0;
  std::uint32_t limit = 0;
  bool backwards = false;
  bool live_only = false;
  bool json = false;
};

Status expect(const std::string& text, v1::NewEvent& event) {
  if (text == "any") {
    event.set_expected(v1::EXPECTED_REVISION_ANY);
  } else if (text == "none") {
    event.set_expected(v1::EXPECTED_REVISION_NONE);
  } else if (text == "exists") {
    event.set_expected(v1::EXPECTED_REVISION_EXISTS);
  } else {
    const Result<u128> revision = parse_decimal(text);
    if (!revision || *revision >= ~std::uint64_t{0})
      return fail(Code::invalid_argument,
                  fmt::format("--expect: '{}' is none of any, none, exists or a revision", text));
    event.set_expected(v1::EXPECTED_REVISION_EXACT);
    event.set_revision(static_cast<std::uint64_t>(*revision));
  }
  return {};
}

Result<Exit> run_append(Client& client, const AppendOptions& options) {
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  const u128 id = options.id.empty() ? time_ordered_id(client.clock(), *entropy)
                                     : TRY(parse_id(options.id, "--id"));
  v1::AppendRequest request;
  v1::NewEvent& event = *request.add_events();
  event.set_event_id(api::format_u128(id));
  event.set_stream(options.stream);
  event.set_type(options.type);
  event.set_content_type(options.bytes ? "application/octet-stream" : "application/json");
  event.set_data(options.file.empty() ? options.data : TRY(read_input(options.file, 1 << 20)));
  if (!options.bytes && !OrderedJson::accept(event.data())) {
    report(fail(Code::invalid_argument,
                "the data is not JSON. correct it, or add --bytes for any other data"));
    return Exit::usage;
  }
  event.set_metadata(options.metadata);
  event.set_subject(options.subject);
  event.set_retention(options.retention);
  const Status expected = expect(options.expect, event);
  if (!expected) {
    report(expected.error());
    return Exit::usage;
  }
  if (options.sign) {
    std::array<Byte, 32> salt{};
    entropy->fill(salt);
    event.set_signature_salt(salt.data(), salt.size());
    const door::EventDraft draft = TRY(api::parse_event(event, "event"));
    const door::SignedEvent meant = TRY(door::signed_event(draft));
    TRY(sign_calls(client, {meant}));
  }
  const v1::CommandResult result = TRY(write_one(
      client, *client.streams, &v1::Streams::Stub::Append, request, v1::OutcomeRequest::EVENT, id));
  if (options.json) {
    OrderedJson out = json_of(result);
    out["event_id"] = to_decimal(id);
    out["signed"] = options.sign;
    print_json(out);
  } else if (is_created_or_exists(result)) {
    print_line(fmt::format("event {}: {} as revision {} of '{}', record {}", to_decimal(id),
                           result.name(), result.revision(), options.stream,
                           result.record_index()));
  } else {
    print_line(fmt::format("event {}: {}", to_decimal(id), result.name()));
  }
  return is_created_or_exists(result) ? Exit::ok : Exit::refused;
}

void show(const v1::RecordedEvent& event, bool json) {
  if (json) return print_json(json_of(event));
  if (event.forgotten())
    return print_line(fmt::format("#{} {}  forgotten: the key of its subject is destroyed",
                                  event.record_index(), ledger::iso_time(event.time())));
  print_line(fmt::format("#{} {}  {}@{}  {}", event.record_index(), ledger::iso_time(event.time()),
                         event.stream(), event.revision(), event.type()));
  std::string_view data = event.data();
  while (data.ends_with('\n')) data.remove_suffix(1);
  for (std::size_t at = 0; at <= data.size();) {
    const std::size_t end = std::min(data.find('\n', at), data.size());
    print_line("    " + std::string(data.substr(at, end - at)));
    at = end + 1;
  }
}

template <typename Request>
Status set_source(const ReadOptions& options, Request& request) {
  const int given =
      (options.stream.empty() ? 0 : 1) + (options.category.empty() ? 0 : 1) + (options.all ? 1 : 0);
  if (given != 1)
    return fail(Code::invalid_argument,
                "what to read is not clear. give one of STREAM, --category NAME or --all");
  if (options.all) request.set_all(true);
  if (!options.stream.empty()) request.set_stream(options.stream);
  if (!options.category.empty()) request.set_category(options.category);
  request.set_position(options.from);
  return {};
}

Result<Exit> run_read(Client& client, const ReadOptions& options) {
  v1::ReadRequest request;
  if (const Status source = set_source(options, request); !source) {
    report(source.error());
    return Exit::usage;
  }
  request.set_backwards(options.backwards);
  request.set_from_end(options.backwards && options.from == 0);
  std::uint32_t left = options.limit == 0 ? 100 : options.limit;
  while (left > 0) {
    request.set_limit(std::min<std::uint32_t>(left, 4'096));
    const v1::ReadReply reply =
        TRY(client.call(*client.streams, &v1::Streams::Stub::Read, request));
    for (const v1::RecordedEvent& event : reply.events()) show(event, options.json);
    if (reply.stream_deleted()) fmt::print(stderr, "meridian: the stream was deleted\n");
    left -= std::min(left, static_cast<std::uint32_t>(reply.events_size()));
    if (reply.end() || reply.events().empty()) break;
    request.set_from_end(false);
    request.set_position(reply.next());
  }
  return Exit::ok;
}

Result<Exit> run_subscribe(Client& client, const ReadOptions& options) {
  v1::SubscribeRequest request;
  if (const Status source = set_source(options, request); !source) {
    report(source.error());
    return Exit::usage;
  }
  request.set_live_only(options.live_only);
  grpc::ClientContext context;  // no deadline: it follows until it is stopped
  client.set_purpose(context);
  const auto reader = client.streams->Subscribe(&context, request);
  v1::RecordedEvent event;
  for (std::uint32_t count = 0; reader->Read(&event);) {
    show(event, options.json);
    if (++count == options.limit) {
      context.TryCancel();
      return Exit::ok;
    }
  }
  return to_error(reader->Finish());
}

void add_source(CLI::App& command, ReadOptions& options) {
  command.add_option("STREAM", options.stream, "Name of the stream");
  command.add_option("--category", options.category,
                     "All streams of a category: the part of their names before the first '-'");
  command.add_flag("--all", options.all, "Every event of the ledger");
  command.add_option("--from", options.from,
                     "First revision (stream) or record index (category, all)");
  command.add_flag("--json", options.json, "Print one JSON object a line");
}

}  // namespace

void add_events(CLI::App& app, Invocation& invocation) {
  auto append = std::make_shared<AppendOptions>();
  CLI::App& appending = *app.add_subcommand("append", "Append an event to a stream");
  appending.add_option("STREAM", append->stream, "Name of the stream")->required();
  appending.add_option("TYPE", append->type, "Type of the event")->required();
  auto* data = appending.add_option("DATA", append->data, "Its data: JSON unless --bytes");
  appending.add_option("--file", append->file, "Read the data from this file")->excludes(data);
  appending.add_flag("--bytes", append->bytes, "The data is no JSON");
  appending.add_option("--metadata", append->metadata, "Sealed with the data");
  appending.add_option("--subject", append->subject,
                       "The person it is about: `subject forget` makes it unreadable");
  appending.add_option("--retention", append->retention, "Retention class, 0 to 254");
  appending.add_option("--id", append->id, "128-bit event id; a time-ordered one if not given")
      ->check(check_id);
  appending
      .add_option("--expect", append->expect, "any, none, exists, or the stream's last revision")
      ->capture_default_str();
  add_sign_option(appending, append->sign);
  appending.add_flag("--json", append->json, "Print the result as JSON");
  appending.footer(
      "Example: meridian append order-17 placed '{\"total\": 100}' --subject 'Ada Example' --sign");
  on_call(appending, invocation, append, run_append);

  auto read = std::make_shared<ReadOptions>();
  CLI::App& reading = *app.add_subcommand("read", "Read events");
  add_source(reading, *read);
  reading.add_option("--limit", read->limit, "At most so many; 100 if not given");
  reading.add_flag("--backwards", read->backwards, "Newest first");
  reading.footer("Example: meridian read --category journal --backwards --limit 3");
  add_purpose_option(reading, read->client);
  on_call(reading, invocation, read, run_read);

  auto subscribe = std::make_shared<ReadOptions>();
  CLI::App& subscribing =
      *app.add_subcommand("subscribe", "Read events and follow new ones as they come");
  add_source(subscribing, *subscribe);
  subscribing.add_flag("--live-only", subscribe->live_only, "Only what is appended from now on");
  subscribing.add_option("--limit", subscribe->limit, "Stop after so many; never if not given");
  subscribing.footer("Example: meridian subscribe --all --json --from 0");
  add_purpose_option(subscribing, subscribe->client);
  on_call(subscribing, invocation, subscribe, run_subscribe);
}

}  // namespace meridian::app
