// What tests of identities share: a deployment made by the ceremony, in a directory of its own.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/assert.h"
#include "ca_directory.h"
#include "ceremony.h"
#include "identity_directory.h"

namespace meridian::app {

/// A deployment in a directory of its own, with an authority in one region.
class Deployment {
 public:
  static constexpr const char* domain = "eu.dev.invalid";

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

  NodeOptions authority_options() const {
    NodeOptions options;
    options.directory = path_ + "/ca/eu";
    options.dev = true;
    return options;
  }
  /// Nobody else may hold its directory.
  CaDirectory authority() const {
    Result<CaDirectory> ca = open_ca(authority_options());
    ASSERT(ca.has_value());
    return std::move(*ca);
  }
  /// As `meridian ca issue` does.
  void issue(const std::string& name, const std::string& to) const {
    CaDirectory ca = authority();
    const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    const Result<mesh::Certificate> leaf = mesh::issue_on_record(
        *ca.authority, *ca.journal, *mesh::make_csr(key, name), {domain, "/service/" + name}, 3600,
        {mesh::IssuanceGrounds::Kind::officer, "test"}, *ca.node.clock);
    ASSERT_TRUE(leaf.has_value());
    const Result<TrustFiles> trust = read_trust(*ca.node.disk);
    ASSERT_TRUE(trust.has_value());
    ASSERT_TRUE(write_identity(to, key, {*leaf, ca.authority->certificate()}, *trust).has_value());
  }
  std::string place(const std::string& name) const { return path_ + "/" + name; }
  void deny(const std::string& subject) const {
    CaDirectory ca = authority();
    auto list = mesh::DenyList::make(domain, ca.denied->number() + 1, {{subject, "lost", 1}});
    ASSERT_TRUE(list.has_value());
    ASSERT_TRUE(write_deny_list(ca, *std::move(list)).has_value());
  }
  /// The bundle that follows, with the same authorities: signed by `officers`.
  std::string next_bundle(const mesh::AcceptedBundle& held,
                          const std::vector<std::string>& officers = {"ada", "grace"}) const {
    const CaDirectory ca = authority();
    mesh::TrustBundleDocument document = held.document();
    document.sequence += 1;
    document.previous = held.digest();
    const std::string text = *mesh::format_trust_bundle(document);
    proof::Note note{text, {*proof::sign_note(text, *ca.announcer)}};
    for (const std::string& name : officers) {
      NodeOptions options;
      options.directory = path_ + "/officers/" + name;
      options.dev = true;
      const Result<Node> node = open_sealed_directory(options);
      EXPECT_TRUE(node.has_value());
      note.signatures.push_back(
          *proof::sign_note(text, *signer_of(*node, "dev.invalid/officer/" + name)));
    }
    return proof::format_note(note);
  }
  const std::string& said_again() const { return again_; }

 private:
  std::string path_, again_;
};

}  // namespace meridian::app
