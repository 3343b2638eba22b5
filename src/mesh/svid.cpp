// The order of the checks decides which reason is told: first what the certificate is, then whose,
// then whether it is trusted, then when, then whether it is wanted.
//
//   shape of the leaf -> its one name -> bundle of its domain -> OpenSSL's walk -> deny list ->
//   wanted
#include "mesh/svid.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "mesh/internal/openssl.h"
#include "mesh/internal/time_text.h"

namespace meridian::mesh {
namespace {

constexpr std::array<std::string_view, refusal_reason_count> reason_names = {
    "no_certificate",  "malformed",
    "no_spiffe_id",    "several_sans",
    "not_a_leaf",      "wrong_usage",
    "weak_key",        "unknown_trust_domain",
    "self_signed",     "outside_constraints",
    "untrusted_chain", "not_yet_valid",
    "expired",         "denied",
    "wrong_kind"};

using Refused = tl::unexpected<Refusal>;
using Checked = tl::expected<void, Refusal>;

template <typename... Arguments>
Refused refuse(RefusalReason reason, fmt::format_string<Arguments...> format,
               Arguments&&... arguments) {
  ERR_clear_error();
  return Refused(Refusal{reason, fmt::format(format, std::forward<Arguments>(arguments)...)});
}

Refused refuse_expired(std::string_view who, std::int64_t not_after, std::int64_t now) {
  return refuse(RefusalReason::expired,
                "the certificate of {} ended at {} ({} ago by this clock): its holder renews at "
                "half-life; check that it reaches its CA, and the clocks of both",
                who, internal::utc_text(not_after), internal::span_text(now - not_after));
}

Refused refuse_not_yet(std::string_view who, std::int64_t not_before, std::int64_t now) {
  return refuse(
      RefusalReason::not_yet_valid,
      "the certificate of {} begins at {} (in {} by this clock): this clock is behind, or "
      "that of its CA is ahead",
      who, internal::utc_text(not_before), internal::span_text(not_before - now));
}

/// X509-SVID sections 2 to 4: what a leaf looks like.
Checked check_leaf(const Certificate& leaf) {
  X509* handle = leaf.handle();
  std::string who = leaf.describe();
  std::uint32_t flags = X509_get_extension_flags(handle);
  if ((flags & EXFLAG_INVALID) != 0 || X509_get_version(handle) != X509_VERSION_3)
    return refuse(RefusalReason::malformed,
                  "the certificate {} is not a well-formed X.509 certificate of version 3", who);
  std::uint32_t usage = X509_get_key_usage(handle);
  bool has_usage = (flags & EXFLAG_KUSAGE) != 0;
  if ((flags & EXFLAG_CA) != 0 || (has_usage && (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0))
    return refuse(RefusalReason::not_a_leaf,
                  "the certificate {} is a CA's: a peer shows one that was issued to it", who);
  internal::Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(handle, NID_subject_alt_name, nullptr, nullptr)));
  int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  if (count > 1)
    return refuse(RefusalReason::several_sans,
                  "the certificate {} has {} subject alternative names: a SPIFFE certificate has "
                  "exactly one, a URI",
                  who, count);
  if (!leaf.claimed_id().has_value())
    return refuse(RefusalReason::no_spiffe_id,
                  "the certificate {} has no SPIFFE id (spiffe://<domain>/…) as its subject "
                  "alternative name: it is not one of this mesh; get one with a join token",
                  who);
  if (leaf.claimed_id()->path.empty())
    return refuse(RefusalReason::no_spiffe_id,
                  "the certificate of {} names a trust domain and nobody in it", who);
  if (!has_usage || (usage & KU_DIGITAL_SIGNATURE) == 0)
    return refuse(RefusalReason::wrong_usage,
                  "the certificate of {} lacks the key usage digitalSignature", who);
  EVP_PKEY* key = X509_get0_pubkey(handle);
  if (!internal::is_p256(key))
    return refuse(RefusalReason::weak_key,
                  "the certificate of {} is for {}: only P-256 is accepted", who,
                  internal::describe_key(key));
  return {};
}

RefusalReason reason_of(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return RefusalReason::expired;
    case X509_V_ERR_CERT_NOT_YET_VALID: return RefusalReason::not_yet_valid;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return RefusalReason::self_signed;
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_SUBTREE_MINMAX: return RefusalReason::outside_constraints;
    case X509_V_ERR_INVALID_PURPOSE: return RefusalReason::wrong_usage;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: return RefusalReason::weak_key;
    default: return RefusalReason::untrusted_chain;
  }
}

