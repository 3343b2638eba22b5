#include "api/convert.h"
#include "api/follow.h"
#include "api/internal/answers.h"
#include "api/internal/stream_writer.h"
#include "api/internal/unary_call.h"
#include "api/readings.h"
#include "api/scope_checks.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;
using Writer = internal::StreamWriter<v1::RecordedEvent>;

Result<EventFollower::Begin> parse_subscribe(const v1::SubscribeRequest& request) {
  EventFollower::Begin begin;
  switch (request.source_case()) {
    case v1::SubscribeRequest::kStream:
      begin.source = cell::ReadQuery::Source::stream;
      begin.name = request.stream();
      break;
    case v1::SubscribeRequest::kCategory:
      begin.source = cell::ReadQuery::Source::category;
      begin.name = request.category();
      break;
    case v1::SubscribeRequest::kAll: break;
    case v1::SubscribeRequest::SOURCE_NOT_SET:
      return fail(Code::invalid_argument, "source: none of stream, category, all is set");
  }
  if (begin.source != cell::ReadQuery::Source::all && begin.name.empty()) {
    return fail(Code::invalid_argument, "source: the name is empty");
  }
  if (request.live_only() && request.position() != 0) {
    return fail(Code::invalid_argument, "position: contradicts live_only; set one of them");
  }
  begin.position = request.position();
  begin.live_only = request.live_only();
  return begin;
}

class StreamsService final : public v1::Streams::CallbackService {
 public:
  explicit StreamsService(Backend& backend) : backend_(backend) {}

  Reactor* Append(Context* context, const v1::AppendRequest* request,
                  v1::CreateReply* reply) override {
    UnaryCall call(backend_, context, reply, write_deadline_message);
    return submit(*context, call, parse_append(*request));
  }

  Reactor* Delete(Context* context, const v1::DeleteStreamRequest* request,
                  v1::CreateReply* reply) override {
    UnaryCall call(backend_, context, reply, write_deadline_message);
    return submit(*context, call, parse_delete(*request));
  }

  Reactor* Read(Context* context, const v1::ReadRequest* request, v1::ReadReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<cell::ReadQuery> query = parse_read(*request);
    if (!query) return call.refused(query.error());
    if (Status may = check_source(call.asker(), query->source, query->name); !may)
      return call.refused(may.error());
    std::string purpose = internal::metadata_of(*context, purpose_key);
    if (const Status sound = check_given_purpose(purpose); !sound)
      return call.refused(sound.error());
    return call.read([this, call, asked = std::move(*query), purpose = std::move(purpose)] {
      backend_.cell.read_events(asked, [&backend = backend_, call, asked,
                                        purpose](Result<cell::ReadPage> page) {
        if (!page) return call.refuse(page.error());
        if (const Status owed = owe_reading(backend, call.asker(), purpose, page->events); !owed)
          return call.refuse(owed.error());
        backend.work.post([call, asked, page = std::move(*page)] {
          call.answer([&](v1::ReadReply& out) { fill(page, asked, out); });
        });
      });
    });
  }

  grpc::ServerWriteReactor<v1::RecordedEvent>* Subscribe(
      Context* context, const v1::SubscribeRequest* request) override {
    Result<EventFollower::Begin> begin = parse_subscribe(*request);
    if (!begin) return Writer::refused(backend_, begin.error());
    auto may = [source = begin->source, name = begin->name](const Asker& asker) {
      return check_source(asker, source, name);
    };
    std::string purpose = internal::metadata_of(*context, purpose_key);
    if (const Status sound = check_given_purpose(purpose); !sound)
      return Writer::refused(backend_, sound.error());
    CallerRef caller;  // who is none is sent away by the writer
    if (backend_.callers != nullptr)
      if (Result<CallerRef> found = internal::caller_of(*context, backend_))
        caller = std::move(*found);
    auto follower = std::make_shared<EventFollower>(backend_, std::move(*begin));
    auto owe = [&backend = backend_, caller = std::move(caller),
                purpose = std::move(purpose)](const std::vector<cell::ReadEvent>& events) {
      return owe_reading(backend, backend.access.asker(caller), purpose, events);
    };
    auto pull = [follower, owe](std::function<void(Result<Writer::Messages>)> ready) {
      follower->next([owe, ready = std::move(ready)](Result<std::vector<cell::ReadEvent>> events) {
        if (!events) return ready(events.error());
        if (const Status owed = owe(*events); !owed) return ready(owed.error());
        Writer::Messages messages(events->size());
        for (std::size_t i = 0; i < events->size(); ++i) fill((*events)[i], messages[i]);
        ready(std::move(messages));
      });
    };
    return Writer::begin(backend_, *context, {follower, std::move(pull)}, std::move(may));
  }

 private:
  Reactor* submit(const Context& context, const UnaryCall<v1::CreateReply>& call,
                  Result<Drafts> drafts) {
    if (!drafts) return call.refused(drafts.error());
    if (Status may = check_drafts(call.asker(), drafts->commands); !may)
      return call.refused(may.error());
    submit_drafts(backend_, call.asker(), internal::metadata_of(context, signature_key),
                  std::move(drafts->commands),
                  internal::answer_create(backend_, call, std::move(drafts->kinds)));
    return call.reactor();
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_streams_service(Backend& backend) {
  return std::make_unique<StreamsService>(backend);
}

}  // namespace meridian::api
