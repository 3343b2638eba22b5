// How commands show keys of persons and holds. Pure.
#pragma once

#include <string>
#include <vector>

#include "door/erasure_certificate.h"
#include "meridian/v1/ledger.pb.h"
#include "output.h"

namespace meridian::app {

/// "1, 2"; "none".
template <typename Numbers>
std::string numbers(const Numbers& all) {
  std::string out;
  for (const auto number : all) out += (out.empty() ? "" : ", ") + std::to_string(number);
  return out.empty() ? "none" : out;
}

OrderedJson json_of(const v1::SubjectKey& key);
OrderedJson json_of(const v1::Hold& hold);
/// "class 3, 2026: kept until 2034-01-01: tax_documents, AO 147; held: case-2026-114"
std::string words(const v1::SubjectKey& key);

/// As a certificate has it.
door::CertifiedKey certified(const v1::SubjectKey& key);

}  // namespace meridian::app
