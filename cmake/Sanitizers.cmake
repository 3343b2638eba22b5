# MERIDIAN_SANITIZE=address,undefined or thread: one build directory each (presets asan, tsan).
# Applied to every target, generated code too, so that no part of a process is left unwatched.
if(MERIDIAN_SANITIZE)
  add_compile_options(-fsanitize=${MERIDIAN_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MERIDIAN_SANITIZE})
  if(MERIDIAN_SANITIZE STREQUAL "thread")
    # The thread sanitizer knows no fences. Asio's are for handlers that look at memory nobody
    # handed to them; it locks a mutex around its queue anyway.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()
if(MERIDIAN_LIBFUZZER)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "MERIDIAN_LIBFUZZER needs clang++: configure with `cmake --preset fuzz`.")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
