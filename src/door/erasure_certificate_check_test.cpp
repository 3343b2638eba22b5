// Certificates with real receipts: what they prove, and that nothing else passes for it.
#include <gtest/gtest.h>

#include <algorithm>

#include "door/erasure_certificate.h"
#include "door/internal/erasure_rig.h"

namespace meridian::door {
namespace {

constexpr std::uint32_t day = 20'787;  // 2026-11-30
constexpr std::uint32_t year = 13 * 2026, november = 13 * 2026 + 11;

struct CertificateTest : testing::Test {
  ErasureRigLog log;

  ErasureCertificate certificate_of(ErasedOf of, const std::vector<std::uint64_t>& records) {
    ErasureCertificate certificate{.of = of, .made = "2034-01-02T08:00:00.000000000Z"};
    certificate.next = log.headers().size();
    std::vector<ErasureRecord> said;
    for (const std::uint64_t record : records) {
      said.push_back(*erasure_record_of(log.headers()[record]));
      certificate.receipts.push_back(log.receipt(record));
    }
    set_said(said, certificate);
    return certificate;
  }
  /// Forgotten in part, then a class expired, then a kept key went by its day.
  ErasureCertificate anna_later() {
    log.add(wish(anna, day, 3));        // 0
    log.add(erase_key(anna, 1, 1, 4));  // 1
    log.add(erase_key(anna, 2, 1, 4));  // 2
    log.add(turn(5));                   // 3
    log.next_entry();
    log.add(expire(9, november, 7, 120));  // 4
    log.add(turn(8));                      // 5
    log.next_entry();
    log.add(wish(anna, day, 1));           // 6
    log.add(erase_key(anna, 3, year, 9));  // 7
    log.add(turn(10));                     // 8
    ErasureCertificate certificate = certificate_of(anna, {0, 1, 2, 3, 4, 5, 6, 7, 8});
    certificate.kept = {{4, "2026", "2040-01-01", "", "patients", "BGB 630f", ""}};
    certificate.replicas = {{1, 10}, {2, 10}, {3, 5}};
    return certificate;
  }
  std::string refusal(const Certificate& certificate) {
    const auto proven = verify_certificate(certificate, log.policy());
    if (proven) return "valid";
    EXPECT_EQ(proven.error().code, Code::data_loss);
    const std::string start = "the records do not say what the certificate does: ";
    const std::string& message = proven.error().message;
    return message.starts_with(start) ? message.substr(start.size()) : message;
  }
};

TEST_F(CertificateTest, proves_what_was_destroyed_over_years_and_epochs) {
  const ErasureCertificate certificate = anna_later();
  const auto proven = verify_certificate(certificate, log.policy());
  ASSERT_TRUE(proven.has_value()) << proven.error().message;
  EXPECT_EQ(proven->records.size(), 9U);
  EXPECT_FALSE(proven->is_all);
  ASSERT_EQ(certificate.destroyed.size(), 4U);
  EXPECT_EQ(certificate.destroyed[3].period, "2026");
  EXPECT_EQ(certificate.destroyed[3].epoch, 9U);
  EXPECT_EQ(certificate.destroyed[3].turn, 8U);
  EXPECT_EQ(certificate.destroyed[2].by, "expire_class");
  EXPECT_EQ(certificate.wishes[0].day, "2026-11-30");
  EXPECT_EQ(certificate.wishes[0].time, "2023-11-14T22:13:20.000000000Z");
  EXPECT_EQ(certificate.unconfirmed(), (std::vector<ErasureCertificate::Replica>{{3, 5}}));
  EXPECT_EQ(verify_certificate(certificate, {}).error().code, Code::permission_denied);
}

TEST_F(CertificateTest, of_one_alone_has_no_turns_and_of_all_nothing_is_kept) {
  log.add(erase_key(anna, 1, 1, 4));
  log.next_entry();
  log.add(erase_all(anna, {3}, 2, 9));
  ErasureCertificate certificate = certificate_of(anna, {0, 1});
  const auto proven = verify_certificate(certificate, log.policy());
  ASSERT_TRUE(proven.has_value()) << proven.error().message;
  EXPECT_TRUE(proven->is_all);
  certificate.kept = {{4, "2026", "", "", "", "", ""}};
  EXPECT_EQ(refusal(certificate), "everything is erased, and something is named kept");
}

TEST_F(CertificateTest, of_a_class_names_its_expiries_and_no_other) {
  log.add(expire(9, november, 7, 120));
  log.add(turn(8));
  log.next_entry();
  log.add(expire(8, november, 8, 1));
  log.add(erase_key(anna, 9, november, 8));
  ErasureCertificate certificate = certificate_of(RetentionNumber{9}, {0, 1});
  EXPECT_EQ(refusal(certificate), "valid");
  certificate.of = RetentionNumber{8};
  EXPECT_EQ(refusal(certificate), "record 0 is not about that class");
  EXPECT_EQ(refusal(certificate_of(RetentionNumber{9}, {0, 1, 3})),
            "record 3 is not about that class");
}

TEST_F(CertificateTest, every_line_changed_dropped_doubled_or_swapped_is_refused_or_only_said) {
  const std::string whole = encode_certificate(anna_later());
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < whole.size();) {
    const std::size_t end =
        whole.find("\nreceipt\t", at) == at ? whole.size() : whole.find('\n', at);
    lines.push_back(whole.substr(at, end + 1 - at));
    at = end + 1;
    if (lines.back().starts_with("receipts")) break;
  }
  std::string receipts = whole;
  for (const std::string& line : lines) receipts.erase(0, line.size());
  // What no record holds. A `kept` line may be changed; how many there are may not.
  const auto is_said = [](const std::string& line) {
    return line.starts_with("made") || line.starts_with("records") || line.starts_with("kept") ||
           line.starts_with("replica");
  };
  const auto outcome = [&](const std::vector<std::string>& changed) -> std::string {
    std::string text;
    for (const std::string& line : changed) text += line;
    const auto decoded = decode_certificate(text + receipts);
    return decoded ? refusal(*decoded) : "malformed";
  };
  ASSERT_EQ(outcome(lines), "valid");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    SCOPED_TRACE(lines[i]);
    for (std::size_t at = 0; at + 1 < lines[i].size(); ++at) {
      std::vector<std::string> changed = lines;
      changed[i][at] = changed[i][at] == '1' ? '2' : '1';
      EXPECT_TRUE(outcome(changed) != "valid" || is_said(lines[i])) << changed[i];
    }
    std::vector<std::string> dropped = lines, doubled = lines;
    dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(i));
    doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(i), lines[i]);
    const bool is_replica = lines[i].starts_with("replica");
    // An expiry stands before the last wish: fewer may be kept than then.
    EXPECT_TRUE(outcome(dropped) != "valid" || is_replica || lines[i].starts_with("kept"));
    EXPECT_TRUE(outcome(doubled) != "valid" || is_replica);
    if (i + 1 == lines.size()) continue;
    std::vector<std::string> swapped = lines;
    std::swap(swapped[i], swapped[i + 1]);
    EXPECT_TRUE(outcome(swapped) != "valid" || (is_replica && swapped[i].starts_with("replica")));
  }
}

