// The part of the demo that needs a single node: a household's books, and a person who is
// forgotten.
#pragma once

#include "demo_stage.h"

namespace meridian::app {

Status show_books(Stage& stage);

}  // namespace meridian::app
