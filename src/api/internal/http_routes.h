// The routes of the HTTP interface, by group; each group is one .cpp.
#pragma once

#include <vector>

#include "api/http_api.h"

namespace meridian::api::internal {

void add_write_routes(std::vector<HttpApi::Route>& routes);
void add_read_routes(std::vector<HttpApi::Route>& routes);
void add_event_routes(std::vector<HttpApi::Route>& routes);
void add_proof_routes(std::vector<HttpApi::Route>& routes);
void add_member_routes(std::vector<HttpApi::Route>& routes);
void add_upgrade_routes(std::vector<HttpApi::Route>& routes);
void add_key_routes(std::vector<HttpApi::Route>& routes);
void add_policy_routes(std::vector<HttpApi::Route>& routes);

/// What this node holds, and how it stands in its group.
void get_status(Backend& backend, const HttpApi::CallRef& call);

/// C2SP tlog-tiles: anything below log/tile/.
void serve_tile(Backend& backend, const HttpApi::CallRef& call);

}  // namespace meridian::api::internal
