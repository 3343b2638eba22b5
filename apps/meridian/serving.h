// A node's cell, open, with the interfaces that answer for it: what `serve` runs, closes, and opens
// again after a state was copied.
//
// A resource of the main thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/backend.h"
#include "api/grpc_server.h"
#include "api/http_server.h"
#include "base/result.h"
#include "cell/local_cell.h"
#include "group_flags.h"
#include "identity_directory.h"
#include "mesh/policy.h"
#include "metrics/registry.h"
#include "node.h"
#include "replica/catch_up.h"
#include "storage/storage_turner.h"
#include "witness/witnessing.h"

namespace meridian::app {

/// The threads of a node, one per stage.
struct Threads {
  std::unique_ptr<io::Executor> log = io::os_executor("log");
  std::unique_ptr<io::Executor> apply = io::os_executor("apply");
  std::unique_ptr<io::Executor> prove = io::os_executor("prove");
  std::unique_ptr<io::Executor> checkpoint = io::os_executor("checkpoint");
  std::unique_ptr<io::Executor> door = io::os_executor("door");
  std::unique_ptr<io::Executor> reads = io::os_executor("reads");
  std::unique_ptr<io::Executor> work = io::os_executor("api");
  std::unique_ptr<io::Executor> witnessing = io::os_executor("witnessing");
  std::unique_ptr<io::Executor> policy = io::os_executor("policy");
  std::unique_ptr<io::Executor> raft, propose, give;  ///< Of one of several replicas.

  explicit Threads(bool is_replica);
  replica::ReplicaExecutors for_replica();
};

/// Of memory that is freed up to 16 MiB per arena stay with the process. Before a node is opened.
void keep_freed_memory();
/// As many as the system lets this process: its files, and who calls it.
void raise_open_files();

/// What stays the same from one opening to the next.
struct ServeSetting {
  Node& node;
  replica::ReplicaConfig config;
  io::OsNetworkOptions network;
  api::ListenAddress grpc, http;
  /// Of the process, and outlives it.
  const HeldIdentity& identity;
  /// What the process counts whether its cell is open or not; outlives it.
  const metrics::Registry& process_metrics;
  /// Trust domains of the regions that the cell spans, beside the own one.
  std::vector<std::string> peer_domains;
  std::function<void(const std::string&)> notice;
  replica::Replica::Progress progress;
  std::function<void(Error)> on_fatal;
  std::vector<std::string> witnesses{};  ///< URL=VKEY
  /// In force until a policy is on record; null: callers who are known learn the status and no
  /// more.
  std::shared_ptr<const mesh::Policy> first_policy{};
  /// This replica must copy the state of `peer`; on an internal thread, as the next.
  std::function<void(const replica::MemberInfo& peer)> behind;
  std::function<void(replica::Standing)> standing{};
  /// What this replica keeps is damaged.
  std::function<void(const Error& what)> damaged{};
  /// Outlives every opening of the cell.
  storage::StorageTurner* storage_turner = nullptr;
  /// Directory of the identity, as an absolute path: for acts while it does not serve.
  std::string identity_directory{};
  io::Duration readings_every = cell::ReadingKeeper::write_every_usual;

  replica::Replica::Io replica_io(metrics::Registry& metrics) const;
};

class Serving {
 public:
  /// Recovers and listens. Errors: of LocalCell::open; unavailable if an address is in use.
  static Result<std::unique_ptr<Serving>> open(const ServeSetting& setting);
  /// Lets calls under way finish for a few seconds, then closes everything.
  ~Serving();

  const api::ListenAddress& grpc() const { return grpc_->address(); }
  const api::ListenAddress& http() const { return http_->address(); }
  cell::LocalCell& cell() { return *cell_; }

 private:
  explicit Serving(bool is_replica) : threads_(is_replica) {}

  metrics::Registry metrics_;
  std::optional<api::Callers> callers_;
  Threads threads_;
  std::unique_ptr<cell::LocalCell> cell_;
  std::unique_ptr<witness::Witnessing> witnessing_;  ///< None without witnesses.
  std::optional<api::Backend> backend_;
  std::unique_ptr<cell::PolicyKeeper> policies_;
  std::unique_ptr<cell::ActKeeper> acts_;
  std::unique_ptr<cell::ReadingKeeper> readings_;
  std::unique_ptr<api::GrpcServer> grpc_;
  std::unique_ptr<api::HttpServer> http_;
};

/// Copies the state of `peer`, if one is named, and has a log in doubt supplied again, while the
/// cell is closed (replica/catch_up.h). `done` is called once, on an internal
/// thread. A resource: destroyed, it stops where it is; what was not complete is made again.
class StateCopying {
 public:
  static Result<std::unique_ptr<StateCopying>> start(const ServeSetting& setting,
                                                     std::optional<replica::MemberInfo> peer,
                                                     replica::CatchUp::Progress progress,
                                                     std::function<void(Status)> done);
  ~StateCopying();

 private:
  StateCopying() : threads_(true) {}

  metrics::Registry metrics_;
  Threads threads_;
  std::unique_ptr<replica::CatchUp> copy_;
};

}  // namespace meridian::app
