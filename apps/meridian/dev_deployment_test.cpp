#include "dev_deployment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "client.h"
#include "identity_directory.h"
#include "io/clock.h"
#include "serve_identity.h"

namespace meridian::app {
namespace {

using ::testing::HasSubstr;

class DevDeploymentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(root_);
    ::setenv("MERIDIAN_DEV_DIR", root_.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("MERIDIAN_DEV_DIR");
    std::filesystem::remove_all(root_);
  }
  /// Who the directory's certificate says it is, by what lies there to judge it.
  struct Shown {
    mesh::SpiffeId id;
    std::string serial;
  };
  Shown shown(const std::string& directory) {
    metrics::Registry metrics;
    const auto held = IdentityDirectory::open(directory, *clock_, metrics);
    EXPECT_TRUE(held.has_value()) << held.error().message;
    return {(*held)->id(), (*held)->credentials().own()->chain.front().serial()};
  }
  const std::string root_ = testing::TempDir() + "dev-deployment";
  const std::string directory_ = root_ + "/node";
  const mesh::SpiffeId id_{std::string(dev_trust_domain), "/service/one"};

 private:
  const std::unique_ptr<io::Clock> clock_ = io::os_clock();
};

TEST_F(DevDeploymentTest, what_is_issued_stays_while_it_is_good) {
  ASSERT_TRUE(issue_dev_identity(directory_, id_).has_value());
  const Shown first = shown(directory_);
  EXPECT_EQ(first.id, id_);
  ASSERT_TRUE(issue_dev_identity(directory_, id_).has_value());
  EXPECT_EQ(shown(directory_).serial, first.serial);
}

TEST_F(DevDeploymentTest, another_id_gets_another_certificate) {
  ASSERT_TRUE(issue_dev_identity(directory_, id_).has_value());
  const mesh::SpiffeId other{std::string(dev_trust_domain), "/service/other"};
  ASSERT_TRUE(issue_dev_identity(directory_, other).has_value());
  EXPECT_EQ(shown(directory_).id, other);
}

TEST_F(DevDeploymentTest, a_deployment_that_was_made_anew_issues_anew) {
  const std::string outside = testing::TempDir() + "dev-outside";
  std::filesystem::remove_all(outside);
  ASSERT_TRUE(issue_dev_identity(outside, id_).has_value());
  const std::string serial = shown(outside).serial;
  std::filesystem::remove_all(root_);
  ASSERT_TRUE(issue_dev_identity(outside, id_).has_value());
  EXPECT_NE(shown(outside).serial, serial);
  std::filesystem::remove_all(outside);
}

TEST_F(DevDeploymentTest, who_types_commands_is_known_once_a_server_made_it) {
  ClientOptions options;
  const Status nobody = open_identity(options);
  ASSERT_FALSE(nobody.has_value());
  EXPECT_EQ(nobody.error().code, Code::not_found);
  EXPECT_THAT(nobody.error().message, HasSubstr("--dev"));
  ASSERT_TRUE(make_dev_caller().has_value());
  ASSERT_TRUE(open_identity(options).has_value());
  EXPECT_EQ(mesh::format_spiffe_id(options.held->id()), "spiffe://local.dev.invalid/person/dev");
}

TEST_F(DevDeploymentTest, a_deployment_that_is_not_whole_is_named) {
  std::filesystem::create_directories(root_ + "/deployment/root");
  const Status made = issue_dev_identity(directory_, id_);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().message, HasSubstr("remove it, and start again"));
}

TEST_F(DevDeploymentTest, its_policy_gives_every_action) {
  const std::shared_ptr<const mesh::Policy> policy = *dev_policy();
  const mesh::Rights rights = policy->rights_of("spiffe://local.dev.invalid/person/dev", 7);
  for (std::size_t i = 0; i < mesh::action_count; ++i)
    EXPECT_TRUE(rights.allow(mesh::action_at(i))) << mesh::info(mesh::action_at(i)).name;
  EXPECT_TRUE(policy->rights_of("spiffe://eu.dev.invalid/person/dev", 7).is_empty());
}

TEST(ServeIdentity, a_server_says_who_it_is) {
  EXPECT_THAT(check_identity_flags({}, false).error().message, HasSubstr("--identity DIR"));
  EXPECT_TRUE(check_identity_flags({}, true).has_value());
  EXPECT_TRUE(check_identity_flags({"./node", {}, {}}, false).has_value());
}

}  // namespace
}  // namespace meridian::app
