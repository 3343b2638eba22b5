#include "mesh/svid.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <set>

#include "mesh/internal/certificate_rig.h"
#include "mesh/internal/openssl.h"

namespace meridian::mesh {
namespace {

using namespace internal;
using Type = GeneralName::Type;

class Svid : public ::testing::Test {
 protected:
  Holder root_ = self_signed(root_spec());
  Region west_ = Region::make(root_, "eu-west.bank.example");
  Region east_ = Region::make(root_, "eu-east.bank.example");
  TrustBundles bundles_ = value_of(value_of(TrustBundles().with(west_.bundle)).with(east_.bundle));
  DenyLists deny_lists_;

  tl::expected<PeerIdentity, Refusal> check(const CertificateChain& chain,
                                            const WantedPeer& wanted = {},
                                            std::int64_t now = rig_now) {
    auto checked = check_peer(chain, bundles_, deny_lists_, now, wanted);
    EXPECT_EQ(ERR_peek_error(), 0UL) << "nothing stays in OpenSSL's error queue";
    return checked;
  }
  void expect_refused(const CertificateChain& chain, RefusalReason reason,
                      std::string_view words = "", const WantedPeer& wanted = {},
                      std::int64_t now = rig_now) {
    auto checked = check(chain, wanted, now);
    ASSERT_FALSE(checked.has_value()) << "accepted, expected " << name(reason);
    EXPECT_EQ(name(checked.error().reason), name(reason)) << checked.error().message;
    EXPECT_NE(checked.error().message.find(words), std::string::npos) << checked.error().message;
  }
  void deny(std::vector<DenyEntry> entries) {
    deny_lists_ =
        value_of(DenyLists().with(value_of(DenyList::make(west_.domain, 1, std::move(entries)))));
  }
  Holder issue(const CertificateSpec& spec) { return signed_by(west_.authority, spec); }
  CertificateSpec good() { return leaf_spec(west_.uri("/service/payments")); }
};

TEST_F(Svid, a_good_certificate_says_who_holds_it_on_either_side) {
  Holder leaf = west_.leaf("/service/payments");
  for (WantedPeer::Side side : {WantedPeer::Side::client, WantedPeer::Side::server}) {
    auto peer = check({leaf.certificate}, {.side = side});
    ASSERT_TRUE(peer.has_value()) << peer.error().message;
    EXPECT_EQ(format_spiffe_id(peer->id), "spiffe://eu-west.bank.example/service/payments");
    EXPECT_EQ(peer->serial, leaf.certificate.serial());
    EXPECT_EQ(peer->fingerprint, leaf.certificate.fingerprint());
    EXPECT_EQ(peer->authority, west_.authority.certificate.fingerprint());
    EXPECT_EQ(peer->not_after, rig_now + 3600);
  }
  EXPECT_TRUE(check({leaf.certificate, west_.authority.certificate}).has_value());
  EXPECT_TRUE(
      check({leaf.certificate, west_.authority.certificate, root_.certificate}).has_value());
  EXPECT_TRUE(check({leaf.certificate, east_.authority.certificate}).has_value());
}

TEST_F(Svid, no_certificate_and_too_many_are_refused) {
  expect_refused({}, RefusalReason::no_certificate);
  Holder leaf = west_.leaf("/service/payments");
  expect_refused(CertificateChain(chain_length_max + 1, leaf.certificate),
                 RefusalReason::malformed);
}

TEST_F(Svid, time_is_checked_to_the_second_and_told) {
  Holder leaf = west_.leaf("/node/x");
  CertificateChain chain = {leaf.certificate};
  EXPECT_TRUE(check(chain, {}, rig_now - 60).has_value());
  expect_refused(chain, RefusalReason::not_yet_valid, "2023-11-14 22:12:20 UTC (in 1 s by", {},
                 rig_now - 61);
  EXPECT_TRUE(check(chain, {}, rig_now + 3599).has_value());
  expect_refused(chain, RefusalReason::expired, "(0 s ago", {}, rig_now + 3600);
  expect_refused(chain, RefusalReason::expired,
                 "spiffe://eu-west.bank.example/node/x ended at 2023-11-14 23:13:20 UTC (1 s ago",
                 {}, rig_now + 3601);
  expect_refused(chain, RefusalReason::expired, "(3 h ago by this clock)", {},
                 rig_now + 3600 * 4 + 5);
}

TEST_F(Svid, a_ca_that_has_ended_issues_nothing_valid) {
  CertificateSpec spec = good();
  spec.not_after = rig_now + 86400L * 400;
  expect_refused({issue(spec).certificate}, RefusalReason::expired, "new CA", {},
                 rig_now + 86400L * 366);
}

TEST_F(Svid, names_other_than_one_spiffe_id_are_refused) {
  struct Case {
    std::vector<GeneralName> names;
    RefusalReason reason;
  };
  const std::string uri = west_.uri("/service/payments");
  for (const Case& item : std::initializer_list<Case>{
           {{}, RefusalReason::no_spiffe_id},
           {{{Type::dns, "db.bank.example"}}, RefusalReason::no_spiffe_id},
           {{{Type::email, "a@bank.example"}}, RefusalReason::no_spiffe_id},
           {{{Type::ip, std::string(4, '\1')}}, RefusalReason::no_spiffe_id},
           {{{Type::uri, "https://eu-west.bank.example/x"}}, RefusalReason::no_spiffe_id},
           {{{Type::uri, "spiffe://eu-west.bank.example"}}, RefusalReason::no_spiffe_id},
           {{{Type::uri, "spiffe://EU-west.bank.example/x"}}, RefusalReason::no_spiffe_id},
           {{{Type::uri, std::string("spiffe://eu-west.bank.example/x\0y", 33)}},
            RefusalReason::no_spiffe_id},
           {{{Type::uri, uri}, {Type::uri, west_.uri("/service/other")}},
            RefusalReason::several_sans},
           {{{Type::uri, uri}, {Type::dns, "localhost"}}, RefusalReason::several_sans},
           {{{Type::uri, uri}, {Type::email, "a@bank.example"}}, RefusalReason::several_sans},
           {{{Type::dns, "localhost"}, {Type::uri, uri}}, RefusalReason::several_sans}}) {
    CertificateSpec spec = good();
    spec.common_name = "payments";  // an empty subject with no name would be malformed besides
    spec.alternative_names = item.names;
    expect_refused({issue(spec).certificate}, item.reason);
  }
}

TEST_F(Svid, a_ca_is_not_a_peer) {
  expect_refused({west_.authority.certificate}, RefusalReason::not_a_leaf);
  CertificateSpec spec = good();
  spec.basic_constraints = "critical,CA:TRUE";
  spec.key_usage = "critical,digitalSignature,keyCertSign";
  expect_refused({issue(spec).certificate}, RefusalReason::not_a_leaf);
  spec.key_usage = "critical,digitalSignature";
  expect_refused({issue(spec).certificate}, RefusalReason::not_a_leaf);
  spec = good();
  spec.key_usage = "critical,digitalSignature,keyCertSign";
  expect_refused({issue(spec).certificate}, RefusalReason::not_a_leaf);
  spec.key_usage = "critical,digitalSignature,cRLSign";
  expect_refused({issue(spec).certificate}, RefusalReason::not_a_leaf);
}

TEST_F(Svid, usages_must_fit_the_side) {
  CertificateSpec spec = good();
  spec.extended_key_usage = "serverAuth";
  Holder server = issue(spec);
  EXPECT_TRUE(check({server.certificate}, {.side = WantedPeer::Side::server}).has_value());
  expect_refused({server.certificate}, RefusalReason::wrong_usage, "on this side",
                 {.side = WantedPeer::Side::client});
  spec.extended_key_usage = "clientAuth";
  expect_refused({issue(spec).certificate}, RefusalReason::wrong_usage, "",
                 {.side = WantedPeer::Side::server});
  spec.extended_key_usage = "codeSigning";
  expect_refused({issue(spec).certificate}, RefusalReason::wrong_usage);
  spec = good();
  spec.key_usage = "critical,keyAgreement";
  expect_refused({issue(spec).certificate}, RefusalReason::wrong_usage, "digitalSignature");
  spec.key_usage = "";
  expect_refused({issue(spec).certificate}, RefusalReason::wrong_usage, "digitalSignature");
}

TEST_F(Svid, keys_other_than_p256_are_refused_by_name) {
  struct Case {
    PublicKey key;
    std::string_view words;
  };
  Case cases[] = {{PublicKey(EVP_RSA_gen(1024)), "RSA of 1024 bits"},
                  {PublicKey(EVP_RSA_gen(2048)), "RSA of 2048 bits"},
                  {PublicKey(EVP_EC_gen("P-384")), "EC of 384 bits"},
                  {PublicKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")), "ED25519"}};
  for (const Case& item : cases) {
    Certificate leaf = value_of(build_certificate(
        good(), item.key.get(), &west_.authority.certificate, west_.authority.key.handle()));
    expect_refused({leaf}, RefusalReason::weak_key, item.words);
  }
}

TEST_F(Svid, a_domain_without_a_bundle_is_unknown) {
  Region dev = Region::make(root_, "dev.invalid");
  expect_refused({dev.leaf("/node/x").certificate}, RefusalReason::unknown_trust_domain,
                 "dev.invalid");
}

TEST_F(Svid, who_signs_themselves_is_refused) {
  expect_refused({self_signed(good()).certificate}, RefusalReason::self_signed);
  Holder mallory = self_signed(authority_spec(west_.domain));
  Holder leaf = signed_by(mallory, good());
  expect_refused({leaf.certificate, mallory.certificate}, RefusalReason::self_signed);
  expect_refused({leaf.certificate}, RefusalReason::untrusted_chain);
}

TEST_F(Svid, the_root_itself_vouches_for_nobody) {
  Holder leaf = signed_by(root_, good());
  expect_refused({leaf.certificate}, RefusalReason::untrusted_chain);
  // The root is known to openssl as self-signed and not as an authority.
  expect_refused({leaf.certificate, root_.certificate}, RefusalReason::self_signed);
}

TEST_F(Svid, a_changed_byte_anywhere_is_refused) {
  Holder leaf = west_.leaf("/service/payments");
  Buffer der = to_buffer(leaf.certificate.der());
  int parsed = 0;
  for (std::size_t bit = 0; bit < der.size() * 8; bit += 3) {
    Buffer changed = der;
    changed[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    Result<Certificate> read = Certificate::from_der(changed);
    if (!read.has_value()) continue;
    ++parsed;
    EXPECT_FALSE(check({*read}).has_value()) << bit;
  }
  EXPECT_GT(parsed, 100);
}

TEST_F(Svid, a_stolen_regional_key_forges_nothing_outside_its_domain) {
  // A foreign URI: judged by the bundle of its own domain, where this CA is unknown...
  Holder foreign = issue(leaf_spec(east_.uri("/node/x")));
  expect_refused({foreign.certificate, west_.authority.certificate},
                 RefusalReason::untrusted_chain);
  // ...and even if it were known there, it is not permitted to. A bundle refuses to be made so,
  // therefore OpenSSL alone is asked here.
  Store store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), west_.authority.certificate.handle());
  StoreContext context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), foreign.certificate.handle(), nullptr);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_PARTIAL_CHAIN);
  X509_STORE_CTX_set_time(context.get(), 0, rig_now);
  EXPECT_EQ(X509_verify_cert(context.get()), 0);
  EXPECT_EQ(X509_STORE_CTX_get_error(context.get()), X509_V_ERR_PERMITTED_VIOLATION);
  ERR_clear_error();