Refused refuse_walk(X509_STORE_CTX* context, const Certificate& leaf, std::int64_t now) {
  int error = X509_STORE_CTX_get_error(context);
  int depth = X509_STORE_CTX_get_error_depth(context);
  std::string who = leaf.describe();
  const std::string& domain = leaf.claimed_id()->trust_domain;
  RefusalReason reason = reason_of(error);
  if (reason == RefusalReason::expired && depth == 0)
    return refuse_expired(who, leaf.not_after(), now);
  if (reason == RefusalReason::not_yet_valid && depth == 0)
    return refuse_not_yet(who, leaf.not_before(), now);
  const char* words = X509_verify_cert_error_string(error);
  if (reason == RefusalReason::expired || reason == RefusalReason::not_yet_valid)
    return refuse(reason,
                  "the CA that issued the certificate of {} is not valid now ({}): give {} a new "
                  "CA, and check the clocks",
                  who, words, domain);
  if (reason == RefusalReason::self_signed)
    return refuse(reason,
                  "the certificate of {} ends at one that signed itself and that the bundle of {} "
                  "does not hold: whoever made it is not a CA of this mesh",
                  who, domain);
  if (reason == RefusalReason::outside_constraints)
    return refuse(reason,
                  "the CA of the certificate of {} may not issue for that name ({}): if this is no "
                  "mistake, its key is in wrong hands",
                  who, words);
  if (reason == RefusalReason::wrong_usage && depth == 0)
    return refuse(
        reason,
        "the certificate of {} does not allow its holder to be a peer on this side ({}): one "
        "of this mesh is for servers and clients",
        who, words);
  if (reason == RefusalReason::weak_key)
    return refuse(reason,
                  "the chain of {} holds a key or a signature that is too weak ({}, depth {})", who,
                  words, depth);
  return refuse(reason,
                "the certificate of {} does not chain to an authority of {} ({}, at depth {}): if "
                "its CA is new, the bundle here is older than it",
                who, domain, words, depth);
}

/// RFC 5280 section 6, by OpenSSL. The fingerprint of the authority at the end.
tl::expected<crypto::Digest, Refusal> walk(std::span<const Certificate> chain,
                                           const TrustBundle& bundle, std::int64_t now,
                                           WantedPeer::Side side) {
  const Certificate& leaf = chain.front();
  internal::StoreContext context(X509_STORE_CTX_new());
  internal::CertificateStack others(sk_X509_new_null());
  ASSERT(context != nullptr);
  ASSERT(others != nullptr);
  for (const Certificate& certificate : chain.subspan(1))
    sk_X509_push(others.get(), certificate.handle());
  int ready = X509_STORE_CTX_init(context.get(), bundle.store(), leaf.handle(), others.get());
  ASSERT(ready == 1);
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_time(parameters, now);
  X509_VERIFY_PARAM_set_depth(parameters, static_cast<int>(chain_length_max));
  X509_VERIFY_PARAM_set_auth_level(parameters, 2);  // 112 bits: no SHA-1, no RSA below 2,048
  X509_VERIFY_PARAM_set_purpose(parameters, side == WantedPeer::Side::client
                                                ? X509_PURPOSE_SSL_CLIENT
                                                : X509_PURPOSE_SSL_SERVER);
  if (X509_verify_cert(context.get()) != 1) return refuse_walk(context.get(), leaf, now);
  STACK_OF(X509)* built = X509_STORE_CTX_get0_chain(context.get());
  // Never the leaf alone: it is no CA, and only CAs are in a bundle.
  ASSERT(sk_X509_num(built) >= 2);
  X509* last = sk_X509_value(built, sk_X509_num(built) - 1);
  crypto::Digest authority = crypto::sha256(internal::to_der(i2d_X509, last));
  ASSERT(bundle.has_authority(authority));
  return authority;
}

