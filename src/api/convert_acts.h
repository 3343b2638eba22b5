// Dangerous acts that are proposed, as messages.
#pragma once

#include <nlohmann/json.hpp>

#include "api/backend.h"
#include "meridian/v1/acts.pb.h"

namespace meridian::api {

void fill_acts(const Backend& backend, const Asker& asker, v1::ActsReply& out);
nlohmann::ordered_json acts_json(const Backend& backend, const Asker& asker);

}  // namespace meridian::api
