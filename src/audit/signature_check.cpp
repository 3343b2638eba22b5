#include "audit/internal/signature_check.h"

#include <algorithm>

#include "mesh/jws.h"
#include "mesh/spiffe_id.h"

namespace meridian::audit::internal {

void SignatureCheck::add_event(const ledger::Header& header, const door::OpenedEvent& opened) {
  if (opened.stream != door::signatures_stream) return add_signed_event(header, opened);
  const std::uint64_t record = raw(header.record_index);
  const crypto::Digest digest = crypto::sha256(opened.data);
  if (digest != header.signature_digest)
    return findings_.add(record, "holds another signature than its header names");
  places_.insert_or_assign(digest, Place{record, ledger::command_id(header), true});
  ++signatures_;
  remember(digest, judge(record, std::string(as_text(opened.data))));
}

void SignatureCheck::add_signed_event(const ledger::Header& header,
                                      const door::OpenedEvent& opened) {
  if (header.attester != ledger::Attester::client_signature) return;
  const std::uint64_t record = raw(header.record_index);
  const auto place = places_.find(header.signature_digest);
  if (place == places_.end()) return;
  if (!place->second.is_kept) {
    // It stood where its evidence has to be; the others were told by add_record().
    if (place->second.record != record) return;
    ++records_;
    return add_unread(record);
  }
  const RequestRef request = find(header.signature_digest);
  if (request == nullptr) return;
  const Status same = door::check_signed_content(*request, header, opened);
  if (!same && same.error().code != Code::not_found)
    return findings_.add(record, same.error().message);
  if (same) ++contents_;
}

/// Null if it is not what a client signed.
SignatureCheck::RequestRef SignatureCheck::judge(std::uint64_t record, const std::string& jws) {
  const auto wrong = [&](const std::string& why) {
    findings_.add(record, "what it holds as a client's signature is none: " + why);
    return nullptr;
  };
  const Result<mesh::SignedJws> opened = mesh::open_jws(jws);
  if (!opened) return wrong(opened.error().message);
  Result<door::SignedRequest> request = door::parse_signed_text(opened->payload);
  if (!request) return wrong(request.error().message);
  const std::optional<mesh::SpiffeId>& claimed = opened->chain[0].claimed_id();
  if (!claimed || mesh::format_spiffe_id(*claimed) != request->by)
    return wrong("its certificate names somebody else than its text");
  return std::make_shared<const door::SignedRequest>(*std::move(request));
}

void SignatureCheck::remember(const crypto::Digest& digest, RequestRef request) {
  newest_.emplace_front(digest, std::move(request));
  if (newest_.size() > newest_max) newest_.pop_back();
}

/// Nothing but the keys tells it from the events that it is about: it is there first, and has an id
/// of its own, which it also has if the request is sent again.
bool SignatureCheck::is_evidence(const ledger::Header& header) {
  if (header.kind != ledger::CommandKind::append_event) return false;
  const u128 id = ledger::command_id(header);
  if (const auto place = places_.find(header.signature_digest); place != places_.end())
    return place->second.event_id == id;
  if (header.outcome != ledger::Outcome::created) return false;
  places_.emplace(header.signature_digest, Place{raw(header.record_index), id, false});
  return true;
}

void SignatureCheck::add_unread(std::uint64_t record) {
  ++unread_;
  if (!has_locked_)
    findings_.add(record, "says that a client signed it, and what was signed is not there");
}

void SignatureCheck::add_record(const ledger::Header& header) {
  if (header.attester != ledger::Attester::client_signature || is_evidence(header)) return;
  ++records_;
  const std::uint64_t record = raw(header.record_index);
  const auto place = places_.find(header.signature_digest);
  if (place == places_.end() || !place->second.is_kept) return add_unread(record);
  const RequestRef request = find(header.signature_digest);
  if (request == nullptr) {
    ++unread_;
    return;  // told with the evidence
  }
  const Status same = door::check_signed_record(*request, header);
  if (!same) findings_.add(record, same.error().message);
}

SignatureCheck::RequestRef SignatureCheck::find(const crypto::Digest& digest) {
  const auto found =
      std::ranges::find_if(newest_, [&](const auto& one) { return one.first == digest; });
  if (found != newest_.end()) return found->second;
  const std::uint64_t record = places_.at(digest).record;
  const Result<door::OpenedEvent> again = read_again_(record);
  RequestRef request = again ? judge(record, std::string(as_text(again->data))) : nullptr;
  remember(digest, request);
  return request;
}

}  // namespace meridian::audit::internal
