// How a deny list travels: a C2SP signed note by the announcing key of the trust domain's CA.
//
// Pure. Which keys announce for a domain is in its trust bundle (trust_bundle.h).
// Bytes: docs/formats/trust_bundle.md. Cost: verify 100 us and 1 us per entry.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "mesh/deny_list.h"
#include "proof/note.h"

namespace meridian::mesh {

/// The note's text. Asserts what DenyList::make checked.
std::string format_deny_list(const DenyList& list);
/// Errors: invalid_argument unless `text` is exactly what the above gives for some list.
Result<DenyList> parse_deny_list(std::string_view text);

/// The note, signed. `announcer` is of type 0x01 (asserted). Errors: of proof::sign_note.
Result<std::string> sign_deny_list(const DenyList& list, const proof::Signer& announcer);
/// The list of `trust_domain`, if one of `announcers` signed it. That it is not older than what is
/// held is DenyLists::with's to check. Errors: invalid_argument if it is none; permission_denied if
/// it is of another domain, nobody of `announcers` signed it, or a signature of theirs is wrong.
Result<DenyList> verify_deny_list(std::string_view note, std::string_view trust_domain,
                                  std::span<const proof::VerifierKey> announcers);

}  // namespace meridian::mesh
