#include "identity_keeper.h"

#include <fmt/format.h>

#include "crypto/p256.h"
#include "io/end_executor.h"
#include "mesh/authority.h"

namespace meridian::app {

namespace {

metrics::Counter& renewals(metrics::Registry& metrics, const char* outcome) {
  return metrics.counter("meridian_mesh_renewals_total",
                         "Tries to renew the certificate of this process", {{"outcome", outcome}});
}

}  // namespace

IdentityKeeper::IdentityKeeper(HeldIdentity& held, metrics::Registry& metrics,
                               std::function<void(const std::string&)> notice)
    : held_(held),
      notice_(std::move(notice)),
      is_person_(mesh::kind_of(held.id()) == mesh::IdKind::person),
      schedule_(held.clock(), *entropy_),
      renewed_(renewals(metrics, "done")),
      failed_(renewals(metrics, "failed")) {
  renewer_->post([this] { look(); });
  follower_ = std::make_unique<TrustFollower>(TrustFollower::Setting{
      held_.credentials(), held_.id().trust_domain, [this] { return addresses_if_keeper(); },
      [this] {
        std::vector<api::HeldTrust> trust;
        held_.run([&](IdentityDirectory& directory) { trust = directory.trust().held(); });
        return trust;
      },
      [this](const api::TrustNotes& notes) { return take(notes); }, notice_});
}

IdentityKeeper::~IdentityKeeper() {
  line_.stop();
  io::end_executor(renewer_);
  follower_.reset();
}

bool IdentityKeeper::is_keeper() {
  const std::lock_guard guard(mutex_);
  if (lock_) return true;
  Result<std::unique_ptr<io::DiskLock>> lock = held_.directory().lock_keeper();
  if (lock) lock_ = *std::move(lock);
  return lock_ != nullptr;
}

void IdentityKeeper::say_if_over() {
  if (!schedule_.is_over() || has_said_over_) return;
  has_said_over_ = true;
  if (is_person_)
    return notice_(
        fmt::format("the certificate of {} is over: sign in again (`meridian sign-in`), into the "
                    "same directory",
                    mesh::format_spiffe_id(held_.id())));
  notice_(
      fmt::format("the certificate of {} is over, and nobody renews one that is over: issue it "
                  "again (`meridian "
                  "ca issue`), or join with a new token, into the same directory",
                  mesh::format_spiffe_id(held_.id())));
}

void IdentityKeeper::look() {
  renewer_->post_after(look_every, [this] { look(); });
  const std::shared_ptr<const mesh::OwnIdentity> own = held_.credentials().own();
  if (own->version != version_) {
    version_ = own->version;
    has_said_over_ = false;
    schedule_.hold(own->chain.front());
  }
  say_if_over();
  if (is_person_ || !schedule_.is_due() || schedule_.is_over()) return;
  const std::vector<std::string> addresses = held_.directory().authorities();
  if (addresses.empty()) {
    if (!std::exchange(has_said_none_, true))
      notice_("nobody renews this identity: its directory names no authority");
    return;
  }
  if (is_keeper()) renew(addresses);
}

void IdentityKeeper::renew(const std::vector<std::string>& addresses) {
  Status done = fail(Code::internal, "");
  for (const std::string& address : addresses) {
    done = renew_from(address);
    if (done) break;
  }
  if (done) {
    renewed_.increment();
    return;
  }
  failed_.increment();
  schedule_.fail();
  notice_(fmt::format("the certificate of {} was not renewed, and is good for {} s more: {}",
                      mesh::format_spiffe_id(held_.id()), schedule_.seconds_left(),
                      done.error().message));
}

Status IdentityKeeper::renew_from(const std::string& address) {
  const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  const Buffer csr = TRY(mesh::make_csr(key, held_.id().path.substr(1)));
  mesh::CertificateChain chain =
      TRY(line_.to(address)->renew(held_.credentials(), held_.id().trust_domain, csr));
  Status put_on = fail(Code::internal, "");
  held_.run([&](IdentityDirectory& directory) { put_on = directory.renew(chain, key); });
  return put_on;
}

bool IdentityKeeper::take(const api::TrustNotes& notes) {
  std::vector<IdentityDirectory::Change> changes;
  held_.run([&](IdentityDirectory& directory) {
    changes = directory.trust().take(notes);
    held_.tell(changes);
  });
  for (const IdentityDirectory::Change& change : changes)
    if (!change.taken) return false;
  return true;
}

std::vector<std::string> IdentityKeeper::addresses_if_keeper() {
  std::vector<std::string> addresses = held_.directory().authorities();
  if (!addresses.empty() && !is_keeper()) addresses.clear();
  return addresses;
}

}  // namespace meridian::app
