#include "mesh/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/assert.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view scheme = "spiffe://";
constexpr std::string_view any_label = "*.";

bool is_domain_character(char c) {
  return ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') || c == '-' || c == '.' || c == '_';
}
bool is_path_character(char c) {
  return is_domain_character(c) || ('A' <= c && c <= 'Z') || c == '/';
}

Error bad_pattern(std::string_view text, std::string_view why) {
  return {
      Code::invalid_argument,
      fmt::format("'{}' is no pattern of identities: {}. write spiffe://DOMAIN/PATH; DOMAIN may "
                  "begin with `*.` (any one label), PATH may end in `*` (any ending)",
                  text, why)};
}

/// The first rule of `rules` that is about the question, and gives or takes it.
const Rule* rule_for(const std::vector<Rule>& rules, const Question& question) {
  const auto found = std::ranges::find_if(rules, [&](const Rule& rule) {
    return rule.actions.test(index_of(question.action)) &&
           rule.is_about(question.id, question.cell) &&
           (!question.ledger || rule.ledgers.contains(*question.ledger)) &&
           (!question.stream || rule.streams.contains(*question.stream));
  });
  return found == rules.end() ? nullptr : &*found;
}

std::string what_is_missing(const std::vector<Rule>& grants, const Question& question) {
  const std::string_view action = info(question.action).name;
  bool is_known = false;
  for (std::size_t i = 0; i < grants.size(); ++i) {
    const Rule& rule = grants[i];
    if (std::ranges::none_of(rule.who, [&](const auto& p) { return p.matches(question.id); }))
      continue;
    is_known = true;
    if (!rule.actions.test(index_of(question.action))) continue;
    const std::string_view what = !rule.is_about(question.id, question.cell) ? "other cells"
                                  : question.ledger                          ? "other ledgers"
                                                                             : "other streams";
    return fmt::format("denied: grant {} ({}) gives {} only in {}", i + 1, rule.gives, action,
                       what);
  }
  return is_known ? fmt::format("denied: no grant to {} gives {}", question.id, action)
                  : fmt::format("denied: no grant is about {}", question.id);
}

}  // namespace

