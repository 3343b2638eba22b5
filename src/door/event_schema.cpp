// Three walks over an event: what stands where (Survey); does it fit the schema; what goes to whom
// (Router). Nothing is kept as a tree, so that what is not taken out stays as it was written.
#include "door/event_schema.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
// Patterns are RE2's (FieldRule).
#define RAPIDJSON_SCHEMA_USE_INTERNALREGEX 0
#define RAPIDJSON_SCHEMA_USE_STDREGEX 0
#include <rapidjson/schema.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/assert.h"
#include "door/internal/field_rules.h"
#include "door/internal/field_walk.h"
#include "door/internal/schema_check.h"
#include "door/personal_text.h"

namespace meridian::door {

namespace {

using internal::FieldNode;
using internal::FieldWalk;
using rapidjson::SizeType;

constexpr std::size_t shown_path_max = 200;

Error wrong(std::string_view path, std::string_view what) {
  return fail(
      Code::invalid_argument,
      fmt::format("{} {}", path.empty() ? "the whole" : path.substr(0, shown_path_max), what));
}

Buffer buffer_of(const rapidjson::StringBuffer& text) {
  return to_buffer(as_bytes({text.GetString(), text.GetSize()}));
}

/// Finds what stops an event, and what it says of itself: persons, facts, classification.
class Survey : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Survey>, FieldWalk {
 public:
  explicit Survey(const FieldNode& root) : FieldWalk(&root) {}

  bool Null() { return scalar(std::nullopt); }
  bool Bool(bool) { return scalar(std::nullopt); }
  bool RawNumber(const char* text, SizeType size, bool) {
    return scalar(std::nullopt) && is_clean(place(), {text, size}, last_);
  }
  bool String(const char* text, SizeType size, bool) {
    const std::string_view value(text, size);
    if (!scalar(value)) return false;
    return fits(value) && take_fact(value) && is_clean(place(), value, last_);
  }
  bool StartObject() { return open(false); }
  bool StartArray() { return open(true); }
  bool Key(const char* text, SizeType size, bool) {
    take_key({text, size});
    if (!names_.back().insert(key()).second)
      return stop(path(), "has a name twice: which one counts is not known");
    return is_clean(container(), key(), "a name in " + path());
  }
  bool EndObject(SizeType) {
    names_.pop_back();
    pop();
    return true;
  }
  bool EndArray(SizeType) {
    pop();
    return true;
  }

  const std::optional<Error>& error() const { return error_; }
  std::uint8_t classification() const { return classification_; }
  bool has_parts() const { return has_parts_; }
  ledger::Facts& facts() { return facts_; }
  /// Who is named at a place.
  const std::string* person_at(const std::string& place) const {
    const auto found = persons_.find(place);
    return found == persons_.end() ? nullptr : &found->second;
  }

 private:
  void begin() {
    enter();
    classification_ = std::max(classification_, place().rule->classification);
    has_parts_ |= place().begins_personal();
  }
  bool scalar(std::optional<std::string_view> text) {
    begin();
    if (place().node != nullptr && place().node->names_a_person && text && !text->empty())
      persons_[path()] = *text;
    last_ = path();
    leave();
    return true;
  }
  bool open(bool is_array) {
    if (depth() == event_depth_max)
      return stop(path(), "is nested too deep: 32 levels are allowed");
    begin();
    push(is_array);
    if (!is_array) names_.emplace_back();
    return true;
  }
  bool fits(std::string_view value) {
    const FieldNode* node = place().node;
    if (node == nullptr || node->rule.pattern == nullptr ||
        re2::RE2::PartialMatch({value.data(), value.size()}, *node->rule.pattern))
      return true;
    return stop(last_, "breaks `pattern` of the schema");
  }
  bool take_fact(std::string_view value) {
    if (place().node == nullptr) return true;
    switch (place().node->rule.fact) {
      case internal::Fact::none: break;
      case internal::Fact::country: facts_.country = value; break;
      case internal::Fact::channel: facts_.channel = value; break;
      case internal::Fact::purpose: facts_.purpose = value; break;
    }
    return true;
  }
  /// Of what is sealed for nobody, nothing is forgotten with anybody.
  bool is_clean(const Place& where, std::string_view text, const std::string& shown) {
    if (where.is_personal() || !where.rule->is_searched) return true;
    const std::optional<PersonalFind> found = find_personal(text);
    if (!found) return true;
    return stop(shown,
                fmt::format("holds {} ({} characters from {} on): tag the field in the schema as "
                            "being about a person, or leave it out",
                            name(found->kind), found->size, found->first));
  }
  bool stop(std::string_view path, std::string_view what) {
    error_ = wrong(path, what);
    return false;
  }

