// An event as its client signs it: one line that holds nothing of a person, and a digest of the
// rest under a salt (docs/formats/signature.md).
//
// The salt is the client's, 32 random bytes for each event, and is sealed with what the event holds
// (docs/formats/payload.md): whoever reads all of the event can compare it with what was signed;
// once a person in it is forgotten nobody can, and nobody can guess it either. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/u128.h"
#include "crypto/sha256.h"
#include "door/door.h"
#include "ledger/header.h"
#include "ledger/payload.h"

namespace meridian::door {

inline constexpr std::string_view signed_event_word = "event";

/// What its line says.
struct SignedEvent {
  u128 id = 0;
  ledger::Expected expected = ledger::Expected::any;
  std::uint64_t revision = 0;  ///< Only with Expected::exact.
  std::uint8_t retention = 0, classification = 0;
  bool linked = false;
  ledger::Facts facts;
  crypto::Digest content{};
  bool operator==(const SignedEvent&) const = default;
};

/// Appends "event id=77 … content=…".
void append_signed_event(std::string& out, const SignedEvent& event);
/// Of what follows the word. Lenient: what it accepts may be written in another way. Errors:
/// invalid_argument.
Result<SignedEvent> parse_signed_event(std::string_view line);

/// What is under the digest. Views.
struct SignedContent {
  struct Further {
    std::uint8_t retention = 0;
    Bytes content;
  };
  std::string_view stream, type, content_type;
  Bytes metadata, data;
  std::vector<Further> more;
  std::vector<crypto::Digest> about;  ///< Of each compartment, the envelope first; zero: nobody.
};
/// Who a compartment is about, without the name. Zero if that is empty.
crypto::Digest signed_about(const crypto::Digest& salt, std::string_view subject);
/// Of JSON its canonical text counts. Errors: invalid_argument if it has none, or if `about` has
/// not one for each compartment.
Result<crypto::Digest> signed_content(const crypto::Digest& salt, const SignedContent& content);

/// Of a draft that came with a salt. Errors: invalid_argument naming the field.
Result<SignedEvent> signed_event(const EventDraft& draft);
/// What is sealed with the event: its salt, and who each compartment is about. Nothing if it is not
/// signed. Errors: invalid_argument.
Result<Buffer> signed_parts(const EventDraft& draft);

/// "the client signed something else than was recorded: what".
Error signed_otherwise(std::string_view what);
/// That `meant` asks for the event of `header`, but for its content. Errors: permission_denied.
Status check_signed_event(const SignedEvent& meant, const ledger::Header& header);
/// That `opened` is the content that was signed. Errors: permission_denied; not_found if that
/// cannot be said, as a part of it is forgotten or withheld.
Status check_signed_content(const SignedEvent& meant, const OpenedEvent& opened);

}  // namespace meridian::door
