#include "signed_content.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/base64.h"
#include "output.h"

namespace meridian::app {
namespace {

Error no_content() {
  return {Code::invalid_argument,
          "is no content of an event as `evidence get --content` writes it"};
}

Result<Buffer> bytes_of(const nlohmann::json& from) {
  if (!from.is_string()) return no_content();
  Result<Buffer> bytes = crypto::from_base64(from.get_ref<const std::string&>());
  return bytes ? std::move(bytes) : Result<Buffer>(no_content());
}
Result<Buffer> bytes_of(const nlohmann::json& from, const char* name) {
  const auto found = from.find(name);
  return found == from.end() ? Result<Buffer>(no_content()) : bytes_of(*found);
}
Result<crypto::Digest> digest_of(const nlohmann::json& from) {
  const Buffer bytes = TRY(bytes_of(from));
  crypto::Digest digest{};
  if (bytes.size() != digest.size()) return no_content();
  std::ranges::copy(bytes, digest.begin());
  return digest;
}
Result<std::string> text_of(const nlohmann::json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end() || !found->is_string()) return no_content();
  return found->get<std::string>();
}

Status read_content(const nlohmann::json& from, door::OpenedEvent& event) {
  const auto salt = from.find("signature_salt"), about = from.find("signature_about"),
             more = from.find("more");
  if (salt == from.end() || about == from.end() || !about->is_array()) return no_content();
  event.signature.emplace();
  event.signature->salt = TRY(digest_of(*salt));
  for (const nlohmann::json& one : *about) {
    const crypto::Digest digest = TRY(digest_of(one));
    event.signature->about.push_back(digest);
  }
  event.stream = TRY(text_of(from, "stream"));
  event.type = TRY(text_of(from, "type"));
  event.content_type = TRY(text_of(from, "content_type"));
  event.metadata = TRY(bytes_of(from, "metadata_base64"));
  event.data = TRY(bytes_of(from, "data_base64"));
  event.compartments.emplace_back();  // the envelope, which stands above
  if (more == from.end()) return {};
  if (!more->is_array()) return no_content();
  for (const nlohmann::json& one : *more) {
    const auto retention = one.find("retention");
    if (!one.is_object() || retention == one.end() || !retention->is_number_unsigned() ||
        retention->get<std::uint64_t>() > 255)
      return no_content();
    door::OpenedCompartment& compartment = event.compartments.emplace_back();
    compartment.retention = retention->get<std::uint8_t>();
    compartment.content = TRY(bytes_of(one, "content_base64"));
  }
  return {};
}

}  // namespace

bool is_gone(const v1::RecordedEvent& event) {
  return event.forgotten() || event.withheld() || event.parts_forgotten() != 0 ||
         event.parts_withheld() != 0 ||
         std::ranges::any_of(event.more(), [](const v1::Compartment& one) {
           return one.forgotten() || one.withheld();
         });
}

std::string format_signed_content(const v1::RecordedEvent& event) {
  OrderedJson out;
  out["record_index"] = std::to_string(event.record_index());
  out["event_id"] = to_decimal(to_u128(event.event_id()));
  if (is_gone(event)) {
    out["gone"] = true;
    return out.dump(2) + "\n";
  }
  const auto base64 = [](const std::string& bytes) { return crypto::to_base64(as_bytes(bytes)); };
  out["stream"] = event.stream();
  out["type"] = event.type();
  out["content_type"] = event.content_type();
  out["metadata_base64"] = base64(event.metadata());
  out["data_base64"] = base64(event.data());
  for (const v1::Compartment& more : event.more())
    out["more"].push_back(
        {{"retention", more.retention()}, {"content_base64", base64(more.content())}});
  out["signature_salt"] = base64(event.signature_salt());
  for (const std::string& about : event.signature_about())
    out["signature_about"].push_back(base64(about));
  return out.dump(2) + "\n";
}

Result<SignedContentFile> parse_signed_content(std::string_view text) {
  const nlohmann::json from = nlohmann::json::parse(text, nullptr, false);
  if (!from.is_object()) return no_content();
  SignedContentFile file;
  const std::string id = TRY(text_of(from, "event_id"));
  const Result<u128> event_id = parse_decimal(id);
  if (!event_id) return no_content();
  file.event_id = *event_id;
  if (from.contains("gone"))
    file.event.forgotten = true;
  else
    TRY(read_content(from, file.event));
  return file;
}

}  // namespace meridian::app
