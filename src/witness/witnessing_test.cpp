// A log and its witnesses in one simulated world: slow, absent, lying and contradicting ones.
#include "witness/witnessing.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "proof/policy.h"
#include "sim/world.h"
#include "witness/internal/witness_rig.h"

namespace meridian::witness {
namespace {

/// How the way to a witness behaves.
struct Way {
  bool down = false;
  io::Duration delay = io::milliseconds(20);
  std::optional<WitnessLink::Reply> instead;  ///< What is answered, whatever the witness says.
  int sent = 0;
};

class SimLink final : public WitnessLink {
 public:
  SimLink(io::Executor& executor, WitnessRig& rig, Way& way)
      : executor_(executor), rig_(rig), way_(way) {}
  void add_checkpoint(std::string body, std::function<void(Result<Reply>)> done) override {
    ++way_.sent;
    executor_.post_after(way_.delay, [this, body = std::move(body), done = std::move(done)] {
      if (way_.down) return done(fail(Code::unavailable, "connection refused"));
      if (way_.instead) return done(*way_.instead);
      const Answer answer = rig_.witness->add_checkpoint(body);
      done(Reply{static_cast<unsigned>(answer.verdict), answer.body});
    });
  }

 private:
  io::Executor& executor_;
  WitnessRig& rig_;
  Way& way_;
};

struct WitnessingTest : testing::Test {
  sim::World world{5};
  TestLog log;
  std::array<WitnessRig, 2> rigs;
  std::array<Way, 2> ways;
  std::unique_ptr<io::Executor> executor = world.make_executor("witnessing");
  std::unique_ptr<io::Executor> network = world.make_executor("network");
  std::optional<metrics::Registry> metrics;
  std::vector<std::string> notices;
  std::unique_ptr<Witnessing> witnessing;
  int checkpoints = 0;

  void SetUp() override { log.grow(10); }
  void TearDown() override { witnessing.reset(); }

