// The exact text of parts of a JSON document, for values that must be kept byte for byte.
//
// For texts that a parser has accepted already: nothing is checked again, but no input makes these
// read out of bounds or recurse. Views into the text.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace meridian::api::internal {

/// The value of member `key` of the object `text`; the last one if there are several; empty if
/// there is none.
std::string_view raw_member(std::string_view text, std::string_view key);
/// The elements of the array `text`.
std::vector<std::string_view> raw_elements(std::string_view text);
/// How deeply objects and arrays nest.
std::size_t nesting(std::string_view text);

}  // namespace meridian::api::internal
