#include "mesh/signed_deny_list.h"

#include <gtest/gtest.h>

#include "mesh/internal/certificate_rig.h"

namespace meridian::mesh {
namespace {

using internal::value_of;

const std::string domain = "eu-west.bank.example";

proof::Signer signer(std::string_view name, Byte seed) {
  std::array<Byte, 32> bytes{};
  bytes.fill(seed);
  return {std::string(name), proof::KeyType::ed25519, bytes};
}
DenyList sample() {
  return value_of(DenyList::make(
      domain, 7,
      {{"spiffe://" + domain + "/service/*", "all of them", 1700000000}, {"40aa", "", 0}}));
}
const std::string sample_text =
    "meridian.deny-list/1\neu-west.bank.example 7\n40aa 0\n"
    "spiffe://eu-west.bank.example/service/* 1700000000 all of them\n";

TEST(SignedDenyList, its_bytes_are_those_of_the_document) {
  EXPECT_EQ(format_deny_list(sample()), sample_text);
  EXPECT_EQ(value_of(parse_deny_list(sample_text)), sample());
}

TEST(SignedDenyList, only_the_announcers_of_its_domain_are_heard) {
  proof::Signer ca = signer("ca.example", 1);
  proof::Signer other = signer("other.example", 2);
  std::string note = *sign_deny_list(sample(), ca);
  std::vector<proof::VerifierKey> keys = {other.verifier(), ca.verifier()};
  EXPECT_EQ(value_of(verify_deny_list(note, domain, keys)), sample());
  EXPECT_EQ(verify_deny_list(note, "eu-east.bank.example", keys).error().code,
            Code::permission_denied);
  keys.pop_back();
  EXPECT_EQ(verify_deny_list(note, domain, keys).error().code, Code::permission_denied);
  // The same name under another key: it claims nothing about this one.
  keys = {signer("ca.example", 3).verifier()};
  EXPECT_EQ(verify_deny_list(note, domain, keys).error().code, Code::permission_denied);
}

TEST(SignedDenyList, every_flipped_bit_is_refused) {
  proof::Signer ca = signer("ca.example", 1);
  std::vector<proof::VerifierKey> keys = {ca.verifier()};
  const std::string note = *sign_deny_list(sample(), ca);
  for (std::size_t bit = 0; bit < note.size() * 8; ++bit) {
    std::string changed = note;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(verify_deny_list(changed, domain, keys).has_value()) << bit;
  }
}

TEST(SignedDenyList, there_is_one_text_for_a_list) {
  const std::string head = "meridian.deny-list/1\neu-west.bank.example 7\n";
  EXPECT_TRUE(parse_deny_list(head).has_value());
  for (const std::string& text :
       {std::string(), std::string("meridian.deny-list/2\neu-west.bank.example 7\n"),
        std::string("meridian.deny-list/1\neu-west.bank.example 07\n"),
        std::string("meridian.deny-list/1\neu-west.bank.example  7\n"),
        std::string("meridian.deny-list/1\nBank 7\n"), head + "40aa 0", head + "40aa\n",
        head + "40aa 0 \n", head + "40aa 00\n", head + "\n", head + "40aa 0\n40aa 1\n",
        head + "50aa 0\n40aa 0\n", head + "40AA 0\n"})
    EXPECT_FALSE(parse_deny_list(text).has_value()) << text;
}

}  // namespace
}  // namespace meridian::mesh
