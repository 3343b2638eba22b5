// The part of the demo about trust: who is not let in, who may not do what they ask for, and a
// person who is forgotten in last month's backup too.
#pragma once

#include "demo_stage.h"

namespace meridian::app {

/// Errors: what was shown was not what should be.
Status show_trust(Stage& stage);

}  // namespace meridian::app
