#include "mesh/link_security.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "mesh/internal/openssl.h"
#include "mesh/tls_context.h"

namespace meridian::mesh {
namespace {

/// What is kept of a peer while its link is open.
struct Judged {
  PeerIdentity identity;
  std::int64_t make_again_at;  ///< Seconds since 1970.
};

class LinkSecurity final : public io::LinkSecurity {
 public:
  LinkSecurity(const Credentials& credentials, std::vector<std::string> trust_domains)
      : credentials_(credentials), trust_domains_(std::move(trust_domains)) {}

  Result<io::TlsContext> context() override;
  Result<io::LinkPeer> judge(const ssl_st& link) override;
  Result<Advice> review(const io::LinkPeer& peer, const io::TlsContext& context) override;

 private:
  /// Which replica we are, as our certificate says.
  static Result<NodeName> own_node(const OwnIdentity* own);
  Status check_membership(const SpiffeId& id) const;

  const Credentials& credentials_;
  const std::vector<std::string> trust_domains_;
  std::mutex mutex_;  // guards the rest
  io::TlsContext context_;
  std::uint64_t version_ = 0;  // of the certificate that context_ shows
};

Result<NodeName> LinkSecurity::own_node(const OwnIdentity* own) {
  if (own == nullptr)
    return fail(Code::failed_precondition,
                "this replica has no certificate yet: enrol it with a join token");
  std::optional<NodeName> node = node_of(own->id);
  if (node.has_value()) return *node;
  return fail(Code::failed_precondition,
              fmt::format("the certificate of this process is of {}, and a replica's names its "
                          "cell and number: enrol it as a node",
                          format_spiffe_id(own->id)));
}

Result<io::TlsContext> LinkSecurity::context() {
  std::shared_ptr<const OwnIdentity> own = credentials_.own();
  TRY(own_node(own.get()));
  std::scoped_lock guard(mutex_);
  if (context_ != nullptr && version_ == own->version) return context_;
  TlsContext made = TRY(make_tls_context(credentials_, {}));
  // Who is refused is told why over the link, so everybody gets through a handshake.
  SSL_CTX* context = made.context.get();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(
      context, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  SSL_CTX_set_info_callback(context, nullptr);
  context_ = std::move(made.context);
  version_ = made.version;
  return context_;
}

Result<io::LinkPeer> LinkSecurity::judge(const ssl_st& link) {
  std::vector<Buffer> ders;
  if (X509* leaf = SSL_get0_peer_certificate(&link))
    ders.push_back(internal::to_der(i2d_X509, leaf));
  STACK_OF(X509)* shown = SSL_get_peer_cert_chain(&link);  // of a client it lacks the leaf
  for (int i = SSL_is_server(&link) == 1 ? 0 : 1; i < sk_X509_num(shown); ++i)
    ders.push_back(internal::to_der(i2d_X509, sk_X509_value(shown, i)));
  std::vector<Bytes> chain(ders.begin(), ders.end());
  WantedPeer wanted{
      .side = SSL_is_server(&link) == 1 ? WantedPeer::Side::client : WantedPeer::Side::server,
      .kinds = {IdKind::node}};
  PeerIdentity identity = TRY(credentials_.verify(chain, wanted));
  TRY(check_membership(identity.id));
  NodeName node = *node_of(identity.id);
  std::int64_t now = credentials_.now();
  std::int64_t make_again_at = now + (identity.not_after - now) / 2;
  std::string name = format_spiffe_id(identity.id);
  return io::LinkPeer{std::move(name), node.cell, io::PeerId{node.member},
                      std::make_shared<const Judged>(Judged{std::move(identity), make_again_at})};
}

Status LinkSecurity::check_membership(const SpiffeId& id) const {
  std::shared_ptr<const OwnIdentity> own = credentials_.own();
  NodeName ours = TRY(own_node(own.get()));
  std::optional<NodeName> node = node_of(id);
  if (!node.has_value() || node->cell != ours.cell)
    return fail(Code::permission_denied,
                fmt::format("{} is no replica of the cell of {}: check whom it was told to talk to",
                            format_spiffe_id(id), format_spiffe_id(own->id)));
  if (id.trust_domain != own->id.trust_domain &&
      std::ranges::find(trust_domains_, id.trust_domain) == trust_domains_.end())
    return fail(Code::permission_denied,
                fmt::format("{} is of a trust domain whose CA names no replicas of this cell: if "
                            "the cell spans that region, name it to {}",
                            format_spiffe_id(id), format_spiffe_id(own->id)));
  return {};
}

Result<io::LinkSecurity::Advice> LinkSecurity::review(const io::LinkPeer& peer,
                                                      const io::TlsContext& context) {
  const auto& judged = *static_cast<const Judged*>(peer.certificate.get());
  TRY(credentials_.check(judged.identity));
  if (credentials_.now() >= judged.make_again_at) return Advice::make_again;
  io::TlsContext newest = TRY(this->context());
  return newest == context ? Advice::go_on : Advice::make_again;
}

}  // namespace

std::shared_ptr<io::LinkSecurity> make_link_security(const Credentials& credentials,
                                                     std::vector<std::string> trust_domains) {
  return std::make_shared<LinkSecurity>(credentials, std::move(trust_domains));
}

}  // namespace meridian::mesh
