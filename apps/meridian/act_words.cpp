#include "act_words.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

namespace meridian::app {
namespace {

using Json = nlohmann::json;

std::string text(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end()) return "?";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::optional<std::string> step(const Json& one) {
  if (!one.is_object() || one.size() != 1) return std::nullopt;
  const std::string kind = one.begin().key();
  const Json& value = one.begin().value();
  if (kind == "add" && value.is_object())
    return fmt::format("add replica {} in {} at {} to the cell, as a learner", text(value, "id"),
                       text(value, "region"), text(value, "peer_address"));
  if (kind == "promote") return fmt::format("give replica {} a vote", text(one, "promote"));
  if (kind == "remove")
    return fmt::format("remove replica {} from the cell, for good", text(one, "remove"));
  return std::nullopt;
}

std::optional<std::vector<std::string>> change(const Json& request) {
  const auto steps = request.find("steps");
  if (steps == request.end() || !steps->is_array()) return std::nullopt;
  std::vector<std::string> lines;
  for (const Json& one : *steps) {
    const std::optional<std::string> line = step(one);
    if (!line) return std::nullopt;
    lines.push_back(*line);
  }
  return lines;
}

std::vector<std::string> definition(const Json& request) {
  const std::string erase = text(request, "erase_at_latest");
  std::vector<std::string> lines{
      fmt::format("define retention class {} ({}, {}): keep at least {} from the end of a {}",
                  text(request, "retention"), text(request, "name"), text(request, "basis"),
                  text(request, "keep_at_least"),
                  text(request, "by_month") == "true" ? "month" : "year"),
      erase.empty() ? "nothing of it is erased by itself"
                    : fmt::format("erase at latest {} from its beginning", erase)};
  if (request.contains("residency"))
    lines.push_back(fmt::format("what it says of persons can be read in the jurisdiction {} only",
                                text(request, "residency")));
  return lines;
}

std::optional<std::vector<std::string>> residency(const Json& request) {
  const auto regions = request.find("regions");
  if (regions == request.end() || !regions->is_array()) return std::nullopt;
  std::string list;
  for (const Json& region : *regions) {
    if (!region.is_string()) return std::nullopt;
    list += (list.empty() ? "" : ", ") + region.get<std::string>();
  }
  return std::vector{fmt::format("let replicas in {} read what lives in the jurisdiction {}", list,
                                 text(request, "name"))};
}

}  // namespace

std::vector<std::string> words_of(const mesh::ActRequest& what) {
  const Json request = Json::parse(what.request, nullptr, false);
  if (request.is_object()) {
    if (what.method == "/meridian.v1.Members/Change")
      if (const auto lines = change(request)) return *lines;
    if (what.method == "/meridian.v1.Upgrade/Activate" && request.contains("activate"))
      return {fmt::format("activate feature level {}: older versions cannot be started any more",
                          text(request, "activate"))};
    if (what.method == "/meridian.v1.Subjects/Forget" && request.contains("subject_id"))
      return {fmt::format("forget the person whose opaque id is {}, for good",
                          text(request, "subject_id")),
              "(`meridian subject status NAME` shows the id of a name: compare it)"};
    if (what.method == "/meridian.v1.Subjects/SetRetention") return definition(request);
    if (what.method == "/meridian.v1.Subjects/SetResidency")
      if (const auto lines = residency(request)) return *lines;
    if (what.method == "meridian recovery skip" && request.contains("index"))
      return {
          fmt::format("have stopped replicas skip entry {} of the log, with the digest {}: what "
                      "is in it never happens",
                      text(request, "index"), text(request, "digest"))};
    if (what.method == "meridian recovery new-generation" && request.contains("generation"))
      return {
          fmt::format("go on as generation {}, without the records {}, which were signed and "
                      "are lost",
                      text(request, "generation"), text(request, "lost"))};
    if (what.method == "/meridian.v1.Keys/Rotate" && text(request, "key") == "residency")
      return {
          fmt::format("turn over the key of the jurisdiction {}: what is sealed from then on "
                      "does not open with the one of before",
                      text(request, "jurisdiction"))};
    if (what.method == "/meridian.v1.Keys/Rotate" && request.contains("key"))
      return {fmt::format("turn over the key {} of {}, and destroy the old one",
                          text(request, "key"),
                          request.contains("replica")       ? "replica " + text(request, "replica")
                          : text(request, "key") == "epoch" ? "the cell"
                                                            : "every replica")};
    if (what.method == "meridian keys rotate" && request.contains("key"))
      return {fmt::format("turn over the key {} of stopped nodes, and destroy the old one",
                          text(request, "key"))};
  }
  return {fmt::format("{}: {}", what.method, what.request)};
}

std::string word_of(const mesh::ActRequest& what) {
  std::string line;
  for (const std::string& one : words_of(what))
    if (!one.starts_with('(')) line += (line.empty() ? "" : "; ") + one;
  return line;
}

}  // namespace meridian::app
