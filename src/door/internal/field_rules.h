// What a schema says of each place of an event: a tree of names, read once.
#pragma once

#include <rapidjson/document.h>
#include <re2/re2.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace meridian::door::internal {

enum class Fact : std::uint8_t { none, country, channel, purpose };
std::string_view name(Fact fact);

struct FieldRule {
  std::uint8_t classification = 2;
  bool is_personal = false;  ///< It and all below it is sealed for the person named at `subject`.
  std::vector<std::string> tags;
  std::vector<std::string> subject;  ///< Names and, for items, "*": the index of the field itself.
  std::uint8_t retention = 0;
  Fact fact = Fact::none;
  bool is_searched = true;                  ///< For what names a person.
  std::shared_ptr<const re2::RE2> pattern;  ///< Of a text; RE2's time is linear in it.
};

struct FieldNode {
  FieldRule rule;
  bool names_a_person = false;  ///< Some field's `subject` leads here.
  std::vector<std::string> order;
  std::map<std::string, std::unique_ptr<FieldNode>, std::less<>> members;
  std::unique_ptr<FieldNode> items;

  const FieldNode* member(std::string_view name) const {
    const auto found = members.find(name);
    return found == members.end() ? nullptr : found->second.get();
  }
};

/// `schema` was checked (check_schema). Errors: invalid_argument naming the place.
Result<std::unique_ptr<FieldNode>> read_field_rules(const rapidjson::Value& schema);

/// "/patient/number" -> its names. Errors: invalid_argument.
Result<std::vector<std::string>> parse_place(std::string_view pointer);
/// One name as a JSON pointer has it (RFC 6901).
void append_escaped(std::string& pointer, std::string_view name);

}  // namespace meridian::door::internal
