// journal = start *entry
// start   = "meridian.issuance-journal/1 " domain LF
// entry   = number " " previous " " time " " serial " " id " " spki " " not_after " " grounds
//           " " digest LF
// grounds = "token:" digest / "renewal:" serial / "officer:" 1*64( segment character of an id )
//         / "sign-in:" subject ":" token ":" issuer
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/assert.h"
#include "mesh/internal/line_text.h"
#include "mesh/issuance_journal.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view start_word = "meridian.issuance-journal/1";
constexpr std::size_t officer_size_max = 64;
constexpr std::array<std::string_view, 4> grounds_words = {
    "token:", "renewal:", "officer:", "sign-in:"};

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= officer_size_max && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

bool is_grounds(const IssuanceGrounds& grounds) {
  switch (grounds.kind) {
    case IssuanceGrounds::Kind::token: return internal::parse_digest(grounds.text).has_value();
    case IssuanceGrounds::Kind::renewal: return internal::is_serial(grounds.text);
    case IssuanceGrounds::Kind::officer: return is_name(grounds.text);
    case IssuanceGrounds::Kind::sign_in: return parse_sign_in_text(grounds.text).has_value();
  }
  return false;
}

std::optional<IssuanceGrounds> parse_grounds(std::string_view text) {
  for (std::size_t i = 0; i < grounds_words.size(); ++i) {
    if (!text.starts_with(grounds_words[i])) continue;
    IssuanceGrounds grounds{static_cast<IssuanceGrounds::Kind>(i),
                            std::string(text.substr(grounds_words[i].size()))};
    if (is_grounds(grounds)) return grounds;
  }
  return std::nullopt;
}

std::string body_of(std::uint64_t number, const crypto::Digest& previous,
                    const Issuance& issuance) {
  return fmt::format(
      "{} {} {} {} {} {} {} {}{}", number, to_hex(previous), issuance.time, issuance.serial,
      format_spiffe_id(issuance.id), to_hex(issuance.spki_digest), issuance.not_after,
      grounds_words[static_cast<std::size_t>(issuance.grounds.kind)], issuance.grounds.text);
}

}  // namespace

std::string sign_in_text(const SignInGrounds& grounds) {
  return fmt::format("{}:{}:{}", to_hex(grounds.subject), to_hex(grounds.token), grounds.issuer);
}

std::optional<SignInGrounds> parse_sign_in_text(std::string_view text) {
  constexpr std::size_t digits = 2 * std::tuple_size_v<crypto::Digest>;
  if (text.size() <= 2 * digits + 2 || text[digits] != ':' || text[2 * digits + 1] != ':')
    return std::nullopt;
  const std::optional<crypto::Digest> subject = internal::parse_digest(text.substr(0, digits));
  const std::optional<crypto::Digest> token =
      internal::parse_digest(text.substr(digits + 1, digits));
  const std::string_view issuer = text.substr(2 * digits + 2);
  if (!subject || !token || !is_evidence_word(issuer, evidence_issuer_size_max))
    return std::nullopt;
  return SignInGrounds{*subject, *token, std::string(issuer)};
}

std::string describe(const IssuanceGrounds& grounds) {
  switch (grounds.kind) {
    case IssuanceGrounds::Kind::token: return "token " + grounds.text.substr(0, 12);
    case IssuanceGrounds::Kind::renewal: return "renewal of " + grounds.text;
    case IssuanceGrounds::Kind::officer: return "by " + grounds.text;
    case IssuanceGrounds::Kind::sign_in: {
      const std::optional<SignInGrounds> sign_in = parse_sign_in_text(grounds.text);
      return "sign-in" + (sign_in ? " at " + sign_in->issuer : std::string());
    }
  }
  return "";
}

bool is_recordable(const Issuance& issuance) {
  Result<SpiffeId> id = parse_spiffe_id(format_spiffe_id(issuance.id));
  return id.has_value() && *id == issuance.id && internal::is_serial(issuance.serial) &&
         issuance.time >= 0 && issuance.not_after >= 0 && is_grounds(issuance.grounds);
}

