// What a gRPC status is among our errors. Pure.
#pragma once

#include <grpcpp/support/status.h>

#include "base/result.h"

namespace meridian::api {

/// Of a status that is not OK.
inline Error to_error(const grpc::Status& status) {
  const auto code = [&status] {
    switch (status.error_code()) {
      case grpc::StatusCode::INVALID_ARGUMENT: return Code::invalid_argument;
      case grpc::StatusCode::NOT_FOUND: return Code::not_found;
      case grpc::StatusCode::ALREADY_EXISTS: return Code::already_exists;
      case grpc::StatusCode::ABORTED:
      case grpc::StatusCode::FAILED_PRECONDITION: return Code::failed_precondition;
      case grpc::StatusCode::OUT_OF_RANGE: return Code::out_of_range;
      case grpc::StatusCode::UNAUTHENTICATED:
      case grpc::StatusCode::PERMISSION_DENIED: return Code::permission_denied;
      case grpc::StatusCode::RESOURCE_EXHAUSTED: return Code::resource_exhausted;
      case grpc::StatusCode::UNAVAILABLE: return Code::unavailable;
      case grpc::StatusCode::CANCELLED:
      case grpc::StatusCode::DEADLINE_EXCEEDED: return Code::deadline_exceeded;
      case grpc::StatusCode::DATA_LOSS: return Code::data_loss;
      case grpc::StatusCode::UNIMPLEMENTED: return Code::unimplemented;
      case grpc::StatusCode::OK:
      case grpc::StatusCode::UNKNOWN:
      case grpc::StatusCode::INTERNAL:
      case grpc::StatusCode::DO_NOT_USE: return Code::internal;
    }
    return Code::internal;
  }();
  return {code, status.error_message()};
}

}  // namespace meridian::api
