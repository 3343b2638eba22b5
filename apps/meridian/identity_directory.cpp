#include "identity_directory.h"

#include <fmt/format.h>

#include "files.h"
#include "mesh/signed_deny_list.h"

namespace meridian::app {

namespace {

constexpr std::string_view identity_path = "identity.pem";
constexpr std::string_view end_of_key = "-----END PRIVATE KEY-----\n";
constexpr std::uint64_t identity_size_max = 256 << 10;

Result<std::string> read_text(io::Disk& disk, std::string_view path) {
  Buffer bytes = TRY(io::read_file(disk, path, identity_size_max));
  std::string text(as_text(bytes));
  crypto::cleanse(bytes);
  return text;
}

}  // namespace

Status write_identity(const std::string& directory, const crypto::P256PrivateKey& key,
                      const mesh::CertificateChain& chain, const TrustFiles& trust) {
  const std::unique_ptr<io::Disk> disk = TRY(open_directory(directory));
  TRY(write_trust(*disk, trust));
  const crypto::Secret pem = key.pem();
  std::string text(as_text(pem.bytes()));
  text += mesh::format_pem_chain(chain);
  Status written = io::replace_file(*disk, identity_path, as_bytes(text));
  crypto::cleanse({reinterpret_cast<Byte*>(text.data()), text.size()});
  return written;
}

Status IdentityDirectory::take_own(const std::string& text) {
  const std::size_t end = text.find(end_of_key);
  if (end == std::string::npos)
    return fail(Code::invalid_argument, "it begins with no private key (PKCS#8, PEM)");
  const std::size_t split = end + end_of_key.size();
  crypto::P256PrivateKey key = TRY(crypto::P256PrivateKey::from_pem(text.substr(0, split)));
  mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(text.substr(split)));
  if (!chain.front().claimed_id())
    return fail(Code::invalid_argument, "its first certificate has no SPIFFE id");
  const mesh::SpiffeId id = *chain.front().claimed_id();
  if (credentials_.own() != nullptr && id != id_)
    return fail(
        Code::invalid_argument,
        fmt::format("it is of {}, and this process is {}: start it again to change who it is",
                    mesh::format_spiffe_id(id), mesh::format_spiffe_id(id_)));
  TRY(credentials_.replace_own(std::move(chain), std::move(key)));
  id_ = id;
  return {};
}

Status IdentityDirectory::take_bundle(const std::string& domain, const std::string& note) {
  const auto held = bundles_.find(domain);
  mesh::AcceptedBundle bundle = held == bundles_.end() ? TRY(mesh::AcceptedBundle::from_kept(note))
                                                       : TRY(held->second.next(note));
  if (bundle.document().trust_domain != domain)
    return fail(Code::invalid_argument, fmt::format("it is of {}", bundle.document().trust_domain));
  credentials_.replace_bundles(TRY(credentials_.bundles().with(bundle.bundle())));
  bundles_.insert_or_assign(domain, std::move(bundle));
  return {};
}

Status IdentityDirectory::take_denied(const std::string& domain, const std::string& note) {
  const auto bundle = bundles_.find(domain);
  if (bundle == bundles_.end())
    return fail(Code::failed_precondition, "there is no bundle of that trust domain");
  return credentials_.replace_deny_list(
      TRY(mesh::verify_deny_list(note, domain, bundle->second.document().announcers)));
}

template <typename Take>
void IdentityDirectory::take_if_changed(const std::string& path, const std::string& text, Take take,
                                        std::vector<Change>& changes) {
  const crypto::Digest digest = crypto::sha256(as_bytes(text));
  const auto [seen, is_new] = seen_.try_emplace(path);
  if (!is_new && seen->second == digest) return;
  seen->second = digest;
  changes.push_back({disk_->display(path), take()});
}

std::vector<IdentityDirectory::Change> IdentityDirectory::refresh() {
  std::vector<Change> changes;
  const Result<TrustFiles> trust = read_trust(*disk_);
  if (!trust) return {{disk_->display(bundles_path), trust.error()}};
  for (const auto& [domain, note] : trust->bundles)
    take_if_changed(
        note_path(bundles_path, domain), note,
        [&, &domain = domain, &note = note] { return take_bundle(domain, note); }, changes);
  for (const auto& [domain, note] : trust->denied)
    take_if_changed(
        note_path(denied_path, domain), note,
        [&, &domain = domain, &note = note] { return take_denied(domain, note); }, changes);
  Result<std::string> own = read_text(*disk_, identity_path);
  if (!own) {
    changes.push_back({disk_->display(identity_path), own.error()});
    return changes;
  }
  take_if_changed(
      std::string(identity_path), *own, [&] { return take_own(*own); }, changes);
  crypto::cleanse({reinterpret_cast<Byte*>(own->data()), own->size()});
  return changes;
}

Result<std::unique_ptr<IdentityDirectory>> IdentityDirectory::open(const std::string& directory,
                                                                   io::Clock& clock,
                                                                   metrics::Registry& metrics) {
  std::unique_ptr<IdentityDirectory> identity(
      new IdentityDirectory(TRY(open_existing_directory(directory)), clock, metrics));
  for (const Change& change : identity->refresh())
    if (!change.taken) return with_context(change.taken.error(), change.file);
  return identity;
}

Result<std::unique_ptr<HeldIdentity>> HeldIdentity::open(
    const std::string& directory, metrics::Registry* metrics,
    std::function<void(const IdentityDirectory::Change&)> notice) {
  std::unique_ptr<HeldIdentity> held(new HeldIdentity);
  held->directory_ = TRY(IdentityDirectory::open(directory, *held->clock_,
                                                 metrics == nullptr ? held->unseen_ : *metrics));
  held->notice_ = std::move(notice);
  held->executor_->post_after(IdentityDirectory::refresh_every,
                              [self = held.get()] { self->refresh(); });
  return held;
}

HeldIdentity::~HeldIdentity() { executor_.reset(); }  // finishes a refresh, drops the next

void HeldIdentity::refresh() {
  for (const IdentityDirectory::Change& change : directory_->refresh()) notice_(change);
  executor_->post_after(IdentityDirectory::refresh_every, [this] { refresh(); });
}

}  // namespace meridian::app
