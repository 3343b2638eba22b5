# meridian_proto(<target> <file.proto>...)
#
# Generates C++ and gRPC C++ for protos (paths relative to proto/) into build/<preset>/proto and
# makes a static library of it. Generated code is compiled without warnings and its headers are
# SYSTEM includes, so it is used as `#include "meridian/v1/accounts.grpc.pb.h"`.
function(meridian_proto target)
  set(generated "${PROJECT_BINARY_DIR}/proto")
  cmake_path(SET root NORMALIZE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../proto")  # in any project
  set(sources "")
  set(inputs ${ARGN})  # files import each other, so a change of one remakes all
  list(TRANSFORM inputs PREPEND "${root}/")
  file(MAKE_DIRECTORY "${generated}")
  foreach(proto IN LISTS ARGN)
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    set(outputs "")
    foreach(suffix .pb.cc .pb.h .grpc.pb.cc .grpc.pb.h)
      list(APPEND outputs "${generated}/${stem}${suffix}")
    endforeach()
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc "--proto_path=${root}" "--cpp_out=${generated}"
              "--grpc_out=${generated}"
              "--plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>" "${root}/${proto}"
      DEPENDS ${inputs}
      COMMENT "protoc ${proto}"
      VERBATIM)
    list(APPEND sources ${outputs})
  endforeach()
  add_custom_target(${target}_sources DEPENDS ${sources})  # for tools that only parse
  add_library(${target} STATIC ${sources})
  target_compile_options(${target} PRIVATE -w)
  target_include_directories(${target} SYSTEM PUBLIC "${generated}")
  target_link_libraries(${target} PUBLIC gRPC::grpc++ protobuf::libprotobuf absl::synchronization)
endfunction()
