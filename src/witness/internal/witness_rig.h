// A log that grows, forks and lies, and a witness on a simulated disk. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proof/merkle_tree.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "witness/witness.h"

namespace meridian::witness {

inline proof::Signer make_signer(std::string name, proof::KeyType type, Byte seed) {
  return proof::Signer(std::move(name), type, std::array<Byte, 32>{seed});
}

/// One history of a log. A copy that grows on with another salt is a fork.
struct TestLog {
  explicit TestLog(std::string name = "test/log/1", Byte seed = 1)
      : origin(std::move(name)), key(make_signer(origin, proof::KeyType::ed25519, seed)) {}
  TestLog branch() const {
    TestLog other(origin);
    other.tree = tree;
    return other;
  }
  void grow(std::uint64_t count, Byte salt = 0) {
    for (std::uint64_t i = 0; i < count; ++i) {
      Buffer leaf{salt};
      leaf.resize(9);
      store_le(leaf.data() + 1, raw(tree.head().size));
      tree.append(proof::leaf_hash(leaf));
    }
  }
  std::uint64_t size() const { return raw(tree.head().size); }
  proof::Note checkpoint(std::uint64_t size) const {
    return *proof::sign_checkpoint(*tree.head_at(proof::TreeSize{size}), key);
  }
  /// What an honest log sends to a witness that saw `old` records.
  proof::AddCheckpoint request(std::uint64_t old, std::uint64_t size) const {
    proof::AddCheckpoint out{proof::TreeSize{old}, {}, checkpoint(size)};
    if (old > 0) out.path = *tree.prove_consistency(proof::TreeSize{old}, proof::TreeSize{size});
    return out;
  }
  std::string body(std::uint64_t old, std::uint64_t size) const {
    return proof::format_add_checkpoint(request(old, size));
  }

  std::string origin;
  proof::Signer key;
  proof::MerkleTree tree;
};

struct WitnessRig {
  explicit WitnessRig(std::uint64_t disk_seed = 1)
      : disk(std::make_unique<sim::Disk>(sim::DiskOptions{.seed = disk_seed})) {}

  Status open() {
    witness.reset();
    metrics.emplace();
    auto opened = Witness::open(
        {*disk, clock, *metrics, [this](const std::string& line) { notices.push_back(line); },
         [this](const Error& error) { fatal.push_back(error); }},
        make_signer(name, proof::KeyType::cosignature, seed), keys);
    if (!opened) return opened.error();
    witness = std::move(*opened);
    return {};
  }
  void must_open() {
    const Status opened = open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
  }
  Verdict ask(const std::string& body) {
    answer = witness->add_checkpoint(body);
    return answer.verdict;
  }
  /// True if the last answer is a good cosignature of `note`.
  bool cosigned(const proof::Note& note) const {
    const auto lines = proof::parse_signature_lines(answer.body);
    return lines && lines->size() == 1 &&
           proof::check_cosignature(note.text, lines->front(), witness->key()).check ==
               proof::SignatureCheck::good;
  }

  std::string name = "witness.test/w1";
  Byte seed = 9;  ///< Of its key.
  std::vector<proof::VerifierKey> keys{TestLog().key.verifier()};
  std::unique_ptr<sim::Disk> disk;
  sim::Clock clock;
  std::optional<metrics::Registry> metrics;
  std::vector<std::string> notices;
  std::vector<Error> fatal;
  std::unique_ptr<Witness> witness;
  Answer answer{};
};

}  // namespace meridian::witness
