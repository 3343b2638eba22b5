// The sample books of samples/books, embedded at build time (embed.cmake).
#pragma once

#include <string_view>
#include <vector>

namespace meridian::app {

struct SampleBook {
  std::string_view file_name;
  std::string_view text;
};
std::vector<SampleBook> sample_books();

}  // namespace meridian::app
