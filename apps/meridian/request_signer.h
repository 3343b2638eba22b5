// --sign: the request of a command, signed with the key of the identity that sends it.
#pragma once

#include <CLI/CLI.hpp>
#include <vector>

#include "client.h"
#include "door/signed_text.h"

namespace meridian::app {

void add_sign_option(CLI::App& command, bool& sign);
/// From here on calls of `client` carry it. The cell is that of the server, who showed that it is a
/// node of the deployment. Errors: those of the call; invalid_argument.
Status sign_calls(Client& client, std::vector<door::SignedCommand> commands);

}  // namespace meridian::app
