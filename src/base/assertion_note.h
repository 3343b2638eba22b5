// What was under way, told with an assertion that fails: for whoever has to go on after it.
#pragma once

#include <string>

namespace meridian::base {

/// While it lives, an assertion that fails on this thread prints what `describe(about)` gives too.
/// Notes nest. Cost: two stores.
class AssertionNote {
 public:
  using Describe = std::string (*)(const void* about);
  AssertionNote(Describe describe, const void* about);
  ~AssertionNote();
  AssertionNote(const AssertionNote&) = delete;
  AssertionNote& operator=(const AssertionNote&) = delete;

  /// Of assertion_failed(): prints them all to stderr, the innermost first.
  static void print_all();

 private:
  Describe describe_;
  const void* about_;
  const AssertionNote* outer_;
};

}  // namespace meridian::base
