#include "mesh/deny_list.h"

#include <gtest/gtest.h>

namespace meridian::mesh {
namespace {

const SpiffeId payments{"bank.example", "/service/eu/payments"};

bool denies(const std::string& subject, std::string_view serial, const SpiffeId& id) {
  Result<DenyList> list =
      DenyList::make("bank.example", 1, {{"00", "", 0}, {subject, "", 0}, {"ff", "", 0}});
  EXPECT_TRUE(list.has_value()) << list.error().message;
  const DenyEntry* entry = list->find(serial, id);
  if (entry != nullptr) {
    EXPECT_EQ(entry->subject, subject);
  }
  return entry != nullptr;
}

TEST(DenyList, none_denies_nobody) {
  EXPECT_EQ(DenyLists().find("12", payments), nullptr);
  EXPECT_EQ(DenyLists().find("bank.example"), nullptr);
}

TEST(DenyList, a_list_speaks_for_its_own_domain_and_does_not_go_back) {
  auto list = [](std::string_view domain, std::uint64_t number) {
    return *DenyList::make(domain, number, {{"12", "", 0}});
  };
  DenyLists lists = *DenyLists().with(list("bank.example", 5));
  EXPECT_NE(lists.find("12", payments), nullptr);
  EXPECT_EQ(lists.find("12", {"other.example", "/service/eu/payments"}), nullptr);
  EXPECT_EQ(lists.with(list("bank.example", 4)).error().code, Code::failed_precondition);
  EXPECT_TRUE(lists.with(list("bank.example", 5)).has_value());
  EXPECT_TRUE(lists.with(list("other.example", 1)).has_value());
  EXPECT_FALSE(
      DenyList::make("bank.example", 1, {{"spiffe://other.example/x", "", 0}}).has_value());
  EXPECT_FALSE(DenyList::make("Bank", 1, {}).has_value());
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
}

TEST(DenyList, entries_that_would_deny_nobody_are_refused) {
  for (const std::string& subject :
       {std::string(), std::string("1"), std::string("1G"), std::string("AB"), std::string("*"),
        std::string("/*"), std::string("spiffe://*"), std::string("spiffe://bank.example/se*"),
        std::string("spiffe://bank.example/*/x"), std::string("spiffe://Bank/x"),
        std::string("spiffe://bank.example/"), std::string(42, 'a')})
    EXPECT_FALSE(DenyList::make("bank.example", 1, {{subject, "", 0}}).has_value()) << subject;
}

TEST(DenyList, doubles_long_reasons_and_too_many_are_refused) {
  EXPECT_FALSE(DenyList::make("bank.example", 1, {{"12", "", 0}, {"12", "x", 0}}).has_value());
  EXPECT_TRUE(DenyList::make("bank.example", 1, {{"12", std::string(deny_reason_size_max, 'x'), 0}})
                  .has_value());
  EXPECT_FALSE(
      DenyList::make("bank.example", 1, {{"12", std::string(deny_reason_size_max + 1, 'x'), 0}})
          .has_value());
  EXPECT_FALSE(DenyList::make("bank.example", 1, {{"12", "two\nlines", 0}}).has_value());
  EXPECT_EQ(
      DenyList::make("bank.example", 1, std::vector<DenyEntry>(deny_entries_max + 1)).error().code,
      Code::resource_exhausted);
}

}  // namespace
}  // namespace meridian::mesh
