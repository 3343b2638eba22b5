#include "door/erasure_certificate.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/bytes.h"

namespace meridian::door {
namespace {

std::string golden(const std::string& name) {
  std::ifstream file(MERIDIAN_SOURCE_DIR "/docs/formats/golden/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

ForgettingCertificate sample_of_1() {
  ForgettingCertificate certificate;
  certificate.subject = 5;
  certificate.keys_destroyed = 2;
  certificate.epoch = 4;
  certificate.erased = {{1, "undated"}, {2, "2026-11"}};
  certificate.kept = {
      {3, "2026", "2034-01-01", "", "tax_documents", "AO 147", ""},
      {7, "undated", "", "0900000000000000000000000000000a", "", "", "case-2026-114"}};
  certificate.confirmed = {1, 2};
  certificate.unconfirmed = {3};
  certificate.receipts = {"first one", "of\n2 lines\n"};
  return certificate;
}

ErasureCertificate sample_of_2() {
  ErasureCertificate certificate{.of = u128{5}, .made = "2034-01-02T08:00:00.000000000Z"};
  certificate.first = 0;
  certificate.next = 4'711;
  certificate.wishes = {{10, "2026-11-30T10:00:00.000000000Z", "2026-11-30", 3}};
  certificate.destroyed = {
      {11, "2026-11-30T10:00:00.000000000Z", "erase_key", {1}, "undated", 1, 4, 12},
      {90, "2027-02-01T00:10:00.000000000Z", "expire_class", {9}, "2026-11", 120, 7, 91}};
  certificate.kept = sample_of_1().kept;
  certificate.replicas = {{1, 8}, {3, 0}};
  certificate.receipts = sample_of_1().receipts;
  return certificate;
}

ErasureCertificate sample_of_class() {
  ErasureCertificate certificate{.of = RetentionNumber{9},
                                 .made = "2034-01-02T08:00:00.000000000Z"};
  certificate.next = 4'711;
  certificate.destroyed = {
      {90, "2027-02-01T00:10:00.000000000Z", "expire_class", {9}, "2026-11", 120, 7, {}}};
  certificate.receipts = {"one"};
  return certificate;
}

const std::vector<std::pair<std::string, Certificate>>& samples() {
  static const std::vector<std::pair<std::string, Certificate>> all{
      {"erasure-certificate.txt", sample_of_1()},
      {"erasure-certificate-2.txt", sample_of_2()},
      {"erasure-certificate-2-class.txt", sample_of_class()}};
  return all;
}

TEST(ErasureCertificate, golden_texts_are_what_is_written_and_read_back) {
  for (const auto& [name, certificate] : samples()) {
    SCOPED_TRACE(name);
    EXPECT_EQ(encode_certificate(certificate), golden(name));
    const auto decoded = decode_certificate(golden(name));
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_EQ(*decoded, certificate);
  }
}

TEST(ErasureCertificate, has_one_encoding) {
  for (const auto& [name, certificate] : samples()) {
    SCOPED_TRACE(name);
    const std::string whole = encode_certificate(certificate);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      EXPECT_FALSE(decode_certificate(whole.substr(0, at)).has_value()) << at;
      for (const char other : {'\t', '\n', '0', ',', ' ', 'x', '\x80'}) {
        std::string changed = whole;
        if (changed[at] == other) continue;
        changed[at] = other;
        const auto decoded = decode_certificate(changed);
        ASSERT_TRUE(!decoded || encode_certificate(*decoded) == changed) << at;
      }
    }
    EXPECT_FALSE(decode_certificate(whole + "\n").has_value());
  }
}

TEST(ErasureCertificate, errors_name_the_line) {
  std::string changed = golden("erasure-certificate-2.txt");
  changed.replace(changed.find("\t4711"), 5, "\t04711");
  EXPECT_EQ(decode_certificate(changed).error().message, "line 5: '04711' is no number that fits");
  changed = golden("erasure-certificate-2-class.txt");
  changed.replace(changed.find("receipts"), 0, "kept\t9\t2026\t\t\t\t\t\n");
  EXPECT_EQ(decode_certificate(changed).error().message,
            "line 7: nothing is named kept of a class");
  EXPECT_EQ(decode_certificate("meridian-erasure-certificate 3\n").error().message,
            "line 1: a certificate of version 1 or 2 is expected");
}

TEST(ErasureCertificate, without_receipts_that_hold_it_proves_nothing) {
  ForgettingCertificate one = sample_of_1();
  EXPECT_EQ(verify_certificate(one, {}).error().code, Code::data_loss);
  one.receipts.clear();
  ErasureCertificate two = sample_of_2();
  EXPECT_EQ(verify_certificate(two, {}).error().code, Code::data_loss);
  two.receipts.clear();
  for (const Certificate& none : {Certificate(one), Certificate(two)})
    EXPECT_EQ(verify_certificate(none, {}).error().message,
              "the records do not say what the certificate does: there is no receipt");
}

TEST(ErasureCertificate, names_replicas_that_had_not_destroyed_a_key_of_an_epoch) {
  ErasureCertificate certificate = sample_of_2();
  certificate.replicas = {{1, 8}, {2, 7}, {3, 0}};
  const std::vector<ErasureCertificate::Replica> two_and_three{{2, 7}, {3, 0}};
  EXPECT_EQ(certificate.unconfirmed(), two_and_three);
  certificate.destroyed.back().turn.reset();  // of epochs that replicas share, 4 is the newest
  EXPECT_EQ(certificate.unconfirmed(), (std::vector<ErasureCertificate::Replica>{{3, 0}}));
}

}  // namespace
}  // namespace meridian::door
