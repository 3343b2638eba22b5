// The golden files of docs/formats/journal.md and trust_bundle.md: made once, never to change.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "mesh/internal/certificate_rig.h"
#include "mesh/issuance_journal.h"
#include "mesh/join_token.h"
#include "mesh/person_evidence.h"
#include "mesh/signed_deny_list.h"
#include "mesh/trust_bundle.h"

namespace meridian::mesh {
namespace {

using internal::rig_now;
using internal::value_of;

const std::string domain = "eu-west.bank.example";

std::string golden(const std::string& name) {
  std::ifstream in(std::string(MERIDIAN_SOURCE_DIR "/docs/formats/golden/mesh/") + name,
                   std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Golden, a_journal_reads_and_is_written_the_same) {
  std::string text = golden("issuance-journal");
  std::vector<JournalEntry> entries = value_of(read_journal(text, domain));
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[1].issuance.serial, "40" + std::string(29, '0') + "2");
  EXPECT_EQ(entries[1].issuance.grounds, (IssuanceGrounds{IssuanceGrounds::Kind::renewal, "40aa"}));
  EXPECT_EQ(entries[2].issuance.id, (SpiffeId{domain, "/service/payments-3"}));
  std::string written = format_journal_start(domain);
  for (const JournalEntry& entry : entries)
    written += format_journal_entry(entry.number, entry.previous, entry.issuance);
  EXPECT_EQ(written, text);
}

TEST(Golden, a_journal_with_a_sign_in_reads_and_is_written_the_same) {
  const std::string text = golden("issuance-journal-sign-in");
  const std::vector<JournalEntry> entries = value_of(read_journal(text, domain));
  ASSERT_EQ(entries.size(), 1U);
  const auto grounds = parse_sign_in_text(entries[0].issuance.grounds.text);
  ASSERT_TRUE(grounds.has_value());
  EXPECT_EQ(grounds->issuer, "https://login.bank.example/realms/staff");
  EXPECT_EQ(format_journal_start(domain) +
                format_journal_entry(1, entries[0].previous, entries[0].issuance),
            text);
}

TEST(Golden, evidence_of_a_sign_in_reads_and_is_written_the_same) {
  const std::string der = golden("person-evidence");
  const PersonEvidence evidence = value_of(decode_person_evidence(as_bytes(der)));
  EXPECT_EQ(evidence,
            (PersonEvidence{
                "https://login.bank.example/realms/staff", true, {"pwd", "otp"}, 1'700'000'000}));
  EXPECT_EQ(as_text(value_of(encode_person_evidence(evidence))), der);
}

TEST(Golden, join_tokens_read_and_are_written_the_same) {
  std::string text = golden("join-tokens");
  std::vector<JoinToken> tokens = value_of(parse_join_tokens(text));
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[1].used, rig_now + 5);
  EXPECT_EQ(format_join_tokens(tokens), text);
}

TEST(Golden, a_trust_bundle_and_its_deny_list_are_accepted) {
  std::string note = golden("trust-bundle");
  AcceptedBundle kept = value_of(AcceptedBundle::from_kept(note));
  AcceptedBundle first = value_of(AcceptedBundle::first(note, kept.digest()));
  EXPECT_EQ(first.document().officers.size(), 2U);
  DenyList list =
      value_of(verify_deny_list(golden("deny-list"), domain, first.document().announcers));
  EXPECT_EQ(list.number(), 7U);
  EXPECT_NE(list.find("40aa", {domain, "/node/x"}), nullptr);
}

}  // namespace
}  // namespace meridian::mesh
