// The subcommands of `meridian ca` that have files of their own, and what they share.
#pragma once

#include "node.h"

namespace CLI {
class App;
}

namespace meridian::app {

struct Invocation;

/// --dir, --passphrase-file, --dev.
void add_ca_options(CLI::App& command, NodeOptions& options);

void add_ca_record(CLI::App& group, Invocation& invocation);
void add_ca_rotate(CLI::App& group, Invocation& invocation);
void add_ca_serve(CLI::App& group, Invocation& invocation);  ///< serve, token

}  // namespace meridian::app
