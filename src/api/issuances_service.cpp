#include <fmt/format.h>

#include "api/convert_issuances.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "cell/issuance_records.h"
#include "meridian/v1/issuances.grpc.pb.h"
#include "mesh/authority.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::uint32_t limit_max = 16;
constexpr std::string_view unknown_outcome =
    "the outcome is unknown: send it again, what is on record is recorded once";

Status fill_page(const cell::ReadPage& page, const std::string& trust_domain,
                 v1::IssuancesReply& out) {
  for (const cell::ReadEvent& one : page.events) {
    const cell::ImportedIssuances issued =
        TRY(cell::parse_issuances(as_text(one.event.data), trust_domain));
    v1::RecordedIssuances& record = *out.add_records();
    fill(issued.part.after, *record.mutable_after());
    record.set_lines(issued.part.lines);
    record.set_record_index(raw(one.header.record_index));
    record.set_time(static_cast<std::int64_t>(one.header.time / 1'000'000'000));
  }
  out.set_next(page.next);
  out.set_end(page.end);
  return {};
}

class IssuancesService final : public v1::Issuances::CallbackService {
 public:
  explicit IssuancesService(Backend& backend) : backend_(backend) {}

  Reactor* Head(Context* context, const v1::RecordedHeadRequest* request,
                v1::JournalHead* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    return call.read([this, call, domain = request->trust_domain()] {
      cell::find_recorded_head(backend_.cell, domain, answering(call));
    });
  }

  Reactor* Record(Context* context, const v1::RecordIssuancesRequest* request,
                  v1::JournalHead* reply) override {
    UnaryCall call(backend_, context, reply, unknown_outcome);
    const Result<mesh::JournalHead> after = parse_journal_head(request->after(), "after");
    if (!after) return call.refused(after.error());
    if (const meridian::Status may = check_caller(call.asker(), request->trust_domain()); !may)
      return call.refused(may.error());
    return call.read(
        [this, call, part = cell::JournalPart{request->trust_domain(), *after, request->lines()}] {
          cell::record_issuances(backend_.cell, call.actor(), part, answering(call));
        });
  }

  Reactor* List(Context* context, const v1::IssuancesRequest* request,
                v1::IssuancesReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    const std::string& domain = request->trust_domain();
    if (!mesh::is_trust_domain(domain))
      return call.refused(fail(Code::invalid_argument, "trust_domain: not a trust domain"));
    cell::ReadQuery query;
    query.source = cell::ReadQuery::Source::stream;
    query.name = cell::issuances_stream(domain);
    query.position = request->position();
    query.limit = request->limit() == 0 ? limit_max : request->limit();
    if (query.limit > limit_max)
      return call.refused(fail(Code::invalid_argument, "limit: from 1 to 16"));
    return call.read([this, call, query, domain] {
      backend_.cell.read_events(query, [call, domain](const Result<cell::ReadPage>& page) {
        if (!page && page.error().code == Code::not_found)
          return call.answer([](v1::IssuancesReply& out) { out.set_end(true); });
        if (!page) return call.refuse(page.error());
        v1::IssuancesReply made;
        if (const meridian::Status filled = fill_page(*page, domain, made); !filled)
          return call.refuse(filled.error());
        call.answer([&](v1::IssuancesReply& out) { out = std::move(made); });
      });
    });
  }

 private:
  /// An authority hands in its own journal and no other; a person any.
  static meridian::Status check_caller(const Asker& asker, const std::string& trust_domain) {
    const Result<mesh::SpiffeId> id = mesh::parse_spiffe_id(asker.id());
    if (!id) return {};  // in the clear: one user
    if (mesh::kind_of(*id) == mesh::IdKind::person || *id == mesh::authority_id(trust_domain))
      return {};
    return fail(Code::permission_denied,
                fmt::format("the journal of {} is handed in by its authority, or by a person, and "
                            "not by {}",
                            trust_domain, asker.id()));
  }
  static cell::HeadFound answering(const UnaryCall<v1::JournalHead>& call) {
    return [call](const Result<mesh::JournalHead>& head) {
      if (!head) return call.refuse(head.error());
      call.answer([&](v1::JournalHead& out) { fill(*head, out); });
    };
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_issuances_service(Backend& backend) {
  return std::make_unique<IssuancesService>(backend);
}

}  // namespace meridian::api
