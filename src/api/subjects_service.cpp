#include "api/act_request.h"
#include "api/convert.h"
#include "api/convert_keeping.h"
#include "api/internal/unary_call.h"
#include "api/readings.h"
#include "api/second_person.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::string_view forget_deadline_message =
    "the outcome is unknown: ask Subjects.Status, or send it again (forgetting twice does no harm)";

constexpr std::string_view keep_deadline_message =
    "the outcome is unknown: ask Subjects.Keeping; defining a class twice does no harm, a hold "
    "that "
    "was placed twice is released twice";

class SubjectsService final : public v1::Subjects::CallbackService {
 public:
  explicit SubjectsService(Backend& backend) : backend_(backend) {}

  Reactor* Forget(Context* context, const v1::SubjectRequest* request,
                  v1::ForgetReply* reply) override {
    UnaryCall call(backend_, context, reply, forget_deadline_message);
    if (request->subject().empty()) return call.refused(no_subject());
    if (const auto now = backend_.cell.door().ready(); !now) return call.refused(now.error());
    grpc::ServerUnaryReactor* reactor = call.reactor();
    begin_act(
        backend_, call.asker(), forgetting_of(backend_.cell.door().subject_id(request->subject())),
        [this, call, subject = request->subject()](const meridian::Status& may) {
          if (!may) return call.refuse(may.error());
          backend_.cell.forget(call.actor(), subject, [call](Result<cell::ForgetAnswer> answer) {
            if (!answer) return call.refuse(answer.error());
            call.answer([&](v1::ForgetReply& out) { fill(*answer, out); });
          });
        });
    return reactor;
  }

  Reactor* Status(Context* context, const v1::SubjectRequest* request,
                  v1::SubjectStatusReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    if (request->subject().empty()) return call.refused(no_subject());
    backend_.cell.subject_status(
        request->subject(), [call](Result<door::Door::SubjectStatus> status) {
          if (!status) return call.refuse(status.error());
          call.answer([&](v1::SubjectStatusReply& out) { fill(*status, out); });
        });
    return call.reactor();
  }

  Reactor* Export(Context* context, const v1::ExportRequest* request,
                  v1::ExportReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    if (request->subject().empty()) return call.refused(no_subject());
    std::string purpose = internal::metadata_of(*context, purpose_key);
    if (const auto sound = check_given_purpose(purpose); !sound) return call.refused(sound.error());
    return call.read([this, call, subject = request->subject(), position = request->position(),
                      purpose = std::move(purpose)] {
      backend_.cell.export_subject(
          subject, position,
          [&backend = backend_, call, subject, purpose](Result<cell::ExportPage> page) {
            if (!page) return call.refuse(page.error());
            const auto owed = owe_reading(backend, call.asker(), purpose, page->events,
                                          backend.cell.door().subject_id(subject));
            if (!owed) return call.refuse(owed.error());
            backend.work.post([call, page = std::move(*page)] {
              call.answer([&](v1::ExportReply& out) {
                for (const cell::ReadEvent& event : page.events) fill(event, *out.add_events());
                out.set_next(page.next);
                out.set_end(page.end);
                out.set_records(page.records);
              });
            });
          });
    });
  }

  Reactor* Erasures(Context* context, const v1::ErasuresRequest* request,
                    v1::ErasuresReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<cell::ErasuresQuery> query = parse_erasures(*request);
    if (!query) return call.refused(query.error());
    return call.read([this, call, query = std::move(*query)] {
      backend_.cell.find_erasures(query, [call](Result<cell::ErasuresPage> page) {
        if (!page) return call.refuse(page.error());
        call.answer([&](v1::ErasuresReply& out) { fill(*page, out); });
      });
    });
  }

  Reactor* SetRetention(Context* context, const v1::RetentionClass* request,
                        v1::KeepReply* reply) override {
    UnaryCall call(backend_, context, reply, keep_deadline_message);
    const Result<door::RetentionDraft> retention = parse_retention(*request);
    if (!retention) return call.refused(retention.error());
    if (const auto sound = storage::check_class(retention->retention); !sound)
      return call.refused(sound.error());
    grpc::ServerUnaryReactor* reactor = call.reactor();
    begin_act(backend_, call.asker(), definition_of(*retention),
              [this, call, retention = *retention](const meridian::Status& may) {
                if (!may) return call.refuse(may.error());
                keep(call, retention);
              });
    return reactor;
  }

  Reactor* SetResidency(Context* context, const v1::Jurisdiction* request,
                        v1::KeepReply* reply) override {
    UnaryCall call(backend_, context, reply, keep_deadline_message);
    const Result<door::ResidencyDraft> residency = parse_residency(*request);
    if (!residency) return call.refused(residency.error());
    grpc::ServerUnaryReactor* reactor = call.reactor();
    begin_act(backend_, call.asker(), residency_of(*residency),
              [this, call, residency = *residency](const meridian::Status& may) {
                if (!may) return call.refuse(may.error());
                keep(call, residency);
              });
    return reactor;
  }

  Reactor* PlaceHold(Context* context, const v1::PlaceHoldRequest* request,
                     v1::KeepReply* reply) override {
    UnaryCall call(backend_, context, reply, keep_deadline_message);
    if (request->subject().empty()) return call.refused(no_subject());
    if (const auto good = door::check_name("subject", request->subject(), 0); !good)
      return call.refused(good.error());
    if (const auto now = backend_.cell.door().ready(); !now) return call.refused(now.error());
    const Result<door::HoldDraft> hold =
        parse_hold(*request, backend_.cell.door().subject_id(request->subject()));
    if (!hold) return call.refused(hold.error());
    return keep(call, *hold);
  }

  Reactor* ReleaseHold(Context* context, const v1::ReleaseHoldRequest* request,
                       v1::KeepReply* reply) override {
    UnaryCall call(backend_, context, reply, keep_deadline_message);
    const Result<door::ReleaseDraft> release = parse_release(*request);
    if (!release) return call.refused(release.error());
    return keep(call, *release);
  }

  Reactor* Keeping(Context* context, const v1::KeepingRequest*, v1::KeepingReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    return call.read([this, call] {
      backend_.cell.keeping([call](const door::KeepingList& list) {
        call.answer([&](v1::KeepingReply& out) { fill(list, out); });
      });
    });
  }

 private:
  Reactor* keep(const UnaryCall<v1::KeepReply>& call, door::KeepingDraft draft) {
    backend_.cell.keep(call.actor(), std::move(draft), [call](Result<cell::KeepAnswer> kept) {
      if (!kept) return call.refuse(kept.error());
      call.answer([&](v1::KeepReply& out) { fill(*kept, out); });
    });
    return call.reactor();
  }
  static Error no_subject() {
    return fail(Code::invalid_argument, "subject: empty, name the person it is about");
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_subjects_service(Backend& backend) {
  return std::make_unique<SubjectsService>(backend);
}

}  // namespace meridian::api
