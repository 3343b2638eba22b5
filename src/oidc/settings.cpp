// YAML by yaml-cpp; what it throws becomes an Error here.
#include "oidc/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "mesh/authority.h"
#include "mesh/person_evidence.h"
#include "mesh/spiffe_id.h"
#include "mesh/yaml_check.h"

namespace meridian::oidc {
namespace {

using mesh::bad_yaml;
using mesh::check_yaml_keys;
using mesh::check_yaml_text;

constexpr std::array<std::string_view, 3> algorithm_names = {"RS256", "PS256", "ES256"};

/// A document ends at a line of its own, in any context (YAML 1.2 section 9.1.2), and what stands
/// behind it would not be read.
Status check_one_document(std::string_view yaml) {
  std::size_t line = 1;
  for (std::size_t at = 0; at < yaml.size(); ++at) {
    const std::string_view rest = yaml.substr(at);
    if ((at == 0 || yaml[at - 1] == '\n' || yaml[at - 1] == '\r') &&
        (rest.starts_with("---") || rest.starts_with("...")))
      return fail(Code::invalid_argument,
                  fmt::format("line {}: the file is one YAML document, without marks", line));
    if (yaml[at] == '\n') ++line;
  }
  return {};
}

Result<std::string> word(const YAML::Node& node, std::string_view what, std::size_t size_max) {
  if (!node.IsScalar() || !mesh::is_evidence_word(node.Scalar(), size_max))
    return bad_yaml(node, fmt::format("{} is one word, of at most {} characters", what, size_max));
  return node.Scalar();
}

Result<std::vector<std::string>> words(const YAML::Node& node, std::string_view what) {
  std::vector<std::string> found;
  if (node.IsScalar()) {
    found.push_back(TRY(word(node, what, mesh::evidence_method_size_max)));
    return found;
  }
  if (!node.IsSequence() || node.size() == 0 || node.size() > words_max)
    return bad_yaml(node, fmt::format("{} is one word, or a list of 1 to {}", what, words_max));
  for (const YAML::Node& one : node)
    found.push_back(TRY(word(one, what, mesh::evidence_method_size_max)));
  return found;
}

Status read_people(const YAML::Node& node, Settings& settings) {
  if (!node.IsMap() || node.size() == 0 || node.size() > people_max)
    return bad_yaml(node, fmt::format("people is a table of 1 to {}: `CLAIM: NAME`", people_max));
  for (const auto& pair : node) {
    if (!pair.first.IsScalar() || pair.first.Scalar().empty() ||
        pair.first.Scalar().size() > claim_size_max)
      return bad_yaml(
          pair.first,
          fmt::format("what the provider calls a person has 1 to {} characters", claim_size_max));
    const std::string& claim = pair.first.Scalar();
    if (!pair.second.IsScalar() || pair.second.Scalar().find('/') != std::string::npos ||
        !mesh::parse_spiffe_id("spiffe://x/person/" + pair.second.Scalar()))
      return bad_yaml(
          pair.second,
          fmt::format("the name of '{}' is the end of their id, spiffe://DOMAIN/person/NAME: "
                      "letters, digits, '-', '_', '.'",
                      claim));
    if (!settings.people.emplace(claim, pair.second.Scalar()).second)
      return bad_yaml(pair.first, fmt::format("'{}' stands here twice", claim));
  }
  return {};
}

Status read_mfa(const YAML::Node& node, Settings& settings) {
  TRY(check_yaml_keys(node, {"amr", "acr"}, "issuer: ..."));
  if (const YAML::Node amr = node["amr"]) settings.mfa_methods = TRY(words(amr, "amr"));
  if (const YAML::Node acr = node["acr"]) settings.mfa_classes = TRY(words(acr, "acr"));
  return {};
}

Status read_lifetime(const YAML::Node& node, Settings& settings) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), settings.lifetime_seconds);
  if (error != std::errc() || end != text.data() + text.size() || settings.lifetime_seconds < 1 ||
      settings.lifetime_seconds > mesh::svid_lifetime_max)
    return bad_yaml(
        node, fmt::format("lifetime is a number of seconds, 1 to {}", mesh::svid_lifetime_max));
  return {};
}

