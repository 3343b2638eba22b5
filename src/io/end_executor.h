// Ends an executor whose tasks post the next ones to it through the pointer that owns it.
//
// unique_ptr::reset() forgets the pointer before it destroys what it points to; the task under way
// is finished first, and would find null.
#pragma once

#include <memory>

#include "io/executor.h"

namespace meridian::io {

/// Finishes the task under way and drops the others, then `executor` is null.
inline void end_executor(std::unique_ptr<Executor>& executor) {
  std::default_delete<Executor>()(executor.get());
  static_cast<void>(executor.release());
}

}  // namespace meridian::io
