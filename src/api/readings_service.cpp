#include "api/convert.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "meridian/v1/readings.grpc.pb.h"

namespace meridian::api {
namespace {

using internal::UnaryCall;

constexpr std::uint32_t limit_max = 100;

void fill(const cell::Reading& from, std::uint64_t record_index, v1::Reading& to) {
  to.set_actor(format_u128(from.actor));
  to.set_purpose(from.purpose);
  if (from.stream != 0) to.set_stream(format_u128(from.stream));
  if (from.subject != 0) to.set_subject(format_u128(from.subject));
  to.set_count(from.count);
  to.set_first(from.first);
  to.set_last(from.last);
  to.set_from(static_cast<std::int64_t>(from.from_s));
  to.set_until(static_cast<std::int64_t>(from.until_s));
  to.set_record_index(record_index);
}

Status fill(const cell::ReadPage& page, v1::ReadingsReply& out) {
  for (const cell::ReadEvent& one : page.events) {
    if (one.event.type != cell::readings_type) continue;
    for (const cell::Reading& row : TRY(cell::parse_readings(as_text(one.event.data))))
      fill(row, raw(one.header.record_index), *out.add_readings());
  }
  out.set_next(page.next);
  out.set_end(page.end);
  return {};
}

class ReadingsService final : public v1::Readings::CallbackService {
 public:
  explicit ReadingsService(Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ReadingsRequest* request,
                                 v1::ReadingsReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    cell::ReadQuery query;
    query.source = cell::ReadQuery::Source::stream;
    query.name = cell::readings_stream;
    query.position = request->position();
    query.limit = request->limit() == 0 ? limit_max : request->limit();
    if (query.limit > limit_max)
      return call.refused(fail(Code::invalid_argument, "limit: from 1 to 100"));
    return call.read([this, call, query] {
      backend_.cell.read_events(query, [call](const Result<cell::ReadPage>& page) {
        if (!page && page.error().code == Code::not_found)
          return call.answer([](v1::ReadingsReply& out) { out.set_end(true); });
        if (!page) return call.refuse(page.error());
        v1::ReadingsReply made;
        if (const meridian::Status filled = fill(*page, made); !filled)
          return call.refuse(fail(Code::data_loss, filled.error().message));
        call.answer([&](v1::ReadingsReply& out) { out = std::move(made); });
      });
    });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_readings_service(Backend& backend) {
  return std::make_unique<ReadingsService>(backend);
}

}  // namespace meridian::api
