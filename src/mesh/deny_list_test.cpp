#include "mesh/deny_list.h"

#include <gtest/gtest.h>

namespace meridian::mesh {
namespace {

const SpiffeId payments{"bank.example", "/service/eu/payments"};

bool denies(const std::string& subject, std::string_view serial, const SpiffeId& id) {
  Result<DenyList> list = DenyList::make(1, {{"00", "", 0}, {subject, "", 0}, {"ff", "", 0}});
  EXPECT_TRUE(list.has_value()) << list.error().message;
  const DenyEntry* entry = list->find(serial, id);
  if (entry != nullptr) {
    EXPECT_EQ(entry->subject, subject);
  }
  return entry != nullptr;
}

TEST(DenyList, an_empty_one_denies_nobody) {
  EXPECT_EQ(DenyList().find("12", payments), nullptr);
  EXPECT_EQ(DenyList().number(), 0U);
}

TEST(DenyList, serials_and_ids_are_denied_exactly_and_stars_by_segment) {
  EXPECT_TRUE(denies("12", "12", payments));
  EXPECT_FALSE(denies("1234", "12", payments));
  EXPECT_TRUE(denies("spiffe://bank.example/service/eu/payments", "12", payments));
  EXPECT_TRUE(denies("spiffe://bank.example/service/eu/*", "12", payments));
  EXPECT_TRUE(denies("spiffe://bank.example/service/*", "12", payments));
  EXPECT_TRUE(denies("spiffe://bank.example/*", "12", payments));
  EXPECT_FALSE(denies("spiffe://bank.example/service/eu/payments/*", "12", payments));
  EXPECT_FALSE(denies("spiffe://bank.example/service/e/*", "12", payments));
  EXPECT_FALSE(denies("spiffe://bank.example/service/eu", "12", payments));
  EXPECT_FALSE(denies("spiffe://bank.example", "12", payments));
  EXPECT_FALSE(denies("spiffe://bank/*", "12", payments));
}

TEST(DenyList, entries_that_would_deny_nobody_are_refused) {
  for (const std::string& subject :
       {std::string(), std::string("1"), std::string("1G"), std::string("AB"), std::string("*"),
        std::string("/*"), std::string("spiffe://*"), std::string("spiffe://bank.example/se*"),
        std::string("spiffe://bank.example/*/x"), std::string("spiffe://Bank/x"),
        std::string("spiffe://bank.example/"), std::string(42, 'a')})
    EXPECT_FALSE(DenyList::make(1, {{subject, "", 0}}).has_value()) << subject;
}

TEST(DenyList, doubles_long_reasons_and_too_many_are_refused) {
  EXPECT_FALSE(DenyList::make(1, {{"12", "", 0}, {"12", "x", 0}}).has_value());
  EXPECT_TRUE(DenyList::make(1, {{"12", std::string(deny_reason_size_max, 'x'), 0}}).has_value());
  EXPECT_FALSE(
      DenyList::make(1, {{"12", std::string(deny_reason_size_max + 1, 'x'), 0}}).has_value());
  EXPECT_FALSE(DenyList::make(1, {{"12", "two\nlines", 0}}).has_value());
  EXPECT_EQ(DenyList::make(1, std::vector<DenyEntry>(deny_entries_max + 1)).error().code,
            Code::resource_exhausted);
}

}  // namespace
}  // namespace meridian::mesh
