# Warnings are errors, on our targets only: third-party headers come in as SYSTEM includes and
# generated code turns warnings off (Proto.cmake).
add_library(meridian_warnings INTERFACE)
target_compile_options(meridian_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Wnon-virtual-dtor -Werror)
if(MERIDIAN_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports initialised members as maybe uninitialised once sanitizers rewrite the code.
  target_compile_options(meridian_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
