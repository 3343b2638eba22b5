// Journals of authorities become records: in order, each entry once, and never another history.
#include "cell/issuance_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cell/internal/cell_rig.h"

namespace meridian::cell {
namespace {

using testing::HasSubstr;

const std::string domain = "eu-west.bank.example";

/// A journal of so many entries; `salt` makes it another one.
struct Journal {
  explicit Journal(std::uint64_t count, const std::string& salt = "") {
    heads.push_back(mesh::empty_journal_head(domain));
    for (std::uint64_t i = 1; i <= count; ++i) {
      mesh::Issuance issued;
      issued.time = static_cast<std::int64_t>(1'796'000'000 + i);
      issued.serial = to_hex(crypto::sha256(as_bytes(salt + std::to_string(i)))).substr(0, 32);
      issued.id = {domain, "/service/payments"};
      issued.spki_digest = crypto::sha256(as_bytes(issued.serial));
      issued.not_after = issued.time + 3'600;
      issued.grounds = {mesh::IssuanceGrounds::Kind::officer, "ada"};
      lines.push_back(mesh::format_journal_entry(i, heads.back().digest, issued));
      std::string_view line = lines.back();
      line.remove_suffix(1);
      heads.push_back({i, mesh::parse_journal_entry(line)->digest});
    }
  }
  /// Entries `first` to `last`.
  JournalPart part(std::uint64_t first, std::uint64_t last) const {
    JournalPart part{domain, heads.at(first - 1), ""};
    for (std::uint64_t i = first; i <= last; ++i) part.lines += lines.at(i - 1);
    return part;
  }
  std::vector<mesh::JournalHead> heads;
  std::vector<std::string> lines;
};

class IssuanceRecordsTest : public ::testing::Test {
 protected:
  Result<mesh::JournalHead> record(const JournalPart& part) {
    return rig_.wait<Result<mesh::JournalHead>>(
        [&](auto done) { record_issuances(*rig_.cell, rig_actor, part, done); });
  }
  Result<mesh::JournalHead> head(const std::string& of = domain) {
    return rig_.wait<Result<mesh::JournalHead>>(
        [&](auto done) { find_recorded_head(*rig_.cell, of, done); });
  }
  /// Of all records, one after the other.
  std::vector<std::uint64_t> recorded() {
    ReadQuery query;
    query.source = ReadQuery::Source::stream;
    query.name = issuances_stream(domain);
    const auto page =
        rig_.wait<Result<ReadPage>>([&](auto done) { rig_.cell->read_events(query, done); });
    std::vector<std::uint64_t> numbers;
    for (const ReadEvent& one : page->events) {
      const auto issued = parse_issuances(as_text(one.event.data), domain);
      for (const mesh::JournalEntry& entry : issued->entries) numbers.push_back(entry.number);
    }
    return numbers;
  }
  CellRig rig_;
};

TEST_F(IssuanceRecordsTest, parts_are_recorded_one_behind_the_other) {
  const Journal journal(7);
  EXPECT_EQ(*head(), journal.heads[0]);
  EXPECT_EQ(*record(journal.part(1, 3)), journal.heads[3]);
  EXPECT_EQ(*record(journal.part(4, 7)), journal.heads[7]);
  EXPECT_EQ(*head(), journal.heads[7]);
  EXPECT_EQ(recorded(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7}));
  rig_.restart();
  EXPECT_EQ(*head(), journal.heads[7]);
  EXPECT_EQ(head("us-east.bank.example")->count, 0U);
}

TEST_F(IssuanceRecordsTest, what_is_sent_again_is_recorded_once) {
  const Journal journal(6);
  ASSERT_TRUE(record(journal.part(1, 4)));
  EXPECT_EQ(*record(journal.part(1, 4)), journal.heads[4]);
  EXPECT_EQ(*record(journal.part(2, 3)), journal.heads[4]);
  EXPECT_EQ(*record(journal.part(3, 6)), journal.heads[6]);
  EXPECT_EQ(recorded(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
}

TEST_F(IssuanceRecordsTest, a_gap_is_refused_and_told_where_the_records_end) {
  const Journal journal(6);
  ASSERT_TRUE(record(journal.part(1, 2)));
  const Error refused = record(journal.part(4, 6)).error();
  EXPECT_EQ(refused.code, Code::failed_precondition);
  EXPECT_THAT(refused.message, HasSubstr("entry 2 with digest " + to_hex(journal.heads[2].digest)));
  EXPECT_EQ(recorded().size(), 2U);
}

TEST_F(IssuanceRecordsTest, another_history_is_refused) {
  const Journal journal(5), other(9, "other");
  ASSERT_TRUE(record(journal.part(1, 5)));
  EXPECT_EQ(record(other.part(1, 9)).error().code, Code::data_loss);
  EXPECT_EQ(record(other.part(1, 5)).error().code, Code::data_loss);
  JournalPart forged = other.part(6, 9);
  forged.after = journal.heads[5];  // the lines do not follow it
  EXPECT_EQ(record(forged).error().code, Code::invalid_argument);
  EXPECT_EQ(record(other.part(6, 9)).error().code, Code::data_loss);
  EXPECT_EQ(recorded().size(), 5U);
}

TEST_F(IssuanceRecordsTest, what_is_no_part_of_a_journal_is_refused) {
  const Journal journal(300);
  EXPECT_EQ(record({domain, journal.heads[0], ""}).error().code, Code::invalid_argument);
  EXPECT_EQ(record({domain, journal.heads[0], "1 2 3\n"}).error().code, Code::invalid_argument);
  EXPECT_EQ(record(journal.part(1, 257)).error().code, Code::invalid_argument);
  EXPECT_THAT(record({domain, journal.heads[0], std::string(300'000, 'x')}).error().message,
              HasSubstr("300000 bytes"));
  JournalPart of_another = journal.part(1, 2);
  of_another.trust_domain = "us-east.bank.example";
  EXPECT_THAT(record(of_another).error().message, HasSubstr("not of us-east.bank.example"));
  EXPECT_EQ(record({"Not a domain", {}, journal.lines[0]}).error().code, Code::invalid_argument);
  EXPECT_TRUE(record(journal.part(1, 256)));
}

TEST(Issuances, nonsense_in_a_record_is_named) {
  const Journal journal(3);
  const std::string good = issuances_json(journal.part(2, 3));
  const auto read = parse_issuances(good, domain);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->part.after, journal.heads[1]);
  EXPECT_EQ(read->head(), journal.heads[3]);
  for (const char* json :
       {"", "[]", "{}", R"({"after":1,"lines":""})", R"({"after":{},"lines":""})",
        R"({"after":{"count":"-1","digest":"00"},"lines":""})",
        R"({"after":{"count":"0","digest":"00"},"lines":""})", R"({"after":{"count":"0"}})"})
    EXPECT_EQ(parse_issuances(json, domain).error().code, Code::data_loss) << json;
  EXPECT_FALSE(parse_issuances(good, "us-east.bank.example"));
}

}  // namespace
}  // namespace meridian::cell
