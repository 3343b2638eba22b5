#include "key_access.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "files.h"

namespace meridian::app {
namespace {

/// A directory as systemd hands one over, for one test.
class KeyAccessTest : public testing::Test {
 public:
  KeyAccessTest() {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~KeyAccessTest() override {
    ::unsetenv("CREDENTIALS_DIRECTORY");
    std::filesystem::remove_all(directory_);
  }

 protected:
  void hand_over() { ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1); }
  void write(const std::string& name, std::string_view content) const {
    ASSERT_TRUE(write_output(path_of(name), content).has_value());
  }
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  /// What is found, or the error.
  static std::string found(const KeyAccess& access) {
    const Result<std::optional<crypto::Secret>> given = given_passphrase(access);
    if (!given) return given.error().message;
    return *given ? std::string(as_text((*given)->bytes())) : "nothing";
  }

 private:
  std::string directory_ = testing::TempDir() + "key_access_test";
};

TEST_F(KeyAccessTest, a_credential_is_refused_where_systemd_handed_none_over) {
  EXPECT_NE(found({.passphrase_credential = "ledger"}).find("CREDENTIALS_DIRECTORY is not set"),
            std::string::npos);
}

TEST_F(KeyAccessTest, a_credential_that_is_not_there_is_named) {
  hand_over();
  write("meridian-passphrase", "the usual one\n");
  EXPECT_NE(found({.passphrase_credential = "ledger"}).find("no credential ledger"),
            std::string::npos);
}

TEST_F(KeyAccessTest, a_credential_is_a_name_and_never_a_path) {
  hand_over();
  write("meridian-passphrase", "the usual one\n");
  for (const char* name : {"../key_access_test/meridian-passphrase", "/etc/passwd", ".", ".."})
    EXPECT_NE(found({.passphrase_credential = name}).find("is a path"), std::string::npos) << name;
}

TEST_F(KeyAccessTest, a_short_passphrase_is_refused) {
  hand_over();
  write("ledger", "1234567\n");
  EXPECT_NE(found({.passphrase_credential = "ledger"}).find("has 7 characters"), std::string::npos);
  EXPECT_NE(found({.passphrase_file = path_of("ledger")}).find("has 7 characters"),
            std::string::npos);
}

TEST_F(KeyAccessTest, a_credential_opens_as_the_same_file_would) {
  hand_over();
  write("ledger", "correct horse\r\n");
  EXPECT_EQ(found({.passphrase_credential = "ledger"}), "correct horse");
  EXPECT_EQ(found({.passphrase_file = path_of("ledger")}), "correct horse");
}

TEST_F(KeyAccessTest, the_usual_credential_is_taken_only_if_nothing_is_named) {
  EXPECT_EQ(found({}), "nothing");
  hand_over();
  EXPECT_EQ(found({}), "nothing");
  write("meridian-passphrase", "the usual one\n");
  write("ledger", "the other one\n");
  EXPECT_EQ(found({}), "the usual one");
  EXPECT_EQ(found({.passphrase_credential = "ledger"}), "the other one");
  EXPECT_EQ(found({.passphrase_file = path_of("ledger")}), "the other one");
}

}  // namespace
}  // namespace meridian::app