  std::optional<Error> error_;
  std::string last_;
  std::vector<std::set<std::string, std::less<>>> names_;
  std::map<std::string, std::string> persons_;
  ledger::Facts facts_;
  std::uint8_t classification_ = 0;
  bool has_parts_ = false;
};

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

/// Writes each value where it belongs.
class Router : public internal::CopyingHandler<Router>, FieldWalk {
 public:
  Router(const FieldNode& root, const Survey& survey) : FieldWalk(&root), survey_(survey) {}

  template <typename Write>
  bool scalar(Write write) {
    if (!begin() || !write(*out_)) return false;
    end_value();
    leave();
    return true;
  }
  bool Key(const char* text, SizeType size, bool) {
    take_key({text, size});
    return true;
  }
  bool StartObject() { return open(false); }
  bool StartArray() { return open(true); }
  bool EndObject(SizeType size) {
    return close([&](Writer& out) { return out.EndObject(size); });
  }
  bool EndArray(SizeType size) {
    return close([&](Writer& out) { return out.EndArray(size); });
  }

  const std::optional<Error>& error() const { return error_; }
  Buffer rest() const { return buffer_of(rest_text_); }
  std::vector<EventSchema::Part> take_parts() {
    std::vector<EventSchema::Part> parts;
    for (auto& [owner, part] : parts_) {
      part->out.EndObject();
      parts.push_back({owner.first, owner.second, buffer_of(part->text)});
    }
    return parts;
  }

 private:
  struct Part {
    rapidjson::StringBuffer text;
    Writer out{text};
  };

  bool begin() {
    const bool was_in_object = is_in_object();
    enter();
    if (place().begins_personal()) {
      personal_depth_ = depth();
      if (!was_in_object) rest_.Null();  // the others keep their places
      if (!choose_part()) return false;
      out_->Key(path().data(), static_cast<SizeType>(path().size()));
    } else if (was_in_object) {
      out_->Key(key().data(), static_cast<SizeType>(key().size()));
    }
    return true;
  }
  void end_value() {
    if (out_ != &rest_ && depth() == personal_depth_) out_ = &rest_;
  }
  bool choose_part() {
    const internal::FieldRule& rule = place().node->rule;
    const std::string where = resolve(rule.subject);
    const std::string* person = survey_.person_at(where);
    if (person == nullptr) {
      error_ = wrong(
          path(), fmt::format("is about a person whom nothing names: {} is to be a text", where));
      return false;
    }
    std::unique_ptr<Part>& part = parts_[{*person, rule.retention}];
    if (part == nullptr) {
      if (parts_.size() >= ledger::compartments_max) {
        error_ =
            wrong(path(), fmt::format("is about one person too many: an event holds {} persons "
                                      "and retention classes: make several events of it",
                                      ledger::compartments_max - 1));
        return false;
      }
      part = std::make_unique<Part>();
      part->out.StartObject();
    }
    out_ = &part->out;
    return true;
  }
  bool open(bool is_array) {
    if (!begin()) return false;
    push(is_array);
    return is_array ? out_->StartArray() : out_->StartObject();
  }
  template <typename Write>
  bool close(Write write) {
    if (!write(*out_)) return false;
    pop();
    end_value();
    return true;
  }

