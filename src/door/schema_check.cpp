#include "door/internal/schema_check.h"

#include <fmt/format.h>
#include <rapidjson/pointer.h>

#include <algorithm>
#include <array>
#include <string>

#include "door/internal/field_rules.h"

namespace meridian::door::internal {

namespace {

using Json = rapidjson::Value;

constexpr int depth_max = 16;  // of schemas in schemas

enum class Shape : std::uint8_t {
  schema,
  schema_or_bool,
  schema_or_list,
  schemas,        ///< A list of them.
  named_schemas,  ///< An object of them.
  dependencies,
  types,
  values,
  names,
  reference,
  count,
  number,
  boolean,
  text,
  anything,
  of_fields,  ///< Only on properties and items, as read_field_rules reads it.
};
struct Keyword {
  std::string_view name;
  Shape shape;
};
/// JSON Schema draft 4, as RapidJSON has it, and notes that nothing depends on.
constexpr std::array<Keyword, 42> keywords = {{
    {"$comment", Shape::text},
    {"$id", Shape::text},
    {"$ref", Shape::reference},
    {"$schema", Shape::text},
    {"additionalItems", Shape::schema_or_bool},
    {"additionalProperties", Shape::schema_or_bool},
    {"allOf", Shape::schemas},
    {"anyOf", Shape::schemas},
    {"default", Shape::anything},
    {"definitions", Shape::named_schemas},
    {"dependencies", Shape::dependencies},
    {"description", Shape::text},
    {"enum", Shape::values},
    {"examples", Shape::anything},
    {"exclusiveMaximum", Shape::boolean},
    {"exclusiveMinimum", Shape::boolean},
    {"id", Shape::text},
    {"items", Shape::schema_or_list},
    {"maxItems", Shape::count},
    {"maxLength", Shape::count},
    {"maxProperties", Shape::count},
    {"maximum", Shape::number},
    {"minItems", Shape::count},
    {"minLength", Shape::count},
    {"minProperties", Shape::count},
    {"minimum", Shape::number},
    {"multipleOf", Shape::number},
    {"not", Shape::schema},
    {"oneOf", Shape::schemas},
    {"pattern", Shape::of_fields},
    {"properties", Shape::named_schemas},
    {"required", Shape::names},
    {"title", Shape::text},
    {"type", Shape::types},
    {"uniqueItems", Shape::boolean},
    {"x-classification", Shape::of_fields},
    {"x-fact", Shape::of_fields},
    {"x-not-personal", Shape::of_fields},
    {"x-retention", Shape::of_fields},
    {"x-subject", Shape::of_fields},
    {"x-tags", Shape::of_fields},
    {"x-title", Shape::text},
}};
constexpr std::array<std::string_view, 7> types = {"array",  "boolean", "integer", "null",
                                                   "number", "object",  "string"};

std::string_view text_of(const Json& value) { return {value.GetString(), value.GetStringLength()}; }

class Checker {
 public:
  explicit Checker(const rapidjson::Document& root) : root_(root) {}

  /// `is_field`: it stands where events have a place of their own, so that our words mean
  /// something.
  Status check(const Json& schema, const std::string& place, bool is_field, int depth) const {
    if (!schema.IsObject()) return wrong(place, "a schema is an object");
    if (depth > depth_max) return wrong(place, "too deep: a schema holds 16 levels of others");
    for (const auto& [name, value] : schema.GetObject()) {
      const auto known = std::ranges::find(keywords, text_of(name), &Keyword::name);
      if (known == keywords.end())
        return wrong(place,
                     fmt::format("`{}` is no keyword that is checked here (JSON Schema draft 4 "
                                 "and docs/design/schemas.md): leave it out, or say it in "
                                 "others",
                                 text_of(name).substr(0, 64)));
      if (known->shape == Shape::of_fields && !is_field)
        return wrong(place, fmt::format("`{}` counts on properties and items, and nowhere else",
                                        known->name));
      std::string inner = place;
      append_escaped(inner, known->name);
      TRY(check_value(*known, value, inner, is_field, depth));
    }
    return {};
  }

 private:
  static Error wrong(const std::string& place, std::string_view what) {
    return fail(Code::invalid_argument,
                fmt::format("schema: {}: {}", place.empty() ? "at the top" : place, what));
  }