bool is_wanted(const SpiffeId& id, const WantedPeer& wanted) {
  if (wanted.id.has_value() && *wanted.id != id) return false;
  if (wanted.trust_domain.has_value() && *wanted.trust_domain != id.trust_domain) return false;
  return wanted.kinds.empty() || std::ranges::find(wanted.kinds, kind_of(id)) != wanted.kinds.end();
}

std::string wanted_text(const WantedPeer& wanted) {
  if (wanted.id.has_value()) return format_spiffe_id(*wanted.id);
  std::string text;
  for (IdKind kind : wanted.kinds) {
    if (!text.empty()) text += " or ";
    text += fmt::format("a {}", name(kind));
  }
  if (text.empty()) text = "anybody";
  if (wanted.trust_domain.has_value()) text += " of " + *wanted.trust_domain;
  return text;
}

}  // namespace

std::string_view name(RefusalReason reason) {
  return reason_names[static_cast<std::size_t>(reason)];
}

Error to_error(const Refusal& refusal) { return fail(Code::permission_denied, refusal.message); }

tl::expected<PeerIdentity, Refusal> check_peer(std::span<const Certificate> chain,
                                               const TrustBundles& bundles,
                                               const DenyLists& deny_lists, std::int64_t now,
                                               const WantedPeer& wanted) {
  if (chain.empty())
    return refuse(RefusalReason::no_certificate,
                  "the peer showed no certificate: nothing is answered without one");
  if (chain.size() > chain_length_max)
    return refuse(RefusalReason::malformed, "the peer showed {} certificates, more than {}",
                  chain.size(), chain_length_max);
  const Certificate& leaf = chain.front();
  if (Checked shape = check_leaf(leaf); !shape.has_value()) return Refused(shape.error());
  const SpiffeId& id = *leaf.claimed_id();
  const TrustBundle* bundle = bundles.find(id.trust_domain);
  if (bundle == nullptr)
    return refuse(
        RefusalReason::unknown_trust_domain,
        "there is no trust bundle for {} here, so {} cannot be checked: import the bundle "
        "of that domain if its peers are welcome",
        id.trust_domain, format_spiffe_id(id));
  tl::expected<crypto::Digest, Refusal> authority = walk(chain, *bundle, now, wanted.side);
  if (!authority.has_value()) return Refused(authority.error());
  Result<std::optional<PersonEvidence>> evidence = person_evidence_of(leaf);
  if (!evidence.has_value() || (evidence->has_value() && kind_of(id) != IdKind::person))
    return refuse(RefusalReason::malformed, "the certificate of {}: {}", format_spiffe_id(id),
                  evidence.has_value() ? "it tells how a person signed in, and is of none"
                                       : evidence.error().message);
  PeerIdentity peer{id,         leaf.serial(),    leaf.fingerprint(),
                    *authority, leaf.not_after(), *std::move(evidence)};
  Checked still = check_still(peer, bundles, deny_lists, now);
  if (!still.has_value()) return Refused(still.error());
  if (!is_wanted(id, wanted))
    return refuse(RefusalReason::wrong_kind, "the peer is {}, and {} is expected here",
                  format_spiffe_id(id), wanted_text(wanted));
  return peer;
}

tl::expected<void, Refusal> check_still(const PeerIdentity& peer, const TrustBundles& bundles,
                                        const DenyLists& deny_lists, std::int64_t now) {
  if (now >= peer.not_after) return refuse_expired(format_spiffe_id(peer.id), peer.not_after, now);
  const TrustBundle* bundle = bundles.find(peer.id.trust_domain);
  if (bundle == nullptr || !bundle->has_authority(peer.authority))
    return refuse(RefusalReason::untrusted_chain,
                  "the CA that issued the certificate of {} is no authority of {} any more: its "
                  "holder needs a certificate of the new one",
                  format_spiffe_id(peer.id), peer.id.trust_domain);
  if (const DenyEntry* entry = deny_lists.find(peer.serial, peer.id))
    return refuse(RefusalReason::denied, "{} (serial {}) is on the deny list since {}, as {}: {}",
                  format_spiffe_id(peer.id), peer.serial, internal::utc_text(entry->since),
                  entry->subject, entry->reason.empty() ? "no reason given" : entry->reason);
  return {};
}

}  // namespace meridian::mesh
