// facts = fact*, fact = tag(1) size(1) value; tags ascending, each at most once. One table says
// what a value may be; encode, decode and check all go through it. Values never reach a message.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ledger/entry.h"
#include "ledger/payload.h"

namespace meridian::ledger {
namespace {

enum class Alphabet : std::uint8_t { capitals, words, verdict };

struct FactRule {
  std::uint8_t tag;
  std::string_view name;
  std::size_t size_min, size_max;
  Alphabet alphabet;
  std::string_view rule;
  std::string Facts::*text;  // null: screening_verdict
};

constexpr std::array<FactRule, 5> fact_rules{{
    {1, "country", 2, 2, Alphabet::capitals, "2 capital letters", &Facts::country},
    {2, "channel", 1, 32, Alphabet::words, "1 to 32 of a-z 0-9 -", &Facts::channel},
    {3, "screening_list", 1, 32, Alphabet::words, "1 to 32 of a-z 0-9 -", &Facts::screening_list},
    {4, "screening_verdict", 1, 1, Alphabet::verdict, "1 clear, 2 possible or 3 hit", nullptr},
    {5, "purpose", 1, 64, Alphabet::words, "1 to 64 of a-z 0-9 -", &Facts::purpose},
}};

constexpr std::size_t all_facts_size() {
  std::size_t size = 0;
  for (const FactRule& rule : fact_rules) size += 2 + rule.size_max;
  return size;
}
static_assert(all_facts_size() <= facts_size_max);

bool is_allowed(Alphabet alphabet, Byte byte) {
  switch (alphabet) {
    case Alphabet::capitals: return byte >= 'A' && byte <= 'Z';
    case Alphabet::words:
      return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-';
    case Alphabet::verdict: return byte >= 1 && byte <= 3;
  }
  return false;
}

Status check_value(const FactRule& rule, Bytes value) {
  bool fits =
      value.size() >= rule.size_min && value.size() <= rule.size_max &&
      std::ranges::all_of(value, [&](Byte byte) { return is_allowed(rule.alphabet, byte); });
  if (fits) return {};
  return fail(Code::invalid_argument, fmt::format("facts: {} must be {}; it has {} bytes",
                                                  rule.name, rule.rule, value.size()));
}

// Calls visit(rule, value) for each fact that is right, in order; stops at the first wrong one.
template <typename Visit>
Status walk(Bytes bytes, Visit visit) {
  if (bytes.size() > facts_size_max)
    return fail(Code::invalid_argument,
                fmt::format("facts: {} bytes, at most {}", bytes.size(), facts_size_max));
  ByteReader reader(bytes);
  std::uint8_t previous = 0;
  while (reader.remaining() > 0) {
    std::uint8_t tag = reader.u8();
    Bytes value = reader.take(reader.u8());
    if (!reader.ok())
      return fail(Code::invalid_argument,
                  fmt::format("facts: the value of tag {} is cut short", tag));
    auto rule = std::ranges::find(fact_rules, tag, &FactRule::tag);
    if (rule == fact_rules.end())
      return fail(Code::invalid_argument, fmt::format("facts: tag {} is not known", tag));
    if (tag <= previous)
      return fail(
          Code::invalid_argument,
          fmt::format("facts: tag {} ({}) after tag {}: not ascending", tag, rule->name, previous));
    TRY(check_value(*rule, value));
    visit(*rule, value);
    previous = tag;
  }
  return {};
}

}  // namespace

bool Facts::empty() const { return *this == Facts{}; }

Result<Buffer> Facts::encode() const {
  Buffer out;
  ByteWriter writer(out);
  for (const FactRule& rule : fact_rules) {
    Bytes verdict(&screening_verdict, screening_verdict == 0 ? 0 : 1);
    Bytes value = rule.text == nullptr ? verdict : as_bytes(this->*rule.text);
    if (value.empty()) continue;
    TRY(check_value(rule, value));
    writer.u8(rule.tag);
    writer.u8(static_cast<std::uint8_t>(value.size()));
    writer.bytes(value);
  }
  return out;
}

Result<Facts> Facts::decode(Bytes bytes) {
  Facts facts;
  TRY(walk(bytes, [&](const FactRule& rule, Bytes value) {
    if (rule.text == nullptr)
      facts.screening_verdict = value[0];
    else
      facts.*rule.text = as_text(value);
  }));
  return facts;
}

Status Facts::check(Bytes bytes) {
  return walk(bytes, [](const FactRule&, Bytes) {});
}

}  // namespace meridian::ledger