Result<IdentityPattern> IdentityPattern::parse(std::string_view text) {
  if (!text.starts_with(scheme)) return bad_pattern(text, "it does not begin with spiffe://");
  const std::string_view rest = text.substr(scheme.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return bad_pattern(text, "it has no path");
  IdentityPattern pattern;
  pattern.text_ = text;
  std::string_view domain = rest.substr(0, slash);
  if (domain.starts_with(any_label)) {
    pattern.any_label_ = true;
    domain.remove_prefix(any_label.size());
  }
  std::string_view path = rest.substr(slash);
  if (path.ends_with('*')) {
    pattern.any_ending_ = true;
    path.remove_suffix(1);
  } else if (path.ends_with('/')) {
    return bad_pattern(text, "an identity does not end in a slash");
  }
  if (domain.empty() || !std::ranges::all_of(domain, is_domain_character))
    return bad_pattern(text, "its domain has other characters than a-z 0-9 . - _");
  if (!std::ranges::all_of(path, is_path_character))
    return bad_pattern(text,
                       "its path has other characters than a-z A-Z 0-9 . - _ /, or a `*` that "
                       "is not at the end");
  pattern.domain_ = domain;
  pattern.path_ = path;
  return pattern;
}

bool IdentityPattern::matches(std::string_view id) const {
  if (!id.starts_with(scheme)) return false;
  id.remove_prefix(scheme.size());
  const std::size_t slash = id.find('/');
  if (slash == std::string_view::npos) return false;
  std::string_view domain = id.substr(0, slash);
  if (any_label_) {
    const std::size_t dot = domain.find('.');
    if (dot == std::string_view::npos || dot == 0) return false;
    domain.remove_prefix(dot + 1);
  }
  const std::string_view path = id.substr(slash);
  return domain == domain_ && (any_ending_ ? path.starts_with(path_) : path == path_);
}

bool IdentityPattern::is_about_persons() const {
  constexpr std::string_view person = "/person/";
  return path_.starts_with(person) ||
         (any_ending_ && person.starts_with(path_));  // "/*" and "/p*" are about people, too
}

bool IdentityPattern::is_for_development() const {
  constexpr std::string_view domain = "dev.invalid";
  return domain_ == domain || domain_.ends_with("." + std::string(domain));
}

bool StreamSet::contains_all(std::string_view prefix) const {
  return all ||
         std::ranges::any_of(prefixes, [&](const std::string& p) { return prefix.starts_with(p); });
}

bool StreamSet::contains_any(std::string_view prefix) const {
  return contains_all(prefix) ||
         std::ranges::any_of(exact, [&](const std::string& e) { return e.starts_with(prefix); }) ||
         std::ranges::any_of(prefixes, [&](const std::string& p) { return p.starts_with(prefix); });
}

bool StreamSet::contains(std::string_view stream) const {
  return all || std::ranges::binary_search(exact, stream, std::less<>()) ||
         std::ranges::any_of(prefixes, [&](const std::string& p) { return stream.starts_with(p); });
}

bool LedgerSet::contains(std::uint32_t ledger) const {
  return all || std::ranges::binary_search(ledgers, ledger);
}

bool Rule::is_about(std::string_view id, u128 cell) const {
  return (all_cells || std::ranges::find(cells, cell) != cells.end()) &&
         std::ranges::any_of(who, [&](const IdentityPattern& one) { return one.matches(id); });
}

bool Rights::denied(Action action, std::uint32_t ledger) const {
  return std::ranges::any_of(denials_, [&](const Part& part) {
    return part.actions.test(index_of(action)) && part.ledgers.contains(ledger);
  });
}

bool Rights::denied(Action action, std::string_view stream) const {
  return std::ranges::any_of(denials_, [&](const Part& part) {
    return part.actions.test(index_of(action)) && part.streams.contains(stream);
  });
}

bool Rights::allow(Action action, std::uint32_t ledger) const {
  ASSERT(info(action).scope == Scope::ledger);
  if (allow_all_ledgers(action)) return true;
  if (!allow(action) || denied(action, ledger)) return false;
  return std::ranges::any_of(grants_, [&](const Part& part) {
    return part.actions.test(index_of(action)) && part.ledgers.contains(ledger);
  });
}

bool Rights::allow(Action action, std::string_view stream) const {
  ASSERT(info(action).scope == Scope::stream);
  if (allow_all_streams(action)) return true;
  if (!allow(action) || denied(action, stream)) return false;
  return std::ranges::any_of(grants_, [&](const Part& part) {
    return part.actions.test(index_of(action)) && part.streams.contains(stream);
  });
}

bool Rights::allow_prefix(Action action, std::string_view prefix) const {
  ASSERT(info(action).scope == Scope::stream);
  if (allow_all_streams(action)) return true;
  if (!allow(action)) return false;
  const auto is_about = [&](const Part& part) { return part.actions.test(index_of(action)); };
  return std::ranges::none_of(denials_,
                              [&](const Part& part) {
                                return is_about(part) && part.streams.contains_any(prefix);
                              }) &&
         std::ranges::any_of(grants_, [&](const Part& part) {
           return is_about(part) && part.streams.contains_all(prefix);
         });
}

Rights Policy::rights_of(std::string_view id, u128 cell) const {
  Rights rights;
  for (const Rule& rule : grants_) {
    if (!rule.is_about(id, cell)) continue;
    rights.given_ |= rule.actions;
    rights.is_regulator_ |= rule.is_of_regulators;
    if (rule.ledgers.all) rights.all_ledgers_ |= rule.actions;
    if (rule.streams.all) rights.all_streams_ |= rule.actions;
    rights.grants_.push_back({rule.actions, rule.ledgers, rule.streams});
  }
  for (const Rule& rule : denials_) {
    if (!rule.is_about(id, cell)) continue;
    rights.denials_.push_back({rule.actions, rule.ledgers, rule.streams});
    rights.all_ledgers_ &= ~rule.actions;
    rights.all_streams_ &= ~rule.actions;
    for (std::size_t i = 0; i < action_count; ++i) {
      const Scope scope = info(action_at(i)).scope;
      const bool takes_all = scope == Scope::cell || (scope == Scope::ledger && rule.ledgers.all) ||
                             (scope == Scope::stream && rule.streams.all);
      if (rule.actions.test(i) && takes_all) rights.given_.reset(i);
    }
  }
  return rights;
}

std::size_t Policy::approvers(u128 cell) const {
  std::set<std::string_view> persons;
  for (const Rule& grant : grants_) {
    const bool is_here =
        grant.all_cells || std::ranges::find(grant.cells, cell) != grant.cells.end();
    if (!is_here || !grant.actions.test(index_of(Action::policy_approve))) continue;
    for (const IdentityPattern& who : grant.who) {
      if (!who.is_about_persons()) continue;
      if (who.is_about_several()) return 2;
      if (rights_of(who.text(), cell).allow(Action::policy_approve)) persons.insert(who.path());
    }
  }
  return std::min<std::size_t>(persons.size(), 2);
}

Explanation Policy::explain(const Question& question) const {
  const auto position = [](const std::vector<Rule>& rules, const Rule& rule) {
    return &rule - rules.data() + 1;
  };
  if (const Rule* denial = rule_for(denials_, question))
    return {false,
            fmt::format("denied by denial {} ({})", position(denials_, *denial), denial->gives)};
  if (const Rule* grant = rule_for(grants_, question))
    return {true, fmt::format("allowed by grant {} ({})", position(grants_, *grant), grant->gives)};
  return {false, what_is_missing(grants_, question)};
}

}  // namespace meridian::mesh
