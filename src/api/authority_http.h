// The HTTP interface of a certificate authority: GET /health and GET /metrics, for who watches it.
//
// Served with the authority's credentials, callers are members of the mesh. Thread-safe; `metrics`
// outlives the server.
#pragma once

#include <memory>

#include "api/http_handler.h"
#include "metrics/registry.h"

namespace meridian::api {

std::unique_ptr<HttpHandler> make_authority_http(const metrics::Registry& metrics);

}  // namespace meridian::api
