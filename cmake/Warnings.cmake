# Warnings are errors, on our targets only: third-party headers come in as SYSTEM includes and
# generated code turns warnings off (Proto.cmake).
add_library(meridian_warnings INTERFACE)
target_compile_options(meridian_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Wnon-virtual-dtor -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees overlapping copies in `"text" + string` (GCC bug 105329).
  target_compile_options(meridian_warnings INTERFACE -Wno-restrict)
  if(MERIDIAN_SANITIZE)
    # Once sanitizers rewrite the code, GCC 12 also misjudges what is initialised and how large
    # inlined objects are. The other presets keep these warnings, the sanitizers check for real.
    target_compile_options(meridian_warnings INTERFACE
      -Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
endif()
