#include "identity_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "deployment_rig.h"

namespace meridian::app {
namespace {

using testing::HasSubstr;

const std::string domain = Deployment::domain;

class IdentityDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    bank_.issue("pay", here_);
    auto opened = IdentityDirectory::open(here_, *clock_, metrics_);
    ASSERT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    identity_ = *std::move(opened);
  }
  /// Of the only change there is; "": it was taken up.
  std::string refusal() {
    const std::vector<IdentityDirectory::Change> changes = identity_->refresh();
    EXPECT_EQ(changes.size(), 1U);
    return changes.empty() || changes[0].taken ? "" : changes[0].taken.error().message;
  }
  void copy_note(const std::string& from, const std::string& to) {
    std::filesystem::create_directories(std::filesystem::path(to).parent_path());
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  }

  Deployment bank_{"bank"};
  std::string here_ = bank_.place("pay");
  std::unique_ptr<io::Clock> clock_ = io::os_clock();
  metrics::Registry metrics_;
  std::unique_ptr<IdentityDirectory> identity_;
};

TEST_F(IdentityDirectoryTest, a_deployment_begins_once) {
  EXPECT_THAT(bank_.said_again(), HasSubstr("a deployment begins once"));
}

TEST_F(IdentityDirectoryTest, a_renewed_certificate_is_taken_up) {
  EXPECT_EQ(identity_->id(), (mesh::SpiffeId{domain, "/service/pay"}));
  EXPECT_TRUE(identity_->refresh().empty());
  bank_.issue("pay", here_);
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(identity_->credentials().own()->version, 2U);
  EXPECT_TRUE(identity_->refresh().empty());
}

TEST_F(IdentityDirectoryTest, a_process_stays_who_it_is) {
  bank_.issue("other", here_);
  EXPECT_THAT(refusal(), HasSubstr("start it again to change who it is"));
  EXPECT_EQ(identity_->credentials().own()->version, 1U);
}

TEST_F(IdentityDirectoryTest, a_bundle_that_does_not_follow_is_not_believed) {
  const Deployment thief("thief");
  copy_note(thief.place("ca/eu/bundles/" + domain + ".note"),
            here_ + "/bundles/" + domain + ".note");
  EXPECT_NE(refusal(), "");
  const CaDirectory ca = bank_.authority();
  const mesh::TrustBundles held = identity_->credentials().bundles();
  EXPECT_TRUE(held.find(domain)->has_authority(ca.authority->certificate().fingerprint()));
}

TEST_F(IdentityDirectoryTest, a_deny_list_of_its_authority_is_taken_up_and_no_other) {
  const auto deny_in = [](CaDirectory ca) {
    auto list = mesh::DenyList::make(domain, 1, {{"spiffe://" + domain + "/service/x", "lost", 1}});
    ASSERT_TRUE(write_deny_list(ca, *std::move(list)).has_value());
  };
  const std::string note = "/denied/" + domain + ".note";
  const Deployment thief("thief");
  deny_in(thief.authority());
  copy_note(thief.place("ca/eu" + note), here_ + note);
  EXPECT_NE(refusal(), "");
  EXPECT_EQ(identity_->credentials().deny_lists().find(domain), nullptr);
  deny_in(bank_.authority());
  copy_note(bank_.place("ca/eu" + note), here_ + note);
  EXPECT_EQ(refusal(), "");
  EXPECT_NE(identity_->credentials().deny_lists().find("1234", {domain, "/service/x"}), nullptr);
}

/// What an authority sends is believed as little as a file, and written only if it is believed: a
/// start after that believes what is in the files.
TEST_F(IdentityDirectoryTest, what_an_authority_sends_is_checked_before_it_is_written) {
  const auto read_bundle = [&] {
    const auto disk = io::os_disk(here_);
    return std::string(as_text(*io::read_file(**disk, note_path(bundles_path, domain), 1 << 20)));
  };
  const auto send = [&](const std::string& note) {
    const auto changes = identity_->trust().take({{{domain, note}}, {}});
    EXPECT_EQ(changes.size(), 1U);
    return changes[0].taken ? "" : changes[0].taken.error().message;
  };
  const std::string first = read_bundle();
  const mesh::AcceptedBundle held = *identity_->trust().find(domain);
  EXPECT_THAT(send(bank_.next_bundle(held, {"ada"})), HasSubstr("officers"));
  EXPECT_EQ(read_bundle(), first);
  const std::string next = bank_.next_bundle(held);
  EXPECT_EQ(send(next), "");
  EXPECT_EQ(read_bundle(), next);
  EXPECT_TRUE(identity_->refresh().empty());
  EXPECT_THAT(send(next), HasSubstr("number 3 comes next"));
  const auto other = identity_->trust().take({{{"new.dev.invalid", next}}, {}});
  EXPECT_FALSE(other[0].taken.has_value());
}

TEST_F(IdentityDirectoryTest, bundles_that_came_faster_than_it_looks_are_followed_one_by_one) {
  const auto disk = io::os_disk(here_);
  mesh::AcceptedBundle held = *identity_->trust().find(domain);
  for (int i = 0; i < 3; ++i) {
    const auto next = held.next(bank_.next_bundle(held));
    ASSERT_TRUE(next.has_value());
    ASSERT_TRUE(write_next_bundle(**disk, held, *next).has_value());
    held = *next;
  }
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(identity_->trust().find(domain)->document().sequence, 4U);
}

TEST_F(IdentityDirectoryTest, a_renewal_by_itself_is_on_at_once_and_in_the_file) {
  bank_.issue("pay", bank_.place("other"));
  metrics::Registry metrics;
  const auto other = IdentityDirectory::open(bank_.place("other"), *clock_, metrics);
  ASSERT_TRUE(other.has_value());
  const auto own = (*other)->credentials().own();
  ASSERT_TRUE(identity_->renew(own->chain, own->key).has_value());
  EXPECT_EQ(identity_->credentials().own()->chain, own->chain);
  EXPECT_TRUE(identity_->refresh().empty());
  metrics::Registry again;
  const auto opened = IdentityDirectory::open(here_, *clock_, again);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ((*opened)->credentials().own()->chain, own->chain);
}

}  // namespace
}  // namespace meridian::app
