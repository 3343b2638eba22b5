// Who is at the other end of a link: what os_network() asks before it talks, and while it does.
//
// io knows no identities: mesh/link_security.h makes this from a process's credentials. Without it
// links are in plaintext. With it every link is TLS 1.3, both ends show a certificate, and nothing
// of a link is read or sent, but the reason of a refusal, before judge() has said who that is.
// Thread-safe; called on the thread of the sockets, so it must be quick (judge(): some 100 us).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/u128.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX
struct ssl_st;      // OpenSSL's SSL

namespace meridian::io {

enum class PeerId : std::uint64_t;

using TlsContext = std::shared_ptr<ssl_ctx_st>;

/// The other end of a link, as its certificate says.
struct LinkPeer {
  std::string name;  ///< For people: its SPIFFE id.
  u128 cell = 0;
  PeerId id{};
  std::shared_ptr<const void> certificate;  ///< For review(): whatever judge() wants to know again.
};

class LinkSecurity {
 public:
  virtual ~LinkSecurity() = default;

  /// What a handshake that begins now uses on either side: our certificate and key of now. It lets
  /// every certificate of the other side pass, and none at all: judge() comes after, so that a
  /// refusal travels in words. The same pointer until our certificate is another. TLS 1.3, no
  /// tickets and no early data are enforced by who uses it. Errors: failed_precondition while there
  /// is no certificate to show.
  virtual Result<TlsContext> context() = 0;

  /// After a handshake: who the other side is. Errors: permission_denied, with what the operator of
  /// the other side can do about it.
  virtual Result<LinkPeer> judge(const ssl_st& link) = 0;

  enum class Advice : std::uint8_t {
    go_on,
    make_again,  ///< A certificate of either side ends before long: the same link by a new one.
  };
  /// About a link that is open, made with `context`; asked about every second. Errors:
  /// permission_denied if it may not go on: the certificate ended, or is denied since.
  virtual Result<Advice> review(const LinkPeer& peer, const TlsContext& context) = 0;
};

}  // namespace meridian::io