  // An intermediate without constraints below it: its path length is 0.
  CertificateSpec below = root_spec();
  below.common_name = "below";
  below.basic_constraints = "critical,CA:TRUE";
  Holder intermediate = issue(below);
  Holder leaf = signed_by(intermediate, leaf_spec(east_.uri("/node/x")));
  expect_refused({leaf.certificate, intermediate.certificate, west_.authority.certificate},
                 RefusalReason::untrusted_chain);
  Holder own = signed_by(intermediate, good());
  expect_refused({own.certificate, intermediate.certificate, west_.authority.certificate},
                 RefusalReason::untrusted_chain, "path length");

  // The same name and key as the root or the other CA, signed by itself and without constraints.
  for (const Certificate* copied : {&root_.certificate, &east_.authority.certificate}) {
    CertificateSpec again = root_spec();
    again.common_name =
        copied == &root_.certificate ? "Example Bank root" : "CA of " + east_.domain;
    Certificate reissued = value_of(build_certificate(again, west_.authority.key.handle(), nullptr,
                                                      west_.authority.key.handle()));
    Holder forger{reissued, west_.authority.key};
    Holder forged = signed_by(forger, leaf_spec(east_.uri("/node/x")));
    auto checked = check({forged.certificate, reissued});
    ASSERT_FALSE(checked.has_value());
    EXPECT_TRUE(checked.error().reason == RefusalReason::self_signed ||
                checked.error().reason == RefusalReason::untrusted_chain)
        << name(checked.error().reason);
  }
}

