#include "mesh/credentials.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"
#include "io/unix_time.h"

namespace meridian::mesh {

Credentials::Credentials(io::Clock& clock, metrics::Registry& metrics)
    : clock_(clock),
      own_not_after_(
          metrics.gauge("meridian_mesh_certificate_not_after_seconds",
                        "When the certificate of this process ends, seconds since 1970")),
      snapshot_(std::make_shared<const Snapshot>()) {
  for (std::size_t i = 0; i < refusals_.size(); ++i)
    refusals_[i] = &metrics.counter("meridian_mesh_refusals_total",
                                    "Peers that were refused, by what was wrong with them",
                                    {{"reason", std::string(name(static_cast<RefusalReason>(i)))}});
}

std::shared_ptr<const Credentials::Snapshot> Credentials::snapshot() const {
  std::scoped_lock guard(mutex_);
  return snapshot_;
}

std::shared_ptr<const OwnIdentity> Credentials::own() const { return snapshot()->own; }
TrustBundles Credentials::bundles() const { return snapshot()->bundles; }
DenyLists Credentials::deny_lists() const { return snapshot()->deny_lists; }

std::int64_t Credentials::now() const { return io::unix_seconds(clock_); }

void Credentials::count(const Refusal& refusal) const {
  refusals_[static_cast<std::size_t>(refusal.reason)]->increment();
}

tl::expected<PeerIdentity, Refusal> Credentials::verify_or_refusal(std::span<const Bytes> chain_der,
                                                                   const WantedPeer& wanted) const {
  std::shared_ptr<const Snapshot> held = snapshot();
  tl::expected<PeerIdentity, Refusal> checked = [&]() -> tl::expected<PeerIdentity, Refusal> {
    if (chain_der.empty()) return check_peer({}, held->bundles, held->deny_lists, now(), wanted);
    Result<CertificateChain> chain = parse_der_chain(chain_der);
    if (!chain.has_value())
      return tl::unexpected(
          Refusal{RefusalReason::malformed,
                  "what the peer showed is no chain of certificates: " + chain.error().message});
    return check_peer(*chain, held->bundles, held->deny_lists, now(), wanted);
  }();
  if (!checked.has_value()) count(checked.error());
  return checked;
}

Result<PeerIdentity> Credentials::verify(std::span<const Bytes> chain_der,
                                         const WantedPeer& wanted) const {
  tl::expected<PeerIdentity, Refusal> checked = verify_or_refusal(chain_der, wanted);
  if (!checked.has_value()) return to_error(checked.error());
  return *std::move(checked);
}

Status Credentials::check(const PeerIdentity& peer) const {
  std::shared_ptr<const Snapshot> held = snapshot();
  tl::expected<void, Refusal> still = check_still(peer, held->bundles, held->deny_lists, now());
  if (still.has_value()) return {};
  count(still.error());
  return to_error(still.error());
}

Status Credentials::replace_own(CertificateChain chain, crypto::P256PrivateKey key) {
  if (chain.empty()) return fail(Code::invalid_argument, "own certificate: none was given");
  const Certificate& leaf = chain.front();
  if (leaf.spki_digest() != key.spki_digest())
    return fail(Code::invalid_argument,
                fmt::format("own certificate: {} is for another key", leaf.describe()));
  for (WantedPeer::Side side : {WantedPeer::Side::client, WantedPeer::Side::server}) {
    auto checked = check_peer(chain, bundles(), {}, now(), {.side = side});
    if (!checked.has_value())
      return with_context(to_error(checked.error()), "own certificate: peers would refuse it");
  }
  std::string chain_pem = format_pem_chain(chain);
  crypto::Secret key_pem = key.pem();
  SpiffeId id = *leaf.claimed_id();
  std::int64_t not_after = leaf.not_after();

  std::scoped_lock guard(mutex_);
  std::uint64_t version = snapshot_->own == nullptr ? 1 : snapshot_->own->version + 1;
  auto own = std::make_shared<const OwnIdentity>(
      OwnIdentity{version, std::move(id), std::move(chain), std::move(key), std::move(chain_pem),
                  std::move(key_pem)});
  snapshot_ = std::make_shared<const Snapshot>(
      Snapshot{std::move(own), snapshot_->bundles, snapshot_->deny_lists});
  own_not_after_.set(not_after);
  return {};
}

void Credentials::replace_bundles(TrustBundles bundles) {
  std::scoped_lock guard(mutex_);
  snapshot_ = std::make_shared<const Snapshot>(
      Snapshot{snapshot_->own, std::move(bundles), snapshot_->deny_lists});
}

Status Credentials::replace_deny_list(DenyList deny_list) {
  std::scoped_lock guard(mutex_);
  DenyLists lists = TRY(snapshot_->deny_lists.with(std::move(deny_list)));
  snapshot_ = std::make_shared<const Snapshot>(
      Snapshot{snapshot_->own, snapshot_->bundles, std::move(lists)});
  return {};
}

}  // namespace meridian::mesh
