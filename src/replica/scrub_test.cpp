#include "replica/scrub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replica/internal/scrub_rig.h"

namespace meridian::replica {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string headers = "headers/0000000000000000.seg";
const std::string payloads = "payloads/0000000000000000.seg";
const std::string leaves = "tiles/0/00000000";

TEST(Scrub, a_sound_replica_is_read_round_after_round_at_the_rate_asked_for) {
  ScrubRig rig;
  constexpr std::uint64_t rate = 1 << 20;
  rig.start(rig.all_honest(), rate);
  ASSERT_TRUE(rig.run_round());
  std::uint64_t stored = 0;
  for (const std::string directory : {"headers", "payloads", "state"})
    for (const std::string& name : rig.names_in(directory))
      stored += rig.size_of(directory + "/" + name);
  const std::uint64_t bytes = rig.metrics->bytes.value();
  EXPECT_GT(bytes, stored * 8 / 10);
  EXPECT_LT(bytes, stored * 15 / 10);
  const auto ms = static_cast<std::uint64_t>(rig.metrics->round_ms.value());
  EXPECT_GT(ms, bytes * 1'000 / rate * 9 / 10);
  EXPECT_LT(ms, bytes * 1'000 / rate + 1'000);
  ASSERT_TRUE(rig.run_round());
  ASSERT_TRUE(rig.run_round());
  EXPECT_EQ(rig.metrics->damaged.value(), 0U);
  EXPECT_THAT(rig.notices, IsEmpty());
  EXPECT_THAT(rig.asked, IsEmpty());
}

TEST(Scrub, without_a_rate_nothing_is_read_until_a_reader_meets_damage) {
  ScrubRig rig;
  rig.start(rig.all_honest(), 0);
  rig.run(600);
  EXPECT_EQ(rig.metrics->bytes.value(), 0U);
  rig.flip(headers, 300'000);
  rig.run(600);
  EXPECT_EQ(rig.metrics->damaged.value(), 0U);
  const Status met =
      rig.stores->records->scan(0, 60'000, [](std::uint64_t, Bytes) { return true; });
  EXPECT_EQ(met.error().code, Code::data_loss);
  rig.run(20);
  EXPECT_EQ(rig.metrics->repaired.value(), 1U);
  EXPECT_GT(rig.metrics->bytes.value(), 0U);
  ASSERT_NO_FATAL_FAILURE(rig.expect_healed());
}

TEST(Scrub, a_damaged_segment_is_fetched_from_a_peer_whatever_is_damaged_in_it) {
  ScrubRig rig;
  struct Case {
    std::string path;
    std::uint64_t at;
  };
  const auto end = [&](const std::string& path, std::uint64_t back) {
    return Case{path, rig.size_of(path) - back};
  };
  // File header, frames, directory, trailer.
  const std::vector<Case> cases{{headers, 60},         {headers, 5'000'000}, end(headers, 200),
                                end(headers, 20),      {payloads, 3},        {payloads, 700'000},
                                end(payloads, 10'000), end(payloads, 5)};
  for (const Case& one : cases) {
    SCOPED_TRACE(one.path + " at " + std::to_string(one.at));
    rig.flip(one.path, one.at);
    rig.notices.clear();
    rig.start(rig.all_honest());
    ASSERT_TRUE(rig.run_round());
    rig.run(1);
    EXPECT_EQ(rig.metrics->damaged.value(), 1U);
    EXPECT_EQ(rig.metrics->repaired.value(), 1U);
    EXPECT_EQ(rig.metrics->unrepaired.value(), 0);
    ASSERT_THAT(
        rig.notices,
        ElementsAre(AllOf(HasSubstr("records 0 to 65535 are damaged"), HasSubstr(one.path),
                          HasSubstr("fetched from the other replicas")),
                    HasSubstr("records 0 to 65535 are repaired: they come from replica 2")));
    ASSERT_NO_FATAL_FAILURE(rig.expect_healed());
    ASSERT_TRUE(rig.fatal.empty() && rig.damaged.empty());
  }
}

TEST(Scrub, a_segment_whose_file_is_gone_is_fetched_too) {
  ScrubRig rig;
  ASSERT_TRUE(rig.own.disk->remove(payloads).has_value());
  rig.start(rig.all_honest());
  ASSERT_TRUE(rig.run_round());
  EXPECT_EQ(rig.metrics->repaired.value(), 1U);
  ASSERT_NO_FATAL_FAILURE(rig.expect_healed());
}

TEST(Scrub, hashes_of_tiles_are_written_again_without_asking_anybody) {
  ScrubRig rig;
  const std::vector<std::pair<std::string, std::uint64_t>> cases{
      {leaves, 32 * 40'000},           // of a whole segment
      {"tiles/1/00000000", 32 * 17},   //
      {"tiles/2/00000000", 5},         // the root of a segment: by what the segment keeps
      {"tiles/0/00000001", 32 * 900},  // of the records behind it
      {"tiles/1/00000000", 32 * 257}};
  for (const auto& [path, at] : cases) {
    SCOPED_TRACE(path);
    rig.flip(path, at);
    rig.notices.clear();
    rig.start(rig.all_honest());
    ASSERT_TRUE(rig.run_round());
    EXPECT_EQ(rig.metrics->damaged.value(), 1U);
    EXPECT_EQ(rig.metrics->repaired.value(), 1U);
    EXPECT_THAT(rig.notices, ElementsAre(HasSubstr("were damaged: they are written again")));
    ASSERT_NO_FATAL_FAILURE(rig.expect_healed());
  }
  EXPECT_THAT(rig.asked, IsEmpty());
}

// The root of the segment is then known by neither: the caller has the whole replica copied.
TEST(Scrub, what_is_no_segment_is_for_the_caller_once) {
  struct Case {
    std::string what;
    std::function<void(ScrubRig&)> damage;
    std::string named;
  };
  const std::vector<Case> cases{
      {"headers behind the last segment",
       [](ScrubRig& rig) { rig.flip("headers/0000000000000001.seg", 100'000); },
       "headers/0000000000000001.seg"},
      {"payloads behind the last segment",
       [](ScrubRig& rig) { rig.flip("payloads/0000000000000001.seg", 10'000); },
       "payloads/0000000000000001.seg"},
      {"a chunk of state",
       [](ScrubRig& rig) { rig.flip(rig.first_file_in("state", ".chunks"), 300); }, ".chunks"},
      {"a run of ids",
       [](ScrubRig& rig) { rig.flip(rig.first_file_in("index/transfers", ".run"), 100'000); },
       "index/transfers"},
      {"a run of streams",
       [](ScrubRig& rig) { rig.flip(rig.first_file_in("index/streams", ".run"), 3'000); },
       "index/streams"},
      {"the root of a segment, twice",
       [](ScrubRig& rig) {
         rig.flip("tiles/2/00000000", 5);
         rig.flip(headers, rig.size_of(headers) - 100);
       },
       "tile level 2"}};
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    ScrubRig rig;
    one.damage(rig);
    rig.stores->records->forget_segment(0);
    rig.start(rig.all_honest());
    rig.run(120);
    ASSERT_EQ(rig.damaged.size(), 1U) << testing::PrintToString(rig.notices);
    EXPECT_EQ(rig.damaged[0].code, Code::data_loss);
    EXPECT_THAT(rig.damaged[0].message, HasSubstr(one.named));
    EXPECT_EQ(rig.metrics->rounds.value(), 0U);
    EXPECT_EQ(rig.metrics->unrepaired.value(), 1);
  }
}

TEST(Scrub, a_replica_that_is_alone_tells_each_damage_once_and_goes_round) {
  ScrubRig rig;
  rig.flip(headers, 5'000'000);
  rig.flip("payloads/0000000000000001.seg", 10'000);
  rig.flip(rig.first_file_in("state", ".chunks"), 300);
  rig.flip(rig.first_file_in("index/events", ".run"), 2'000);
  rig.start(nullptr);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(rig.run_round());
  ASSERT_THAT(rig.notices, testing::SizeIs(4));
  EXPECT_THAT(rig.notices, Each(HasSubstr("docs/operations/backup.md")));
  EXPECT_THAT(rig.notices[0], AllOf(HasSubstr("records 0 to 65535"), HasSubstr(headers),
                                    HasSubstr("at byte"), HasSubstr("no other replica")));
  EXPECT_THAT(rig.notices[1], HasSubstr("payloads/0000000000000001.seg"));
  EXPECT_EQ(rig.metrics->damaged.value(), 4U);
  EXPECT_EQ(rig.metrics->unrepaired.value(), 4);
  EXPECT_EQ(rig.metrics->repaired.value(), 0U);
  EXPECT_TRUE(rig.fatal.empty());
  EXPECT_TRUE(rig.stores->records->header(66'000).has_value());
}

// A client that asks for a damaged record again and again does not have it read all the time.
TEST(Scrub, alone_damage_that_is_known_is_not_looked_at_for_every_reader) {
  ScrubRig rig;
  rig.flip(headers, 5'000'000);
  rig.start(nullptr, 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(
        rig.stores->records->scan(10'000, 30'000, [](std::uint64_t, Bytes) { return true; }));
    rig.own.world.advance(io::milliseconds(100));
  }
  EXPECT_LT(rig.metrics->bytes.value(), std::uint64_t{20} << 20);
  EXPECT_THAT(rig.notices, testing::SizeIs(1));
}

// --- peers that do not help ---

TEST(Scrub, the_next_peer_is_asked_if_one_is_silent_damaged_or_behind) {
  ScrubRig rig;
  const std::vector<std::function<std::optional<Result<Buffer>>(const PieceRequest&)>> bad{
      [](const PieceRequest&) -> std::optional<Result<Buffer>> { return std::nullopt; },
      [](const PieceRequest&) -> std::optional<Result<Buffer>> {
        return Error{Code::data_loss, "record 7 is damaged here too"};
      },
      [&](const PieceRequest& request) -> std::optional<Result<Buffer>> {
        // It falls silent in the middle.
        if (request.first > 20'000) return std::nullopt;
        return rig.honest(request);
      }};
  for (const auto& answer : bad) {
    rig.flip(headers, 5'000'000);
    rig.asked.clear();
    rig.start([&](std::uint64_t to, const PieceRequest& request) {
      rig.asked.push_back(to);
      return to == 2 ? answer(request) : rig.honest(request);
    });
    ASSERT_TRUE(rig.run_round());
    EXPECT_EQ(rig.asked.front(), 2U);
    EXPECT_EQ(rig.asked.back(), 3U);
    EXPECT_EQ(rig.metrics->repaired.value(), 1U);
    EXPECT_THAT(rig.notices.back(), HasSubstr("replica 3"));
    ASSERT_NO_FATAL_FAILURE(rig.expect_healed());
  }
}

/// A piece as a peer that lies makes it: everything fits, but the records are others.
Buffer forged(const Buffer& bytes, bool in_payload) {
  const RecordsPiece piece = *RecordsPiece::decode(bytes);
  Buffer all = to_buffer(piece.headers);
  std::vector<Buffer> kept;
  RecordsPiece other = piece;
  if (!in_payload) {
    all[all.size() / 2] ^= 1;
    other.headers = all;
  } else {
    for (RecordsPiece::PayloadOf& payload : other.payloads) {
      if (payload.bytes.empty()) continue;
      ledger::Payload parts = *ledger::Payload::decode(payload.bytes);
      parts.compartments[0].commitment[0] ^= 1;
      parts.encode(kept.emplace_back());
      payload.bytes = kept.back();
      break;
    }
  }
  return other.encode();
}

TEST(Scrub, what_a_peer_makes_up_is_not_stored) {
  ScrubRig rig;
  for (const bool in_payload : {false, true}) {
    rig.flip(headers, 5'000'000);
    rig.start([&](std::uint64_t to, const PieceRequest& request) {
      auto answer = rig.honest(request);
      if (to == 2 && request.first > 30'000) **answer = forged(**answer, in_payload);
      return answer;
    });
    ASSERT_TRUE(rig.run_round());
    EXPECT_THAT(rig.notices.back(), HasSubstr("replica 3"));
    ASSERT_NO_FATAL_FAILURE(rig.expect_healed());
  }
}

TEST(Scrub, a_segment_that_nobody_can_give_now_is_tried_again) {
  ScrubRig rig;
  rig.flip(payloads, 700'000);
  bool there = false;
  rig.start([&](std::uint64_t to, const PieceRequest& request) -> std::optional<Result<Buffer>> {
    rig.asked.push_back(to);
    if (there) return rig.honest(request);
    if (to == 2) return std::nullopt;
    return Error{Code::out_of_range, "there are 900 records"};
  });
  rig.run(200);
  ASSERT_THAT(rig.notices, ElementsAre(HasSubstr("are damaged"),
                                       AllOf(HasSubstr("cannot be repaired now"),
                                             HasSubstr("replica 2: it does not answer"),
                                             HasSubstr("replica 3: there are 900 records"))));
  EXPECT_EQ(rig.metrics->unrepaired.value(), 1);
  EXPECT_EQ(rig.metrics->damaged.value(), 1U);
  EXPECT_GT(rig.asked.size(), 12U);
  EXPECT_LT(rig.asked.size(), 60U);
  EXPECT_TRUE(rig.fatal.empty() && rig.damaged.empty());
  there = true;
  rig.run(60);
  EXPECT_EQ(rig.metrics->repaired.value(), 1U);
  EXPECT_EQ(rig.metrics->unrepaired.value(), 0);
  ASSERT_NO_FATAL_FAILURE(rig.expect_healed());
}

TEST(Scrub, an_error_of_a_read_that_passes_is_no_damage) {
  ScrubRig rig;
  rig.start(rig.all_honest());
  rig.run(9);
  for (int i = 0; i < 8; ++i) {
    rig.own.disk->fail_next(sim::DiskOperation::read);
    rig.run(1);
  }
  ASSERT_TRUE(rig.run_round());
  EXPECT_EQ(rig.metrics->damaged.value(), 0U);
  EXPECT_THAT(rig.notices, IsEmpty());
}

// --- in a replica ---

TEST(Scrub, a_replica_alone_names_what_is_damaged_and_serves_the_rest) {
  ReplicaConfig config = scrub_config();
  config.checkpoint_interval = 1'000;
  config.scrub_bytes_per_second = 8 << 20;
  ReplicaRig rig(1, config);
  rig.must_open();
  CopyWorkload workload(3);
  for (int i = 0; i < 14; ++i) ASSERT_TRUE(rig.ask(workload.next(100)).has_value());
  rig.world.advance(io::seconds(60));
  EXPECT_THAT(rig.notices, IsEmpty());
  EXPECT_THAT(rig.metrics->text(), HasSubstr("meridian_scrub_rounds_total"));
  ASSERT_TRUE(rig.disk->flip_bit(headers, 50'000, 1).has_value());
  rig.world.advance(io::seconds(60));
  EXPECT_THAT(rig.notices, ElementsAre(HasSubstr(headers)));
  EXPECT_TRUE(rig.fatal.empty());
  EXPECT_TRUE(rig.ask(workload.next(100)).has_value());
}

// The tree head that was signed is looked for in the tiles at every start.
TEST(Scrub, hashes_at_the_edge_of_the_tree_are_healed_before_anything_is_signed) {
  ReplicaConfig config = scrub_config();
  config.checkpoint_interval = 1'000;
  for (const unsigned level : {0U, 1U}) {
    SCOPED_TRACE(level);
    ReplicaRig rig(1, config);
    rig.must_open();
    CopyWorkload workload(3);
    for (int i = 0; i < 14; ++i) ASSERT_TRUE(rig.ask(workload.next(100)).has_value());
    ASSERT_TRUE(rig.checkpoint().has_value());
    const std::uint64_t last = (rig.report().checkpoint_record >> (8 * level)) - 1;
    rig.close();
    ASSERT_TRUE(rig.disk->flip_bit("tiles/" + std::to_string(level) + "/00000000", 32 * last, 1)
                    .has_value());
    ASSERT_NO_FATAL_FAILURE(rig.must_open());
    EXPECT_THAT(rig.notices, ElementsAre(HasSubstr("are written again")));
    EXPECT_TRUE(rig.fatal.empty());
    EXPECT_TRUE(rig.ask(workload.next(100)).has_value());
    const auto receipt = rig.receipt(last);
    ASSERT_TRUE(receipt.has_value());
    EXPECT_TRUE(proof::evaluate(*receipt, rig.policy()).has_value());
  }
}

}  // namespace
}  // namespace meridian::replica
