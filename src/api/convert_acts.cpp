#include "api/convert_acts.h"

#include "api/convert.h"
#include "api/second_person.h"

namespace meridian::api {
namespace {

std::vector<mesh::ActHistory::Act> acts_of(const Backend& backend) {
  return backend.acts != nullptr ? backend.acts->acts() : std::vector<mesh::ActHistory::Act>();
}

}  // namespace

void fill_acts(const Backend& backend, const Asker& asker, v1::ActsReply& out) {
  out.set_cell(format_u128(backend.cell_id));
  out.set_needed(needs_second_person(backend, asker));
  for (const mesh::ActHistory::Act& one : acts_of(backend)) {
    v1::Act& to = *out.add_acts();
    to.set_hash(one.hash.data(), one.hash.size());
    to.set_statement(mesh::format_act(one.statement));
    to.set_approved_by(one.approved_by);
    to.set_used(one.used_s);
  }
  for (const mesh::SignedGlass& one : backend.access.glasses()) {
    v1::BrokenGlass& to = *out.add_glasses();
    to.set_hash(one.hash.data(), one.hash.size());
    to.set_text(mesh::format_glass(one.glass));
  }
}

nlohmann::ordered_json acts_json(const Backend& backend, const Asker& asker) {
  nlohmann::ordered_json out{{"needed", needs_second_person(backend, asker)},
                             {"acts", nlohmann::ordered_json::array()}};
  for (const mesh::ActHistory::Act& one : acts_of(backend))
    out["acts"].push_back({{"hash", to_hex(one.hash)},
                           {"statement", mesh::format_act(one.statement)},
                           {"approved_by", one.approved_by},
                           {"used", std::to_string(one.used_s)}});
  out["glasses"] = nlohmann::ordered_json::array();
  for (const mesh::SignedGlass& one : backend.access.glasses())
    out["glasses"].push_back({{"hash", to_hex(one.hash)}, {"text", mesh::format_glass(one.glass)}});
  return out;
}

}  // namespace meridian::api
