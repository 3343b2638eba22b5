// The identity of a directory, as `meridian join` writes it: what a program shows to a cell.
//
// Read it again, and give it to Client::renew, when whoever keeps the directory has renewed it
// (`meridian identity keep`): at half of the certificate's life.
#pragma once

#include <string>

#include "meridian/answers.h"
#include "meridian/client.h"

namespace meridian::client {

/// For ClientOptions::tls. Servers are those of the own region: whose certificates the authority
/// issued that issued this one. Errors: not_found; invalid_argument naming the file and what it
/// lacks.
Result<TlsOptions> read_identity(const std::string& directory);

}  // namespace meridian::client