Status read_algorithms(const YAML::Node& node, Settings& settings) {
  settings.algorithms.clear();
  for (const std::string& text : TRY(words(node, "algorithms"))) {
    const auto* const found = std::ranges::find(algorithm_names, text);
    if (found == algorithm_names.end())
      return bad_yaml(node, fmt::format("'{}' is no algorithm that is taken: {}", text,
                                        fmt::join(algorithm_names, ", ")));
    settings.algorithms.push_back(static_cast<Algorithm>(found - algorithm_names.begin()));
  }
  return {};
}

Result<Settings> read_document(const YAML::Node& document) {
  TRY(check_yaml_keys(document,
                      {"meridian-oidc", "issuer", "client_id", "audience", "person_claim", "people",
                       "mfa", "lifetime", "scopes", "algorithms", "ca_file"},
                      "issuer: ..."));
  const YAML::Node version = document["meridian-oidc"];
  if (!version || !version.IsScalar() || version.Scalar() != "1")
    return bad_yaml(document, "it does not say `meridian-oidc: 1`, the format this version reads");
  for (const char* key : {"issuer", "client_id", "people"})
    if (!document[key]) return bad_yaml(document, fmt::format("it does not say `{}`", key));
  Settings settings;
  settings.issuer = TRY(word(document["issuer"], "issuer", mesh::evidence_issuer_size_max));
  if (!is_https_url(settings.issuer) || settings.issuer.find('?') != std::string::npos)
    return bad_yaml(document["issuer"], "issuer is an address that begins with https://");
  settings.client_id = TRY(word(document["client_id"], "client_id", claim_size_max));
  settings.audiences = {settings.client_id};
  if (const YAML::Node node = document["audience"])
    settings.audiences = TRY(words(node, "audience"));
  if (const YAML::Node node = document["person_claim"])
    settings.person_claim = TRY(word(node, "person_claim", claim_size_max));
  TRY(read_people(document["people"], settings));
  if (const YAML::Node node = document["mfa"]) TRY(read_mfa(node, settings));
  if (const YAML::Node node = document["lifetime"]) TRY(read_lifetime(node, settings));
  if (const YAML::Node node = document["scopes"]) settings.scopes = TRY(words(node, "scopes"));
  if (const YAML::Node node = document["algorithms"]) TRY(read_algorithms(node, settings));
  if (const YAML::Node node = document["ca_file"]) {
    if (!node.IsScalar() || node.Scalar().empty())
      return bad_yaml(node, "ca_file is the path of a file");
    settings.ca_file = node.Scalar();
  }
  return settings;
}

}  // namespace

std::string_view name(Algorithm algorithm) {
  return algorithm_names[static_cast<std::size_t>(algorithm)];
}

bool is_https_url(std::string_view text) {
  constexpr std::string_view scheme = "https://";
  if (!mesh::is_evidence_word(text, url_size_max) || !text.starts_with(scheme)) return false;
  const std::string_view rest = text.substr(scheme.size());
  const std::string_view host = rest.substr(0, rest.find_first_of("/?"));
  return !host.empty() && host.find('@') == std::string_view::npos &&
         text.find_first_of("#\\\"<>") == std::string_view::npos;
}

Result<Settings> parse_settings(std::string_view yaml) {
  if (yaml.size() > settings_size_max)
    return fail(Code::invalid_argument,
                fmt::format("it has {} bytes, more than the {} that are read", yaml.size(),
                            settings_size_max));
  TRY(check_yaml_text(yaml));
  TRY(check_one_document(yaml));
  try {
    return read_document(YAML::Load(std::string(yaml)));
  } catch (const YAML::Exception& error) {
    return fail(Code::invalid_argument, fmt::format("line {}: {}", error.mark.line + 1, error.msg));
  }
}

}  // namespace meridian::oidc
