# meridian_module(<name> [DEPS <module>...] [LIBS <target>...] [TEST_DEPS <module>...]
#                 [TEST_LIBS <target>...] [THREADED] [OWN_FLAGS])
#
# The one line of src/<name>/CMakeLists.txt. Sorts the folder's files by suffix:
#   *_test.cpp   -> <name>_test, one gtest binary and one ctest of label `unit`
#   *_fuzz.cpp   -> <name>_<noun>_fuzz each, a short seeded ctest of labels `unit` and `fuzz`
#   *_bench.cpp  -> <name>_bench, also run with tiny inputs as a ctest of label `bench`
#   other *.cpp  -> the static library meridian_<name>, alias meridian::<name>
# DEPS are modules whose headers the library may include; LIBS are third-party targets. TEST_DEPS
# and TEST_LIBS are for the tests only, and the only way to `sim`. THREADED marks tests that start
# threads: they also run under the thread sanitizer. OWN_FLAGS: its libraries bring compile flags,
# so its tests do without the shared precompiled header.
# A module's test links the whole archive with nothing but DEPS and TEST_DEPS, so a dependency
# that is used and not declared fails to link.

# One precompiled gtest header for all tests nearly halves the time of compiling them.
add_library(meridian_gtest_pch OBJECT EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tests/gtest_pch.cpp")
target_link_libraries(meridian_gtest_pch PRIVATE GTest::gtest_main GTest::gmock meridian_warnings)
if(MERIDIAN_PCH)
  target_precompile_headers(meridian_gtest_pch PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
endif()

if(NOT MERIDIAN_LIBFUZZER)
  add_library(meridian_fuzz_driver OBJECT EXCLUDE_FROM_ALL
              "${PROJECT_SOURCE_DIR}/tests/fuzz_driver.cpp")
  target_link_libraries(meridian_fuzz_driver PRIVATE meridian_warnings)
endif()

add_custom_target(unit_tests)      # every test and fuzz binary of the modules
add_custom_target(threaded_tests)  # those that the thread sanitizer runs

# meridian_layer(<number> <module>...): names the modules of a layer and adds those that exist.
# The layer `test_support` is for modules beside src/ that production code must not link.
macro(meridian_layer layer)
  foreach(module ${ARGN})
    set_property(GLOBAL PROPERTY meridian_layer_${module} ${layer})
    if(NOT ${layer} STREQUAL "test_support")
      meridian_add_module(${module} "${PROJECT_SOURCE_DIR}/src/${module}")
    endif()
  endforeach()
endmacro()

macro(meridian_add_module module folder)
  if(EXISTS "${folder}/CMakeLists.txt")
    if(MERIDIAN_ONLY STREQUAL "" OR "${module}" IN_LIST MERIDIAN_ONLY)
      add_subdirectory("${folder}")
    endif()
  endif()
endmacro()

# Stops the configure step when `module` (of `layer`) may not depend on `dep`.
function(meridian_check_dep module layer dep)
  set(rule "HOUSE_STYLE.md section 1: a module sees only modules of lower layers.")
  get_property(dep_layer GLOBAL PROPERTY meridian_layer_${dep})
  if("${dep_layer}" STREQUAL "")
    # Layers are named lowest first, so a module not named yet is a higher one or does not exist.
    message(FATAL_ERROR "${module} (layer ${layer}) DEPS ${dep}: ${dep} is in a higher layer, or "
            "is no module at all. Move what is shared down, or hand it in from above. ${rule}")
  elseif("${dep_layer}" STREQUAL "test_support" AND NOT layer STREQUAL "test_support")
    message(FATAL_ERROR "${module} DEPS ${dep}: ${dep} is for tests. Write TEST_DEPS ${dep} "
            "instead; production code never links it. ${rule}")
  elseif(NOT layer STREQUAL "test_support" AND NOT dep_layer LESS layer)
    message(FATAL_ERROR "${module} (layer ${layer}) DEPS ${dep} (layer ${dep_layer}): modules of "
            "one layer do not see each other. Move what both need down a layer. ${rule}")
  elseif(NOT TARGET meridian::${dep})
    message(FATAL_ERROR "${module} DEPS ${dep}: src/${dep}/CMakeLists.txt does not exist, or "
            "MERIDIAN_ONLY leaves ${dep} out.")
  endif()
endfunction()

function(meridian_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "THREADED;OWN_FLAGS" "" "DEPS;LIBS;TEST_DEPS;TEST_LIBS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "meridian_module(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  get_property(layer GLOBAL PROPERTY meridian_layer_${name})
  if("${layer}" STREQUAL "")
    message(FATAL_ERROR "module ${name} has no layer: add it to the list in CMakeLists.txt.")
  endif()
  foreach(dep IN LISTS arg_DEPS)
    meridian_check_dep(${name} ${layer} ${dep})
  endforeach()
  foreach(dep IN LISTS arg_TEST_DEPS)
    get_property(dep_layer GLOBAL PROPERTY meridian_layer_${dep})
    if(NOT "${dep_layer}" STREQUAL "test_support") # those are configured last and linked by name
      meridian_check_dep(${name} ${layer} ${dep})
    endif()
  endforeach()

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "*.cpp")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "*.h")
  set(test_sources ${sources})
  list(FILTER test_sources INCLUDE REGEX "_test\\.cpp$")
  set(fuzz_sources ${sources})
  list(FILTER fuzz_sources INCLUDE REGEX "_fuzz\\.cpp$")
  set(bench_sources ${sources})
  list(FILTER bench_sources INCLUDE REGEX "_bench\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench|main)\\.cpp$")
  list(FILTER headers EXCLUDE REGEX "/internal/")
  meridian_tell_source_dir(${test_sources} ${fuzz_sources} ${bench_sources})

  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR PARENT_PATH include_root)
  set(dep_targets ${arg_DEPS})
  list(TRANSFORM dep_targets PREPEND meridian::)
  set(test_targets ${arg_TEST_DEPS})
  list(TRANSFORM test_targets PREPEND meridian::)

  set(library meridian_${name})
  if(sources)
    add_library(${library} STATIC ${sources})
    target_link_libraries(${library} PUBLIC ${dep_targets} ${arg_LIBS} Threads::Threads
                                     PRIVATE meridian_warnings)
    target_include_directories(${library} PUBLIC "${include_root}")
    meridian_settings(${library} PUBLIC)
    target_sources(${library} PUBLIC FILE_SET HEADERS BASE_DIRS "${include_root}" FILES ${headers})
    set(whole "$<LINK_LIBRARY:WHOLE_ARCHIVE,${library}>")
  else()
    add_library(${library} INTERFACE)
    target_link_libraries(${library} INTERFACE ${dep_targets} ${arg_LIBS} Threads::Threads)
    target_include_directories(${library} INTERFACE "${include_root}")
    meridian_settings(${library} INTERFACE)
    target_sources(${library} INTERFACE FILE_SET HEADERS BASE_DIRS "${include_root}"
                                        FILES ${headers})
    set(whole ${library})
  endif()
  add_library(meridian::${name} ALIAS ${library})

  if(test_sources)
    set(test ${name}_test)
    add_executable(${test} ${test_sources})
    target_link_libraries(${test} PRIVATE ${whole} ${test_targets} ${arg_TEST_LIBS}
                                          GTest::gtest_main GTest::gmock meridian_warnings)
    if(sources)
      # The same archive may also come in plainly, through TEST_DEPS: whole wins.
      set_property(TARGET ${test} PROPERTY LINK_LIBRARY_OVERRIDE_${library} WHOLE_ARCHIVE)
    endif()
    # Libraries that bring compile flags of their own (gRPC: -pthread) cannot share the header.
    if(MERIDIAN_PCH AND NOT arg_OWN_FLAGS)
      target_precompile_headers(${test} REUSE_FROM meridian_gtest_pch)
    endif()
    meridian_unit_test(${test} "${arg_THREADED}" unit --gtest_brief=1)
  endif()

  foreach(source IN LISTS fuzz_sources)  # one thread each: nothing for the thread sanitizer
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_fuzz$" "" noun "${stem}")
    set(fuzz ${name}_${noun}_fuzz)
    add_executable(${fuzz} "${source}")
    target_link_libraries(${fuzz} PRIVATE ${library} ${test_targets} ${arg_TEST_LIBS}
                                          meridian_warnings)
    set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${noun}")
    if(NOT IS_DIRECTORY "${corpus}")
      set(corpus "")
    endif()
    if(MERIDIAN_LIBFUZZER)
      target_link_options(${fuzz} PRIVATE -fsanitize=fuzzer)
      meridian_unit_test(${fuzz} "" "unit;fuzz" -runs=20000 -max_len=4096 ${corpus})
    else()
      target_link_libraries(${fuzz} PRIVATE meridian_fuzz_driver)
      meridian_unit_test(${fuzz} "" "unit;fuzz" ${corpus})
    endif()
  endforeach()

  if(bench_sources)
    set(bench ${name}_bench)
    add_executable(${bench} ${bench_sources})
    target_link_libraries(${bench} PRIVATE ${library} ${test_targets} ${arg_TEST_LIBS}
                                           benchmark::benchmark_main meridian_warnings)
    # Not with arguments of six digits.
    add_test(NAME ${bench} COMMAND ${bench} --benchmark_min_time=0.001
                                            "--benchmark_filter=-/[0-9]{6,}")
    set_tests_properties(${bench} PROPERTIES LABELS bench TIMEOUT 300)
  endif()
endfunction()

# Tells the sources that read golden files and samples where the tree is. Only those: a path in every
# command line would keep two clones from sharing the compiler's cache.
function(meridian_tell_source_dir)
  foreach(source IN LISTS ARGN)
    file(STRINGS "${source}" reads_tree REGEX "MERIDIAN_SOURCE_DIR|golden_bytes\\.h|key_rig\\.h")
    if(reads_tree)
      set_property(SOURCE "${source}" PROPERTY COMPILE_DEFINITIONS
                                               MERIDIAN_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    endif()
  endforeach()
endfunction()

# Definitions that every target of ours sees.
function(meridian_settings target scope)
  if(MERIDIAN_SLOW_ASSERTS)
    target_compile_definitions(${target} ${scope} MERIDIAN_ASSERT_SLOW)
  endif()
endfunction()

# Registers a test or fuzz binary with ctest and with the targets that build them together.
function(meridian_unit_test target threaded labels)
  add_test(NAME ${target} COMMAND ${target} ${ARGN})
  add_dependencies(unit_tests ${target})
  if(threaded)
    list(APPEND labels threads)
    add_dependencies(threaded_tests ${target})
  endif()
  # With a sanitizer on a busy machine a test takes twenty times as long.
  set_tests_properties(${target} PROPERTIES LABELS "${labels}" TIMEOUT 900
                       WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
endfunction()
