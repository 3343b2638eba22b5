// What events of a type look like, how confidential each of their fields is, and whom it is about:
// a JSON Schema (draft 4; checked by RapidJSON) with keywords of ours on properties and items.
//
//   {"type": "object", "required": ["patient"], "x-classification": "internal",
//    "properties": {
//      "ward": {"type": "string", "x-fact": "channel"},
//      "patient": {
//        "type": "object", "required": ["number"],
//        "x-classification": "restricted", "x-tags": ["PII", "PHI"],
//        "x-subject": "/patient/number", "x-retention": 7,
//        "properties": {"number": {"type": "string"}, "diagnosis": {"type": "string"}}}}}
//
// Each field that is about a person is taken out of the data and sealed for that person, together
// with what else is about the same one and of the same retention class; who reads gets the data put
// together again, those fields last, without what was forgotten. What is left must hold nothing
// that names a person. Numbers keep every digit. Words and rules: docs/design/schemas.md. Pure
// values; const calls from any thread. Cost: 2 us and 7 ns per byte, half to join (door_bench).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "ledger/payload.h"

namespace meridian::door {

inline constexpr std::size_t schema_size_max = 64 << 10;
inline constexpr std::size_t event_depth_max = 32;  ///< Of nested objects and arrays.

/// The content type, in the sealed envelope, of data that was taken apart.
inline constexpr std::string_view split_json_type = "application/vnd.meridian.split+json";

class EventSchema {
 public:
  /// Errors: invalid_argument naming the place in the schema (a JSON pointer) and what to write.
  static Result<std::shared_ptr<const EventSchema>> parse(std::string_view json);
  virtual ~EventSchema() = default;

  /// What is sealed for one person: {"/patient": {...}}, by places in the data.
  struct Part {
    std::string subject;
    std::uint8_t retention = 0;
    Buffer content;
  };
  struct Split {
    Buffer rest;  ///< The data as it came if it has no parts.
    std::vector<Part> parts;
    std::uint8_t classification = 0;  ///< The highest of the fields that are there.
    ledger::Facts facts;
  };
  /// Errors: invalid_argument naming the field and the rule that it breaks, the value nowhere.
  virtual Result<Split> split(Bytes data) const = 0;

  /// For people: what a field is, in the order of the schema.
  struct Field {
    std::string place;  ///< "/lines/*/note"
    std::uint8_t classification = 0;
    std::vector<std::string> tags;
    std::string subject;  ///< Where the name of its person stands; empty: about nobody.
    std::uint8_t retention = 0;
    std::string fact;
  };
  virtual std::vector<Field> fields() const = 0;

  virtual const std::string& text() const = 0;  ///< As parsed.
  virtual const crypto::Digest& digest() const = 0;
};

std::string_view classification_name(std::uint8_t classification);  ///< "restricted"

/// Puts together what split() took apart; `parts` are those that could be opened, and of the others
/// nothing is there (null in a list). Errors: data_loss if they do not belong together.
Result<Buffer> join_split(Bytes rest, const std::vector<Bytes>& parts);

}  // namespace meridian::door
