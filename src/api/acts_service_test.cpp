// Dangerous acts by both interfaces: none goes through without a second person, whichever way it is
// asked for; with one it goes through once; and what was approved counts for nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "api/act_request.h"
#include "api/convert_keeping.h"
#include "api/http_api.h"
#include "api/internal/acts_rig.h"
#include "api/method_needs.h"

namespace meridian::api {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ActsServiceTest : public ActsTest {
 protected:
  static v1::ChangeMembersRequest removal() {
    v1::ChangeMembersRequest request;
    auto& step = *request.add_steps();
    step.set_kind(v1::ChangeMembersRequest::Step::REMOVE);
    step.set_id(3);
    return request;
  }
  static v1::SubjectRequest anna() {
    v1::SubjectRequest request;
    request.set_subject("anna");
    return request;
  }
  static v1::ActivateLevelRequest level(std::uint32_t number) {
    v1::ActivateLevelRequest request;
    request.set_level(number);
    return request;
  }
  static v1::RotateKeyRequest epoch() {
    v1::RotateKeyRequest request;
    request.set_key("epoch");
    return request;
  }
  static v1::RetentionClass retention() {
    v1::RetentionClass request;
    request.set_retention(3);
    request.set_name("tax");
    request.set_basis("AO 147");
    request.set_keep_at_least("10y");
    return request;
  }
  static v1::Jurisdiction jurisdiction() {
    v1::Jurisdiction request;
    request.set_name("eu");
    request.add_regions("eu-west");
    request.add_regions("eu-north");
    return request;
  }
  mesh::ActRequest forgetting() { return forgetting_of(rig_.cell.cell->door().subject_id("anna")); }
  /// A sound request of each dangerous method, and the act that it is.
  std::map<std::string, std::pair<std::shared_ptr<google::protobuf::Message>, mesh::ActRequest>>
  dangerous() {
    const replica::MemberStep step{{3, "", ""}, consensus::MemberChange::Kind::remove};
    return {{"/meridian.v1.Members/Change",
             {std::make_shared<v1::ChangeMembersRequest>(removal()), change_of_members({step})}},
            {"/meridian.v1.Upgrade/Activate",
             {std::make_shared<v1::ActivateLevelRequest>(level(99)), activation_of(99)}},
            {"/meridian.v1.Subjects/Forget",
             {std::make_shared<v1::SubjectRequest>(anna()), forgetting()}},
            {"/meridian.v1.Subjects/SetRetention",
             {std::make_shared<v1::RetentionClass>(retention()),
              definition_of(*parse_retention(retention()))}},
            {"/meridian.v1.Keys/Rotate",
             {std::make_shared<v1::RotateKeyRequest>(epoch()), rotation_of({"epoch", {}})}},
            {"/meridian.v1.Subjects/SetResidency",
             {std::make_shared<v1::Jurisdiction>(jurisdiction()),
              residency_of(*parse_residency(jurisdiction()))}}};
  }
};

/// Policies have proposals of their own (Policy/Propose), and Acts is the way there.
bool is_dangerous(const Needs& needs) {
  return std::ranges::any_of(needs.any, [](mesh::Action action) {
    return mesh::info(action).is_dangerous && action != mesh::Action::policy_propose;
  });
}

TEST_F(ActsServiceTest, no_dangerous_method_goes_through_without_a_second_person_or_twice) {
  const auto requests = dangerous();
  std::set<std::string> found;
  for (const auto* file :
       {v1::TransactRequest::descriptor()->file(), v1::NodeKeysRequest::descriptor()->file()})
    for (int i = 0; i < file->service_count(); ++i)
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const std::string method =
            "/" + file->service(i)->full_name() + "/" + file->service(i)->method(j)->name();
        if (is_dangerous(*needs_of_method(method))) found.insert(method);
      }
  EXPECT_EQ(found, std::set<std::string>(dangerous_methods().begin(), dangerous_methods().end()));
  for (const std::string& method : found) {
    ASSERT_TRUE(requests.contains(method)) << method;
    const auto& [request, act] = requests.at(method);
    EXPECT_EQ(act.method, method);
    EXPECT_THAT(called(ada_, method, *request),
                AllOf(StartsWith("7 "), HasSubstr("second person")));
    EXPECT_EQ(propose(act), "0 ");
    EXPECT_THAT(called(ada_, method, *request), HasSubstr("act approve " + to_hex(hash_)));
    EXPECT_EQ(approve(grace_), "0 ");
    EXPECT_THAT(called(grace_, method, *request), StartsWith("7 ")) << "it is ada who may";
    EXPECT_THAT(called(ada_, method, *request), Not(StartsWith("7 "))) << method;
    EXPECT_THAT(called(ada_, method, *request), AllOf(StartsWith("7 "), HasSubstr("used already")));
  }
  EXPECT_THAT(notices_, HasSubstr("does subjects.forget"));
}

