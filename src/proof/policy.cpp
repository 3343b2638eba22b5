// line      = "log" vkey [url] | "witness" name vkey [url] | "group" name ("any" | "all" | k) name+
//           | "quorum" (name | "none") | "#" comment | empty
// directive = "#meridian policy 1" | "#meridian replica" witness region
//           | "#meridian outside" witness organisation
//           | "#meridian log-key" key-id "sizes" from (until | "-")
//           | "#meridian witness-key" witness "times" from (until | "-")
// Names are defined before they are used. (C2SP tlog-policy; directives: docs/formats/proof.md)
#include "proof/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "proof/internal/text.h"

namespace meridian::proof {

namespace {

constexpr std::uint64_t time_max = (std::uint64_t{1} << 63) - 1;
using Tokens = std::vector<std::string_view>;

Tokens split(std::string_view line) {
  Tokens tokens;
  constexpr std::string_view blank = " \t";
  std::size_t begin = line.find_first_not_of(blank);
  while (begin != std::string_view::npos) {
    std::size_t end = std::min(line.find_first_of(blank, begin), line.size());
    tokens.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(blank, end);
  }
  return tokens;
}

bool is_allowed(std::string_view line) {
  return std::ranges::all_of(line, [](char c) {
    auto byte = static_cast<Byte>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

class Parser {
 public:
  Status line(std::string_view text) {
    if (!is_allowed(text)) return bad("a control character; only tab and newline are allowed");
    Tokens tokens = split(text);
    if (tokens.empty()) return {};
    std::string_view keyword = tokens[0];
    if (keyword == "#meridian") return directive(tokens);
    if (keyword.starts_with('#')) return {};
    if (keyword == "log") return log(tokens);
    if (keyword == "witness") return witness(tokens);
    if (keyword == "group") return group(tokens);
    if (keyword == "quorum") return quorum(tokens);
    return bad(fmt::format("{} is not log, witness, group, quorum or a comment", quoted(keyword)));
  }

  Result<Policy> finish() && {
    if (policy_.quorum.empty())
      return bad("a quorum line is missing; write `quorum none` for none");
    return std::move(policy_);
  }

 private:
  static Error bad(std::string_view why) { return fail(Code::invalid_argument, std::string(why)); }

  Status log(const Tokens& tokens) {
    if (tokens.size() < 2 || tokens.size() > 3) return bad("log takes <vkey> [<url>]");
    VerifierKey key = TRY(parse_vkey(tokens[1]));
    if (key.type != KeyType::ed25519) return bad("a log's key has signature type 0x01");
    for (const PolicyLog& other : policy_.logs) {
      if (other.key.public_key == key.public_key) return bad("this log key is listed already");
    }
    if (policy_.logs.size() == policy_names_max) return bad("too many logs");
    PolicyLog log;
    log.key = std::move(key);
    if (tokens.size() == 3) log.url = tokens[2];
    policy_.logs.push_back(std::move(log));
    return {};
  }

  Status witness(const Tokens& tokens) {
    if (tokens.size() < 3 || tokens.size() > 4) return bad("witness takes <name> <vkey> [<url>]");
    TRY(new_name(tokens[1]));
    VerifierKey key = TRY(parse_vkey(tokens[2]));
    if (key.type != KeyType::cosignature) return bad("a witness's key has signature type 0x04");
    for (const PolicyWitness& other : policy_.witnesses) {
      if (other.key.public_key == key.public_key) {
        return bad(fmt::format("the key of {} is listed already, for {}", quoted(tokens[1]),
                               quoted(other.name)));
      }
    }
    if (policy_.witnesses.size() == policy_names_max) return bad("too many witnesses");
    PolicyWitness witness;
    witness.name = tokens[1];
    witness.key = std::move(key);
    if (tokens.size() == 4) witness.url = tokens[3];
    policy_.witnesses.push_back(std::move(witness));
    return {};
  }

  Status group(const Tokens& tokens) {
    if (tokens.size() < 4) return bad("group takes <name> any|all|<k> <name>...");
    TRY(new_name(tokens[1]));
    PolicyGroup group{std::string(tokens[1]), 0, {}};
    for (std::size_t i = 3; i < tokens.size(); ++i) {
      TRY(defined(tokens[i]));
      if (is_member(tokens[i]) || std::ranges::count(group.members, tokens[i]) != 0) {
        return bad(fmt::format("{} is a member of a group already", quoted(tokens[i])));
      }
      group.members.emplace_back(tokens[i]);
    }
    if (tokens[2] == "any") {
      group.threshold = 1;
    } else if (tokens[2] == "all") {
      group.threshold = group.members.size();
    } else {
      std::optional<std::uint64_t> k = parse_strict_decimal(tokens[2], group.members.size());
      if (!k || *k == 0) {
        return bad(fmt::format("the threshold {} is not any, all or a number of 1..{}",
                               quoted(tokens[2]), group.members.size()));
      }
      group.threshold = static_cast<std::size_t>(*k);
    }
    if (policy_.groups.size() == policy_names_max) return bad("too many groups");
    policy_.groups.push_back(std::move(group));
    return {};
  }

  Status quorum(const Tokens& tokens) {
    if (tokens.size() != 2) return bad("quorum takes one name, or none");
    if (!policy_.quorum.empty()) return bad("a second quorum line");
    if (tokens[1] != "none") TRY(defined(tokens[1]));
    policy_.quorum = tokens[1];
    return {};
  }

  Status directive(const Tokens& tokens) {
    std::string_view verb = tokens.size() > 1 ? tokens[1] : std::string_view();
    if (verb == "policy") {
      if (versioned_) return bad("a second `#meridian policy` line");
      if (tokens.size() != 3 || tokens[2] != "1") {
        return fail(Code::unimplemented, "this build reads `#meridian policy 1` only");
      }
      versioned_ = true;
      return {};
    }
    if (!versioned_) return bad("`#meridian policy 1` must come before other #meridian lines");
    if (verb == "replica") return role(tokens, CosignerRole::replica);
    if (verb == "outside") return role(tokens, CosignerRole::outside);
    if (verb == "log-key") return log_validity(tokens);
    if (verb == "witness-key") return witness_validity(tokens);
    return bad(fmt::format("#meridian {} is not policy, replica, outside, log-key or witness-key",
                           quoted(verb)));
  }

  Status role(const Tokens& tokens, CosignerRole role) {
    if (tokens.size() != 4) return bad("takes <witness> and <region or organisation>");
    PolicyWitness* witness = find_witness(tokens[2]);
    if (witness == nullptr) return bad(fmt::format("no witness {}", quoted(tokens[2])));
    if (witness->role != CosignerRole::unknown) {
      return bad(fmt::format("{} has a role already", quoted(tokens[2])));
    }
    witness->role = role;
    witness->place = tokens[3];
    return {};
  }

  Status log_validity(const Tokens& tokens) {
    if (tokens.size() != 6 || tokens[3] != "sizes") {
      return bad("#meridian log-key takes <key id> sizes <from> <until or ->");
    }
    auto [from, until] = TRY(range(tokens[4], tokens[5], tree_size_max));
    PolicyLog* found = nullptr;
    for (PolicyLog& log : policy_.logs) {
      if (fmt::format("{:08x}", log.key.id()) != tokens[2]) continue;
      if (found != nullptr) return bad("two logs have this key id");
      found = &log;
    }
    if (found == nullptr) return bad(fmt::format("no log with key id {}", quoted(tokens[2])));
    found->size_from = TreeSize{from};
    found->size_until = TreeSize{until};
    return {};
  }

  Status witness_validity(const Tokens& tokens) {
    if (tokens.size() != 6 || tokens[3] != "times") {
      return bad("#meridian witness-key takes <witness> times <from> <until or ->");
    }
    auto [from, until] = TRY(range(tokens[4], tokens[5], time_max));
    PolicyWitness* witness = find_witness(tokens[2]);
    if (witness == nullptr) return bad(fmt::format("no witness {}", quoted(tokens[2])));
    witness->time_from = PosixTime{from};
    witness->time_until = PosixTime{until};
    return {};
  }

  using Range = std::pair<std::uint64_t, std::uint64_t>;
  static Result<Range> range(std::string_view from_text, std::string_view until_text,
                             std::uint64_t max) {
    std::optional<std::uint64_t> from = parse_strict_decimal(from_text, max);
    std::optional<std::uint64_t> until =
        until_text == "-" ? max : parse_strict_decimal(until_text, max);
    if (!from || !until || *from > *until) {
      return bad(
          fmt::format("{} {} is not a range of 0..{}", quoted(from_text), quoted(until_text), max));
    }
    return Range{*from, *until};
  }

  PolicyWitness* find_witness(std::string_view name) {
    auto found = std::ranges::find(policy_.witnesses, name, &PolicyWitness::name);
    return found == policy_.witnesses.end() ? nullptr : &*found;
  }
  bool is_defined(std::string_view name) {
    return find_witness(name) != nullptr ||
           std::ranges::find(policy_.groups, name, &PolicyGroup::name) != policy_.groups.end();
  }
  bool is_member(std::string_view name) const {
    return std::ranges::any_of(policy_.groups, [&](const PolicyGroup& group) {
      return std::ranges::count(group.members, name) != 0;
    });
  }
  Status new_name(std::string_view name) {
    if (name == "none") return bad("the name none is taken");
    if (is_defined(name)) return bad(fmt::format("the name {} is defined twice", quoted(name)));
    return {};
  }
  Status defined(std::string_view name) {
    if (!is_defined(name)) {
      return bad(fmt::format("{} is not a witness or group of a line above", quoted(name)));
    }
    return {};
  }

  Policy policy_;
  bool versioned_ = false;
};

std::string until_text(std::uint64_t until, std::uint64_t max) {
  return until == max ? "-" : fmt::format("{}", until);
}

}  // namespace

Result<Policy> parse_policy(std::string_view text) {
  if (text.size() > policy_size_max) {
    return fail(Code::invalid_argument,
                fmt::format("policy: {} bytes, above {}", text.size(), policy_size_max));
  }
  Parser parser;
  LineReader lines(text);
  while (!lines.done()) {
    std::optional<std::string_view> line = lines.next();
    if (!line) return fail(Code::invalid_argument, "policy: the last line does not end");
    Status parsed = parser.line(*line);
    if (!parsed.has_value()) {
      return with_context(parsed.error(), fmt::format("policy line {}", lines.number()));
    }
  }
  Result<Policy> policy = std::move(parser).finish();
  if (!policy.has_value()) return with_context(policy.error(), "policy");
  return policy;
}

std::string format_policy(const Policy& policy) {
  std::string text = "#meridian policy 1\n";
  auto url = [](const std::string& given) { return given.empty() ? given : " " + given; };
  for (const PolicyLog& log : policy.logs) {
    text += fmt::format("log {}{}\n", format_vkey(log.key), url(log.url));
    if (log.size_from != TreeSize{0} || log.size_until != TreeSize{tree_size_max}) {
      text += fmt::format("#meridian log-key {:08x} sizes {} {}\n", log.key.id(),
                          raw(log.size_from), until_text(raw(log.size_until), tree_size_max));
    }
  }
  for (const PolicyWitness& witness : policy.witnesses) {
    text +=
        fmt::format("witness {} {}{}\n", witness.name, format_vkey(witness.key), url(witness.url));
    if (witness.role != CosignerRole::unknown) {
      std::string_view role = witness.role == CosignerRole::replica ? "replica" : "outside";
      text += fmt::format("#meridian {} {} {}\n", role, witness.name, witness.place);
    }
    if (witness.time_from != PosixTime{0} || witness.time_until != PosixTime{time_max}) {
      text += fmt::format("#meridian witness-key {} times {} {}\n", witness.name,
                          raw(witness.time_from), until_text(raw(witness.time_until), time_max));
    }
  }
  for (const PolicyGroup& group : policy.groups) {
    text += fmt::format("group {} {}", group.name, group.threshold);
    for (const std::string& member : group.members) text += " " + member;
    text += "\n";
  }
  return text + fmt::format("quorum {}\n", policy.quorum);
}

}  // namespace meridian::proof
