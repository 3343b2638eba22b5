// The body of a command that makes no call to a server, or all of them itself: run, report.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "commands.h"

namespace meridian::app {

/// Sets `invocation.run` when `command` was parsed: runs `body(options)`, which gives Result<Exit>,
/// and reports its error.
template <typename Options, typename Body>
void on_run(CLI::App& command, Invocation& invocation, std::shared_ptr<Options> options,
            Body body) {
  command.callback([options = std::move(options), body, &invocation] {
    invocation.run = [options, body] {
      const Result<Exit> done = body(*options);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace meridian::app