  const Survey& survey_;
  std::optional<Error> error_;
  rapidjson::StringBuffer rest_text_;
  Writer rest_{rest_text_};
  std::map<std::pair<std::string, std::uint8_t>, std::unique_ptr<Part>> parts_;
  Writer* out_ = &rest_;
  std::size_t personal_depth_ = 0;
};

class CheckedSchema final : public EventSchema {
 public:
  CheckedSchema(std::string_view text, const rapidjson::Document& document,
                std::unique_ptr<FieldNode> root)
      : text_(text),
        digest_(crypto::sha256(as_bytes(text))),
        schema_(document),
        root_(std::move(root)) {}

  Result<Split> split(Bytes data) const override {
    const std::string_view text = as_text(data);
    // First, as it bounds how deep the others go.
    Survey survey(*root_);
    const rapidjson::ParseResult surveyed = internal::walk(text, survey);
    if (survey.error()) return *survey.error();
    if (surveyed.IsError()) return not_json(surveyed);
    TRY(check(text));
    Split out;
    out.classification = survey.classification();
    out.facts = survey.facts();
    if (!survey.has_parts()) {
      out.rest = to_buffer(data);
      return out;
    }
    Router router(*root_, survey);
    const rapidjson::ParseResult routed = internal::walk(text, router);
    if (router.error()) return *router.error();
    ASSERT(!routed.IsError());
    out.rest = router.rest();
    out.parts = router.take_parts();
    return out;
  }

  std::vector<Field> fields() const override {
    std::vector<Field> all;
    list(*root_, "", nullptr, all);
    return all;
  }
  const std::string& text() const override { return text_; }
  const crypto::Digest& digest() const override { return digest_; }

 private:
  static Error not_json(const rapidjson::ParseResult& result) {
    return fail(Code::invalid_argument, fmt::format("is no JSON from byte {} on", result.Offset()));
  }

  Status check(std::string_view text) const {
    rapidjson::SchemaValidator validator(schema_);
    rapidjson::MemoryStream bytes(text.data(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
    rapidjson::Reader reader;
    const auto parsed =
        reader.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(
            stream, validator);
    if (!validator.IsValid()) {
      rapidjson::StringBuffer place;
      validator.GetInvalidDocumentPointer().Stringify(place);
      return wrong({place.GetString(), place.GetSize()},
                   fmt::format("breaks `{}` of the schema", validator.GetInvalidSchemaKeyword()));
    }
    if (parsed.IsError()) return not_json(parsed);
    return {};
  }

  /// `owner`: the field that it is sealed with, if that is a person's.
  static void list(const FieldNode& node, const std::string& place,
                   const internal::FieldRule* owner, std::vector<Field>& out) {
    if (node.rule.is_personal) owner = &node.rule;
    std::string subject;
    if (owner != nullptr)
      for (const std::string& name : owner->subject) internal::append_escaped(subject, name);
    out.push_back({place, node.rule.classification, node.rule.tags, subject,
                   owner != nullptr ? owner->retention : std::uint8_t{0},
                   std::string(internal::name(node.rule.fact))});
    for (const std::string& name : node.order) {
      std::string inner = place;
      internal::append_escaped(inner, name);
      list(*node.members.find(name)->second, inner, owner, out);
    }
    if (node.items != nullptr) list(*node.items, place + "/*", owner, out);
  }

  std::string text_;
  crypto::Digest digest_;
  rapidjson::SchemaDocument schema_;
  std::unique_ptr<FieldNode> root_;
};

}  // namespace

Result<std::shared_ptr<const EventSchema>> EventSchema::parse(std::string_view json) {
  if (json.size() > schema_size_max)
    return fail(Code::invalid_argument, fmt::format("schema: {} bytes; at most {} are allowed",
                                                    json.size(), schema_size_max));
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(
      json.data(), json.size());
  if (document.HasParseError())
    return fail(Code::invalid_argument,
                fmt::format("schema: is no JSON from byte {} on", document.GetErrorOffset()));
  TRY(internal::check_schema(document));
  auto rules = TRY(internal::read_field_rules(document));
  return std::make_shared<const CheckedSchema>(json, document, std::move(rules));
}

}  // namespace meridian::door
