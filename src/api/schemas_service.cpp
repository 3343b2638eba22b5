#include <fmt/format.h>

#include "api/convert.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "ledger/outcome.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

class SchemasService final : public v1::Schemas::CallbackService {
 public:
  explicit SchemasService(Backend& backend) : backend_(backend) {}

  Reactor* Set(Context* context, const v1::SetSchemaRequest* request,
               v1::SetSchemaReply* reply) override {
    UnaryCall call(backend_, context, reply, write_deadline_message);
    const Result<u128> id = parse_u128(request->event_id(), "event_id");
    if (!id) return call.refused(id.error());
    backend_.cell.set_schema(
        call.actor(), *id, request->type(), request->schema(),
        [call](const Result<replica::Answer>& answer) {
          if (!answer) return call.refuse(answer.error());
          const ledger::Outcome outcome = answer->results.front().outcome;
          if (outcome != ledger::Outcome::created &&
              outcome != ledger::outcome(ledger::EventOutcome::exists))
            return call.refuse(fail(
                Code::failed_precondition,
                fmt::format("event_id: {}: choose another",
                            ledger::outcome_name(ledger::CommandKind::append_event, outcome))));
          call.answer(
              [&](v1::SetSchemaReply& out) { out.set_record_index(raw(answer->first_record)); });
        });
    return call.reactor();
  }

  Reactor* List(Context* context, const v1::ListSchemasRequest*,
                v1::ListSchemasReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    return call.read([this, call] {
      backend_.cell.schemas([call](Result<std::vector<cell::LocalCell::SchemaOfType>> schemas) {
        if (!schemas) return call.refuse(schemas.error());
        call.answer([&](v1::ListSchemasReply& out) {
          for (const auto& one : *schemas) {
            v1::EventSchema& schema = *out.add_schemas();
            schema.set_type(one.type);
            schema.set_schema(one.schema->text());
            schema.set_digest(one.schema->digest().data(), one.schema->digest().size());
            schema.set_record_index(one.record);
            schema.set_time(one.time);
            schema.set_actor(format_u128(one.actor));
          }
        });
      });
    });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_schemas_service(Backend& backend) {
  return std::make_unique<SchemasService>(backend);
}

}  // namespace meridian::api
