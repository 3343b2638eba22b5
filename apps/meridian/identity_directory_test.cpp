#include "identity_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "ceremony.h"

namespace meridian::app {
namespace {

using testing::HasSubstr;

const std::string domain = "eu.dev.invalid";

/// A deployment in a directory of its own, with an authority in one region.
class Deployment {
 public:
  explicit Deployment(const std::string& name) : path_(testing::TempDir() + "identity-" + name) {
    std::filesystem::remove_all(path_);
    CeremonyOptions options;
    options.directory = path_;
    options.deployment = "dev.invalid";
    options.regions = {"eu"};
    options.officers = {"ada", "grace"};
    options.dev = true;
    const Result<OrderedJson> record = hold_ceremony(options);
    EXPECT_TRUE(record.has_value()) << (record ? "" : record.error().message);
    again_ = hold_ceremony(options).error().message;
  }
  ~Deployment() { std::filesystem::remove_all(path_); }
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  CaDirectory authority() const {
    NodeOptions options;
    options.directory = path_ + "/ca/eu";
    options.dev = true;
    return std::move(*open_ca(options));
  }
  /// As `meridian ca issue` does.
  void issue(const std::string& name, const std::string& to) const {
    CaDirectory ca = authority();
    const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    const Result<mesh::Certificate> leaf = mesh::issue_on_record(
        *ca.authority, *ca.journal, mesh::make_csr(key, name), {domain, "/service/" + name}, 3600,
        {mesh::IssuanceGrounds::Kind::officer, "test"}, *ca.node.clock);
    ASSERT_TRUE(leaf.has_value());
    const Result<TrustFiles> trust = read_trust(*ca.node.disk);
    ASSERT_TRUE(trust.has_value());
    ASSERT_TRUE(write_identity(to, key, {*leaf, ca.authority->certificate()}, *trust).has_value());
  }
  std::string place(const std::string& name) const { return path_ + "/" + name; }
  const std::string& said_again() const { return again_; }

 private:
  std::string path_, again_;
};

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

}  // namespace
}  // namespace meridian::app
