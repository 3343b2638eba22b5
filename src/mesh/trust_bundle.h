// How a trust bundle travels between regions: a signed document in a chain of them.
//
// The first is taken by hand, at the ceremony that begins a deployment; each later one is accepted
// only as the successor of the one held: signed by one of its announcing keys and by two of its
// officers. So a stolen CA, even with its announcing key, cannot push authorities, and its roots
// stay those of the first. Which CAs may be in it: trust.h.
// Pure values; whoever holds one keeps its note. Bytes: docs/formats/trust_bundle.md.
// Cost: verifying 100 us per signature and authority.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "mesh/certificate.h"
#include "mesh/trust.h"
#include "proof/note.h"

namespace meridian::mesh {

inline constexpr std::size_t bundle_officers_max = 16;
inline constexpr std::size_t bundle_announcers_max = 8;
inline constexpr std::size_t bundle_officers_needed = 2;

struct TrustBundleDocument {
  std::string trust_domain;
  std::uint64_t sequence = 1;      ///< The first is 1.
  crypto::Digest previous{};       ///< SHA-256 of the text before it; zeros for the first.
  std::vector<Certificate> roots;  ///< The same in all of a chain.
  std::vector<Certificate> authorities;
  std::vector<proof::VerifierKey> officers;    ///< People; two sign the next one. Type 0x01.
  std::vector<proof::VerifierKey> announcers;  ///< Keys at the CA; one signs too, and deny lists.
  bool operator==(const TrustBundleDocument&) const = default;
};

/// The note's text. Errors: invalid_argument, permission_denied: as parse_trust_bundle.
Result<std::string> format_trust_bundle(const TrustBundleDocument& document);
/// Errors: invalid_argument unless `text` is exactly what the above gives for some document: with
/// its numbers within bounds, two officers at least, no key twice (also not under another name, nor
/// as officer and announcer); permission_denied if an authority is not constrained to the domain,
/// or not below a root (trust.h).
Result<TrustBundleDocument> parse_trust_bundle(std::string_view text);

/// A document that was accepted.
class AcceptedBundle {
 public:
  /// By hand: for who has compared `digest` (of the text) over another channel. It must be signed
  /// as a successor of itself would be, which shows that those keys exist.
  /// Errors: invalid_argument, permission_denied.
  static Result<AcceptedBundle> first(std::string_view note, const crypto::Digest& digest);
  /// One that was accepted before and kept by this process, in a place that only it writes to: its
  /// form is checked, and its signatures are not, as their keys are in its predecessor.
  static Result<AcceptedBundle> from_kept(std::string_view note);
  /// The one with this `digest` (of its text), wherever it stands in its chain: for who joins, and
  /// was told the digest by the authority's operator. It may come over any channel.
  /// Errors: invalid_argument if it is no bundle; permission_denied for another digest.
  static Result<AcceptedBundle> with_digest(std::string_view note, const crypto::Digest& digest);
  /// The successor of this one. Errors: invalid_argument if it is no bundle; failed_precondition if
  /// its sequence is not the next one (older ones, and gaps: fetch those between first);
  /// permission_denied if it is of another domain, does not follow this very text, names other
  /// roots, or lacks a signature.
  Result<AcceptedBundle> next(std::string_view note) const;

  const TrustBundleDocument& document() const { return document_; }
  const crypto::Digest& digest() const { return digest_; }  ///< Of the text.
  const std::string& note() const { return note_; }
  /// For checking peers.
  const TrustBundle& bundle() const { return bundle_; }

 private:
  AcceptedBundle(std::string note, const crypto::Digest& digest, TrustBundleDocument document,
                 TrustBundle bundle);
  static Result<AcceptedBundle> of(std::string_view note);

  std::string note_;
  crypto::Digest digest_;
  TrustBundleDocument document_;
  TrustBundle bundle_;
};

}  // namespace meridian::mesh
