// What an event that was signed holds, in a file, so that `evidence verify` can compare it offline.
//
// JSON (docs/formats/signature.md). It holds what was sealed: whoever has the file can read it,
// also after the person is forgotten. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/u128.h"
#include "door/door.h"
#include "meridian/v1/ledger.pb.h"

namespace meridian::app {

struct SignedContentFile {
  u128 event_id = 0;
  door::OpenedEvent event;  ///< Without salt and content if a part of it was gone.
};
std::string format_signed_content(const v1::RecordedEvent& event);
/// Something of it was forgotten, or not for who asked: there is nothing to compare.
bool is_gone(const v1::RecordedEvent& event);
/// Errors: invalid_argument.
Result<SignedContentFile> parse_signed_content(std::string_view text);

}  // namespace meridian::app
