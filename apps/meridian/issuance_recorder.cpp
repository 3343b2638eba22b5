#include "issuance_recorder.h"

#include <fmt/format.h>

#include <utility>

#include "api/convert_issuances.h"
#include "io/end_executor.h"

namespace meridian::app {
namespace {

/// Of a call: one that stops waits so long at most.
constexpr std::uint32_t timeout_s = 5;

Result<mesh::JournalHead> head_of(const v1::JournalHead& reply) {
  const Result<mesh::JournalHead> head = api::parse_journal_head(reply, "head");
  return head ? head : fail(Code::internal, "the server's answer has no digest");
}

v1::RecordIssuancesRequest request_of(const cell::JournalPart& part) {
  v1::RecordIssuancesRequest request;
  request.set_trust_domain(part.trust_domain);
  api::fill(part.after, *request.mutable_after());
  request.set_lines(part.lines);
  return request;
}

Error another_journal(const std::string& trust_domain, const mesh::JournalHead& recorded) {
  return fail(Code::data_loss,
              fmt::format("ALARM: the journal of {} is not the one on record, which has {} entries "
                          "and ends with digest {}: entries were changed or taken out here. "
                          "`meridian issuances list` shows what was issued",
                          trust_domain, recorded.count, to_hex(recorded.digest)));
}

}  // namespace

Result<mesh::JournalHead> hand_in_journal(Client& client, const std::string& trust_domain,
                                          const JournalSource& source) {
  v1::RecordedHeadRequest ask;
  ask.set_trust_domain(trust_domain);
  const v1::JournalHead reply =
      TRY(client.call(*client.issuances, &v1::Issuances::Stub::Head, ask));
  mesh::JournalHead recorded = TRY(head_of(reply));
  while (true) {
    const Result<cell::JournalPart> part = source(recorded.count);
    if (!part && part.error().code == Code::out_of_range)
      return another_journal(trust_domain, recorded);
    if (!part) return part.error();
    if (part->after != recorded) return another_journal(trust_domain, recorded);
    if (part->lines.empty()) return recorded;
    const v1::JournalHead taken =
        TRY(client.write(*client.issuances, &v1::Issuances::Stub::Record, request_of(*part)));
    const mesh::JournalHead now = TRY(head_of(taken));
    if (now.count <= recorded.count) return fail(Code::internal, "the server does not go on");
    recorded = now;
  }
}

IssuanceRecorder::IssuanceRecorder(Setting setting) : setting_(std::move(setting)) {
  setting_.client.timeout_s = timeout_s;
  executor_->post([this] { hand_in(); });
}

IssuanceRecorder::~IssuanceRecorder() { io::end_executor(executor_); }

void IssuanceRecorder::hand_in() {
  Client client(setting_.client);
  tell(hand_in_journal(client, setting_.trust_domain, setting_.source));
  executor_->post_after(period, [this] { hand_in(); });
}

/// Once for each that is new.
void IssuanceRecorder::tell(const Result<mesh::JournalHead>& done) {
  const std::string failed = done ? std::string() : done.error().message;
  if (!failed.empty() && failed != told_)
    setting_.notice(fmt::format("the journal is not on record: {}", failed));
  if (done && !told_.empty())
    setting_.notice(fmt::format("the journal is on record again, {} entries", done->count));
  told_ = failed;
}

}  // namespace meridian::app
