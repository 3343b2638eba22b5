#include "door/erasure_certificate.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/bytes.h"

namespace meridian::door {
namespace {

ErasureCertificate sample() {
  ErasureCertificate certificate;
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

TEST(ErasureCertificate, golden_text_is_what_is_written_and_reads_back) {
  std::ifstream file(MERIDIAN_SOURCE_DIR "/docs/formats/golden/erasure-certificate.txt");
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(encode_certificate(sample()), golden.str());
  const auto decoded = decode_certificate(golden.str());
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(*decoded, sample());
}

TEST(ErasureCertificate, has_one_encoding) {
  const std::string whole = encode_certificate(sample());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    EXPECT_FALSE(decode_certificate(whole.substr(0, at)).has_value()) << at;
    for (const char other : {'\t', '\n', '0', ' ', 'x', '\x80'}) {
      std::string changed = whole;
      if (changed[at] == other) continue;
      changed[at] = other;
      const auto decoded = decode_certificate(changed);
      ASSERT_TRUE(!decoded || encode_certificate(*decoded) == changed) << at;
    }
  }
  EXPECT_FALSE(decode_certificate(whole + "\n").has_value());
}

TEST(ErasureCertificate, without_receipts_that_hold_it_proves_nothing) {
  ErasureCertificate certificate = sample();
  EXPECT_EQ(verify_certificate(certificate, {}).error().code, Code::data_loss);
  certificate.receipts.clear();
  EXPECT_EQ(verify_certificate(certificate, {}).error().message,
            "the records do not say what the certificate does: there is no receipt");
}

}  // namespace
}  // namespace meridian::door
