// A broken glass: what it lets through until its end, and everything that it does not.
#include <gmock/gmock.h>

#include "api/act_request.h"
#include "api/internal/acts_rig.h"
#include "mesh/break_glass.h"

namespace meridian::api {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* activate = "/meridian.v1.Upgrade/Activate";
constexpr const char* forget = "/meridian.v1.Subjects/Forget";

class BreakGlassApiTest : public ActsTest {
 protected:
  BreakGlassApiTest() {
    policy_ = "break-glass:\n  keys: [" + proof::format_vkey(a_.verifier()) + ", " +
              proof::format_vkey(b_.verifier()) + "]\n  needed: 2\n  longest: 1h\n" + two_people;
    rig_.replace_policy(policy_);
    glass_.to = ada_.id;
    glass_.actions.set(mesh::index_of(mesh::Action::upgrade_activate));
    glass_.from_s = now() - 1;
    glass_.until_s = glass_.from_s + 600;
  }
  std::int64_t now() const {
    return static_cast<std::int64_t>(rig_.cell.clock->now().time) / 1'000'000'000;
  }
  std::string note(const std::vector<const proof::Signer*>& signers) const {
    proof::Note made{mesh::format_glass(glass_), {}};
    for (const proof::Signer* one : signers)
      made.signatures.push_back(*proof::sign_note(made.text, *one));
    return proof::format_note(made);
  }
  std::string note() const { return note({&a_, &b_}); }
  std::string use(const SecuredRig::Somebody& who, const std::string& note) {
    v1::BreakGlassRequest request;
    request.set_note(note);
    return called(who, "/meridian.v1.Acts/BreakGlass", request);
  }
  std::string do_it(const SecuredRig::Somebody& who) {
    v1::ActivateLevelRequest request;
    request.set_level(99);
    return called(who, activate, request);
  }
  void wait_a_moment() {
    std::promise<void> over;
    executor_->post_after(io::milliseconds(50), [&] { over.set_value(); });
    over.get_future().wait();
  }
  std::int64_t active() const {
    const std::string text = rig_.cell.metrics.text();
    const std::string name = "\nmeridian_break_glass_active ";
    const std::size_t at = text.find(name);
    return at == std::string::npos ? -1 : std::stoll(text.substr(at + name.size()));
  }

  proof::Signer a_{"vault-a", proof::KeyType::ed25519, Buffer(32, 1)};
  proof::Signer b_{"vault-b", proof::KeyType::ed25519, Buffer(32, 2)};
  proof::Signer other_{"vault-b", proof::KeyType::ed25519, Buffer(32, 3)};
  std::string policy_;
  mesh::Glass glass_{7, {}, {}, 0, 0, "grace does not answer", 1};
};

TEST_F(BreakGlassApiTest, it_lets_one_person_do_what_it_names_without_a_second_one) {
  EXPECT_THAT(do_it(ada_), HasSubstr("needs a second person"));
  EXPECT_EQ(active(), 0);
  EXPECT_EQ(use(ada_, note()), "0 ");
  EXPECT_EQ(active(), 1);
  EXPECT_THAT(do_it(ada_), Not(StartsWith("7 ")));
  EXPECT_THAT(do_it(ada_), Not(StartsWith("7 "))) << "as often as it takes";
  EXPECT_THAT(do_it(grace_), HasSubstr("needs a second person"));
  v1::SubjectRequest anna;
  anna.set_subject("anna");
  EXPECT_THAT(called(ada_, forget, anna), HasSubstr("needs a second person"));
  EXPECT_THAT(notices_, HasSubstr("ALARM: the glass is broken"));
  EXPECT_THAT(notices_, HasSubstr("without a second person"));
  ASSERT_EQ(list().glasses_size(), 1);
  EXPECT_EQ(list().glasses(0).text(), mesh::format_glass(glass_));
  EXPECT_THAT(rig_.http(ada_).get("/v1/status"), HasSubstr("grace does not answer"));
}

TEST_F(BreakGlassApiTest, it_is_in_force_after_a_restart_and_not_used_twice) {
  EXPECT_EQ(use(ada_, note()), "0 ");
  EXPECT_THAT(use(ada_, note()), HasSubstr("used already"));
  rig_.cell.backend->access.replace_glasses({});
  start();
  EXPECT_EQ(list().acts_size(), 0);  // it looked
  EXPECT_THAT(do_it(ada_), Not(StartsWith("7 ")));
  EXPECT_THAT(use(ada_, note()), HasSubstr("used already"));
}

TEST_F(BreakGlassApiTest, who_it_is_not_for_and_what_not_enough_signed_break_nothing) {
  EXPECT_THAT(use(grace_, note()), HasSubstr("it is for " + ada_.id));
  EXPECT_THAT(use(clerk_, note()), HasSubstr("it is for " + ada_.id));
  EXPECT_THAT(use(ada_, note({&a_})), HasSubstr("1 of the keys"));
  EXPECT_THAT(use(ada_, note({&a_, &other_})), HasSubstr("1 of the keys"));
  EXPECT_THAT(use(ada_, "nonsense"), StartsWith("3 "));
  rig_.replace_policy(two_people);
  EXPECT_THAT(use(ada_, note()), HasSubstr("names no keys"));
  EXPECT_EQ(active(), 0);
  EXPECT_THAT(do_it(ada_), HasSubstr("needs a second person"));
}

TEST_F(BreakGlassApiTest, what_is_over_too_early_too_long_or_for_another_cell_breaks_nothing) {
  glass_.until_s = glass_.from_s + 3'601;
  EXPECT_THAT(use(ada_, note()), HasSubstr("longer than"));
  glass_.from_s = now() - 600;
  glass_.until_s = now() - 1;
  EXPECT_THAT(use(ada_, note()), HasSubstr("it is over"));
  glass_.from_s = now() + 60;
  glass_.until_s = now() + 120;
  EXPECT_THAT(use(ada_, note()), HasSubstr("has not begun"));
  glass_.from_s = now() - 1;
  glass_.cell = 8;
  EXPECT_THAT(use(ada_, note()), HasSubstr("another cell"));
  EXPECT_THAT(do_it(ada_), HasSubstr("needs a second person"));
}

TEST_F(BreakGlassApiTest, it_ends_by_itself_and_with_the_keys_of_the_policy) {
  glass_.until_s = now() + 2;
  EXPECT_EQ(use(ada_, note()), "0 ");
  EXPECT_THAT(do_it(ada_), Not(StartsWith("7 ")));
  rig_.replace_policy(two_people);
  EXPECT_THAT(do_it(ada_), HasSubstr("needs a second person"))
      << "another policy, without the keys";
  rig_.replace_policy(policy_);
  while (now() < glass_.until_s) wait_a_moment();
  EXPECT_THAT(do_it(ada_), HasSubstr("needs a second person"));
  list();
  EXPECT_EQ(active(), 0);
}

TEST_F(BreakGlassApiTest, it_gives_an_act_that_the_policy_does_not_and_nothing_beside_it) {
  const SecuredRig::Somebody& ada = ada_;
  rig_.replace_policy(policy_ + "denials:\n  - who: " + ada.id +
                      "\n    actions: [upgrade.activate, members.change]\n");
  EXPECT_THAT(do_it(ada), HasSubstr("denied by denial 1"));
  EXPECT_EQ(use(ada, note()), "0 ");
  EXPECT_THAT(do_it(ada), Not(StartsWith("7 ")));
  EXPECT_THAT(called(ada, "/meridian.v1.Members/Change", v1::ChangeMembersRequest()),
              HasSubstr("denied by denial 1"));
}

}  // namespace
}  // namespace meridian::api
