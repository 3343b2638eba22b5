// bundle    = "meridian.trust-bundle/1" LF "domain " domain LF "sequence " number LF
//             "previous " digest LF 1*4( "root " certificate LF ) 1*16( "authority " certificate LF
//             ) 2*16( "officer " vkey LF ) 1*8( "announcer " vkey LF )
// certificate = base64 of DER
#include "mesh/trust_bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "crypto/base64.h"
#include "mesh/internal/line_text.h"
#include "mesh/internal/note_check.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view first_line = "meridian.trust-bundle/1\n";

Error refuse(std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("trust bundle: {}", what));
}
Error deny(const TrustBundleDocument& document, std::string_view what) {
  return fail(Code::permission_denied, fmt::format("trust bundle {} of {}: {}", document.sequence,
                                                   document.trust_domain, what));
}

/// The value of the next line, if that begins with `word` and a space.
std::optional<std::string_view> take(internal::Lines& lines, std::string_view word) {
  std::string_view rest = lines.rest();
  if (!rest.starts_with(word) || rest.substr(word.size(), 1) != " ") return std::nullopt;
  std::optional<std::string_view> line = lines.next();
  if (!line.has_value()) return std::nullopt;
  return line->substr(word.size() + 1);
}

Result<std::vector<Certificate>> take_certificates(internal::Lines& lines, std::string_view word,
                                                   std::size_t count_max) {
  std::vector<Certificate> certificates;
  while (std::optional<std::string_view> text = take(lines, word)) {
    if (certificates.size() == count_max) return refuse(fmt::format("too many lines \"{}\"", word));
    Buffer der = TRY(crypto::from_base64(*text));
    certificates.push_back(TRY(Certificate::from_der(der)));
  }
  return certificates;
}

Result<std::vector<proof::VerifierKey>> take_keys(internal::Lines& lines, std::string_view word,
                                                  std::size_t count_max) {
  std::vector<proof::VerifierKey> keys;
  while (std::optional<std::string_view> text = take(lines, word)) {
    if (keys.size() == count_max) return refuse(fmt::format("too many lines \"{}\"", word));
    keys.push_back(TRY(proof::parse_vkey(*text)));
  }
  return keys;
}

Status check_keys(const TrustBundleDocument& document) {
  if (document.officers.size() < bundle_officers_needed ||
      document.officers.size() > bundle_officers_max)
    return refuse(fmt::format("{} to {} officers", bundle_officers_needed, bundle_officers_max));
  if (document.announcers.empty() || document.announcers.size() > bundle_announcers_max)
    return refuse(fmt::format("1 to {} announcing keys", bundle_announcers_max));
  std::vector<proof::VerifierKey> all = document.officers;
  all.insert(all.end(), document.announcers.begin(), document.announcers.end());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].type != proof::KeyType::ed25519 || !proof::is_key_name(all[i].name))
      return refuse("a key that cannot sign notes");
    for (std::size_t j = 0; j < i; ++j)
      if (all[i].public_key == all[j].public_key || all[i].name == all[j].name)
        return refuse(fmt::format("the key {} is there twice", all[i].name));
  }
  return {};
}

Status check_document(const TrustBundleDocument& document) {
  if (document.sequence == 0) return refuse("the first has the sequence 1");
  bool is_first = document.sequence == 1;
  if (is_first != (document.previous == crypto::Digest{}))
    return refuse("the first follows nothing, and each later one the one before");
  TRY(check_keys(document));
  TRY(TrustBundle::make(document.trust_domain, document.authorities, document.roots));
  return {};
}

std::string text_of(const TrustBundleDocument& document) {
  std::string text =
      fmt::format("{}domain {}\nsequence {}\nprevious {}\n", first_line, document.trust_domain,
                  document.sequence, to_hex(document.previous));
  for (const Certificate& root : document.roots)
    text += fmt::format("root {}\n", crypto::to_base64(root.der()));
  for (const Certificate& authority : document.authorities)
    text += fmt::format("authority {}\n", crypto::to_base64(authority.der()));
  for (const proof::VerifierKey& key : document.officers)
    text += fmt::format("officer {}\n", proof::format_vkey(key));
  for (const proof::VerifierKey& key : document.announcers)
    text += fmt::format("announcer {}\n", proof::format_vkey(key));
  return text;
}

/// That the keys of `document` signed `note`, as they must the next one.
Status check_signed(const proof::Note& note, const TrustBundleDocument& document,
                    const TrustBundleDocument& signed_document) {
  std::size_t announcers = TRY(internal::count_signers(note, document.announcers, "trust bundle"));
  std::size_t officers = TRY(internal::count_signers(note, document.officers, "trust bundle"));
  if (announcers == 0)
    return deny(signed_document,
                fmt::format("no announcing key of bundle {} signed it", document.sequence));
  if (officers < bundle_officers_needed)
    return deny(signed_document,
                fmt::format("{} of the officers of bundle {} signed it, and {} must", officers,
                            document.sequence, bundle_officers_needed));
  return {};
}

}  // namespace

