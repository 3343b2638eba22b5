// The gRPC services of meridian.v1, each in its own .cpp: decode, call the cell, encode.
//
// Each borrows the backend, which outlives it. No business rules here.
#pragma once

#include <memory>

#include "api/backend.h"

namespace grpc {
class Service;
}

namespace meridian::api {

std::unique_ptr<grpc::Service> make_accounts_service(Backend& backend);
std::unique_ptr<grpc::Service> make_transfers_service(Backend& backend);
std::unique_ptr<grpc::Service> make_streams_service(Backend& backend);
std::unique_ptr<grpc::Service> make_transactions_service(Backend& backend);
std::unique_ptr<grpc::Service> make_proofs_service(Backend& backend);
std::unique_ptr<grpc::Service> make_feed_service(Backend& backend);
std::unique_ptr<grpc::Service> make_subjects_service(Backend& backend);
std::unique_ptr<grpc::Service> make_schemas_service(Backend& backend);
std::unique_ptr<grpc::Service> make_admin_service(Backend& backend);
std::unique_ptr<grpc::Service> make_members_service(Backend& backend);
std::unique_ptr<grpc::Service> make_upgrade_service(Backend& backend);
std::unique_ptr<grpc::Service> make_policy_service(Backend& backend);
std::unique_ptr<grpc::Service> make_acts_service(Backend& backend);
std::unique_ptr<grpc::Service> make_readings_service(Backend& backend);
std::unique_ptr<grpc::Service> make_issuances_service(Backend& backend);
std::unique_ptr<grpc::Service> make_keys_service(Backend& backend);

}  // namespace meridian::api
