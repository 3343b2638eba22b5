// What a dangerous act does, in words: a person approves what they read. Pure.
#pragma once

#include <string>
#include <vector>

#include "mesh/act.h"

namespace meridian::app {

/// One line for each thing that is done. What is not known is said as it is written.
std::vector<std::string> words_of(const mesh::ActRequest& what);
/// The same on one line.
std::string word_of(const mesh::ActRequest& what);

}  // namespace meridian::app
