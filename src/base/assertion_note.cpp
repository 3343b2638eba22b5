#include "base/assertion_note.h"

#include <cstdio>
#include <utility>

namespace meridian::base {

namespace {

/// The only state of this module: whoever asserts has no object to ask.
thread_local const AssertionNote* innermost = nullptr;

}  // namespace

AssertionNote::AssertionNote(Describe describe, const void* about)
    : describe_(describe), about_(about), outer_(std::exchange(innermost, this)) {}

AssertionNote::~AssertionNote() { innermost = outer_; }

void AssertionNote::print_all() {
  // What describes may assert too.
  for (const AssertionNote* note = std::exchange(innermost, nullptr); note != nullptr;
       note = note->outer_)
    std::fprintf(stderr, "meridian: %s\n", note->describe_(note->about_).c_str());
}

}  // namespace meridian::base
