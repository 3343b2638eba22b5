#include "base/result.h"

#include "base/assert.h"

namespace meridian {

std::string_view name(Code code) {
  switch (code) {
    case Code::invalid_argument: return "invalid_argument";
    case Code::not_found: return "not_found";
    case Code::already_exists: return "already_exists";
    case Code::failed_precondition: return "failed_precondition";
    case Code::out_of_range: return "out_of_range";
    case Code::permission_denied: return "permission_denied";
    case Code::resource_exhausted: return "resource_exhausted";
    case Code::unavailable: return "unavailable";
    case Code::deadline_exceeded: return "deadline_exceeded";
    case Code::data_loss: return "data_loss";
    case Code::unimplemented: return "unimplemented";
    case Code::internal: return "internal";
  }
  ASSERT(false);
}

}  // namespace meridian
