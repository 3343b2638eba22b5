#include "audit/internal/signature_check.h"

#include <algorithm>

#include "mesh/jws.h"
#include "mesh/spiffe_id.h"

namespace meridian::audit::internal {

void SignatureCheck::add_event(const ledger::Header& header, const door::OpenedEvent& opened) {
  if (opened.stream != door::signatures_stream) return;
  const std::uint64_t record = raw(header.record_index);
  const crypto::Digest digest = crypto::sha256(opened.data);
  if (digest != header.signature_digest)
    return findings_.add(record, "holds another signature than its header names");
  places_.emplace(digest, record);
  remember(digest, judge(record, std::string(as_text(opened.data))));
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

void SignatureCheck::add_record(const ledger::Header& header) {
  if (header.attester != ledger::Attester::client_signature) return;
  const bool is_command = header.kind == ledger::CommandKind::create_account ||
                          header.kind == ledger::CommandKind::create_transfer;
  // The evidence itself, which was there already if the request had been sent before.
  if (!is_command) return;
  ++records_;
  const std::uint64_t record = raw(header.record_index);
  if (!places_.contains(header.signature_digest)) {
    ++unread_;
    if (!has_locked_)
      findings_.add(record, "says that a client signed it, and what was signed is not there");
    return;
  }
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
  const std::uint64_t record = places_.at(digest);
  const Result<door::OpenedEvent> again = read_again_(record);
  RequestRef request = again ? judge(record, std::string(as_text(again->data))) : nullptr;
  remember(digest, request);
  return request;
}

}  // namespace meridian::audit::internal
