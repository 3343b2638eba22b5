# meridian_cargo(<target> <crate folder>): a Rust static library, built by cargo with the versions of
# its Cargo.lock, as the imported target meridian::<target>. All presets share one build of it.
find_program(MERIDIAN_CARGO cargo)

function(meridian_cargo target folder)
  if(NOT MERIDIAN_CARGO)
    message(FATAL_ERROR "cargo is not installed: `./run build` installs it, or: apt-get install cargo")
  endif()
  set(out "${PROJECT_SOURCE_DIR}/build/cargo")
  set(library "${out}/release/lib${target}.a")
  file(GLOB sources CONFIGURE_DEPENDS "${folder}/src/*.rs")
  add_custom_command(
    OUTPUT "${library}"
    COMMAND "${MERIDIAN_CARGO}" build --quiet --release --locked --manifest-path
            "${folder}/Cargo.toml" --target-dir "${out}"
    COMMAND "${CMAKE_COMMAND}" -E touch "${library}"
    DEPENDS ${sources} "${folder}/Cargo.toml" "${folder}/Cargo.lock"
    COMMENT "cargo build ${target}"
    VERBATIM)
  add_custom_target(${target}_cargo DEPENDS "${library}")
  add_library(meridian_${target} STATIC IMPORTED GLOBAL)
  set_target_properties(meridian_${target} PROPERTIES IMPORTED_LOCATION "${library}")
  target_link_libraries(meridian_${target} INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
  add_dependencies(meridian_${target} ${target}_cargo)
  add_library(meridian::${target} ALIAS meridian_${target})
endfunction()