TEST_F(Svid, who_is_denied_is_refused_with_the_reason) {
  Holder leaf = west_.leaf("/service/payments");
  for (const std::string& subject : {leaf.certificate.serial(), west_.uri("/service/payments"),
                                     west_.uri("/service/*"), west_.uri("/*")}) {
    deny({{subject, "laptop stolen", rig_now - 5}});
    expect_refused({leaf.certificate}, RefusalReason::denied, "laptop stolen");
  }
  for (const std::string& subject : {std::string("00"), west_.uri("/service/payment"),
                                     west_.uri("/service/payments/*"), west_.uri("/node/*")}) {
    deny({{subject, "", 0}});
    EXPECT_TRUE(check({leaf.certificate}).has_value()) << subject;
  }
}

TEST_F(Svid, the_list_of_another_region_denies_nobody_here) {
  Holder leaf = west_.leaf("/service/payments");
  deny_lists_ = value_of(DenyLists().with(
      value_of(DenyList::make(east_.domain, 1, {{leaf.certificate.serial(), "", 0}}))));
  EXPECT_TRUE(check({leaf.certificate}).has_value());
}

TEST_F(Svid, who_is_not_wanted_is_refused) {
  Holder leaf = west_.leaf("/service/payments");
  CertificateChain chain = {leaf.certificate};
  EXPECT_TRUE(check(chain, {.kinds = {IdKind::node, IdKind::service}}).has_value());
  expect_refused(chain, RefusalReason::wrong_kind, "a node or a gateway is expected",
                 {.kinds = {IdKind::node, IdKind::gateway}});
  SpiffeId id{west_.domain, "/service/payments"};
  EXPECT_TRUE(check(chain, {.id = id}).has_value());
  id.path += "2";
  expect_refused(chain, RefusalReason::wrong_kind, "payments2 is expected", {.id = id});
  EXPECT_TRUE(check(chain, {.trust_domain = west_.domain}).has_value());
  expect_refused(chain, RefusalReason::wrong_kind, "anybody of eu-east.bank.example",
                 {.trust_domain = east_.domain});
}

