#include "api/grpc_server.h"

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/resource_quota.h>

#include <mutex>
#include <utility>
#include <vector>

#include "api/internal/grpc_credentials.h"
#include "api/internal/grpc_listener.h"
#include "api/services.h"

namespace meridian::api {
namespace {

class Server final : public GrpcServer {
 public:
  Server(Backend& backend, ListenAddress address)
      : backend_(backend), address_(std::move(address)) {
    services_.push_back(make_accounts_service(backend));
    services_.push_back(make_transfers_service(backend));
    services_.push_back(make_streams_service(backend));
    services_.push_back(make_transactions_service(backend));
    services_.push_back(make_proofs_service(backend));
    services_.push_back(make_feed_service(backend));
    services_.push_back(make_subjects_service(backend));
    services_.push_back(make_schemas_service(backend));
    services_.push_back(make_admin_service(backend));
    services_.push_back(make_members_service(backend));
    services_.push_back(make_upgrade_service(backend));
    services_.push_back(make_policy_service(backend));
    services_.push_back(make_acts_service(backend));
    services_.push_back(make_readings_service(backend));
    services_.push_back(make_issuances_service(backend));
    services_.push_back(make_keys_service(backend));
  }
  ~Server() override { stop(io::seconds(0)); }

  Status start() {
    // gRPC keeps these two switches in globals; setting them again changes nothing.
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    grpc::ResourceQuota quota("meridian");
    quota.Resize(memory_bytes_max);
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(receive_bytes_max);
    // A message that was compressed is small until it is opened: a bomb. Payloads are sealed, and
    // do not compress.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.SetMaxSendMessageSize(-1);  // replies are bounded by what makes them
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, metadata_bytes_max);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, streams_per_connection_max);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, ms(handshake_timeout));
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (backend_.callers != nullptr) {
      credentials = TRY(internal::make_grpc_credentials(backend_));
      builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, ms(connection_age_max));
    }
    listener_ = TRY(internal::GrpcListener::open(address_, {handshake_timeout}, backend_.grpc_port,
                                                 backend_.grpc_calls));
    listener_->add_to(builder, credentials);
    for (const auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    if (!server_) return fail(Code::internal, "gRPC did not start: its log says why");
    listener_->start();
    if (backend_.callers != nullptr) {
      reviewer_ = io::os_executor("callers");
      review_later(*reviewer_);
    }
    return {};
  }

  const ListenAddress& address() const override { return listener_->address(); }

  void stop(io::Duration patience) override {
    if (!server_) return;
    listener_->stop();
    reviewer_.reset();
    if (auto* health = server_->GetHealthCheckService()) health->SetServingStatus(false);
    backend_.live.stop_all();
    server_->Shutdown(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_nanos(static_cast<std::int64_t>(patience), GPR_TIMESPAN)));
    server_->Wait();
    server_.reset();
  }

 private:
  static int ms(io::Duration duration) {
    return static_cast<int>(static_cast<std::int64_t>(duration) / 1'000'000);
  }
  /// `executor` is reviewer_, which is null already while it finishes its last task.
  void review_later(io::Executor& executor) {
    executor.post_after(review_period, [this, &executor] {
      backend_.live.review();
      review_later(executor);
    });
  }

  Backend& backend_;
  const ListenAddress address_;  ///< That was asked for.
  std::unique_ptr<internal::GrpcListener> listener_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<io::Executor> reviewer_;  // null in the clear
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(Backend& backend,
                                                      const ListenAddress& address) {
  auto server = std::make_unique<Server>(backend, address);
  TRY(server->start());
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace meridian::api
