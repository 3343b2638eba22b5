#include "subject_words.h"

#include <fmt/format.h>

#include "ledger/describe.h"

namespace meridian::app {

OrderedJson json_of(const v1::SubjectKey& key) {
  OrderedJson out{{"retention", key.retention()}, {"period", key.period()}};
  if (!key.kept_until().empty()) out["kept_until"] = key.kept_until();
  if (!key.class_name().empty()) out["class"] = key.class_name();
  if (!key.basis().empty()) out["basis"] = key.basis();
  if (!key.hold_id().empty()) {
    out["hold_id"] = ledger::opaque_hex(to_u128(key.hold_id()));
    out["reference"] = key.reference();
  }
  return out;
}

OrderedJson json_of(const v1::Hold& hold) {
  OrderedJson out{{"hold_id", ledger::opaque_hex(to_u128(hold.hold_id()))},
                  {"subject_id", ledger::opaque_hex(to_u128(hold.subject_id()))}};
  if (!hold.classes().empty()) out["classes"] = hold.classes();
  out["reference"] = hold.reference();
  return out;
}

std::string words(const v1::SubjectKey& key) {
  std::string out = fmt::format("class {}, {}", key.retention(), key.period());
  if (!key.kept_until().empty())
    out += fmt::format(": kept until {}: {}, {}", key.kept_until(), key.class_name(), key.basis());
  if (!key.hold_id().empty())
    out += fmt::format("{} held: {}", key.kept_until().empty() ? ":" : ";", key.reference());
  return out;
}

door::CertifiedKey certified(const v1::SubjectKey& key) {
  return {static_cast<std::uint8_t>(key.retention()),
          key.period(),
          key.kept_until(),
          key.hold_id().empty() ? std::string() : ledger::opaque_hex(to_u128(key.hold_id())),
          key.class_name(),
          key.basis(),
          key.reference()};
}

}  // namespace meridian::app
