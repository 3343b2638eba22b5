#include "api/request_signature.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "api/backend.h"

namespace meridian::api {
namespace {

/// `1796013097 header..signature`.
struct Given {
  std::int64_t at_s = 0;
  mesh::DetachedJws jws;
};

Result<Given> parse_given(std::string_view text) {
  const std::size_t space = text.find(' ');
  const std::string_view digits = text.substr(0, space);
  Given given;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), given.at_s);
  if (space == text.npos || error != std::errc() || end != digits.data() + digits.size())
    return fail(
        Code::invalid_argument,
        "a signature is the time at which it was made, in seconds since 1970, a space, and a "
        "JWS without its payload (docs/formats/signature.md)");
  given.jws = TRY(mesh::split_detached_jws(text.substr(space + 1)));
  return given;
}

/// A salt says that the client signs: its signature was lost on the way.
Status check_no_salts(const std::vector<door::CommandDraft>& drafts) {
  for (const door::CommandDraft& draft : drafts)
    if (const auto* event = std::get_if<door::EventDraft>(&draft);
        event != nullptr && !event->signature_salt.empty())
      return fail(Code::invalid_argument,
                  fmt::format("event {} has a signature_salt, and no signature came with the "
                              "request; nothing was done",
                              to_decimal(event->event_id)));
  return {};
}

}  // namespace

RequestSignatures::RequestSignatures(u128 cell, door::Door& door, io::Clock& clock,
                                     metrics::Registry& metrics)
    : cell_(cell), door_(door), clock_(clock) {
  constexpr std::array<const char*, outcome_count> names{
      "good",      "in_the_clear", "malformed",  "unsupported",
      "untrusted", "of_another",   "not_of_now", "wrong"};
  for (std::size_t i = 0; i < names.size(); ++i)
    outcomes_[i] = &metrics.counter("meridian_request_signatures_total",
                                    "Requests that came with a signature, by what it was worth.",
                                    {{"outcome", names[i]}});
}

Result<std::string> RequestSignatures::check(
    const Asker& asker, const Callers* callers, std::string_view given,
    const Result<std::vector<door::SignedCommand>>& commands) {
  OrRefused<std::string> judged = judge(asker, callers, given, commands);
  const Outcome outcome = judged ? Outcome::good : judged.error().outcome;
  outcomes_[static_cast<std::size_t>(outcome)]->increment();
  if (judged) return *std::move(judged);
  door_.count_bad_signature(asker.actor());
  const Error& error = judged.error().error;
  return fail(error.code, error.message + "; nothing was done");
}

RequestSignatures::OrRefused<std::string> RequestSignatures::judge(
    const Asker& asker, const Callers* callers, std::string_view given,
    const Result<std::vector<door::SignedCommand>>& commands) {
  const auto refuse = [](Outcome outcome, Error error) {
    return tl::make_unexpected(Refused{outcome, std::move(error)});
  };
  if (callers == nullptr || asker.caller() == nullptr)
    return refuse(
        Outcome::in_the_clear,
        fail(Code::failed_precondition, "in the clear nobody is told apart, so nobody can sign"));
  if (!commands) return refuse(Outcome::unsupported, commands.error());
  const Result<Given> parsed = parse_given(given);
  if (!parsed) return refuse(Outcome::malformed, parsed.error());
  const OrRefused<SignerRef> signer = find_signer(parsed->jws.header, callers->credentials());
  if (!signer) return tl::make_unexpected(signer.error());
  const std::string id = mesh::format_spiffe_id((*signer)->identity.id);
  if (id != asker.id())
    return refuse(Outcome::of_another,
                  fail(Code::permission_denied,
                       fmt::format("{} sends what {} signed: who signs has to be who sends it",
                                   asker.id(), id)));
  const auto now_s = static_cast<std::int64_t>(clock_.now().time) / 1'000'000'000;
  if (now_s - parsed->at_s > door::signed_at_leeway_s ||
      parsed->at_s - now_s > door::signed_at_leeway_s)
    return refuse(Outcome::not_of_now,
                  fail(Code::permission_denied,
                       fmt::format("it was signed at {} and it is {} here, more than {} s apart: "
                                   "sign again, and compare the clocks",
                                   parsed->at_s, now_s, door::signed_at_leeway_s)));
  const Result<std::string> text = door::format_signed_text({cell_, id, parsed->at_s, *commands});
  if (!text) return refuse(Outcome::unsupported, text.error());
  std::string jws = mesh::attach_payload(parsed->jws, *text);
  if (!mesh::is_jws_signed_by((*signer)->leaf, jws))
    return refuse(
        Outcome::wrong,
        fail(Code::permission_denied,
             fmt::format("{} signed something else than this request to this cell: the text "
                         "that counts is that of docs/formats/signature.md",
                         id)));
  return jws;
}

RequestSignatures::OrRefused<RequestSignatures::SignerRef> RequestSignatures::find_signer(
    const std::string& header, const mesh::Credentials& credentials) {
  const auto untrusted = [](const Error& error) {
    return tl::make_unexpected(Refused{Outcome::untrusted, error});
  };
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = signers_.find(header); found != signers_.end()) {
      if (const Status still = credentials.check(found->second->identity); still)
        return found->second;
      else
        return untrusted(still.error());
    }
  }
  const Result<mesh::CertificateChain> chain = mesh::read_jws_header(header);
  if (!chain) return tl::make_unexpected(Refused{Outcome::malformed, chain.error()});
  std::vector<Bytes> ders;
  for (const mesh::Certificate& certificate : *chain) ders.push_back(certificate.der());
  Result<mesh::PeerIdentity> identity = credentials.verify(ders, wanted_caller());
  if (!identity) return untrusted(identity.error());
  auto signer = std::make_shared<const Signer>(Signer{(*chain)[0], *std::move(identity)});
  const std::lock_guard lock(mutex_);
  if (signers_.size() >= signers_max) signers_.clear();
  signers_.insert_or_assign(header, signer);
  return signer;
}

void submit_packed(Backend& backend, const Asker& asker, std::string_view signature,
                   ledger::CommandKind kind, Bytes commands, replica::Replica::Answered answered) {
  if (signature.empty())
    return backend.cell.submit_packed(asker.actor(), kind, commands, std::move(answered));
  const Result<std::vector<door::SignedCommand>> all = door::signed_commands(kind, commands);
  Result<std::string> jws = backend.signatures.check(asker, backend.callers, signature, all);
  if (!jws) return answered(jws.error());
  backend.cell.submit_signed(asker.actor(), door::to_drafts(*all), *std::move(jws),
                             std::move(answered));
}

void submit_drafts(Backend& backend, const Asker& asker, std::string_view signature,
                   std::vector<door::CommandDraft> drafts, replica::Replica::Answered answered) {
  if (signature.empty()) {
    if (const Status unsigned_ones = check_no_salts(drafts); !unsigned_ones)
      return answered(unsigned_ones.error());
    return backend.cell.submit(asker.actor(), std::move(drafts), std::move(answered));
  }
  Result<std::string> jws =
      backend.signatures.check(asker, backend.callers, signature, door::signed_commands(drafts));
  if (!jws) return answered(jws.error());
  backend.cell.submit_signed(asker.actor(), std::move(drafts), *std::move(jws),
                             std::move(answered));
}

}  // namespace meridian::api
