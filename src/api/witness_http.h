// The HTTP interface of a witness (C2SP tlog-witness): POST /add-checkpoint, and for monitors
// GET /<origin hash>/checkpoint; also /health and /metrics.
//
// Everything here is public or signed, so any Host and any caller will do. Thread-safe: the witness
// is used on `executor` alone, and both outlive the server.
#pragma once

#include <memory>

#include "api/http_handler.h"
#include "io/executor.h"
#include "metrics/registry.h"
#include "witness/witness.h"

namespace meridian::api {

std::unique_ptr<HttpHandler> make_witness_http(witness::Witness& witness, io::Executor& executor,
                                               metrics::Registry& metrics);

}  // namespace meridian::api
