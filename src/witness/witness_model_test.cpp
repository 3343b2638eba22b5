// Random histories against the one thing that a witness promises: of all trees it ever cosigned,
// each extends the one before, whatever it is sent and wherever power fails.
#include <gtest/gtest.h>

#include "sim/random.h"
#include "witness/internal/witness_rig.h"

namespace meridian::witness {
namespace {

/// Histories that share a beginning, and all cosignatures that left the witness.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
    histories_.emplace_back();
    histories_[0].grow(1 + random_.below(6));
  }

  /// A body: honest, stale, a replay, a fork or nonsense.
  std::string next(WitnessRig& rig, std::uint64_t known_size) {
    if (histories_.size() < 4 && random_.chance(0.1)) branch();
    TestLog& log = histories_[random_.below(histories_.size())];
    log.grow(random_.below(5), static_cast<Byte>(&log - histories_.data()));
    rig.clock.advance(io::seconds(1));
    if (!bodies_.empty() && random_.chance(0.1)) return bodies_[random_.below(bodies_.size())];
    std::uint64_t size = random_.chance(0.3) ? random_.below(log.size() + 1) : log.size();
    std::uint64_t old = random_.chance(0.2) ? random_.below(size + 1) : std::min(known_size, size);
    proof::AddCheckpoint request = log.request(old, size);
    if (!request.path.empty() && random_.chance(0.1))
      request.path[random_.below(request.path.size())][3] ^= 1;
    if (random_.chance(0.05)) request.old_size = proof::TreeSize{known_size};
    bodies_.push_back(proof::format_add_checkpoint(request));
    return bodies_.back();
  }

  /// Checks a cosignature that got out against all before.
  void cosigned(const WitnessRig& rig, const std::string& body) {
    const proof::AddCheckpoint request = *proof::parse_add_checkpoint(body);
    ASSERT_TRUE(rig.cosigned(request.checkpoint));
    const proof::TreeHead head = proof::parse_checkpoint(request.checkpoint.text)->head;
    for (const proof::TreeHead& before : out_) ASSERT_TRUE(one_history_has(before, head));
    ASSERT_TRUE(out_.empty() || raw(head.size) >= raw(out_.back().size));
    out_.push_back(head);
  }
  std::size_t count() const { return out_.size(); }
  std::uint64_t last_size() const { return out_.empty() ? 0 : raw(out_.back().size); }

 private:
  void branch() {
    const TestLog& from = histories_[random_.below(histories_.size())];
    TestLog other;
    const std::uint64_t shared = random_.below(from.size() + 1);
    for (std::uint64_t leaf = 0; leaf < shared; ++leaf)
      other.tree.append(
          (*const_cast<proof::MerkleTree&>(from.tree).read(0, leaf / 256 * 256, leaf % 256 + 1))
              .back());
    histories_.push_back(std::move(other));
  }
  bool one_history_has(const proof::TreeHead& a, const proof::TreeHead& b) const {
    for (const TestLog& log : histories_) {
      const auto head_a = log.tree.head_at(a.size);
      const auto head_b = log.tree.head_at(b.size);
      if (head_a && head_b && *head_a == a && *head_b == b) return true;
    }
    return false;
  }

  sim::Random random_;
  std::vector<TestLog> histories_;
  std::vector<std::string> bodies_;
  std::vector<proof::TreeHead> out_;
};

/// What an honest log does first: it asks how far the witness is.
std::uint64_t known_size(WitnessRig& rig) {
  const auto note = rig.witness->checkpoint(origin_hash(TestLog().origin));
  if (!note) return 0;
  return raw(proof::parse_checkpoint(proof::parse_note(*note)->text)->head.size);
}

TEST(WitnessModel, whatever_is_sent_the_cosigned_trees_are_one_history) {
  std::size_t cosigned = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    WitnessRig rig(seed);
    rig.must_open();
    Model model(seed);
    for (int step = 0; step < 60; ++step) {
      const std::string body = model.next(rig, known_size(rig));
      if (rig.ask(body) == Verdict::cosigned) model.cosigned(rig, body);
      if (testing::Test::HasFatalFailure()) return;
      if (step % 20 == 19) {
        rig.disk = rig.disk->kill_process();
        rig.must_open();
      }
    }
    cosigned += model.count();
  }
  EXPECT_GT(cosigned, 500U) << "the model must not be refused all the time";
}

TEST(WitnessModel, power_may_fail_at_every_write_and_the_cosigned_trees_are_one_history) {
  std::size_t cosigned = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    for (std::uint64_t crash_at = 1;; ++crash_at) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", crash at " << crash_at);
      WitnessRig rig(seed);
      Model model(seed);
      rig.disk->crash_at_mutation(crash_at);
      bool crashed = !rig.open().has_value();
      for (int step = 0; step < 12 && !crashed; ++step) {
        const std::string body = model.next(rig, known_size(rig));
        if (rig.ask(body) == Verdict::cosigned) model.cosigned(rig, body);
        crashed = rig.disk->has_crashed();
      }
      if (!crashed) break;  // past the last write
      rig.witness.reset();
      rig.disk = rig.disk->crash(seed * 1'000 + crash_at);
      rig.must_open();
      for (int step = 0; step < 12; ++step) {
        const std::string body =
            model.next(rig, step % 2 == 0 ? known_size(rig) : model.last_size());
        const Verdict verdict = rig.ask(body);
        ASSERT_NE(verdict, Verdict::failed) << "a crash must not put the witness out of order";
        if (verdict == Verdict::cosigned) model.cosigned(rig, body);
        if (testing::Test::HasFatalFailure()) return;
      }
      cosigned += model.count();
    }
  }
  EXPECT_GT(cosigned, 1'000U);
}

}  // namespace
}  // namespace meridian::witness
