// Accounts, transfers, events, transactions and erasures by POST.
#include <utility>

#include "api/act_request.h"
#include "api/convert_json.h"
#include "api/internal/http_routes.h"
#include "api/scope_checks.h"
#include "api/second_person.h"
#include "ledger/describe.h"

namespace meridian::api::internal {
namespace {

using Call = HttpApi::CallRef;
using mesh::Action;
using Json = nlohmann::ordered_json;

/// Large answers are written on the work executor: the callback may come on a replica's stage.
replica::Replica::Answered answer(Backend& backend, const Call& call,
                                  std::vector<ledger::CommandKind> kinds) {
  return [&backend, call, kinds = std::move(kinds)](Result<replica::Answer> result) {
    if (!result) return call->refuse(result.error());
    backend.work.post([call, kinds, result = std::move(*result)] {
      call->reply_json(answer_json(result, kinds).dump());
    });
  };
}

void submit(Backend& backend, const Call& call, Result<Drafts> drafts) {
  if (!drafts) return call->refuse(drafts.error());
  if (Status may = check_drafts(call->asker, drafts->commands); !may)
    return call->refuse(may.error());
  submit_drafts(backend, call->asker, call->request.signature, std::move(drafts->commands),
                answer(backend, call, std::move(drafts->kinds)));
}

void submit_rows(Backend& backend, const Call& call, ledger::CommandKind kind,
                 const Result<Buffer>& commands) {
  if (!commands) return call->refuse(commands.error());
  if (Status may = check_packed_ledgers(call->asker, kind, *commands); !may)
    return call->refuse(may.error());
  submit_packed(backend, call->asker, call->request.signature, kind, *commands,
                answer(backend, call, {kind}));
}

void post_accounts(Backend& backend, const Call& call) {
  submit_rows(backend, call, ledger::CommandKind::create_account,
              parse_accounts_json(call->request.body));
}

void post_transfers(Backend& backend, const Call& call) {
  submit_rows(backend, call, ledger::CommandKind::create_transfer,
              parse_transfers_json(call->request.body));
}

void post_events(Backend& backend, const Call& call) {
  submit(backend, call, parse_events_json(call->request.body));
}

void post_deletions(Backend& backend, const Call& call) {
  submit(backend, call, parse_deletion_json(call->request.body));
}

void post_transactions(Backend& backend, const Call& call) {
  submit(backend, call, parse_transactions_json(call->request.body));
}

Json json_of(const storage::KeyName& key) {
  return {{"retention", key.retention}, {"period", storage::period_text(key.version)}};
}

Json json_of(const door::Kept& kept) {
  Json out = json_of(kept.key);
  if (kept.until) out["kept_until"] = to_text(*kept.until);
  if (!kept.class_name.empty()) out["class"] = kept.class_name;
  if (!kept.basis.empty()) out["basis"] = kept.basis;
  if (kept.hold != 0) {
    out["hold_id"] = ledger::opaque_hex(kept.hold);
    out["reference"] = kept.reference;
  }
  return out;
}

void reply_forgotten(const Call& call, const Result<cell::ForgetAnswer>& done) {
  if (!done) return call->refuse(done.error());
  Json reply{{"subject_id", ledger::opaque_hex(done->subject)},
             {"keys_destroyed", done->keys_destroyed},
             {"epoch", done->epoch},
             {"classes_erased", done->classes},
             {"record_index", std::to_string(raw(done->record))},
             {"records", done->records},
             {"erased", Json::array()},
             {"kept", Json::array()}};
  for (const storage::KeyName& key : done->erased) reply["erased"].push_back(json_of(key));
  for (const door::Kept& kept : done->kept) reply["kept"].push_back(json_of(kept));
  if (!done->destroyed_on.empty()) {
    reply["destroyed_on"] = done->destroyed_on;
    reply["not_yet_on"] = done->not_yet_on;
  }
  if (done->turn) reply["turn_record"] = std::to_string(raw(*done->turn));
  call->reply_json(reply.dump());
}

void post_forget(Backend& backend, const Call& call) {
  Result<std::string> subject = parse_subject_json(call->request.body);
  if (!subject) return call->refuse(subject.error());
  if (const Status now = backend.cell.door().ready(); !now) return call->refuse(now.error());
  mesh::ActRequest act = forgetting_of(backend.cell.door().subject_id(*subject));
  begin_act(backend, call->asker, std::move(act),
            [&backend, call, subject = std::move(*subject)](const Status& may) {
              if (!may) return call->refuse(may.error());
              backend.cell.forget(
                  call->asker.actor(), subject,
                  [call](const Result<cell::ForgetAnswer>& done) { reply_forgotten(call, done); });
            });
}

// A POST, since the name of a person belongs into no URL, log or history.
void post_subject_status(Backend& backend, const Call& call) {
  Result<std::string> subject = parse_subject_json(call->request.body);
  if (!subject) return call->refuse(subject.error());
  backend.cell.subject_status(std::move(*subject),
                              [call](Result<door::Door::SubjectStatus> status) {
                                if (!status) return call->refuse(status.error());
                                Json reply{{"subject_id", ledger::opaque_hex(status->subject)},
                                           {"known", status->known},
                                           {"forgotten", status->forgotten},
                                           {"classes", status->classes},
                                           {"keys", Json::array()}};
                                if (status->wish) reply["forget_since"] = to_text(*status->wish);
                                for (const door::Kept& kept : status->keys)
                                  reply["keys"].push_back(json_of(kept));
                                call->reply_json(reply.dump());
                              });
}

Json json_of(const cell::Erasure& erasure) {
  const door::ErasureRecord& said = erasure.said;
  Json out{{"record_index", std::to_string(said.record)},
           {"kind", ledger::kind_name(said.kind)},
           {"time", ledger::iso_time(said.time_ns)}};
  if (said.kind != ledger::CommandKind::forget_subject) out["classes"] = said.classes;
  if (said.kind == ledger::CommandKind::erase_key || said.kind == ledger::CommandKind::expire_class)
    out["period"] = storage::period_text(said.version);
  if (said.destroys()) {
    out["keys_destroyed"] = said.keys;
    out["epoch"] = said.epoch;
  }
  if (erasure.turn) out["turn_record"] = std::to_string(*erasure.turn);
  if (said.wished) {
    out["keys_kept"] = said.keys;
    out["forget_since"] = to_text(*said.wished);
  }
  if (said.hold != 0) out["hold_id"] = ledger::opaque_hex(said.hold);
  return out;
}

void reply_erasures(const Call& call, const cell::ErasuresPage& page) {
  Json reply{{"erasures", Json::array()},
             {"next", std::to_string(page.next)},
             {"end", page.end},
             {"records", std::to_string(page.records)}};
  for (const cell::Erasure& one : page.erasures) {
    Json& out = reply["erasures"].emplace_back(json_of(one));
    if (page.subject != 0 && one.said.kind == ledger::CommandKind::expire_class)
      out["is_clear"] = one.is_clear;
  }
  if (page.subject != 0) {
    reply["subject_id"] = ledger::opaque_hex(page.subject);
    reply["kept"] = Json::array();
    for (const door::Kept& kept : page.kept) reply["kept"].push_back(json_of(kept));
  }
  for (const cell::ReplicaEpoch& one : page.replicas)
    reply["replicas"].push_back({{"replica", one.id}, {"epoch", one.epoch}});
  call->reply_json(reply.dump());
}

void post_erasures(Backend& backend, const Call& call) {
  Result<cell::ErasuresQuery> query = parse_erasures_json(call->request.body);
  if (!query) return call->refuse(query.error());
  backend.cell.find_erasures(std::move(*query), [call](const Result<cell::ErasuresPage>& page) {
    if (!page) return call->refuse(page.error());
    reply_erasures(call, *page);
  });
}

void post_settle(Backend& backend, const Call& call) {
  backend.cell.replica().settle([call] { call->reply_json("{}"); });
}

}  // namespace

void add_write_routes(std::vector<HttpApi::Route>& routes) {
  routes.push_back({HttpMethod::post, "v1/accounts", Action::accounts_create, post_accounts});
  routes.push_back({HttpMethod::post, "v1/transfers", Action::transfers_create, post_transfers});
  routes.push_back({HttpMethod::post, "v1/events", Action::events_append, post_events});
  routes.push_back({HttpMethod::post, "v1/deletions", Action::streams_delete, post_deletions});
  routes.push_back({HttpMethod::post,
                    "v1/transactions",
                    {Action::transfers_create, Action::events_append, Action::accounts_create,
                     Action::streams_delete},
                    post_transactions});
  routes.push_back({HttpMethod::post, "v1/subjects/forget", Action::subjects_forget, post_forget});
  routes.push_back(
      {HttpMethod::post, "v1/subjects/status", Action::subjects_read, post_subject_status});
  routes.push_back(
      {HttpMethod::post, "v1/subjects/erasures", Action::subjects_read, post_erasures, true});
  routes.push_back({HttpMethod::post, "v1/settle", Action::status_read, post_settle});
}

}  // namespace meridian::api::internal
