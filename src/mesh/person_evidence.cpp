// evidence = UTF8String (DER) of text
// text     = "meridian.person/1" LF
//            "issuer " word LF
//            "second-factor " ( "yes" / "no" ) LF
//            "methods" *16( " " word ) LF
//            "auth-time " ( seconds / "unknown" ) LF
// word     = 1*( %x21-7E )
#include "mesh/person_evidence.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>

#include "base/assert.h"
#include "mesh/internal/line_text.h"
#include "mesh/internal/openssl.h"

namespace meridian::mesh {
namespace {

using Utf8String = std::unique_ptr<ASN1_UTF8STRING, internal::Free<ASN1_UTF8STRING_free>>;
using ObjectId = std::unique_ptr<ASN1_OBJECT, internal::Free<ASN1_OBJECT_free>>;

constexpr std::string_view first_line = "meridian.person/1";
constexpr std::size_t text_size_max = 4096;

Error refuse(std::string_view what) {
  ERR_clear_error();
  return fail(Code::invalid_argument, fmt::format("evidence of a sign-in: {}", what));
}

/// What follows "name " in the next line.
std::optional<std::string_view> field(internal::Lines& lines, std::string_view name) {
  const std::optional<std::string_view> line = lines.next();
  if (!line || !line->starts_with(name) || line->size() <= name.size() ||
      (*line)[name.size()] != ' ')
    return std::nullopt;
  return line->substr(name.size() + 1);
}

std::optional<std::vector<std::string>> methods_of(std::string_view line) {
  constexpr std::string_view word = "methods";
  if (!line.starts_with(word)) return std::nullopt;
  line.remove_prefix(word.size());
  std::vector<std::string> methods;
  while (!line.empty()) {
    if (line.front() != ' ') return std::nullopt;
    line.remove_prefix(1);
    const std::string_view one = line.substr(0, line.find(' '));
    methods.emplace_back(one);
    line.remove_prefix(one.size());
  }
  return methods;
}

bool is_well_formed(const PersonEvidence& evidence) {
  return is_evidence_word(evidence.issuer, evidence_issuer_size_max) &&
         evidence.methods.size() <= evidence_methods_max &&
         std::ranges::all_of(evidence.methods,
                             [](const std::string& one) {
                               return is_evidence_word(one, evidence_method_size_max);
                             }) &&
         evidence.auth_time.value_or(0) >= 0;
}

std::string text_of(const PersonEvidence& evidence) {
  std::string text = fmt::format("{}\nissuer {}\nsecond-factor {}\nmethods", first_line,
                                 evidence.issuer, evidence.is_mfa ? "yes" : "no");
  for (const std::string& one : evidence.methods) text += " " + one;
  text += evidence.auth_time ? fmt::format("\nauth-time {}\n", *evidence.auth_time)
                             : "\nauth-time unknown\n";
  return text;
}

Result<PersonEvidence> parse_text(std::string_view text) {
  internal::Lines lines(text);
  if (lines.next() != first_line) return refuse("of another version");
  const std::optional<std::string_view> issuer = field(lines, "issuer");
  const std::optional<std::string_view> factor = field(lines, "second-factor");
  const std::optional<std::string_view> line = lines.next();
  const std::optional<std::string_view> time = field(lines, "auth-time");
  if (!issuer || !factor || !line || !time || !lines.done()) return refuse("not its five lines");
  std::optional<std::vector<std::string>> methods = methods_of(*line);
  if (!methods) return refuse("its methods are not words with single spaces between");
  PersonEvidence evidence{std::string(*issuer), *factor == "yes", *std::move(methods), {}};
  if (*time != "unknown") {
    evidence.auth_time = internal::parse_seconds(*time);
    if (!evidence.auth_time) return refuse("its time is no number");
  }
  if (!is_well_formed(evidence) || text_of(evidence) != text)
    return refuse("a field does not have its form");
  return evidence;
}

}  // namespace

const char* const person_evidence_oid = "2.25.323492169250574930644074377701082564950";

bool PersonEvidence::is_mfa_within(std::int64_t now, std::int64_t seconds) const {
  return is_mfa && auth_time.has_value() && *auth_time <= now + evidence_leeway_seconds &&
         now - *auth_time <= seconds;
}

bool is_evidence_word(std::string_view text, std::size_t size_max) {
  return !text.empty() && text.size() <= size_max &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<Buffer> encode_person_evidence(const PersonEvidence& evidence) {
  if (!is_well_formed(evidence)) return refuse("a field does not have its form");
  const std::string text = text_of(evidence);
  ASSERT(text.size() <= text_size_max);
  const Utf8String string(ASN1_UTF8STRING_new());
  ASSERT(string != nullptr);
  const int set = ASN1_STRING_set(string.get(), text.data(), static_cast<int>(text.size()));
  ASSERT(set == 1);
  return internal::to_der(i2d_ASN1_UTF8STRING, string.get());
}

Result<PersonEvidence> decode_person_evidence(Bytes der) {
  if (der.size() > text_size_max + 8) return refuse("too long");
  const Byte* at = der.data();
  const Utf8String string(d2i_ASN1_UTF8STRING(nullptr, &at, static_cast<long>(der.size())));
  if (string == nullptr) return refuse("not a UTF8String");
  if (at != der.data() + der.size() ||
      !equal(internal::to_der(i2d_ASN1_UTF8STRING, string.get()), der))
    return refuse("not in DER");
  return parse_text(as_text({ASN1_STRING_get0_data(string.get()),
                             static_cast<std::size_t>(ASN1_STRING_length(string.get()))}));
}

Result<std::optional<PersonEvidence>> person_evidence_of(const Certificate& certificate) {
  const ObjectId id(OBJ_txt2obj(person_evidence_oid, 1));
  ASSERT(id != nullptr);
  const int at = X509_get_ext_by_OBJ(certificate.handle(), id.get(), -1);
  if (at < 0) return std::optional<PersonEvidence>();
  if (X509_get_ext_by_OBJ(certificate.handle(), id.get(), at) >= 0) return refuse("there twice");
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate.handle(), at));
  return std::optional(TRY(decode_person_evidence(
      {ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))})));
}

}  // namespace meridian::mesh
