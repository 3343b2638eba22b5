#include "door/internal/field_rules.h"

#include <fmt/format.h>
#include <rapidjson/pointer.h>

#include <algorithm>
#include <array>
#include <optional>

#include "door/event_schema.h"
#include "ledger/header.h"
#include "storage/key_row.h"

namespace meridian::door {

namespace {

constexpr std::array<std::string_view, 5> classifications = {"none", "public", "internal",
                                                             "confidential", "restricted"};
static_assert(classifications.size() == ledger::classification_max + 1);

}  // namespace

std::string_view classification_name(std::uint8_t classification) {
  return classification < classifications.size() ? classifications[classification] : "unknown";
}

namespace internal {

namespace {

using Json = rapidjson::Value;

constexpr std::array<std::string_view, 3> tag_names = {"PII", "PHI", "PCI"};
constexpr std::array<std::string_view, 4> fact_names = {"", "country", "channel", "purpose"};

std::string_view text_of(const Json& value) { return {value.GetString(), value.GetStringLength()}; }

const Json* find(const Json& schema, const char* keyword) {
  const auto found = schema.FindMember(keyword);
  return found == schema.MemberEnd() ? nullptr : &found->value;
}

Error wrong(const std::string& place, std::string_view what) {
  return fail(Code::invalid_argument,
              fmt::format("schema: {}: {}", place.empty() ? "at the top" : place, what));
}

template <std::size_t n>
std::optional<std::size_t> position(const std::array<std::string_view, n>& names, const Json& value,
                                    std::size_t first) {
  if (!value.IsString()) return std::nullopt;
  const auto found = std::find(names.begin() + first, names.end(), text_of(value));
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

class RuleReader {
 public:
  Result<std::unique_ptr<FieldNode>> read(const Json& schema) {
    // What the top says of persons is said of all tagged fields below.
    FieldRule top;
    const Json* tags = find(schema, "x-tags");
    if (tags == nullptr) {
      TRY(read_subject(schema, "", top));
      TRY(read_retention(schema, "", top));
    }
    defaults_ = top;
    auto root = TRY(read_node(schema, "", FieldRule{}, nullptr));
    TRY(check_subjects(*root));
    return root;
  }

 private:
  struct Personal {
    std::string place;
    std::vector<std::string> pattern;  ///< Its own.
    const FieldNode* node;
  };

  Result<std::unique_ptr<FieldNode>> read_node(const Json& schema, const std::string& place,
                                               const FieldRule& outer, const FieldNode* personal) {
    auto node = std::make_unique<FieldNode>();
    node->rule.classification = outer.classification;
    node->rule.is_searched = outer.is_searched;
    TRY(read_rule(schema, place, personal != nullptr, node->rule));
    const FieldNode* owner = personal;
    if (node->rule.is_personal) {
      owner = node.get();
      personal_.push_back({place, pattern_, node.get()});
    }
    if (const Json* properties = find(schema, "properties"))
      for (const auto& [name, below] : properties->GetObject()) {
        std::string inner = place;
        append_escaped(inner, text_of(name));
        pattern_.emplace_back(text_of(name));
        auto member = TRY(read_node(below, inner, node->rule, owner));
        pattern_.pop_back();
        node->order.emplace_back(text_of(name));
        node->members[std::string(text_of(name))] = std::move(member);
      }
    if (const Json* items = find(schema, "items"); items != nullptr && items->IsObject()) {
      pattern_.emplace_back("*");
      node->items = TRY(read_node(*items, place + "/*", node->rule, owner));
      pattern_.pop_back();
    }
    return node;
  }

  static Status read_pattern(const Json& schema, const std::string& place, FieldRule& rule) {
    const Json* value = find(schema, "pattern");
    if (value == nullptr) return {};
    if (!value->IsString()) return wrong(place, "pattern is a text");
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    auto pattern = std::make_shared<re2::RE2>(
        re2::StringPiece(value->GetString(), value->GetStringLength()), options);
    if (!pattern->ok())
      return wrong(place, fmt::format("pattern is none that RE2 takes: {}", pattern->error()));
    rule.pattern = std::move(pattern);
    return {};
  }

  Status read_rule(const Json& schema, const std::string& place, bool is_below_personal,
                   FieldRule& rule) {
    TRY(read_pattern(schema, place, rule));
    if (const Json* value = find(schema, "x-classification")) {
      const auto known = position(classifications, *value, 1);
      if (!known)
        return wrong(place,
                     "x-classification is one of public, internal, confidential, restricted");
      rule.classification = static_cast<std::uint8_t>(*known);
    }
    if (const Json* value = find(schema, "x-not-personal")) {
      if (!value->IsBool()) return wrong(place, "x-not-personal is true or false");
      rule.is_searched = !value->GetBool();
    }
    if (const Json* value = find(schema, "x-fact")) {
      const auto known = position(fact_names, *value, 1);
      if (!known) return wrong(place, "x-fact is one of country, channel, purpose");
      rule.fact = static_cast<Fact>(*known);
    }
    return read_person(schema, place, is_below_personal, rule);
  }

  Status read_person(const Json& schema, const std::string& place, bool is_below_personal,
                     FieldRule& rule) {
    const bool is_top = place.empty() && find(schema, "x-tags") == nullptr;
    const bool says =
        find(schema, "x-tags") != nullptr || (!is_top && (find(schema, "x-subject") != nullptr ||
                                                          find(schema, "x-retention") != nullptr));
    if (!says) return {};
    if (is_below_personal)
      return wrong(place,
                   "what it stands in is sealed for a person as a whole: say x-tags, "
                   "x-subject and x-retention there, or not there but here");
    const Json* tags = find(schema, "x-tags");
    if (tags == nullptr || !tags->IsArray() || tags->Empty())
      return wrong(place,
                   "x-tags is a list of PII, PHI, PCI: with it a field is about a person, and "
                   "x-subject and x-retention say more of that");
    for (const Json& tag : tags->GetArray()) {
      const auto known = position(tag_names, tag, 0);
      if (!known) return wrong(place, "x-tags is a list of PII, PHI, PCI");
      rule.tags.emplace_back(tag_names[*known]);
    }
    if (rule.fact != Fact::none)
      return wrong(place,
                   "facts stand in clear in a record's header: x-fact is for fields without "
                   "x-tags");
    rule.is_personal = true;
    rule.subject = defaults_.subject;
    rule.retention = defaults_.retention;
    TRY(read_subject(schema, place, rule));
    TRY(read_retention(schema, place, rule));
    if (rule.subject.empty())
      return wrong(place,
                   "whom is it about? x-subject is the place of the string that names the "
                   "person, such as \"/patient/number\"; said at the top, it counts for all");
    return {};
  }

  static Status read_subject(const Json& schema, const std::string& place, FieldRule& rule) {
    const Json* value = find(schema, "x-subject");
    if (value == nullptr) return {};
    if (!value->IsString() || value->GetStringLength() == 0)
      return wrong(place, "x-subject is a JSON pointer, such as \"/patient/number\"");
    Result<std::vector<std::string>> pattern = parse_place(text_of(*value));
    if (!pattern) return wrong(place, pattern.error().message);
    rule.subject = std::move(*pattern);
    return {};
  }

  static Status read_retention(const Json& schema, const std::string& place, FieldRule& rule) {
    const Json* value = find(schema, "x-retention");
    if (value == nullptr) return {};
    if (!value->IsUint() || value->GetUint() >= storage::forgotten_row)
      return wrong(place, fmt::format("x-retention is a retention class, 0 to {}",
                                      storage::forgotten_row - 1));
    rule.retention = static_cast<std::uint8_t>(value->GetUint());
    return {};
  }

  /// The name of a person is about that person, so it goes when the person is forgotten.
  static Status check_subjects_of(const Personal& one, FieldNode& root,
                                  const std::vector<Personal>& all) {
    const std::vector<std::string>& path = one.node->rule.subject;
    const auto star = std::find(path.rbegin(), path.rend(), std::string("*"));
    const auto shared = static_cast<std::size_t>(path.rend() - star);
    if (shared > one.pattern.size() ||
        !std::equal(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(shared),
                    one.pattern.begin()))
      return wrong(one.place,
                   "x-subject: up to its last `*` it is the place of the field itself: the "
                   "same item of the same list");
    FieldNode* node = &root;
    bool is_theirs = false;
    for (std::size_t i = 0; i <= path.size(); ++i) {
      is_theirs |= std::ranges::any_of(all, [&](const Personal& other) {
        return other.node == node && other.node->rule.subject == path;
      });
      if (i == path.size()) break;
      node = path[i] == "*"
                 ? node->items.get()
                 : (node->members.contains(path[i]) ? node->members[path[i]].get() : nullptr);
      if (node == nullptr)
        return wrong(one.place, "x-subject: the schema has no such field, which is a string");
    }
    if (!is_theirs)
      return wrong(one.place,
                   "x-subject: the name of the person stands in no field that is sealed "
                   "for that person: give it the same x-subject, and x-tags");
    node->names_a_person = true;
    return {};
  }
  Status check_subjects(FieldNode& root) const {
    for (const Personal& one : personal_) TRY(check_subjects_of(one, root, personal_));
    return {};
  }

  FieldRule defaults_;
  std::vector<std::string> pattern_;
  std::vector<Personal> personal_;
};

}  // namespace

std::string_view name(Fact fact) { return fact_names[static_cast<std::size_t>(fact)]; }

Result<std::unique_ptr<FieldNode>> read_field_rules(const rapidjson::Value& schema) {
  return RuleReader().read(schema);
}

void append_escaped(std::string& pointer, std::string_view name) {
  pointer += '/';
  for (const char c : name) {
    if (c == '~')
      pointer += "~0";
    else if (c == '/')
      pointer += "~1";
    else
      pointer += c;
  }
}

Result<std::vector<std::string>> parse_place(std::string_view pointer) {
  const rapidjson::Pointer parsed(pointer.data(), pointer.size());
  if (!parsed.IsValid() || pointer.empty() || pointer.front() != '/')
    return fail(Code::invalid_argument,
                "a place is a JSON pointer (RFC 6901), such as \"/patient/number\"");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < parsed.GetTokenCount(); ++i)
    names.emplace_back(parsed.GetTokens()[i].name, parsed.GetTokens()[i].length);
  return names;
}

}  // namespace internal

}  // namespace meridian::door
