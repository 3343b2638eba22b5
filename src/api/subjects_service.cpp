#include "api/convert.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::string_view forget_deadline_message =
    "the outcome is unknown: ask Subjects.Status, or send it again (forgetting twice does no harm)";

class SubjectsService final : public v1::Subjects::CallbackService {
 public:
  explicit SubjectsService(Backend& backend) : backend_(backend) {}

  Reactor* Forget(Context* context, const v1::SubjectRequest* request,
                  v1::ForgetReply* reply) override {
    UnaryCall call(backend_, context, reply, forget_deadline_message);
    if (request->subject().empty()) return call.refused(no_subject());
    backend_.cell.forget(call.actor(), request->subject(),
                         [call](Result<cell::ForgetAnswer> answer) {
                           if (!answer) return call.refuse(answer.error());
                           call.answer([&](v1::ForgetReply& out) {
                             out.set_subject_id(format_u128(answer->subject));
                             out.set_keys_destroyed(answer->keys_destroyed);
                             out.set_epoch(answer->epoch);
                             for (std::uint8_t c : answer->classes) out.add_classes_erased(c);
                             out.set_record_index(raw(answer->record));
                             for (std::uint64_t id : answer->destroyed_on) out.add_destroyed_on(id);
                             for (std::uint64_t id : answer->not_yet_on) out.add_not_yet_on(id);
                           });
                         });
    return call.reactor();
  }

  Reactor* Status(Context* context, const v1::SubjectRequest* request,
                  v1::SubjectStatusReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    if (request->subject().empty()) return call.refused(no_subject());
    backend_.cell.subject_status(request->subject(),
                                 [call](Result<door::Door::SubjectStatus> status) {
                                   if (!status) return call.refuse(status.error());
                                   call.answer([&](v1::SubjectStatusReply& out) {
                                     out.set_subject_id(format_u128(status->subject));
                                     out.set_known(status->known);
                                     out.set_forgotten(status->forgotten);
                                     for (std::uint8_t c : status->classes) out.add_classes(c);
                                   });
                                 });
    return call.reactor();
  }

 private:
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