TEST_F(ActsServiceTest, no_dangerous_route_goes_through_without_a_second_person_or_twice) {
  const replica::MemberStep step{{3, "", ""}, consensus::MemberChange::Kind::remove};
  const std::map<std::string, std::pair<std::string, mesh::ActRequest>> bodies = {
      {"v1/members", {R"({"steps":[{"remove":"3"}]})", change_of_members({step})}},
      {"v1/upgrade", {R"({"activate":99})", activation_of(99)}},
      {"v1/subjects/forget", {R"({"subject":"anna"})", forgetting()}},
      {"v1/node/keys", {R"({"key":"epoch"})", rotation_of({"epoch", {}})}}};
  const HttpApi api(*rig_.cell.backend);
  std::size_t count = 0;
  for (const HttpApi::Route& route : api.routes()) {
    if (!is_dangerous(route.needs) || route.path == "v1/acts") continue;
    ++count;
    const std::string path(route.path);
    ASSERT_TRUE(bodies.contains(path)) << path;
    const auto& [body, act] = bodies.at(path);
    const std::string target = "/" + path;
    EXPECT_THAT(post(ada_, target, body),
                AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("second person")));
    EXPECT_EQ(propose(act), "0 ");
    EXPECT_EQ(approve(grace_), "0 ");
    EXPECT_THAT(post(ada_, target, body), Not(StartsWith("HTTP/1.1 403 "))) << path;
    EXPECT_THAT(post(ada_, target, body),
                AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("used already")));
    // What was approved for one interface and used there is used for the other.
    const auto [request, same] = dangerous().at(act.method);
    EXPECT_EQ(same, act);
    EXPECT_THAT(called(ada_, act.method, *request), HasSubstr("used already"));
  }
  EXPECT_EQ(count, bodies.size());
}

TEST_F(ActsServiceTest, an_approval_is_for_exactly_that_request) {
  EXPECT_EQ(propose(activation_of(99)), "0 ");
  EXPECT_EQ(approve(grace_), "0 ");
  EXPECT_THAT(called(ada_, "/meridian.v1.Upgrade/Activate", level(98)),
              HasSubstr("needs a second person"));
  EXPECT_THAT(called(ada_, "/meridian.v1.Upgrade/Activate", level(99)), Not(StartsWith("7 ")));
}

TEST_F(ActsServiceTest, who_signs_is_who_calls_and_a_person_with_the_right_and_another_one) {
  const mesh::ActRequest act = activation_of(99);
  EXPECT_THAT(propose(ada_, act, grace_), HasSubstr("another's than the caller's"));
  EXPECT_THAT(propose(clerk_, act, clerk_), HasSubstr("no person"));
  EXPECT_EQ(propose(act), "0 ");
  EXPECT_THAT(approve(ada_), HasSubstr("a second person approves"));
  EXPECT_THAT(approve(clerk_), HasSubstr("no person"));
  rig_.replace_policy(std::string(two_people) + R"(denials:
  - who: spiffe://eu-west.bank.example/person/grace
    actions: upgrade.activate
)");
  EXPECT_THAT(approve(grace_), HasSubstr("denied by denial 1"));
  EXPECT_TRUE(list().acts(0).approved_by().empty());
}

TEST_F(ActsServiceTest, an_approval_by_who_lost_the_right_counts_no_more) {
  EXPECT_EQ(propose(activation_of(99)), "0 ");
  EXPECT_EQ(approve(grace_), "0 ");
  rig_.replace_policy(std::string(two_people) + R"(denials:
  - who: spiffe://eu-west.bank.example/person/grace
    actions: upgrade.activate
)");
  EXPECT_THAT(called(ada_, "/meridian.v1.Upgrade/Activate", level(99)),
              AllOf(StartsWith("7 "), HasSubstr(grace_.id + ", who approved")));
  rig_.replace_policy(two_people);
  EXPECT_THAT(called(ada_, "/meridian.v1.Upgrade/Activate", level(99)), Not(StartsWith("7 ")))
      << "nothing was used up by the denial";
}

TEST_F(ActsServiceTest, what_was_approved_or_used_is_so_after_a_restart) {
  EXPECT_EQ(propose(activation_of(99)), "0 ");
  EXPECT_EQ(approve(grace_), "0 ");
  start();
  EXPECT_THAT(called(ada_, "/meridian.v1.Upgrade/Activate", level(99)), Not(StartsWith("7 ")));
  start();
  EXPECT_THAT(called(ada_, "/meridian.v1.Upgrade/Activate", level(99)), HasSubstr("used already"));
  const v1::ActsReply all = list();
  EXPECT_TRUE(all.needed());
  ASSERT_EQ(all.acts_size(), 1);
  EXPECT_EQ(all.acts(0).approved_by(), grace_.id);
  EXPECT_GT(all.acts(0).used(), 0);
  EXPECT_THAT(rig_.http(ada_).get("/v1/acts"), HasSubstr(to_hex(hash_)));
}

TEST_F(ActsServiceTest, of_many_at_once_one_goes_through) {
  EXPECT_EQ(propose(activation_of(99)), "0 ");
  EXPECT_EQ(approve(grace_), "0 ");
  std::vector<std::unique_ptr<io::Executor>> threads;
  std::atomic<int> through = 0;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(io::os_executor("caller"));
    threads.back()->post([&] {
      if (!called(ada_, "/meridian.v1.Upgrade/Activate", level(99)).starts_with("7 ")) ++through;
    });
  }
  for (const auto& thread : threads) thread->drain();
  EXPECT_EQ(through, 1);
}

TEST_F(ActsServiceTest, where_no_act_is_recorded_none_is_begun) {
  rig_.cell.backend->acts = nullptr;
  for (const auto& [method, request] : dangerous())
    EXPECT_THAT(called(ada_, method, *request.first), StartsWith("7 ")) << method;
  rig_.cell.backend->acts = acts_.get();
}

}  // namespace
}  // namespace meridian::api
