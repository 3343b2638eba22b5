// `meridian policy propose|approve|show|proposals`: how a policy changes, by two people.
#pragma once

#include <CLI/CLI.hpp>

#include "client.h"

namespace meridian::app {

void add_policy_changes(CLI::App& policy, Invocation& invocation);

/// The policy in force. Errors: not_found if the cell has none.
Result<v1::PolicyReply> ask_policy(Client& client);

}  // namespace meridian::app
