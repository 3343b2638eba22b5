// The text of an act: there is one way to write it, and what is approved is what is read.
#include "mesh/act.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/uuid.h"

namespace meridian::mesh {
namespace {

const ActStatement removal{
    *parse_uuid("5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11"),
    {Action::members_change, "/meridian.v1.Members/Change", R"({"steps":[{"remove":"3"}]})"},
    "spiffe://eu-west.bank.example/person/ada",
    1,
    1'796'013'097,
    1'796'016'697};

std::string golden() {
  std::ifstream in(MERIDIAN_SOURCE_DIR "/docs/formats/golden/mesh/act");
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Act, the_golden_one_reads_and_is_written_the_same) {
  EXPECT_EQ(format_act(removal), golden());
  const Result<ActStatement> read = parse_act(golden());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, removal);
  EXPECT_EQ(to_hex(act_hash(golden())),
            "1453ff1b13c1d6a5180aabf2ffc5d9a3cf1df03f9f20d3348b4da93b7510aa88");
  EXPECT_EQ(format_act_approval(act_hash(golden()), "spiffe://eu-west.bank.example/person/grace"),
            "meridian-act-approval 1\nproposal "
            "1453ff1b13c1d6a5180aabf2ffc5d9a3cf1df03f9f20d3348b4da93b7510aa88\n"
            "by spiffe://eu-west.bank.example/person/grace\n");
}

TEST(Act, no_byte_of_it_can_be_changed_and_read_as_the_same) {
  const std::string text = golden();
  for (std::size_t i = 0; i < text.size(); ++i)
    for (const char c : {'\n', ' ', '0', 'A', 'a', '\x80'}) {
      std::string changed = text;
      changed[i] = c;
      const Result<ActStatement> read = parse_act(changed);
      if (changed == text || !read) continue;
      EXPECT_NE(*read, removal) << i;
    }
  EXPECT_FALSE(parse_act(text + "\n"));
  EXPECT_FALSE(parse_act(text.substr(0, text.size() - 1)));
  EXPECT_FALSE(parse_act(""));
}

TEST(Act, what_no_person_may_propose_is_none) {
  const auto is_one = [](auto change) {
    ActStatement act = removal;
    change(act);
    return parse_act(format_act(act)).has_value();
  };
  EXPECT_TRUE(is_one([](ActStatement&) {}));
  EXPECT_TRUE(is_one([](ActStatement& act) { act.ends_s = act.at_s + act_lifetime_s_max; }));
  EXPECT_FALSE(is_one([](ActStatement& act) { act.ends_s = act.at_s + act_lifetime_s_max + 1; }));
  EXPECT_FALSE(is_one([](ActStatement& act) { act.ends_s = act.at_s; }));
  EXPECT_FALSE(is_one([](ActStatement& act) { act.what.action = Action::status_read; }));
  EXPECT_FALSE(is_one([](ActStatement& act) { act.what.request = "a\nb"; }));
  EXPECT_FALSE(is_one([](ActStatement& act) { act.what.request.clear(); }));
  EXPECT_FALSE(is_one([](ActStatement& act) { act.what.method.clear(); }));
  EXPECT_FALSE(is_one([](ActStatement& act) { act.by = "spiffe://bank.example/service/pay"; }));
  EXPECT_FALSE(is_one([](ActStatement& act) { act.what.request.assign(act_text_size_max, 'x'); }));
}

}  // namespace
}  // namespace meridian::mesh