TEST_F(Svid, an_open_connection_ends_with_certificate_authority_and_denial) {
  Holder leaf = west_.leaf("/service/payments");
  auto peer = check({leaf.certificate});
  ASSERT_TRUE(peer.has_value());
  EXPECT_TRUE(check_still(*peer, bundles_, deny_lists_, peer->not_after - 1).has_value());
  auto expired = check_still(*peer, bundles_, deny_lists_, peer->not_after);
  ASSERT_FALSE(expired.has_value());
  EXPECT_EQ(expired.error().reason, RefusalReason::expired);

  Holder next = signed_by(root_, authority_spec(west_.domain));
  TrustBundle both = value_of(TrustBundle::make(
      west_.domain, {west_.authority.certificate, next.certificate}, {root_.certificate}));
  TrustBundle after =
      value_of(TrustBundle::make(west_.domain, {next.certificate}, {root_.certificate}));
  EXPECT_TRUE(check_still(*peer, value_of(bundles_.with(both)), deny_lists_, rig_now).has_value());
  auto gone = check_still(*peer, value_of(bundles_.with(after)), deny_lists_, rig_now);
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().reason, RefusalReason::untrusted_chain);

  deny({{peer->serial, "", 0}});
  auto denied = check_still(*peer, bundles_, deny_lists_, rig_now);
  ASSERT_FALSE(denied.has_value());
  EXPECT_EQ(denied.error().reason, RefusalReason::denied);
}

TEST_F(Svid, every_reason_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < refusal_reason_count; ++i)
    names.insert(name(static_cast<RefusalReason>(i)));
  EXPECT_EQ(names.size(), refusal_reason_count);
  EXPECT_EQ(name(RefusalReason::wrong_kind), "wrong_kind");
  EXPECT_EQ(name(RefusalReason::outside_constraints), "outside_constraints");
}

}  // namespace
}  // namespace meridian::mesh
