// What identities cost: per connection (parse, check), per tick of an open one, per renewal.
#include <benchmark/benchmark.h>

#include <memory>

#include "base/assert.h"
#include "mesh/authority.h"
#include "mesh/credentials.h"
#include "sim/clock.h"
#include "sim/entropy.h"

namespace meridian::mesh {
namespace {

const std::string domain = "eu-west.bank.example";

struct Rig {
  sim::Clock clock;
  sim::Entropy entropy{1};
  metrics::Registry metrics;
  Credentials credentials{clock, metrics};
  CertificateAndKey root = *make_root({.common_name = "Root"}, clock, entropy);
  crypto::P256PrivateKey ca_key = crypto::P256PrivateKey::generate();
  Certificate ca = *make_regional(root, *make_csr(ca_key, ""),
                                  {.trust_domain = domain, .common_name = "CA"}, clock, entropy);
  Authority authority = *Authority::open(ca, ca_key, domain, clock, entropy);
  crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  Buffer csr = *make_csr(key, "");
  Certificate leaf = *authority.issue(csr, {domain, "/service/payments"}, 3600);

  Rig() {
    credentials.replace_bundles(
        *TrustBundles().with(*TrustBundle::make(domain, {ca}, {root.certificate})));
    std::vector<DenyEntry> entries;
    for (int i = 0; i < 1000; ++i)
      entries.push_back({"spiffe://" + domain + "/node/" + std::to_string(i), "", 0});
    Status held = credentials.replace_deny_list(*DenyList::make(domain, 1, std::move(entries)));
    ASSERT(held.has_value());
  }
};

void parse_certificate(benchmark::State& state) {
  Rig rig;
  for (auto _ : state) benchmark::DoNotOptimize(Certificate::from_der(rig.leaf.der()));
}
BENCHMARK(parse_certificate);

void verify_peer(benchmark::State& state) {
  Rig rig;
  std::vector<Bytes> chain = {rig.leaf.der()};
  for (auto _ : state) {
    Result<PeerIdentity> peer = rig.credentials.verify(chain, {});
    ASSERT(peer.has_value());
  }
}
BENCHMARK(verify_peer);

void check_open_connection(benchmark::State& state) {
  Rig rig;
  std::vector<Bytes> chain = {rig.leaf.der()};
  PeerIdentity peer = *rig.credentials.verify(chain, {});
  for (auto _ : state) ASSERT(rig.credentials.check(peer).has_value());
}
BENCHMARK(check_open_connection);

void issue_certificate(benchmark::State& state) {
  Rig rig;
  for (auto _ : state)
    benchmark::DoNotOptimize(rig.authority.issue(rig.csr, {domain, "/service/payments"}, 3600));
}
BENCHMARK(issue_certificate);

void generate_key(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(crypto::P256PrivateKey::generate());
}
BENCHMARK(generate_key);

}  // namespace
}  // namespace meridian::mesh
