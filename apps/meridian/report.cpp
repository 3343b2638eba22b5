#include <fmt/format.h>

#include <cstdio>

#include "commands.h"

namespace meridian::app {

Exit exit_code(Code code) {
  switch (code) {
    case Code::invalid_argument:
    case Code::not_found:
    case Code::already_exists:
    case Code::failed_precondition:
    case Code::out_of_range:
    case Code::permission_denied:
    case Code::resource_exhausted:
    case Code::unimplemented: return Exit::refused;
    case Code::unavailable: return Exit::unreachable;
    case Code::deadline_exceeded: return Exit::unknown_outcome;
    case Code::data_loss: return Exit::damaged;
    case Code::internal: return Exit::fatal;
  }
  return Exit::fatal;
}

Exit report(const Error& error) {
  fmt::print(stderr, "meridian: {}\n", error.message);
  return exit_code(error.code);
}

}  // namespace meridian::app