TEST_F(CertificateTest, every_receipt_dropped_doubled_or_swapped_is_refused) {
  const ErasureCertificate whole = anna_later();
  for (std::size_t i = 0; i < whole.receipts.size(); ++i) {
    SCOPED_TRACE(i);
    const auto at = static_cast<std::ptrdiff_t>(i);
    ErasureCertificate changed = whole;
    changed.receipts.erase(changed.receipts.begin() + at);
    EXPECT_NE(refusal(changed), "valid");
    changed = whole;
    changed.receipts.insert(changed.receipts.begin() + at, whole.receipts[i]);
    EXPECT_EQ(refusal(changed), "a receipt stands twice");
    if (i + 1 == whole.receipts.size()) continue;
    changed = whole;
    std::swap(changed.receipts[i], changed.receipts[i + 1]);
    EXPECT_NE(refusal(changed), "valid");
  }
}

TEST_F(CertificateTest, receipts_of_others_do_not_count) {
  log.add(erase_key(anna, 1, 1, 4));   // 0
  log.add(turn(6));                    // 1: of another epoch
  log.add(erase_key(bert, 1, 1, 4));   // 2
  log.add(place_hold(anna, 77, {9}));  // 3
  EXPECT_EQ(refusal(certificate_of(anna, {0, 1})), "record 1 turns no epoch that is named");
  EXPECT_EQ(refusal(certificate_of(anna, {0, 2})), "record 2 is about another person");
  EXPECT_EQ(refusal(certificate_of(anna, {0, 3})), "record 3 is of another kind");
  ErasureCertificate certificate = certificate_of(anna, {0});
  certificate.next = 0;
  EXPECT_EQ(refusal(certificate), "record 0 is none of those that were looked at");
  certificate = certificate_of(anna, {0});
  ErasureRigLog other("example.org/log");
  other.add(wish(anna, day, 0));
  other.add(erase_key(anna, 1, 1, 4));
  certificate.receipts[0] = other.receipt(1);
  EXPECT_EQ(verify_certificate(certificate, log.policy()).error().code, Code::permission_denied);
}

