#include "mesh/internal/record_body.h"

#include <fmt/format.h>

#include "crypto/base64.h"

namespace meridian::mesh::internal {

using Json = nlohmann::ordered_json;

Result<Json> parse_body(std::string_view json, std::initializer_list<const char*> members) {
  Json body = Json::parse(json, nullptr, false);
  if (!body.is_object() || body.size() != members.size())
    return fail(Code::invalid_argument, "the record is not what its type says");
  for (const char* member : members)
    if (!body.contains(member) || !body[member].is_string())
      return fail(Code::invalid_argument, fmt::format("the record has no text `{}`", member));
  return body;
}

Result<SignedText> signed_text(const Json& body, std::string text) {
  SignedText made{std::move(text), body["certificate"].get<std::string>(), {}};
  made.signature = TRY(crypto::from_base64(body["signature"].get_ref<const std::string&>()));
  return made;
}

void add_signature(Json& body, const SignedText& given) {
  body["certificate"] = given.certificate;
  body["signature"] = crypto::to_base64(given.signature);
}

std::string approved_json(const crypto::Digest& proposal, const SignedText& approval) {
  Json body{{"proposal", to_hex(proposal)}, {"approval", approval.text}};
  add_signature(body, approval);
  return body.dump();
}

}  // namespace meridian::mesh::internal
