// list  = "meridian.deny-list/1" LF domain " " number LF *entry
// entry = subject " " since *1( " " reason ) LF          entries ascend by subject
#include "mesh/signed_deny_list.h"

#include <fmt/format.h>

#include <optional>

#include "mesh/internal/line_text.h"
#include "mesh/internal/note_check.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view first_line = "meridian.deny-list/1\n";

Error refuse(std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("deny list: {}", what));
}

}  // namespace

std::string format_deny_list(const DenyList& list) {
  std::string text = fmt::format("{}{} {}\n", first_line, list.trust_domain(), list.number());
  for (const DenyEntry& entry : list.entries()) {
    text += fmt::format("{} {}", entry.subject, entry.since);
    if (!entry.reason.empty()) text += " " + entry.reason;
    text += '\n';
  }
  return text;
}

Result<DenyList> parse_deny_list(std::string_view text) {
  if (!text.starts_with(first_line)) return refuse("not one of version 1");
  internal::Lines lines(text.substr(first_line.size()));
  std::optional<std::string_view> line = lines.next();
  auto head = line.has_value() ? internal::split_fields<2>(*line) : std::nullopt;
  std::optional<std::uint64_t> number =
      head.has_value() ? internal::parse_number((*head)[1]) : std::nullopt;
  if (!number.has_value()) return refuse("its second line is not a trust domain and a number");
  std::vector<DenyEntry> entries;
  while (!lines.done()) {
    line = lines.next();
    if (!line.has_value()) return refuse("its last line does not end");
    if (entries.size() == deny_entries_max) return refuse("more than 10,000 entries");
    std::size_t subject_end = line->find(' ');
    if (subject_end == std::string_view::npos) return refuse("a line without a time");
    std::string_view rest = line->substr(subject_end + 1);
    std::size_t since_end = rest.find(' ');
    std::optional<std::int64_t> since = internal::parse_seconds(rest.substr(0, since_end));
    if (!since.has_value()) return refuse("a line without a time");
    std::string_view reason = since_end == std::string_view::npos ? "" : rest.substr(since_end + 1);
    entries.push_back({std::string(line->substr(0, subject_end)), std::string(reason), *since});
  }
  Result<DenyList> list = DenyList::make((*head)[0], *number, std::move(entries));
  // One text for one list: also the order, and no space where a reason is missing.
  if (list.has_value() && format_deny_list(*list) != text)
    return refuse("entries out of order, or an empty reason");
  return list;
}

Result<std::string> sign_deny_list(const DenyList& list, const proof::Signer& announcer) {
  std::string text = format_deny_list(list);
  proof::NoteSignature signature = TRY(proof::sign_note(text, announcer));
  return proof::format_note({std::move(text), {std::move(signature)}});
}

Result<DenyList> verify_deny_list(std::string_view note, std::string_view trust_domain,
                                  std::span<const proof::VerifierKey> announcers) {
  proof::Note parsed = TRY(proof::parse_note(note));
  DenyList list = TRY(parse_deny_list(parsed.text));
  if (list.trust_domain() != trust_domain)
    return fail(Code::permission_denied, fmt::format("deny list: it is of {}, not of {}",
                                                     list.trust_domain(), trust_domain));
  std::size_t signers = TRY(internal::count_signers(parsed, announcers, "deny list"));
  if (signers == 0)
    return fail(Code::permission_denied,
                fmt::format("deny list: no announcing key of {} signed it", trust_domain));
  return list;
}

}  // namespace meridian::mesh
