// YAML by yaml-cpp; what it throws becomes an Error here. Keys that nobody knows are refused: a
// misspelt `denials` would grant more than was meant.
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "base/uuid.h"
#include "mesh/policy.h"
#include "mesh/yaml_check.h"

namespace meridian::mesh {
namespace {

constexpr int version_known = 1;

/// A scalar, or a list of scalars; `what` names it for people.
Result<std::vector<YAML::Node>> scalars(const YAML::Node& node, std::string_view what) {
  std::vector<YAML::Node> found;
  if (node.IsScalar()) {
    found.push_back(node);
  } else if (node.IsSequence() && node.size() > 0 && node.size() <= policy_names_max) {
    for (const YAML::Node& one : node) {
      if (!one.IsScalar()) return bad_yaml(one, fmt::format("{} is a list of words", what));
      found.push_back(one);
    }
  } else {
    return bad_yaml(node,
                    fmt::format("{} is one word, or a list of 1 to {}", what, policy_names_max));
  }
  return found;
}

bool is_all(const std::vector<YAML::Node>& words) {
  return words.size() == 1 && words[0].Scalar() == "all";
}

std::string joined(const std::vector<YAML::Node>& words) {
  std::string text;
  for (const YAML::Node& word : words) text += (text.empty() ? "" : ", ") + word.Scalar();
  return text;
}

Status read_who(const YAML::Node& node, Rule& rule) {
  for (const YAML::Node& word : TRY(scalars(node, "who"))) {
    Result<IdentityPattern> pattern = IdentityPattern::parse(word.Scalar());
    if (!pattern) return bad_yaml(word, pattern.error().message);
    rule.who.push_back(*std::move(pattern));
  }
  return {};
}

Status read_roles(const YAML::Node& node, Rule& rule) {
  const std::vector<YAML::Node> words = TRY(scalars(node, "roles"));
  for (const YAML::Node& word : words) {
    const std::optional<Role> role = role_named(word.Scalar());
    if (!role)
      return bad_yaml(word,
                      fmt::format("there is no role '{}': writer, reader, auditor, regulator, "
                                  "operator, privacy officer",
                                  word.Scalar()));
    rule.actions |= actions_of(*role);
    rule.is_of_regulators |= *role == Role::regulator;
  }
  rule.gives = "roles: " + joined(words);
  return {};
}

Status read_actions(const YAML::Node& node, bool may_be_all, Rule& rule) {
  const std::vector<YAML::Node> words = TRY(scalars(node, "actions"));
  if (may_be_all && is_all(words)) {
    rule.actions.set();
  } else {
    for (const YAML::Node& word : words) {
      const std::optional<Action> action = action_named(word.Scalar());
      if (!action)
        return bad_yaml(word,
                        fmt::format("there is no action '{}'; `meridian policy actions` lists them",
                                    word.Scalar()));
      rule.actions.set(index_of(*action));
    }
  }
  rule.gives += (rule.gives.empty() ? "actions: " : "; actions: ") + joined(words);
  return {};
}

Status read_cells(const YAML::Node& node, Rule& rule) {
  const std::vector<YAML::Node> words = TRY(scalars(node, "cells"));
  rule.all_cells = is_all(words);
  if (rule.all_cells) return {};
  for (const YAML::Node& word : words) {
    const std::optional<u128> cell = parse_uuid(word.Scalar());
    if (!cell)
      return bad_yaml(
          word, fmt::format("'{}' is no cell: write its UUID, or `cells: all`", word.Scalar()));
    rule.cells.push_back(*cell);
  }
  return {};
}

Status read_ledgers(const YAML::Node& node, Rule& rule) {
  const std::vector<YAML::Node> words = TRY(scalars(node, "ledgers"));
  rule.ledgers.all = is_all(words);
  if (rule.ledgers.all) return {};
  for (const YAML::Node& word : words) {
    const std::string& text = word.Scalar();
    std::uint32_t ledger = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ledger);
    if (error != std::errc() || end != text.data() + text.size() || ledger == 0)
      return bad_yaml(
          word,
          fmt::format("'{}' is no ledger: a number from 1 to 4294967295, or `ledgers: all`", text));
    rule.ledgers.ledgers.push_back(ledger);
  }
  std::ranges::sort(rule.ledgers.ledgers);
  return {};
}

Status read_streams(const YAML::Node& node, Rule& rule) {
  const std::vector<YAML::Node> words = TRY(scalars(node, "streams"));
  rule.streams.all = is_all(words);
  if (rule.streams.all) return {};
  for (const YAML::Node& word : words) {
    std::string text = word.Scalar();
    const bool is_prefix = text.ends_with('*');
    if (is_prefix) text.pop_back();
    if (text.empty() || text.find('*') != std::string::npos)
      return bad_yaml(word,
                      fmt::format("'{}' is no stream: a name, the beginning of names and a `*`, or "
                                  "`streams: all`",
                                  word.Scalar()));
    (is_prefix ? rule.streams.prefixes : rule.streams.exact).push_back(std::move(text));
  }
  std::ranges::sort(rule.streams.exact);
  return {};
}

bool has_scope(const Actions& actions, Scope scope) {
  for (std::size_t i = 0; i < action_count; ++i)
    if (actions.test(i) && info(action_at(i)).scope == scope) return true;
  return false;
}

Result<Rule> read_rule(const YAML::Node& node, bool is_grant) {
  TRY(check_yaml_keys(node, {"who", "roles", "actions", "cells", "ledgers", "streams"},
                      "who: ..."));
  Rule rule;
  if (!node["who"]) return bad_yaml(node, "it does not say who");
  TRY(read_who(node["who"], rule));
  if (const YAML::Node roles = node["roles"]) TRY(read_roles(roles, rule));
  if (const YAML::Node actions = node["actions"]) TRY(read_actions(actions, !is_grant, rule));
  if (rule.actions.none()) return bad_yaml(node, "it says neither roles nor actions");
  rule.all_cells = rule.ledgers.all = rule.streams.all =
      !is_grant;  // silence denies more, grants less
  if (const YAML::Node cells = node["cells"]) {
    TRY(read_cells(cells, rule));
  } else if (is_grant) {
    return bad_yaml(node, "it does not say in which cells: `cells: all`, or UUIDs");
  }
  if (const YAML::Node ledgers = node["ledgers"]) {
    TRY(read_ledgers(ledgers, rule));
  } else if (is_grant && has_scope(rule.actions, Scope::ledger)) {
    return bad_yaml(
        node,
        fmt::format("{} are about ledgers, and it does not say which: `ledgers: all`, or numbers",
                    rule.gives));
  }
  if (const YAML::Node streams = node["streams"]) {
    TRY(read_streams(streams, rule));
  } else if (is_grant && has_scope(rule.actions, Scope::stream)) {
    return bad_yaml(
        node,
        fmt::format("{} are about streams, and it does not say which: `streams: all`, or names",
                    rule.gives));
  }
  return rule;
}

Status read_rules(const YAML::Node& list, bool is_grant, std::vector<Rule>& rules) {
  if (!list) return {};
  if (!list.IsSequence() || list.size() > policy_rules_max)
    return bad_yaml(list, fmt::format("here stands a list of at most {} rules, each after a `-`",
                                      policy_rules_max));
  for (const YAML::Node& one : list) rules.push_back(TRY(read_rule(one, is_grant)));
  return {};
}

struct Rules {
  std::vector<Rule> grants, denials;
  bool mfa_needed = true;
  bool needs_second_person = true;
  bool needs_purpose = true;
  GlassKeys glass_keys;
};

Result<bool> read_mfa(const YAML::Node& node) {
  if (node.IsScalar() && node.Scalar() == "needed") return true;
  if (node.IsScalar() && node.Scalar() == "not-needed") return false;
  return bad_yaml(node, "mfa is `needed`, or `not-needed`");
}

bool is_for_development(const std::vector<Rule>& rules) {
  return std::ranges::all_of(rules, [](const Rule& rule) {
    return std::ranges::all_of(rule.who, &IdentityPattern::is_for_development);
  });
}

/// `second-person: not-needed`.
Status read_second_person(const YAML::Node& node, Rules& rules) {
  if (!node) return {};
  if (!node.IsScalar() || node.Scalar() != "not-needed")
    return bad_yaml(node, "second-person: not-needed, or nothing: then dangerous acts need one");
  if (!is_for_development(rules.grants) || !is_for_development(rules.denials))
    return bad_yaml(
        node,
        "second-person: not-needed is for development only: every identity of the policy "
        "must be of the trust domain dev.invalid");
  rules.needs_second_person = false;
  return {};
}

/// `purpose: required | optional`.
Status read_purpose(const YAML::Node& node, Rules& rules) {
  if (!node) return {};
  if (!node.IsScalar() || (node.Scalar() != "required" && node.Scalar() != "optional"))
    return bad_yaml(node, "purpose: required, or optional: then only regulators have to say one");
  rules.needs_purpose = node.Scalar() == "required";
  return {};
}

std::optional<std::uint64_t> number_of(const YAML::Node& node, std::string_view unit = {}) {
  if (!node || !node.IsScalar() || !node.Scalar().ends_with(unit)) return std::nullopt;
  const std::string_view text = std::string_view(node.Scalar());
  const std::string_view digits = text.substr(0, text.size() - unit.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// "4h", "90m"; in seconds.
std::optional<std::int64_t> span_of(const YAML::Node& node) {
  std::optional<std::uint64_t> value = number_of(node, "h");
  const std::uint64_t unit = value ? 3'600 : 60;
  if (!value) value = number_of(node, "m");
  if (!value || *value == 0 || *value > glass_lifetime_s_max / unit) return std::nullopt;
  return static_cast<std::int64_t>(*value * unit);
}

Status read_glass_keys(const YAML::Node& node, GlassKeys& glass) {
  if (!node) return {};
  TRY(check_yaml_keys(node, {"keys", "needed", "longest"}, "who: ..."));
  if (!node["keys"]) return bad_yaml(node, "break-glass: it names no keys");
  for (const YAML::Node& word : TRY(scalars(node["keys"], "keys"))) {
    const Result<proof::VerifierKey> key = proof::parse_vkey(word.Scalar());
    if (!key || key->type != proof::KeyType::ed25519)
      return bad_yaml(
          word, fmt::format("'{}' is no public key as `meridian break-glass keygen` prints it",
                            word.Scalar()));
    for (const proof::VerifierKey& other : glass.keys)
      if (other.name == key->name || other.public_key == key->public_key)
        return bad_yaml(word, fmt::format("the key {} stands here twice", key->name));
    glass.keys.push_back(*key);
  }
  if (glass.keys.size() > glass_keys_max)
    return bad_yaml(node["keys"], fmt::format("at most {} keys", glass_keys_max));
  const std::optional<std::uint64_t> needed = number_of(node["needed"]);
  if (!needed || *needed < glass_signers_min || *needed > glass.keys.size())
    return bad_yaml(node,
                    fmt::format("break-glass: needed: how many of the keys sign, from {} to all",
                                glass_signers_min));
  glass.needed = *needed;
  if (!node["longest"]) return {};
  const std::optional<std::int64_t> longest = span_of(node["longest"]);
  if (!longest) return bad_yaml(node["longest"], "longest: from 1m to 4h, in whole m or h");
  glass.longest_s = *longest;
  return {};
}

/// Reads documents and forgets them.
class NoEvents final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

/// YAML::Load reads the first document and says nothing of more; YAML::LoadAll finds endless empty
/// ones in some malformed texts.
Status check_one_document(const std::string& yaml) {
  std::istringstream stream(yaml);
  YAML::Parser parser(stream);
  NoEvents none;
  if (parser.HandleNextDocument(none) && !parser.HandleNextDocument(none)) return {};
  return fail(Code::invalid_argument, "a policy is one YAML document, neither none nor several");
}

Result<Rules> read_document(const YAML::Node& document) {
  TRY(check_yaml_keys(
      document,
      {"meridian-policy", "grants", "denials", "mfa", "second-person", "purpose", "break-glass"},
      "who: ..."));
  const YAML::Node version = document["meridian-policy"];
  if (!version || !version.IsScalar() || version.Scalar() != std::to_string(version_known))
    return bad_yaml(
        document,
        fmt::format("it does not say `meridian-policy: {}`, which is the format this version reads",
                    version_known));
  Rules rules;
  TRY(read_rules(document["grants"], true, rules.grants));
  TRY(read_rules(document["denials"], false, rules.denials));
  if (const YAML::Node mfa = document["mfa"]) rules.mfa_needed = TRY(read_mfa(mfa));
  TRY(read_second_person(document["second-person"], rules));
  TRY(read_purpose(document["purpose"], rules));
  TRY(read_glass_keys(document["break-glass"], rules.glass_keys));
  return rules;
}

}  // namespace

Result<std::shared_ptr<const Policy>> Policy::parse(std::string_view yaml) {
  if (yaml.size() > policy_size_max)
    return fail(Code::invalid_argument,
                fmt::format("the policy has {} bytes, more than the {} that are read", yaml.size(),
                            policy_size_max));
  TRY(check_yaml_text(yaml));
  auto policy = std::make_shared<Policy>();
  policy->text_ = yaml;
  policy->digest_ = crypto::sha256(as_bytes(yaml));
  try {
    TRY(check_one_document(policy->text_));
    Rules rules = TRY(read_document(YAML::Load(policy->text_)));
    policy->grants_ = std::move(rules.grants);
    policy->denials_ = std::move(rules.denials);
    policy->mfa_needed_ = rules.mfa_needed;
    policy->needs_second_person_ = rules.needs_second_person;
    policy->needs_purpose_ = rules.needs_purpose;
    policy->glass_keys_ = std::move(rules.glass_keys);
  } catch (const YAML::Exception& error) {
    return fail(Code::invalid_argument, fmt::format("line {}: {}", error.mark.line + 1, error.msg));
  }
  return std::shared_ptr<const Policy>(std::move(policy));
}

}  // namespace meridian::mesh
