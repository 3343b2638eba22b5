// What each method of the gRPC interface needs of a policy. HTTP's stands with its routes.
//
// A method that is not listed is denied to everybody; a test walks over the services to see that
// none is forgotten. Pure.
#pragma once

#include <string_view>

#include "api/access.h"

namespace meridian::api {

/// `path`: "/meridian.v1.Transfers/Create". Null: it is not listed.
const Needs* needs_of_method(std::string_view path);

/// What a path below /log/tile/ needs: entries are records; hashes are proofs.
mesh::Action needs_of_tile(std::string_view path);

}  // namespace meridian::api