  WitnessedLog source() {
    return {[this] { return log.size(); },
            [this](const replica::Replica::CheckpointReady& ready) {
              ++checkpoints;
              ready(proof::format_note(log.checkpoint(log.size())));
            },
            [](std::uint64_t record) {
              Buffer leaf{0};
              leaf.resize(9);
              store_le(leaf.data() + 1, record);
              return Result<Buffer>(leaf);
            },
            log.tree};
  }
  void start(std::size_t count) {
    metrics.emplace();  // a process has one, made once
    std::vector<Witnessing::Peer> peers;
    for (std::size_t i = 0; i < count; ++i) {
      if (!rigs[i].witness) rigs[i].must_open();
      peers.push_back(
          {{"http://w", key(i)}, std::make_unique<SimLink>(*network, rigs[i], ways[i])});
    }
    auto started = Witnessing::start({*executor, world.clock(), *metrics,
                                      [this](const std::string& line) { notices.push_back(line); }},
                                     source(), std::move(peers));
    ASSERT_TRUE(started.has_value()) << started.error().message;
    witnessing = std::move(*started);
  }
  /// Rigs have one key; the second is known by another name.
  proof::VerifierKey key(std::size_t i) const {
    return make_signer(i == 0 ? "witness.test/w1" : "witness.test/w2", proof::KeyType::cosignature,
                       i == 0 ? 9 : 10)
        .verifier();
  }
  WitnessReport report(std::size_t i = 0) {
    std::vector<WitnessReport> out;
    witnessing->report([&](std::vector<WitnessReport> reports) { out = std::move(reports); });
    world.run_until_idle();
    return out.at(i);
  }
  Result<proof::Receipt> ask(std::uint64_t record, std::size_t count = 1,
                             io::Duration patience = io::seconds(2)) {
    auto out = std::make_shared<Result<proof::Receipt>>(fail(Code::internal, "no answer came"));
    witnessing->wait_receipt(record, count,
                             [out](Result<proof::Receipt> receipt) { *out = std::move(receipt); });
    world.advance(patience);
    return *out;
  }
  std::optional<proof::Receipt> find(std::uint64_t record) {
    std::optional<proof::Receipt> out;
    witnessing->find_receipt(record, [&](Result<std::optional<proof::Receipt>> found) {
      if (found) out = *found;
    });
    world.run_until_idle();
    return out;
  }
  proof::Policy policy() const {
    proof::Policy policy;
    proof::PolicyLog trusted;
    trusted.key = log.key.verifier();
    policy.logs.push_back(trusted);
    for (std::size_t i = 0; i < 2; ++i) {
      proof::PolicyWitness witness;
      witness.name = i == 0 ? "one" : "two";
      witness.key = key(i);
      witness.role = proof::CosignerRole::outside;
      witness.place = i == 0 ? "Auditor" : "Bank";
      policy.witnesses.push_back(witness);
    }
    policy.quorum = "one";
    return policy;
  }
};

TEST_F(WitnessingTest, a_receipt_is_witnessed_once_the_witness_answered) {
  start(1);
  EXPECT_FALSE(find(3).has_value()) << "nothing was cosigned yet";
  const auto receipt = ask(3);
  ASSERT_TRUE(receipt.has_value()) << receipt.error().message;
  const auto evidence = proof::evaluate(*receipt, policy());
  ASSERT_TRUE(evidence.has_value()) << evidence.error().message;
  EXPECT_TRUE(evidence->witnessed);
  ASSERT_TRUE(find(3).has_value()) << "from then on every receipt is";
  EXPECT_EQ(notices,
            std::vector<std::string>{"witness witness.test/w1 at http://w cosigns: 10 records"});
}

TEST_F(WitnessingTest, growth_is_witnessed_each_period_and_silence_costs_nothing) {
  start(1);
  world.advance(io::seconds(3));
  EXPECT_EQ(report().cosigned_size, 10U);
  const int sent = ways[0].sent;
  const int asked = checkpoints;
  world.advance(io::seconds(60));
  EXPECT_EQ(ways[0].sent, sent) << "an idle log asks nobody";
  EXPECT_EQ(checkpoints, asked);
  log.grow(7);
  EXPECT_EQ(report().lag_records, 7U);
  world.advance(io::seconds(2));
  EXPECT_EQ(report().cosigned_size, 17U);
  EXPECT_EQ(report().lag_records, 0U);
  EXPECT_NE(
      metrics->text().find("meridian_witnessing_cosigned_size{witness=\"witness.test/w1\"} 17"),
      std::string::npos);
}

TEST_F(WitnessingTest, a_log_that_forgot_goes_on_from_the_size_the_witness_names) {
  start(1);
  world.advance(io::seconds(2));
  witnessing.reset();
  log.grow(5);
  ways[0].sent = 0;
  start(1);
  ASSERT_TRUE(ask(12).has_value());
  EXPECT_EQ(ways[0].sent, 2) << "409, then from there";
}

TEST_F(WitnessingTest, a_witness_that_is_down_is_told_once_and_taken_up_again) {
  ways[0].down = true;
  start(1);
  world.advance(io::seconds(120));
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_NE(notices[0].find("does not answer: connection refused"), std::string::npos);
  EXPECT_EQ(report().state, WitnessState::unreachable);
  EXPECT_LT(ways[0].sent, 25) << "ever less often";
  const auto late = ask(3, 1, io::seconds(25));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Code::unavailable);
  EXPECT_NE(late.error().message.find("connection refused"), std::string::npos);
  ways[0].down = false;
  ASSERT_TRUE(ask(3, 1, io::seconds(15)).has_value());
  EXPECT_EQ(notices.size(), 2U);
  EXPECT_EQ(report().problem, "");
}

TEST_F(WitnessingTest, a_fork_is_refused_and_the_operator_is_told) {
  start(1);
  world.advance(io::seconds(2));
  witnessing.reset();
  notices.clear();
  log = TestLog();  // a copy that went another way
  log.grow(15, 3);
  start(1);
  world.advance(io::seconds(5));
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_NE(notices[0].find("REFUSES to cosign this log: the 15 records here do not extend the 10"),
            std::string::npos)
      << notices[0];
  EXPECT_EQ(report().state, WitnessState::refusing);
  EXPECT_NE(metrics->text().find("meridian_witnessing_refusing{witness=\"witness.test/w1\"} 1"),
            std::string::npos);
  EXPECT_FALSE(find(3).has_value());
}

TEST_F(WitnessingTest, an_old_copy_is_told_from_the_size_the_witness_names) {
  start(1);
  world.advance(io::seconds(2));
  witnessing.reset();
  notices.clear();
  log = TestLog();
  log.grow(4);
  start(1);
  world.advance(io::seconds(5));
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_NE(notices[0].find("it has cosigned 10 records of this log, and here are only 4"),
            std::string::npos)
      << notices[0];
}

TEST_F(WitnessingTest, answers_that_are_not_of_the_protocol_are_never_believed) {
  for (const WitnessLink::Reply& reply : {WitnessLink::Reply{200, ""},
                                          {200, "\xE2\x80\x94 witness.test/w1 AAAA\n"},
                                          {409, "x\n"},
                                          {409, "7\n"},
                                          {500, "no\n"},
                                          {302, ""}}) {
    SCOPED_TRACE(std::to_string(reply.status) + " " + reply.body);
    ways[0].instead = reply;
    start(1);
    world.advance(io::seconds(5));
    EXPECT_EQ(report().state, WitnessState::unreachable);
    EXPECT_LT(ways[0].sent, 30);
    EXPECT_FALSE(find(3).has_value());
    witnessing.reset();
    ways[0].sent = 0;
  }
}

TEST_F(WitnessingTest, a_cosignature_of_another_key_does_not_count) {
  start(2);  // the second witness signs with the first one's key
  world.advance(io::seconds(3));
  EXPECT_EQ(report(0).state, WitnessState::cosigning);
  EXPECT_EQ(report(1).state, WitnessState::unreachable);
  EXPECT_NE(report(1).problem.find("is the vkey right?"), std::string::npos);
  ASSERT_TRUE(ask(3, 1).has_value());
  const auto both = ask(3, 2, io::seconds(25));
  ASSERT_FALSE(both.has_value());
  EXPECT_EQ(both.error().code, Code::unavailable);
}

TEST_F(WitnessingTest, a_slow_witness_does_not_hold_up_the_others) {
  rigs[1].seed = 10;
  rigs[1].name = "witness.test/w2";
  ways[1].delay = io::seconds(8);
  start(2);
  ASSERT_TRUE(ask(3, 1, io::milliseconds(500)).has_value());
  log.grow(5);
  ASSERT_TRUE(ask(12, 1, io::milliseconds(500)).has_value());
  const auto both = ask(3, 2, io::seconds(9));
  ASSERT_TRUE(both.has_value()) << both.error().message;
  const auto evidence = proof::evaluate(*both, policy());
  ASSERT_TRUE(evidence.has_value());
  EXPECT_EQ(evidence->cosignatures.size(), 2U);
}

TEST_F(WitnessingTest, what_is_not_there_or_too_much_is_refused) {
  start(1);
  EXPECT_EQ(ask(10).error().code, Code::out_of_range);
  EXPECT_EQ(ask(3, 2).error().code, Code::invalid_argument);
  EXPECT_EQ(ask(3, 0).error().code, Code::invalid_argument);
  ways[0].down = true;
  log.grow(5);
  std::size_t refused = 0, stopped = 0;
  for (std::size_t i = 0; i < waiting_max + 3; ++i)
    witnessing->wait_receipt(12, 1, [&](Result<proof::Receipt> receipt) {
      ASSERT_FALSE(receipt.has_value());
      refused += receipt.error().code == Code::resource_exhausted ? 1 : 0;
      stopped += receipt.error().code == Code::unavailable ? 1 : 0;
    });
  world.run_until_idle();
  EXPECT_EQ(refused, 3U);
  witnessing->stop();
  world.run_until_idle();
  EXPECT_EQ(stopped, waiting_max);
  EXPECT_EQ(ask(12).error().code, Code::unavailable);
  EXPECT_FALSE(find(3).has_value()) << "the log is not read any more";
  EXPECT_EQ(report().cosigned_size, 10U);
}

TEST_F(WitnessingTest, a_checkpoint_gets_the_cosignatures_there_are_for_it) {
  start(1);
  world.advance(io::seconds(2));
  std::string out;
  witnessing->add_cosignatures(proof::format_note(log.checkpoint(10)),
                               [&](std::string note) { out = std::move(note); });
  world.run_until_idle();
  EXPECT_EQ(proof::parse_note(out)->signatures.size(), 2U);
  log.grow(1);
  const std::string newer = proof::format_note(log.checkpoint(11));
  witnessing->add_cosignatures(newer, [&](std::string note) { out = std::move(note); });
  world.run_until_idle();
  EXPECT_EQ(out, newer);
}

TEST(WitnessAddress, is_a_url_and_the_key_of_a_witness) {
  const std::string vkey =
      proof::format_vkey(make_signer("w.example/=1", proof::KeyType::cosignature, 9).verifier());
  const auto address = parse_witness_address("http://127.0.0.1:1/x=" + vkey);
  ASSERT_TRUE(address.has_value()) << address.error().message;
  EXPECT_EQ(address->url, "http://127.0.0.1:1/x");
  EXPECT_EQ(address->key.name, "w.example/=1");
  for (const std::string& bad : {vkey, "http://a" + vkey, "http://a=" + vkey + "x",
                                 "http://a=" + proof::format_vkey(TestLog().key.verifier())})
    EXPECT_EQ(parse_witness_address(bad).error().code, Code::invalid_argument) << bad;
}

}  // namespace
}  // namespace meridian::witness
