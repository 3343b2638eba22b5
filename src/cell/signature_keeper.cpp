#include "cell/signature_keeper.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"
#include "door/signed_text.h"

namespace meridian::cell {
namespace {

door::EventDraft evidence_of(const door::Door& door, const std::string& jws,
                             const crypto::Digest& digest) {
  door::EventDraft event;
  event.event_id = door.signature_id(digest);
  event.stream = door::signatures_stream;
  event.type = door::signature_type;
  event.content_type = "application/octet-stream";
  event.data = to_buffer(as_bytes(jws));
  event.is_of_cell = true;
  event.is_evidence = true;
  return event;
}

/// As if the client's commands had been alone.
Result<replica::Answer> without_evidence(replica::Answer answer) {
  using ledger::EventOutcome;
  ASSERT(answer.results.size() > 1);
  const ledger::Outcome kept = answer.results.front().outcome;
  // A request that is sent again finds its evidence there.
  if (kept != ledger::Outcome::created && kept != outcome(EventOutcome::exists))
    return fail(Code::internal,
                fmt::format("the request is recorded, and what was signed of it could not be kept "
                            "({}): tell the operator",
                            outcome_name(ledger::CommandKind::append_event, kept)));
  answer.results.erase(answer.results.begin());
  answer.first_record = ledger::RecordIndex{raw(answer.first_record) + 1};
  ++answer.first_time;
  return answer;
}

Error lost(std::uint64_t record) {
  return {Code::data_loss,
          fmt::format("record {} says that a client signed it, and what was signed is not in the "
                      "ledger: whoever led then put it there wrongly",
                      record)};
}

}  // namespace

void SignatureKeeper::submit(u128 actor, std::vector<door::CommandDraft> commands,
                             const std::string& jws, replica::Replica::Answered answered) {
  if (Status now = door_.ready(); !now) return answered(now.error());
  const crypto::Digest digest = crypto::sha256(as_bytes(jws));
  commands.insert(commands.begin(), evidence_of(door_, jws, digest));
  door_.prepare(actor, std::move(commands), false,
                [this, digest,
                 answered = std::move(answered)](Result<std::unique_ptr<ledger::Request>> request) {
                  if (!request) return answered(request.error());
                  (*request)->attester = ledger::Attester::client_signature;
                  (*request)->signature_digest = digest;
                  replica_.submit(std::move(*request), [answered](Result<replica::Answer> answer) {
                    if (!answer) return answered(answer.error());
                    answered(without_evidence(std::move(*answer)));
                  });
                });
}

void SignatureKeeper::find(ledger::RecordIndex record, Done done) {
  executor_.post([this, alive = alive_, record, done = std::move(done)] {
    if (!*alive) return;
    const Result<Buffer> bytes = replica_.header(record);
    if (!bytes) return done(bytes.error());
    const Result<ledger::Header> header = ledger::Header::decode(*bytes);
    if (!header) return done(header.error());
    if (header->attester != ledger::Attester::client_signature)
      return done(
          fail(Code::not_found, fmt::format("record {} was not signed by a client", raw(record))));
    const crypto::Digest digest = header->signature_digest;
    replica_.find_record(
        ledger::IdSpace::event, door_.signature_id(digest),
        [this, alive, digest, record, done](const Result<ledger::RecordIndex>& at) {
          if (!at) return done(at.error());
          if (*at == ledger::no_record) return done(lost(raw(record)));
          if (*alive) read_kept(digest, *at, done);
        });
  });
}

void SignatureKeeper::read_kept(const crypto::Digest& digest, ledger::RecordIndex at, Done done) {
  ReadQuery query;
  query.position = raw(at);
  query.limit = 1;
  reader_.read(query, [digest, at, done = std::move(done)](const Result<ReadPage>& page) {
    if (!page) return done(page.error());
    if (page->events.empty() || page->events[0].header.record_index != at ||
        crypto::sha256(page->events[0].event.data) != digest)
      return done(lost(raw(at)));
    done(LocalCell::KeptSignature{std::string(as_text(page->events[0].event.data)), at});
  });
}

}  // namespace meridian::cell
