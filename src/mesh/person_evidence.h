// How a person proved who they are: what their identity provider said when they signed in, carried
// by their certificate.
//
// An authority that checked the provider's ID token puts it into the certificate it issues, as a
// private extension that others may ignore. Servers ask it one thing: was a second factor used, and
// how long ago. A certificate without it is of nobody who signed in: issued by hand, or a
// program's. Pure values; bytes: docs/formats/person_evidence.md. Cost: decoding 1 us.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "mesh/certificate.h"

namespace meridian::mesh {

inline constexpr std::size_t evidence_issuer_size_max = 256;
inline constexpr std::size_t evidence_methods_max = 16;
inline constexpr std::size_t evidence_method_size_max = 128;
/// How far ahead of this clock the provider's may be.
inline constexpr std::int64_t evidence_leeway_seconds = 60;

struct PersonEvidence {
  std::string issuer;  ///< "https://login.bank.example"
  /// The authority's judgement, by its settings, of what the provider said.
  bool is_mfa = false;
  std::vector<std::string> methods;       ///< The token's `amr` (RFC 8176), as it came.
  std::optional<std::int64_t> auth_time;  ///< Seconds since 1970; none: the provider did not say.
  bool operator==(const PersonEvidence&) const = default;

  /// A second factor was used, at most `seconds` before `now`. A time that is ahead by more than
  /// the leeway is not believed.
  bool is_mfa_within(std::int64_t now, std::int64_t seconds) const;
};

/// Whether a text can stand in it: printable ASCII without spaces, not empty, at most `size_max`.
bool is_evidence_word(std::string_view text, std::size_t size_max);

/// The extension's value. Errors: invalid_argument if a field does not have its form.
Result<Buffer> encode_person_evidence(const PersonEvidence& evidence);
/// Errors: invalid_argument unless `der` is exactly what the above gives.
Result<PersonEvidence> decode_person_evidence(Bytes der);

/// "2.25.…", in dotted form.
extern const char* const person_evidence_oid;
/// None if the certificate has none. Errors: invalid_argument if it is damaged, or there twice.
Result<std::optional<PersonEvidence>> person_evidence_of(const Certificate& certificate);

}  // namespace meridian::mesh
