#include "door/signed_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "door/canonical_json.h"

namespace meridian::door {
namespace {

constexpr std::string_view json_type = "application/json";

/// In the order in which a line has them.
enum class Name : std::uint8_t {
  id,
  expected,
  revision,
  retention,
  classification,
  flags,
  country,
  channel,
  screening_list,
  screening_verdict,
  purpose,
  content
};
constexpr std::array<std::string_view, 12> names{
    "id",      "expected", "revision",       "retention",         "classification", "flags",
    "country", "channel",  "screening_list", "screening_verdict", "purpose",        "content"};

void append(std::string& out, Name name, std::string_view value) {
  out.append(1, ' ').append(names[static_cast<std::size_t>(name)]).append(1, '=').append(value);
}
void append_text(std::string& out, Name name, const std::string& value) {
  if (!value.empty()) append(out, name, value);
}
void append_number(std::string& out, Name name, u128 value) {
  if (value != 0) append(out, name, to_decimal(value));
}

Error wrong(std::string_view what) {
  return {Code::invalid_argument, fmt::format("an event's {}", what)};
}

template <typename Number>
Status read_number(std::string_view text, u128 max, Number& out) {
  const Result<u128> value = parse_decimal(text);
  if (!value || *value > max) return wrong("numbers");
  out = static_cast<Number>(*value);
  return {};
}

Status read_value(Name name, std::string_view value, SignedEvent& event) {
  constexpr u128 max_8 = 255;
  switch (name) {
    case Name::id: return read_number(value, u128_max, event.id);
    case Name::expected:
      return read_number(value, static_cast<u128>(ledger::Expected::exact), event.expected);
    case Name::revision: return read_number(value, ~std::uint64_t{0}, event.revision);
    case Name::retention: return read_number(value, max_8, event.retention);
    case Name::classification: return read_number(value, max_8, event.classification);
    case Name::flags: return read_number(value, ledger::event_flag_linked, event.linked);
    case Name::country: event.facts.country = value; return {};
    case Name::channel: event.facts.channel = value; return {};
    case Name::screening_list: event.facts.screening_list = value; return {};
    case Name::screening_verdict: return read_number(value, max_8, event.facts.screening_verdict);
    case Name::purpose: event.facts.purpose = value; return {};
    case Name::content: break;
  }
  Buffer bytes;
  if (!from_hex(value, bytes) || bytes.size() != event.content.size()) return wrong("content");
  std::ranges::copy(bytes, event.content.begin());
  return {};
}

void add_field(ByteWriter& out, Bytes field) {
  out.u32(static_cast<std::uint32_t>(field.size()));
  out.bytes(field);
}

/// What the client leaves out a schema may say.
bool is_fact_kept(const std::string& meant, const std::string& recorded) {
  return meant.empty() || meant == recorded;
}

Result<crypto::Digest> salt_of(const EventDraft& draft) {
  crypto::Digest salt{};
  const Buffer& given = draft.signature_salt;
  const bool is_all_one =
      std::ranges::adjacent_find(given, std::ranges::not_equal_to()) == given.end();
  if (given.size() != salt.size() || is_all_one)
    return fail(Code::invalid_argument,
                fmt::format("signature_salt of event {} has to be {} random bytes: an event that "
                            "is signed has a salt of its own, and no other has one",
                            to_decimal(draft.event_id), salt.size()));
  std::ranges::copy(given, salt.begin());
  return salt;
}

std::vector<crypto::Digest> about_of(const crypto::Digest& salt, const EventDraft& draft) {
  std::vector<crypto::Digest> about{signed_about(salt, draft.subject)};
  for (const CompartmentDraft& more : draft.more) about.push_back(signed_about(salt, more.subject));
  return about;
}

}  // namespace

void append_signed_event(std::string& out, const SignedEvent& event) {
  out += signed_event_word;
  append_number(out, Name::id, event.id);
  append_number(out, Name::expected, static_cast<u128>(event.expected));
  append_number(out, Name::revision, event.revision);
  append_number(out, Name::retention, event.retention);
  append_number(out, Name::classification, event.classification);
  append_number(out, Name::flags, event.linked ? ledger::event_flag_linked : 0);
  append_text(out, Name::country, event.facts.country);
  append_text(out, Name::channel, event.facts.channel);
  append_text(out, Name::screening_list, event.facts.screening_list);
  append_number(out, Name::screening_verdict, event.facts.screening_verdict);
  append_text(out, Name::purpose, event.facts.purpose);
  append(out, Name::content, to_hex(event.content));
}

Result<SignedEvent> parse_signed_event(std::string_view line) {
  SignedEvent event;
  while (!line.empty()) {
    if (line.front() != ' ') return wrong("words");
    line.remove_prefix(1);
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    const std::size_t equals = std::min(word.find('='), word.size());
    const auto name = std::ranges::find(names, word.substr(0, equals));
    if (name == names.end() || equals == word.size()) return wrong("names");
    TRY(read_value(static_cast<Name>(name - names.begin()), word.substr(equals + 1), event));
  }
  if (event.revision != 0 && event.expected != ledger::Expected::exact) return wrong("revision");
  if (!event.facts.encode()) return wrong("facts");
  return event;
}

crypto::Digest signed_about(const crypto::Digest& salt, std::string_view subject) {
  if (subject.empty()) return {};
  return crypto::HmacKey(salt).mac({as_bytes("meridian/signed-about/1"), as_bytes(subject)});
}

Result<crypto::Digest> signed_content(const crypto::Digest& salt, const SignedContent& content) {
  if (content.about.size() != content.more.size() + 1)
    return wrong("compartments are not those that were signed");
  if (content.data.size() > ledger::payload_size_max)
    return fail(Code::invalid_argument, fmt::format("data takes {} bytes; at most {} fit",
                                                    content.data.size(), ledger::payload_size_max));
  Buffer bytes;
  bytes.reserve(256 + content.metadata.size() + content.data.size());
  ByteWriter out(bytes);
  add_field(out, as_bytes(content.stream));
  add_field(out, as_bytes(content.type));
  add_field(out, as_bytes(content.content_type));
  add_field(out, content.metadata);
  if (content.content_type == json_type) {
    const Result<std::string> canonical = canonical_json(as_text(content.data));
    if (!canonical)
      return fail(Code::invalid_argument, fmt::format("data {}", canonical.error().message));
    add_field(out, as_bytes(*canonical));
  } else {
    add_field(out, content.data);
  }
  out.bytes(content.about.front());
  for (std::size_t i = 0; i < content.more.size(); ++i) {
    out.u8(content.more[i].retention);
    out.bytes(content.about[i + 1]);
    add_field(out, content.more[i].content);
  }
  return crypto::HmacKey(salt).mac({as_bytes("meridian/signed-event/1"), bytes});
}

Result<SignedEvent> signed_event(const EventDraft& draft) {
  const crypto::Digest salt = TRY(salt_of(draft));
  SignedContent content{draft.stream, draft.type, draft.content_type,   draft.metadata,
                        draft.data,   {},         about_of(salt, draft)};
  for (const CompartmentDraft& more : draft.more)
    content.more.push_back({more.retention, more.content});
  const Result<crypto::Digest> digest = signed_content(salt, content);
  if (!digest)
    return fail(Code::invalid_argument,
                fmt::format("event {} cannot be signed: {}", to_decimal(draft.event_id),
                            digest.error().message));
  if (const auto encoded = draft.facts.encode(); !encoded) return encoded.error();
  const bool is_exact = draft.expected == ledger::Expected::exact;
  return SignedEvent{draft.event_id,
                     draft.expected,
                     is_exact ? draft.expected_revision : 0,
                     draft.retention,
                     draft.classification,
                     draft.linked,
                     draft.facts,
                     *digest};
}

Result<Buffer> signed_parts(const EventDraft& draft) {
  if (draft.signature_salt.empty()) return Buffer();
  const crypto::Digest salt = TRY(salt_of(draft));
  const std::vector<crypto::Digest> about = about_of(salt, draft);
  Buffer parts((about.size() + 1) * salt.size());
  auto at = std::ranges::copy(salt, parts.begin()).out;
  for (const crypto::Digest& one : about) at = std::ranges::copy(one, at).out;
  return parts;
}

Error signed_otherwise(std::string_view what) {
  return {Code::permission_denied,
          fmt::format("the client signed something else than was recorded: {}", what)};
}

Status check_signed_event(const SignedEvent& meant, const ledger::Header& header) {
  const auto& body = std::get<ledger::EventBody>(header.body);
  if (body.expected != meant.expected || body.expected_revision != meant.revision)
    return signed_otherwise("another expected revision");
  if (((body.flags & ledger::event_flag_linked) != 0) != meant.linked)
    return signed_otherwise("another `linked`");
  if (header.retention != meant.retention) return signed_otherwise("another retention class");
  // A schema may say what the client left out.
  if (meant.classification != 0 && header.classification != meant.classification)
    return signed_otherwise("another classification");
  ledger::Facts facts;
  if (!header.facts.empty()) facts = TRY(ledger::Facts::decode(header.facts));
  const bool are_facts_kept = is_fact_kept(meant.facts.country, facts.country) &&
                              is_fact_kept(meant.facts.channel, facts.channel) &&
                              is_fact_kept(meant.facts.purpose, facts.purpose) &&
                              meant.facts.screening_list == facts.screening_list &&
                              meant.facts.screening_verdict == facts.screening_verdict;
  return are_facts_kept ? Status() : signed_otherwise("other facts");
}

Status check_signed_content(const SignedEvent& meant, const OpenedEvent& opened) {
  if (opened.forgotten || opened.withheld || opened.parts_forgotten != 0 ||
      opened.parts_withheld != 0 ||
      std::ranges::any_of(opened.compartments, [](const OpenedCompartment& one) {
        return one.forgotten || one.withheld;
      }))
    return fail(Code::not_found, "a part of the event is gone, and the salt with it");
  if (!opened.signature) return signed_otherwise("an event without a salt");
  SignedContent content{opened.stream, opened.type, opened.content_type,    opened.metadata,
                        opened.data,   {},          opened.signature->about};
  for (std::size_t i = 1; i < opened.compartments.size(); ++i)
    content.more.push_back({opened.compartments[i].retention, opened.compartments[i].content});
  const Result<crypto::Digest> digest = signed_content(opened.signature->salt, content);
  if (!digest || *digest != meant.content) return signed_otherwise("an event with another content");
  return {};
}

}  // namespace meridian::door
