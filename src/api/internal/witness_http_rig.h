// A witness behind a real socket, on a simulated disk. For tests only.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/http_server.h"
#include "api/witness_http.h"
#include "base/assert.h"
#include "io/clock.h"
#include "io/executor.h"
#include "proof/merkle_tree.h"
#include "sim/disk.h"
#include "witness/witness.h"

namespace meridian::api {

struct WitnessHttpRig {
  explicit WitnessHttpRig(const std::vector<proof::VerifierKey>& log_keys) {
    auto opened = witness::Witness::open(
        {disk, *clock, metrics, [](const std::string&) {}, [](const Error&) {}},
        proof::Signer("witness.test/w1", proof::KeyType::cosignature, std::array<Byte, 32>{9}),
        log_keys);
    ASSERT(opened.has_value());
    witness = std::move(*opened);
  }
  ~WitnessHttpRig() {
    stop();
    executor->drain();
  }
  void start(const ListenAddress& address = *parse_listen_address("127.0.0.1:0")) {
    auto started = HttpServer::start({make_witness_http(*witness, *executor, metrics), live, calls},
                                     address, options);
    ASSERT(started.has_value());
    http = std::move(*started);
  }
  void stop() {
    if (http) http->stop(io::seconds(2));
    http.reset();
  }

  sim::Disk disk;
  std::unique_ptr<io::Clock> clock = io::os_clock();
  metrics::Registry metrics;
  std::unique_ptr<io::Executor> executor = io::os_executor("witness");
  LiveCalls live;
  CallCounts calls{metrics, "http"};
  HttpOptions options{.check_host = false, .body_bytes_max = proof::add_checkpoint_size_max};
  std::unique_ptr<witness::Witness> witness;
  std::unique_ptr<HttpServer> http;
};

}  // namespace meridian::api
