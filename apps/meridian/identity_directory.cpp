#include "identity_directory.h"

#include <fmt/format.h>
#include "io/end_executor.h"

#include <sstream>

#include "files.h"

namespace meridian::app {

namespace {

constexpr std::string_view identity_path = "identity.pem";
constexpr std::string_view authority_path = "authority";
constexpr std::string_view keeper_path = "keeper";
constexpr std::string_view end_of_key = "-----END PRIVATE KEY-----\n";
constexpr std::uint64_t identity_size_max = 256 << 10;

Result<std::string> read_text(io::Disk& disk, std::string_view path) {
  Buffer bytes = TRY(io::read_file(disk, path, identity_size_max));
  std::string text(as_text(bytes));
  crypto::cleanse(bytes);
  return text;
}

void forget(std::string& text) {
  crypto::cleanse({reinterpret_cast<Byte*>(text.data()), text.size()});
}

Status write_own(io::Disk& disk, const crypto::P256PrivateKey& key,
                 const mesh::CertificateChain& chain) {
  const crypto::Secret pem = key.pem();
  std::string text(as_text(pem.bytes()));
  text += mesh::format_pem_chain(chain);
  Status written = io::replace_file(disk, identity_path, as_bytes(text));
  forget(text);
  return written;
}

}  // namespace

Status write_identity(const std::string& directory, const crypto::P256PrivateKey& key,
                      const mesh::CertificateChain& chain, const TrustFiles& trust) {
  const std::unique_ptr<io::Disk> disk = TRY(open_directory(directory));
  TRY(write_trust(*disk, trust));
  return write_own(*disk, key, chain);
}

Status write_authority(const std::string& directory, const std::vector<std::string>& addresses) {
  const std::unique_ptr<io::Disk> disk = TRY(open_directory(directory));
  std::string text;
  for (const std::string& address : addresses) text += address + "\n";
  return io::replace_file(*disk, authority_path, as_bytes(text));
}

Status IdentityDirectory::put_on(mesh::CertificateChain chain, crypto::P256PrivateKey key) {
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

Status IdentityDirectory::take_own(const std::string& text) {
  const std::size_t end = text.find(end_of_key);
  if (end == std::string::npos)
    return fail(Code::invalid_argument, "it begins with no private key (PKCS#8, PEM)");
  const std::size_t split = end + end_of_key.size();
  crypto::P256PrivateKey key = TRY(crypto::P256PrivateKey::from_pem(text.substr(0, split)));
  mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(text.substr(split)));
  const std::shared_ptr<const mesh::OwnIdentity> own = credentials_.own();
  if (own != nullptr && own->chain == chain) return {};  // renewed by this process
  return put_on(std::move(chain), std::move(key));
}

Status IdentityDirectory::renew(const mesh::CertificateChain& chain,
                                const crypto::P256PrivateKey& key) {
  TRY(put_on(chain, key));
  return write_own(*disk_, key, chain);
}

std::vector<IdentityDirectory::Change> IdentityDirectory::refresh() {
  std::vector<Change> changes = trust_.refresh();
  Result<std::string> own = read_text(*disk_, identity_path);
  if (!own) {
    changes.push_back({disk_->display(identity_path), own.error()});
    return changes;
  }
  const crypto::Digest digest = crypto::sha256(as_bytes(*own));
  if (seen_ != digest) {
    seen_ = digest;
    const std::uint64_t before = credentials_.own() == nullptr ? 0 : credentials_.own()->version;
    Status taken = take_own(*own);
    if (!taken || credentials_.own()->version != before)
      changes.push_back({disk_->display(identity_path), std::move(taken)});
  }
  forget(*own);
  return changes;
}

std::vector<std::string> IdentityDirectory::authorities() const { return authorities_in(*disk_); }

std::vector<std::string> authorities_in(io::Disk& disk) {
  const Result<Buffer> bytes = io::read_file(disk, authority_path, identity_size_max);
  std::vector<std::string> addresses;
  if (!bytes) return addresses;
  std::istringstream lines{std::string(as_text(*bytes))};
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) addresses.push_back(line);
  return addresses;
}

Result<std::unique_ptr<io::DiskLock>> IdentityDirectory::lock_keeper() const {
  return disk_->lock(keeper_path);
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

Result<std::unique_ptr<HeldIdentity>> HeldIdentity::open(const std::string& directory,
                                                         metrics::Registry* metrics,
                                                         Notice notice) {
  std::unique_ptr<HeldIdentity> held(new HeldIdentity);
  held->directory_ = TRY(IdentityDirectory::open(directory, *held->clock_,
                                                 metrics == nullptr ? held->unseen_ : *metrics));
  held->id_ = held->directory_->id();
  held->notice_ = std::move(notice);
  held->executor_->post_after(IdentityDirectory::refresh_every,
                              [self = held.get()] { self->refresh(); });
  return held;
}

HeldIdentity::~HeldIdentity() {
  io::end_executor(executor_);
}  // finishes a refresh, drops the next

void HeldIdentity::run(const std::function<void(IdentityDirectory&)>& body) {
  executor_->post([this, &body] { body(*directory_); });
  executor_->drain();
}

void HeldIdentity::tell(const std::vector<IdentityDirectory::Change>& changes) const {
  for (const IdentityDirectory::Change& change : changes) notice_(change);
}

void HeldIdentity::refresh() {
  tell(directory_->refresh());
  executor_->post_after(IdentityDirectory::refresh_every, [this] { refresh(); });
}

}  // namespace meridian::app
