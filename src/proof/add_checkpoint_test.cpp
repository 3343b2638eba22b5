#include "proof/add_checkpoint.h"

#include <gtest/gtest.h>

#include <string>

namespace meridian::proof {
namespace {

// The example of C2SP tlog-witness.
const std::string example =
    "old 20852014\n"
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
    "\n"
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
    "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

TEST(AddCheckpoint, the_example_of_the_specification_is_read_and_written_back) {
  const auto request = parse_add_checkpoint(example);
  ASSERT_TRUE(request.has_value()) << request.error().message;
  EXPECT_EQ(raw(request->old_size), 20852014U);
  EXPECT_EQ(request->path.size(), 4U);
  EXPECT_EQ(request->checkpoint.signatures.size(), 1U);
  EXPECT_EQ(format_add_checkpoint(*request), example);
}

TEST(AddCheckpoint, what_is_cut_off_anywhere_is_refused) {
  for (std::size_t size = 0; size < example.size(); ++size)
    EXPECT_FALSE(parse_add_checkpoint(example.substr(0, size)).has_value()) << size;
}

TEST(AddCheckpoint, other_spellings_and_too_much_are_refused) {
  const std::string rest = example.substr(example.find('\n'));
  for (const std::string first : {"old 01", "old -1", "old  1", "Old 1", "old", "old 1 ", "1",
                                  "old 18446744073709551616", "old 1\r"})
    EXPECT_FALSE(parse_add_checkpoint(first + rest).has_value()) << first;
  EXPECT_TRUE(parse_add_checkpoint("old 0" + rest).has_value());
  std::string many = "old 1\n";
  for (std::size_t i = 0; i < add_checkpoint_hashes_max; ++i)
    many += "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
  const std::string note = example.substr(example.find("\n\n") + 1);
  EXPECT_TRUE(parse_add_checkpoint(many + note).has_value());
  many += "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
  EXPECT_FALSE(parse_add_checkpoint(many + note).has_value());
  EXPECT_FALSE(parse_add_checkpoint("old 1\n" + note + std::string(add_checkpoint_size_max, 'x'))
                   .has_value());
}

TEST(AddCheckpoint, an_answer_is_signature_lines_and_nothing_else) {
  const std::string line = example.substr(example.find("— "));
  const auto lines = parse_signature_lines(line + line);
  ASSERT_TRUE(lines.has_value()) << lines.error().message;
  EXPECT_EQ(lines->size(), 2U);
  EXPECT_EQ(format_signature_lines(*lines), line + line);
  for (const std::string& bad : {std::string(), std::string("\n"), "\n" + line, line + "\n" + line,
                                 "text\n\n" + line, line.substr(0, line.size() - 1)})
    EXPECT_FALSE(parse_signature_lines(bad).has_value()) << bad;
}

TEST(AddCheckpoint, a_size_line_is_one_number) {
  EXPECT_EQ(*parse_size_line("0\n"), TreeSize{0});
  EXPECT_EQ(*parse_size_line("20852163\n"), TreeSize{20852163});
  for (const char* bad : {"", "1", "01\n", "1\n2\n", "x\n", "1 \n"})
    EXPECT_FALSE(parse_size_line(bad).has_value()) << bad;
}

}  // namespace
}  // namespace meridian::proof
