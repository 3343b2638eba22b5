#include "api/convert.h"
#include "api/header_json.h"
#include "api/internal/unary_call.h"
#include "api/proof_texts.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

Result<RecordName> record_name(const v1::ReceiptRequest& request) {
  using ledger::CommandKind;
  switch (request.of_case()) {
    case v1::ReceiptRequest::kRecordIndex: return ledger::RecordIndex{request.record_index()};
    case v1::ReceiptRequest::kTransferId:
      return RecordOf{CommandKind::create_transfer,
                      TRY(parse_u128(request.transfer_id(), "transfer_id"))};
    case v1::ReceiptRequest::kEventId:
      return RecordOf{CommandKind::append_event, TRY(parse_u128(request.event_id(), "event_id"))};
    case v1::ReceiptRequest::kAccountId:
      return RecordOf{CommandKind::create_account,
                      TRY(parse_u128(request.account_id(), "account_id"))};
    case v1::ReceiptRequest::OF_NOT_SET: break;
  }
  return fail(Code::invalid_argument,
              "of: none of transfer_id, event_id, record_index, account_id is set");
}

class ProofsService final : public v1::Proofs::CallbackService {
 public:
  explicit ProofsService(Backend& backend) : backend_(backend) {}

  Reactor* Checkpoint(Context* context, const v1::CheckpointRequest*,
                      v1::CheckpointReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    return call.read([this, call] {
      make_checkpoint(backend_, [call](Result<std::string> note) {
        if (!note) return call.refuse(note.error());
        call.answer([&](v1::CheckpointReply& out) { out.set_note(std::move(*note)); });
      });
    });
  }

  Reactor* Receipt(Context* context, const v1::ReceiptRequest* request,
                   v1::ReceiptReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<RecordName> name = record_name(*request);
    if (!name) return call.refused(name.error());
    return call.read([this, call, name = *name, witnesses = request->witnesses()] {
      make_receipt(backend_, name, witnesses, [call](Result<std::string> text) {
        if (!text) return call.refuse(text.error());
        call.answer([&](v1::ReceiptReply& out) { out.set_receipt(std::move(*text)); });
      });
    });
  }

  Reactor* Record(Context* context, const v1::RecordRequest* request,
                  v1::RecordReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    return call.read([this, call, index = request->record_index()] {
      backend_.work.post([&replica = backend_.cell.replica(), call, index] {
        Result<Buffer> header = replica.header(ledger::RecordIndex{index});
        if (!header) return call.refuse(header.error());
        Result<std::string> json = header_json_text(*header);
        if (!json) return call.refuse(json.error());
        call.answer([&](v1::RecordReply& out) {
          out.set_header(header->data(), header->size());
          out.set_json(std::move(*json));
        });
      });
    });
  }

  Reactor* Signature(Context* context, const v1::ReceiptRequest* request,
                     v1::SignatureReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<RecordName> name = record_name(*request);
    if (!name) return call.refused(name.error());
    return call.read([this, call, name = *name] {
      find_signature(backend_, name, [call](Result<cell::LocalCell::KeptSignature> kept) {
        if (!kept) return call.refuse(kept.error());
        call.answer([&](v1::SignatureReply& out) {
          out.set_jws(std::move(kept->jws));
          out.set_record_index(raw(kept->record));
        });
      });
    });
  }

  Reactor* Keys(Context* context, const v1::KeysRequest*, v1::KeysReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<KeyTexts> texts = key_texts(backend_.cell.replica());
    if (!texts) return call.refused(texts.error());
    call.answer([&](v1::KeysReply& out) {
      out.set_origin(texts->origin);
      out.set_log_vkey(texts->log_vkey);
      out.set_cosigner_vkey(texts->cosigner_vkey);
      out.set_policy(texts->policy);
    });
    return call.reactor();
  }

  Reactor* Witnesses(Context* context, const v1::WitnessesRequest*,
                     v1::WitnessesReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    report_witnesses(backend_, [call](const std::vector<witness::WitnessReport>& reports) {
      call.answer([&](v1::WitnessesReply& out) {
        for (const witness::WitnessReport& report : reports) {
          v1::WitnessesReply::Witness& row = *out.add_witnesses();
          row.set_name(report.name);
          row.set_url(report.url);
          row.set_state(std::string(name(report.state)));
          row.set_cosigned_size(report.cosigned_size);
          row.set_lag_records(report.lag_records);
          row.set_problem(report.problem);
        }
      });
    });
    return call.reactor();
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_proofs_service(Backend& backend) {
  return std::make_unique<ProofsService>(backend);
}

}  // namespace meridian::api