  Status check_value(const Keyword& keyword, const Json& value, const std::string& place,
                     bool is_field, int depth) const {
    switch (keyword.shape) {
      case Shape::schema: return check(value, place, false, depth + 1);
      case Shape::schema_or_bool:
        if (value.IsBool()) return {};
        return check(value, place, false, depth + 1);
      case Shape::schema_or_list:
        if (value.IsArray()) return check_list(value, place, depth);
        return check(value, place, is_field, depth + 1);
      case Shape::schemas: return check_list(value, place, depth);
      case Shape::named_schemas: return check_named(keyword, value, place, is_field, depth);
      case Shape::dependencies: return check_dependencies(value, place, depth);
      case Shape::types: return check_types(value, place);
      case Shape::values:
        return value.IsArray() && !value.Empty() ? Status{} : wrong(place, "a list of values");
      case Shape::names: return check_names(value, place);
      case Shape::reference: return check_reference(value, place);
      case Shape::count:
        return value.IsUint() ? Status{} : wrong(place, "a whole number from 0 on");
      case Shape::number: return value.IsNumber() ? Status{} : wrong(place, "a number");
      case Shape::boolean: return value.IsBool() ? Status{} : wrong(place, "true or false");
      case Shape::text: return value.IsString() ? Status{} : wrong(place, "a text");
      case Shape::anything: return {};
      case Shape::of_fields: return {};  // read_field_rules
    }
    return {};
  }

  Status check_list(const Json& value, const std::string& place, int depth) const {
    if (!value.IsArray() || value.Empty()) return wrong(place, "a list of schemas");
    for (rapidjson::SizeType i = 0; i < value.Size(); ++i)
      TRY(check(value[i], fmt::format("{}/{}", place, i), false, depth + 1));
    return {};
  }

  Status check_named(const Keyword& keyword, const Json& value, const std::string& place,
                     bool is_field, int depth) const {
    if (!value.IsObject()) return wrong(place, "an object of schemas");
    for (const auto& [name, below] : value.GetObject()) {
      std::string inner = place;
      append_escaped(inner, text_of(name));
      TRY(check(below, inner, is_field && keyword.name == "properties", depth + 1));
    }
    return {};
  }

  Status check_dependencies(const Json& value, const std::string& place, int depth) const {
    if (!value.IsObject()) return wrong(place, "an object of schemas, or of lists of names");
    for (const auto& [name, below] : value.GetObject()) {
      std::string inner = place;
      append_escaped(inner, text_of(name));
      if (below.IsArray()) {
        TRY(check_names(below, inner));
      } else {
        TRY(check(below, inner, false, depth + 1));
      }
    }
    return {};
  }

  static Status check_types(const Json& value, const std::string& place) {
    const auto is_type = [](const Json& one) {
      return one.IsString() && std::ranges::find(types, text_of(one)) != types.end();
    };
    const bool good = is_type(value) || (value.IsArray() && !value.Empty() &&
                                         std::all_of(value.Begin(), value.End(), is_type));
    return good ? Status{}
                : wrong(place, "array, boolean, integer, null, number, object or string");
  }

  static Status check_names(const Json& value, const std::string& place) {
    const bool good =
        value.IsArray() &&
        std::all_of(value.Begin(), value.End(), [](const Json& one) { return one.IsString(); });
    return good ? Status{} : wrong(place, "a list of names");
  }

  /// One that leads elsewhere, or nowhere, would be taken for a schema that everything matches.
  Status check_reference(const Json& value, const std::string& place) const {
    if (!value.IsString() || !text_of(value).starts_with("#/definitions/"))
      return wrong(place,
                   "a reference is to this schema's own definitions: \"#/definitions/NAME\"");
    const rapidjson::Pointer pointer(value.GetString(), value.GetStringLength());
    const Json* target = pointer.IsValid() ? pointer.Get(root_) : nullptr;
    if (target == nullptr || !target->IsObject())
      return wrong(place, "there is no such definition");
    if (target->HasMember("$ref"))
      return wrong(place, "the definition is a reference itself: name the last one");
    return {};
  }

  const rapidjson::Document& root_;
};

}  // namespace

Status check_schema(const rapidjson::Document& schema) {
  return Checker(schema).check(schema, "", true, 0);
}

}  // namespace meridian::door::internal
