// A whole cell, in memory if no disk is given, with real threads and real loopback sockets. For
// tests only.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "api/backend.h"
#include "api/grpc_server.h"
#include "api/http_server.h"
#include "base/assert.h"
#include "cell/local_cell.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "sim/disk.h"
#include "storage/key_store.h"
#include "storage/storage_turner.h"

namespace meridian::api {

struct ApiRig {
  explicit ApiRig(std::unique_ptr<io::Disk> below = std::make_unique<sim::Disk>())
      : disk(std::move(below)) {
    auto made =
        storage::KeyStore::create({disk, *clock, *entropy}, as_bytes("passphrase"), {1, 1, 1});
    ASSERT(made.has_value());
    keys = std::move(*made);
    auto opened = cell::LocalCell::open(
        {disk, *clock, *entropy, *keys, metrics, [](const std::string&) {}},
        {.deployment = "test", .cell = 7, .generation = 1, .limits = {}},
        {{*log, *apply, *prove, *checkpoint}, *door, *reads}, {}, [](const Error&) {});
    ASSERT(opened.has_value());
    cell = std::move(*opened);
    // Record 0 is recorded behind the opening: tests ask for it.
    std::promise<void> is_open;
    cell->replica().when_visible(1, [&](std::uint64_t) { is_open.set_value(); });
    is_open.get_future().wait();
    backend = std::make_unique<Backend>(*cell, *clock, *work, metrics, u128{7});
    turner = storage::StorageTurner::start(
        {disk, *keys, *turning, [](const std::string&) {}, [](const Error&) {}});
    backend->storage_turner = turner.get();
  }
  ~ApiRig() {
    if (http) http->stop(io::seconds(2));
    if (grpc) grpc->stop(io::seconds(2));
    work->drain();
    turner.reset();
    cell.reset();
  }
  void start_grpc() {
    auto started = GrpcServer::start(*backend, any_port());
    ASSERT(started.has_value());
    grpc = std::move(*started);
  }
  void start_http(const HttpOptions& options = {}) {
    auto started = HttpServer::start(*backend, any_port(), options);
    ASSERT(started.has_value());
    http = std::move(*started);
  }
  static ListenAddress any_port() { return *parse_listen_address("127.0.0.1:0"); }

  storage::GuardedDisk disk;
  std::unique_ptr<io::Clock> clock = io::os_clock();
  std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  metrics::Registry metrics;
  std::unique_ptr<storage::KeyStore> keys;
  std::unique_ptr<io::Executor> log = io::os_executor("log");
  std::unique_ptr<io::Executor> apply = io::os_executor("apply");
  std::unique_ptr<io::Executor> prove = io::os_executor("prove");
  std::unique_ptr<io::Executor> checkpoint = io::os_executor("checkpoint");
  std::unique_ptr<io::Executor> door = io::os_executor("door");
  std::unique_ptr<io::Executor> reads = io::os_executor("reads");
  std::unique_ptr<io::Executor> work = io::os_executor("api");
  std::unique_ptr<io::Executor> turning = io::os_executor("keys");
  std::unique_ptr<cell::LocalCell> cell;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<storage::StorageTurner> turner;
  std::unique_ptr<GrpcServer> grpc;
  std::unique_ptr<HttpServer> http;
};

}  // namespace meridian::api