TEST_F(CertificateTest, what_is_kept_may_not_be_what_a_record_says_is_gone) {
  ErasureCertificate certificate = anna_later();
  certificate.kept = {{3, "2026", "", "", "", "", ""}};
  EXPECT_EQ(refusal(certificate), "record 7 erased a key that is named kept");
  certificate.kept = {{4, "2026", "", "", "", "", ""}, {4, "2027", "", "", "", "", ""}};
  EXPECT_EQ(refusal(certificate), "keys kept") << "one was, says record 6";
  certificate.kept.clear();
  EXPECT_EQ(refusal(certificate), "valid") << "a class expired: it may be gone with it";
  certificate = certificate_of(anna, {0, 1, 2, 3});
  EXPECT_EQ(refusal(certificate), "keys kept") << "nothing is named that it could be gone with";
}

TEST_F(CertificateTest, version_1_is_checked_as_ever) {
  log.add(wish(anna, day, 1));          // 0
  log.add(erase_key(anna, 2, 1, 4));    // 1
  log.add(turn(5));                     // 2
  log.add(expire(9, november, 4, 1));   // 3
  log.add(erase_all(anna, {3}, 2, 5));  // 4
  ForgettingCertificate part{.subject = anna, .keys_destroyed = 1, .epoch = 4};
  part.erased = {{2, "undated"}};
  part.kept = {{3, "2026", "2034-01-01", "", "", "", ""}};
  part.receipts = {log.receipt(0), log.receipt(1)};
  EXPECT_EQ(refusal(part), "valid");
  ForgettingCertificate all{.subject = anna, .keys_destroyed = 2, .epoch = 5};
  all.erased = {{3, "2026"}};
  all.receipts = {log.receipt(4)};
  EXPECT_TRUE(verify_certificate(all, log.policy())->is_all);

  const auto changed = [&](ForgettingCertificate base, const auto& change) {
    change(base);
    return refusal(base);
  };
  EXPECT_EQ(changed(part, [](auto& one) { one.keys_destroyed = 2; }), "keys destroyed");
  EXPECT_EQ(changed(part, [](auto& one) { one.epoch = 5; }), "the epoch");
  EXPECT_EQ(changed(part, [](auto& one) { one.kept.clear(); }), "keys kept");
  EXPECT_EQ(changed(part, [](auto& one) { one.erased[0].retention = 3; }), "keys erased");
  EXPECT_EQ(changed(all, [](auto& one) { one.erased[0].retention = 4; }), "classes erased");
  EXPECT_EQ(changed(part, [](auto& one) { one.subject = bert; }),
            "record 0 is about another person");
  EXPECT_EQ(changed(part, [](auto& one) { one.receipts.erase(one.receipts.begin()); }),
            "either everything is erased, or something is kept");
  for (const std::uint64_t other : {2, 3})
    EXPECT_EQ(changed(part, [&](auto& one) { one.receipts.push_back(log.receipt(other)); }),
              "record " + std::to_string(other) + " is of another kind");
}

}  // namespace
}  // namespace meridian::door