std::string format_journal_start(std::string_view trust_domain) {
  ASSERT(is_trust_domain(trust_domain));
  return fmt::format("{} {}\n", start_word, trust_domain);
}

std::string format_journal_entry(std::uint64_t number, const crypto::Digest& previous,
                                 const Issuance& issuance) {
  ASSERT(number > 0);
  ASSERT(is_recordable(issuance));
  std::string body = body_of(number, previous, issuance);
  std::string line = fmt::format("{} {}\n", body, to_hex(crypto::sha256(as_bytes(body))));
  ASSERT(line.size() <= journal_line_size_max);
  return line;
}

Result<JournalEntry> parse_journal_entry(std::string_view line) {
  auto refuse = [](std::string_view what) {
    return fail(Code::invalid_argument, fmt::format("journal entry: {}", what));
  };
  if (line.size() > journal_line_size_max) return refuse("too long");
  std::optional<std::array<std::string_view, 9>> fields = internal::split_fields<9>(line);
  if (!fields.has_value()) return refuse("not nine fields");
  const auto& [number, previous, time, serial, id, spki, not_after, grounds, digest] = *fields;
  std::optional<std::uint64_t> parsed_number = internal::parse_number(number);
  std::optional<crypto::Digest> parsed_previous = internal::parse_digest(previous);
  std::optional<std::int64_t> parsed_time = internal::parse_seconds(time);
  Result<SpiffeId> parsed_id = parse_spiffe_id(id);
  std::optional<crypto::Digest> parsed_spki = internal::parse_digest(spki);
  std::optional<std::int64_t> parsed_end = internal::parse_seconds(not_after);
  std::optional<IssuanceGrounds> parsed_grounds = parse_grounds(grounds);
  std::optional<crypto::Digest> parsed_digest = internal::parse_digest(digest);
  if (!parsed_number.has_value() || *parsed_number == 0 || !parsed_previous.has_value() ||
      !parsed_time.has_value() || !internal::is_serial(serial) || !parsed_id.has_value() ||
      !parsed_spki.has_value() || !parsed_end.has_value() || !parsed_grounds.has_value() ||
      !parsed_digest.has_value())
    return refuse("a field does not have its form");
  std::string_view body = line.substr(0, line.rfind(' '));
  if (crypto::sha256(as_bytes(body)) != *parsed_digest) return refuse("its digest is another");
  return JournalEntry{
      *parsed_number,
      *parsed_previous,
      {*parsed_time, std::string(serial), *parsed_id, *parsed_spki, *parsed_end, *parsed_grounds},
      *parsed_digest};
}

JournalHead empty_journal_head(std::string_view trust_domain) {
  return {0, crypto::sha256(as_bytes(format_journal_start(trust_domain)))};
}

Result<std::vector<JournalEntry>> read_journal_lines(std::string_view lines,
                                                     const JournalHead& head) {
  crypto::Digest previous = head.digest;
  std::vector<JournalEntry> entries;
  internal::Lines rest(lines);
  while (!rest.done()) {
    const std::uint64_t number = head.count + entries.size() + 1;
    const std::optional<std::string_view> line = rest.next();
    if (!line.has_value())
      return fail(Code::data_loss, fmt::format("journal: entry {} does not end", number));
    Result<JournalEntry> entry = parse_journal_entry(*line);
    if (!entry.has_value())
      return fail(Code::data_loss,
                  fmt::format("journal: entry {}: {}", number, entry.error().message));
    if (entry->number != number || entry->previous != previous)
      return fail(Code::data_loss,
                  fmt::format("journal: entry {} does not follow the one before it", number));
    previous = entry->digest;
    entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<std::vector<JournalEntry>> read_journal(std::string_view text,
                                               std::string_view trust_domain) {
  if (!is_trust_domain(trust_domain))
    return fail(Code::invalid_argument, "journal: not a trust domain");
  const std::string start = format_journal_start(trust_domain);
  if (!text.starts_with(start))
    return fail(Code::invalid_argument,
                fmt::format("journal: not the issuance journal of {}", trust_domain));
  return read_journal_lines(text.substr(start.size()), empty_journal_head(trust_domain));
}

}  // namespace meridian::mesh