Result<std::string> format_trust_bundle(const TrustBundleDocument& document) {
  TRY(check_document(document));
  return text_of(document);
}

Result<TrustBundleDocument> parse_trust_bundle(std::string_view text) {
  if (!text.starts_with(first_line)) return refuse("not one of version 1");
  internal::Lines lines(text.substr(first_line.size()));
  TrustBundleDocument document;
  std::optional<std::string_view> domain = take(lines, "domain");
  std::optional<std::string_view> sequence = take(lines, "sequence");
  std::optional<std::string_view> previous = take(lines, "previous");
  std::optional<std::uint64_t> number =
      sequence.has_value() ? internal::parse_number(*sequence) : std::nullopt;
  std::optional<crypto::Digest> digest =
      previous.has_value() ? internal::parse_digest(*previous) : std::nullopt;
  if (!domain.has_value() || !number.has_value() || !digest.has_value())
    return refuse("it begins with domain, sequence and previous");
  document.trust_domain = *domain;
  document.sequence = *number;
  document.previous = *digest;
  document.roots = TRY(take_certificates(lines, "root", bundle_roots_max));
  document.authorities = TRY(take_certificates(lines, "authority", bundle_authorities_max));
  document.officers = TRY(take_keys(lines, "officer", bundle_officers_max));
  document.announcers = TRY(take_keys(lines, "announcer", bundle_announcers_max));
  if (!lines.done()) return refuse("a line that does not belong there");
  TRY(check_document(document));
  if (text_of(document) != text) return refuse("not written as the format says");
  return document;
}

AcceptedBundle::AcceptedBundle(std::string note, const crypto::Digest& digest,
                               TrustBundleDocument document, TrustBundle bundle)
    : note_(std::move(note)),
      digest_(digest),
      document_(std::move(document)),
      bundle_(std::move(bundle)) {}

Result<AcceptedBundle> AcceptedBundle::of(std::string_view note) {
  proof::Note parsed = TRY(proof::parse_note(note));
  TrustBundleDocument document = TRY(parse_trust_bundle(parsed.text));
  TrustBundle bundle =
      TRY(TrustBundle::make(document.trust_domain, document.authorities, document.roots));
  return AcceptedBundle(std::string(note), crypto::sha256(as_bytes(parsed.text)),
                        std::move(document), std::move(bundle));
}

Result<AcceptedBundle> AcceptedBundle::from_kept(std::string_view note) { return of(note); }

Result<AcceptedBundle> AcceptedBundle::first(std::string_view note, const crypto::Digest& digest) {
  AcceptedBundle bundle = TRY(of(note));
  if (bundle.document_.sequence != 1)
    return deny(bundle.document_, "only the first of a chain is taken by hand");
  if (bundle.digest_ != digest)
    return deny(bundle.document_, fmt::format("its text has the digest {}, not {}",
                                              to_hex(bundle.digest_), to_hex(digest)));
  proof::Note parsed = TRY(proof::parse_note(note));
  TRY(check_signed(parsed, bundle.document_, bundle.document_));
  return bundle;
}

Result<AcceptedBundle> AcceptedBundle::with_digest(std::string_view note,
                                                   const crypto::Digest& digest) {
  AcceptedBundle bundle = TRY(of(note));
  if (bundle.digest_ != digest)
    return deny(bundle.document_,
                fmt::format("its digest is {}, and you were told {}: who answers is not the "
                            "authority that you were told of, or its bundle changed since",
                            to_hex(bundle.digest_), to_hex(digest)));
  return bundle;
}

Result<AcceptedBundle> AcceptedBundle::next(std::string_view note) const {
  AcceptedBundle bundle = TRY(of(note));
  const TrustBundleDocument& document = bundle.document_;
  if (document.trust_domain != document_.trust_domain)
    return deny(document, fmt::format("not a bundle of {}", document_.trust_domain));
  if (document.sequence != document_.sequence + 1)
    return fail(Code::failed_precondition,
                fmt::format("trust bundle {} of {}: number {} comes next here", document.sequence,
                            document.trust_domain, document_.sequence + 1));
  if (document.previous != digest_)
    return deny(document, "it follows another bundle than the one that is held");
  if (document.roots != document_.roots)
    return deny(document, "its roots are not those that the first one named");
  proof::Note parsed = TRY(proof::parse_note(note));
  TRY(check_signed(parsed, document_, document));
  return bundle;
}

}  // namespace meridian::mesh
