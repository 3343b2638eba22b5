#include "mesh/trust_bundle.h"

#include <gtest/gtest.h>

#include "crypto/base64.h"
#include "mesh/internal/certificate_rig.h"

namespace meridian::mesh {
namespace {

using namespace internal;

const std::string domain = "eu-west.bank.example";

proof::Signer signer(const std::string& name) {
  crypto::Digest seed = crypto::sha256(as_bytes(name));
  return {name, proof::KeyType::ed25519, seed};
}

std::string base64_of(const Certificate& certificate) {
  return crypto::to_base64(certificate.der());
}

class TrustBundleTest : public ::testing::Test {
 protected:
  Holder root_ = self_signed(root_spec());
  Holder ca_ = signed_by(root_, authority_spec(domain));
  Holder next_ca_ = signed_by(root_, authority_spec(domain));
  AcceptedBundle first_ = value_of(accept_first());

  TrustBundleDocument document() {
    return {.trust_domain = domain,
            .sequence = 1,
            .previous = {},
            .roots = {root_.certificate},
            .authorities = {ca_.certificate},
            .officers = {key("erika"), key("max"), key("ana")},
            .announcers = {key("ca-1")}};
  }
  static proof::VerifierKey key(const std::string& name) { return signer(name).verifier(); }
  TrustBundleDocument second() {
    TrustBundleDocument next = document();
    next.sequence = 2;
    next.previous = first_.digest();
    next.authorities = {ca_.certificate, next_ca_.certificate};
    return next;
  }
  static std::string sign_text(const std::string& text, const std::vector<std::string>& names) {
    proof::Note note{text, {}};
    for (const std::string& name : names)
      note.signatures.push_back(*proof::sign_note(text, signer(name)));
    return proof::format_note(note);
  }
  static std::string sign(const TrustBundleDocument& document,
                          const std::vector<std::string>& names = {"ca-1", "erika", "max"}) {
    return sign_text(value_of(format_trust_bundle(document)), names);
  }
  Result<AcceptedBundle> accept_first(const std::vector<std::string>& names = {"ca-1", "erika",
                                                                               "max"}) {
    std::string text = value_of(format_trust_bundle(document()));
    return AcceptedBundle::first(sign_text(text, names), crypto::sha256(as_bytes(text)));
  }
  void expect_refused(const std::string& note, Code code, std::string_view words) {
    Result<AcceptedBundle> next = first_.next(note);
    ASSERT_FALSE(next.has_value()) << words;
    EXPECT_EQ(name(next.error().code), name(code)) << next.error().message;
    EXPECT_NE(next.error().message.find(words), std::string::npos) << next.error().message;
  }
};

TEST_F(TrustBundleTest, a_successor_signed_by_announcer_and_two_officers_is_accepted) {
  EXPECT_TRUE(first_.bundle().has_authority(ca_.certificate.fingerprint()));
  AcceptedBundle second_bundle = value_of(first_.next(sign(second())));
  EXPECT_TRUE(second_bundle.bundle().has_authority(next_ca_.certificate.fingerprint()));
  EXPECT_EQ(second_bundle.document(), second());
  TrustBundleDocument third = second();
  third.sequence = 3;
  third.previous = second_bundle.digest();
  third.authorities = {next_ca_.certificate};
  AcceptedBundle last = value_of(second_bundle.next(sign(third, {"ana", "ca-1", "erika"})));
  EXPECT_FALSE(last.bundle().has_authority(ca_.certificate.fingerprint()));
  EXPECT_EQ(value_of(AcceptedBundle::from_kept(last.note())).document(), third);
}

TEST_F(TrustBundleTest, the_first_is_taken_only_as_what_was_compared) {
  std::string text = value_of(format_trust_bundle(document()));
  std::string note = sign_text(text, {"ca-1", "erika", "max"});
  EXPECT_FALSE(AcceptedBundle::first(note, {}).has_value());
  EXPECT_FALSE(accept_first({"ca-1", "erika"}).has_value());
  EXPECT_FALSE(accept_first({"max", "erika"}).has_value());
  std::string later = value_of(format_trust_bundle(second()));
  EXPECT_FALSE(AcceptedBundle::first(sign_text(later, {"ca-1", "erika", "max"}),
                                     crypto::sha256(as_bytes(later)))
                   .has_value());
}

TEST_F(TrustBundleTest, who_was_told_a_digest_takes_that_one_only) {
  AcceptedBundle second_bundle = value_of(first_.next(sign(second())));
  AcceptedBundle told =
      value_of(AcceptedBundle::with_digest(second_bundle.note(), second_bundle.digest()));
  EXPECT_EQ(told.document(), second());
  EXPECT_EQ(AcceptedBundle::with_digest(first_.note(), second_bundle.digest()).error().code,
            Code::permission_denied);
}

TEST_F(TrustBundleTest, a_stolen_ca_cannot_push_a_bundle) {
  // Whoever has the CA has its announcing key, and no officer's.
  expect_refused(sign(second(), {"ca-1"}), Code::permission_denied, "0 of the officers");
  expect_refused(sign(second(), {"ca-1", "erika"}), Code::permission_denied, "1 of the officers");
  expect_refused(sign(second(), {"ca-1", "erika", "erika"}), Code::permission_denied,
                 "1 of the officers");
  expect_refused(sign(second(), {"ca-1", "ca-1", "ca-1"}), Code::permission_denied,
                 "0 of the officers");
  expect_refused(sign(second(), {"erika", "max", "ana"}), Code::permission_denied,
                 "no announcing key");
  // Keys that the pushed bundle itself brings along count for nothing.
  TrustBundleDocument pushed = second();
  pushed.officers = {key("mallory"), key("eve")};
  expect_refused(sign(pushed, {"ca-1", "mallory", "eve"}), Code::permission_denied,
                 "0 of the officers");
  // Even with two officers deceived: no other root, and nothing that is not below it.
  Holder forged_root = self_signed(root_spec());
  Holder forged = signed_by(forged_root, authority_spec(domain));
  pushed = second();
  pushed.roots = {forged_root.certificate};
  pushed.authorities = {forged.certificate};
  expect_refused(sign(pushed), Code::permission_denied, "roots are not those");
  pushed.roots = {root_.certificate};
  EXPECT_FALSE(format_trust_bundle(pushed).has_value());
  std::string text = value_of(format_trust_bundle(second()));
  std::string theirs = base64_of(forged.certificate);
  std::string ours = base64_of(next_ca_.certificate);
  text.replace(text.find(ours), ours.size(), theirs);
  expect_refused(sign_text(text, {"ca-1", "erika", "max"}), Code::permission_denied,
                 "does not chain");
}

TEST_F(TrustBundleTest, one_wrong_signature_of_a_known_key_spoils_the_rest) {
  const std::string text = value_of(format_trust_bundle(second()));
  proof::Note note{text, {}};
  for (const char* name : {"ca-1", "erika", "max", "ana"})
    note.signatures.push_back(*proof::sign_note(text, signer(name)));
  ASSERT_TRUE(first_.next(proof::format_note(note)).has_value());
  note.signatures.back().signature[0] ^= 1;
  expect_refused(proof::format_note(note), Code::permission_denied,
                 "the signature of ana is wrong");
}

TEST_F(TrustBundleTest, an_authority_without_constraints_is_refused_in_any_bundle) {
  CertificateSpec spec = authority_spec(domain);
  spec.name_constraints.reset();
  Holder loose = signed_by(root_, spec);
  TrustBundleDocument next = second();
  next.authorities = {loose.certificate};
  EXPECT_EQ(format_trust_bundle(next).error().code, Code::permission_denied);
  std::string text = value_of(format_trust_bundle(second()));
  std::string ours = base64_of(next_ca_.certificate);
  text.replace(text.find(ours), ours.size(), base64_of(loose.certificate));
  expect_refused(sign_text(text, {"ca-1", "erika", "max"}), Code::permission_denied,
                 "name constraints");
}

TEST_F(TrustBundleTest, only_the_next_of_the_same_chain_follows) {
  expect_refused(first_.note(), Code::failed_precondition, "number 2 comes next");
  TrustBundleDocument gap = second();
  gap.sequence = 3;
  expect_refused(sign(gap), Code::failed_precondition, "number 2 comes next");
  TrustBundleDocument fork = second();
  fork.previous[0] ^= 1;
  expect_refused(sign(fork), Code::permission_denied, "follows another bundle");
  Holder other_ca = signed_by(root_, authority_spec("eu-east.bank.example"));
  TrustBundleDocument other = second();
  other.trust_domain = "eu-east.bank.example";
  other.authorities = {other_ca.certificate};
  expect_refused(sign(other), Code::permission_denied, "not a bundle of eu-west");
}

TEST_F(TrustBundleTest, keys_are_distinct_and_within_bounds) {
  auto refused = [&](auto change) {
    TrustBundleDocument changed = second();
    change(changed);
    return !format_trust_bundle(changed).has_value();
  };
  using Document = TrustBundleDocument;
  EXPECT_FALSE(refused([](Document&) {}));
  EXPECT_TRUE(refused([](Document& d) { d.officers.resize(1); }));
  EXPECT_TRUE(refused([](Document& d) { d.announcers.clear(); }));
  EXPECT_TRUE(refused([](Document& d) { d.officers.push_back(d.officers[0]); }));
  EXPECT_TRUE(refused([](Document& d) {  // one person as two
    d.officers[1] = d.officers[0];
    d.officers[1].name = "somebody.else";
  }));
  EXPECT_TRUE(refused([](Document& d) { d.announcers[0] = d.officers[0]; }));
  EXPECT_TRUE(refused([](Document& d) { d.officers[0].type = proof::KeyType::cosignature; }));
  EXPECT_TRUE(refused([](Document& d) { d.sequence = 0; }));
  EXPECT_TRUE(refused([](Document& d) { d.sequence = 1; }));
  EXPECT_TRUE(refused([](Document& d) { d.previous = {}; }));
  EXPECT_TRUE(refused([](Document& d) { d.authorities.clear(); }));
  EXPECT_TRUE(refused([](Document& d) { d.roots.clear(); }));
}

TEST_F(TrustBundleTest, changed_bits_are_refused_and_there_is_one_text) {
  const std::string note = sign(second());
  ASSERT_TRUE(first_.next(note).has_value());
  for (std::size_t bit = 0; bit < note.size() * 8; bit += 5) {
    std::string changed = note;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    Result<AcceptedBundle> accepted = first_.next(changed);
    EXPECT_FALSE(accepted.has_value()) << bit;
  }
  const std::string text = value_of(format_trust_bundle(second()));
  EXPECT_EQ(value_of(parse_trust_bundle(text)), second());
  std::size_t officer = text.find("officer ");
  std::size_t announcer = text.find("announcer ");
  for (const std::string& changed :
       {std::string(), text + "\n", text + "officer x\n", text.substr(0, text.size() - 1),
        text.substr(0, officer) + text.substr(announcer) +
            text.substr(officer, announcer - officer),
        text.substr(0, officer) + " " + text.substr(officer)})
    EXPECT_FALSE(parse_trust_bundle(changed).has_value());
}

}  // namespace
}  // namespace meridian::mesh
