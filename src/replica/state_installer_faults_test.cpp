// What a copy refuses, and what a crash at any moment of it leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replica/cosigned_head.h"
#include "replica/internal/copy_rig.h"

namespace meridian::replica {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ReplicaConfig cut_every(std::uint64_t interval) {
  ReplicaConfig config = ReplicaRig::default_config();
  config.checkpoint_interval = interval;
  return config;
}

void grow(ReplicaRig& rig, CopyWorkload& workload, int requests) {
  for (int i = 0; i < requests; ++i) ASSERT_TRUE(rig.ask(workload.next(10)).has_value());
  rig.world.advance(io::seconds(2));
}

/// A replica with something to offer, and an installer of it into an empty directory.
struct OneCopy {
  explicit OneCopy(const StateInstaller::Options& options = {.window = 2,
                                                             .records_per_request = 64}) {
    a.must_open();
    grow(a, workload, 30);
    offer = *a.replica->state_source().describe();
    keys = *open_keys(b);
    installer = *StateInstaller::begin(context_of(b, *keys), offer, options);
  }
  StateSource& source() { return a.replica->state_source(); }

  ReplicaRig a{1, cut_every(200)}, b{2, cut_every(200)};
  CopyWorkload workload{1};
  StateOffer offer;
  std::unique_ptr<storage::KeyStore> keys;
  std::unique_ptr<StateInstaller> installer;
};

TEST(StateInstallerFaults, every_flipped_byte_of_every_piece_is_refused_and_named) {
  OneCopy copy;
  sim::Random random(1);
  std::uint64_t tried = 0;
  while (!copy.installer->is_complete()) {
    const auto request = copy.installer->next();
    ASSERT_TRUE(request.has_value());
    const Buffer piece = *copy.source().read(*request);
    std::optional<PieceRequest> again = request;
    for (std::size_t at = 0; at < piece.size(); at += 1 + random.below(400)) {
      Buffer forged = piece;
      forged[at] ^= static_cast<Byte>(1U << random.below(8));
      const Status taken = copy.installer->add(*again, forged, "mallory");
      ASSERT_FALSE(taken.has_value()) << request->describe() << " byte " << at;
      EXPECT_EQ(taken.error().code, Code::invalid_argument) << taken.error().message;
      EXPECT_THAT(taken.error().message, AllOf(HasSubstr("mallory"), HasSubstr("from")));
      EXPECT_THAT(taken.error().message, HasSubstr(again->describe()));
      again = copy.installer->next();
      ASSERT_TRUE(again.has_value());
      ASSERT_EQ(*again, *request) << "asked for again";
      ++tried;
    }
    const Status taken = copy.installer->add(*again, piece, "alice");
    ASSERT_TRUE(taken.has_value()) << taken.error().message;
  }
  EXPECT_GT(tried, 100U);
  ASSERT_TRUE(copy.installer->commit().has_value());
  copy.b.must_open();
  EXPECT_EQ(*copy.b.replica->state_source().describe(), copy.offer);
}

TEST(StateInstallerFaults, pieces_cut_short_or_of_another_place_are_refused) {
  OneCopy copy;
  const PieceRequest request = *copy.installer->next();
  const Buffer piece = *copy.source().read(request);
  for (std::size_t size = 0; size < piece.size(); size += 97) {
    const Status taken = copy.installer->add(request, Bytes(piece).first(size), "p");
    ASSERT_FALSE(taken.has_value()) << size;
    ASSERT_EQ(*copy.installer->next(), request);
  }
  PieceRequest other = request;
  other.first += 1;
  const Buffer shifted = *copy.source().read(other);
  EXPECT_EQ(copy.installer->add(request, shifted, "p").error().code, Code::invalid_argument);
  EXPECT_EQ(copy.installer->add(other, shifted, "p").error().code, Code::invalid_argument)
      << "never asked for";
}

TEST(StateInstallerFaults, a_wrong_piece_that_came_early_is_blamed_on_its_own_peer) {
  OneCopy copy;
  const PieceRequest first = *copy.installer->next(), second = *copy.installer->next();
  EXPECT_FALSE(copy.installer->next().has_value()) << "the window is full";
  Buffer forged = *copy.source().read(second);
  forged[forged.size() - 40] ^= 1;
  ASSERT_TRUE(copy.installer->add(second, forged, "mallory").has_value()) << "not its turn yet";
  const Status taken = copy.installer->add(first, *copy.source().read(first), "alice");
  ASSERT_FALSE(taken.has_value());
  EXPECT_THAT(taken.error().message, AllOf(HasSubstr("mallory"), HasSubstr(second.describe())));
  EXPECT_THAT(taken.error().message, testing::Not(HasSubstr("alice")));
  EXPECT_EQ(*copy.installer->next(), second);
  copy.installer->give_up(second);
  ASSERT_TRUE(carry(copy.source(), *copy.installer).has_value());
}

TEST(StateInstallerFaults, another_history_another_cell_and_an_old_offer_are_refused) {
  ReplicaRig a(1, cut_every(200)), b(2, cut_every(200)), c(3, cut_every(200));
  a.must_open();
  CopyWorkload workload(1);
  grow(a, workload, 30);
  ASSERT_TRUE(copy_state(a, b).has_value());
  // The same offer again.
  const auto keys = *open_keys(b);
  const StateOffer offer = *a.replica->state_source().describe();
  auto begun = StateInstaller::begin(context_of(b, *keys), offer, {});
  ASSERT_FALSE(begun.has_value());
  EXPECT_EQ(begun.error().code, Code::failed_precondition);
  // Of another cell.
  StateOffer foreign = offer;
  foreign.cell += 1;
  begun = StateInstaller::begin(context_of(b, *keys), foreign, {});
  EXPECT_EQ(begun.error().code, Code::invalid_argument);
  // A longer log that does not begin like b's.
  c.must_open();
  CopyWorkload others(77);
  grow(c, others, 80);
  const StateOffer longer = *c.replica->state_source().describe();
  ASSERT_GT(longer.record_index, offer.record_index);
  auto installer = *StateInstaller::begin(context_of(b, *keys), longer, {});
  const Status carried = carry(c.replica->state_source(), *installer);
  ASSERT_FALSE(carried.has_value());
  EXPECT_EQ(carried.error().code, Code::failed_precondition) << carried.error().message;
  installer.reset();
  b.must_open();
  EXPECT_GE(b.replica->visible_records(), offer.record_index);
}

TEST(StateInstallerFaults, what_this_replica_signed_must_be_a_part_of_the_copy) {
  ReplicaRig a(1, cut_every(200));
  a.must_open();
  CopyWorkload workload(1);
  grow(a, workload, 30);
  const StateOffer offer = *a.replica->state_source().describe();
  for (const bool too_long : {true, false}) {
    ReplicaRig b(2, cut_every(200));
    const std::uint64_t size = too_long ? offer.record_index + 1 : offer.record_index / 2;
    {
      auto cosigned = *CosignedHead::open(*b.disk);
      ASSERT_TRUE(cosigned.save({proof::TreeSize{size}, proof::leaf_hash({})}).has_value());
    }
    const auto keys = *open_keys(b);
    auto begun = StateInstaller::begin(context_of(b, *keys), offer, {});
    ASSERT_TRUE(begun.has_value()) << begun.error().message;
    ASSERT_TRUE(carry(a.replica->state_source(), **begun).has_value());
    const Status committed = (*begun)->commit();
    if (too_long) {  // the log may have the rest: it is compared before the next signature
      EXPECT_TRUE(committed.has_value()) << committed.error().message;
      begun->reset();
      const Status opened = b.open();
      EXPECT_EQ(opened.error().code, Code::data_loss);
      EXPECT_THAT(opened.error().message, HasSubstr("although their tree head was signed"));
      continue;
    }
    EXPECT_EQ(committed.error().code, Code::failed_precondition);
    EXPECT_THAT(committed.error().message, HasSubstr("signed"));
    begun->reset();
    EXPECT_EQ((*storage::StateStore::open(context_of(b, *keys)))->newest(), nullptr);
  }
}

TEST(StateInstallerFaults, a_source_answers_every_request_without_falling_over) {
  OneCopy copy;
  sim::Random random(3);
  const auto number = [&] {
    constexpr std::uint64_t edges[] = {0, 1, 199, 200, 201, 65'536, ~std::uint64_t{0}};
    return random.chance(0.5) ? edges[random.below(std::size(edges))] : random.below(400);
  };
  int answered = 0;
  for (int i = 0; i < 20'000; ++i) {
    PieceRequest request;
    request.kind = static_cast<PieceKind>(random.below(5));
    request.record_index = random.chance(0.5) ? copy.offer.record_index : number();
    request.first = number();
    request.last = number();
    request.chunk = {static_cast<std::uint16_t>(random.below(6)),
                     static_cast<std::uint32_t>(random.below(3))};
    const Result<Buffer> piece = copy.source().read(request);
    answered += piece.has_value() ? 1 : 0;
    EXPECT_LE(piece ? piece->size() : 0, piece_size_max);
  }
  EXPECT_GT(answered, 100);
}

// --- crashes ---

struct Moments {
  int old_state = 0, new_state = 0;
};

/// Power fails at the nth change of the disk while `b`, lagging or empty, is copied to; every
/// second time with a part of the work done beside, and late.
void crash_at(std::uint64_t n, bool lagging, ReplicaRig& a, ReplicaRig& b, const StateOffer& offer,
              std::uint64_t seed, Moments& moments) {
  std::uint64_t covered = 0, visible = 0;
  if (lagging) {
    b.must_open();
    covered = b.report().checkpoint_record;
    visible = b.replica->visible_records();
    b.close();
  }
  const std::unique_ptr<io::Executor> storing = b.world.make_executor("storing"),
                                      folding = b.world.make_executor("folding");
  b.disk->crash_at_mutation(b.disk->mutation_count() + n);
  const auto copy = [&]() -> Status {
    const auto keys = TRY(open_keys(b));
    StateInstaller::Options options{.records_per_request = 100};
    if (n % 2 == 0) options.beside = {storing.get(), folding.get()};
    const auto installer = TRY(StateInstaller::begin(context_of(b, *keys), offer, options));
    TRY(carry(a.replica->state_source(), *installer));
    return installer->commit();
  };
  const bool committed = copy().has_value();
  b.crash(seed);
  if (lagging || committed) {
    // The old state or the new, and it can be used.
    b.must_open();
    const std::uint64_t now = b.report().checkpoint_record;
    ASSERT_TRUE(!committed || now == offer.record_index) << now;
    ASSERT_TRUE(now == covered || now == offer.record_index) << now;
    ++(now == covered ? moments.old_state : moments.new_state);
    ASSERT_GE(b.replica->visible_records(), now == covered ? visible : offer.record_index);
    b.close();
    if (now == offer.record_index) return;
  }
  const Status again = copy();
  if (!again) {  // committed just before power failed
    ASSERT_EQ(again.error().code, Code::failed_precondition) << again.error().message;
    ++moments.new_state;
  }
  b.must_open();
  EXPECT_EQ(*b.replica->state_source().describe(), offer);
  ASSERT_TRUE(b.ask(accounts_request(1)).has_value());
}

void crash_everywhere(bool lagging) {
  ReplicaRig a(1, cut_every(150));
  a.must_open();
  CopyWorkload workload(1);
  grow(a, workload, 22);
  const auto old = *a.replica->state_source().describe();
  const auto make_target = [&](std::uint64_t seed) {
    auto b = std::make_unique<ReplicaRig>(seed, cut_every(150));
    if (!lagging) return b;
    const auto keys = *open_keys(*b);
    auto installer = *StateInstaller::begin(context_of(*b, *keys), old, {});
    EXPECT_TRUE(carry(a.replica->state_source(), *installer).has_value());
    EXPECT_TRUE(installer->commit().has_value());
    return b;
  };
  // The old checkpoint stays pinned while the new one is offered.
  std::vector<std::unique_ptr<ReplicaRig>> targets;
  constexpr std::uint64_t moments_max = 400;
  for (std::uint64_t seed = 1; seed <= moments_max; ++seed) targets.push_back(make_target(seed));
  grow(a, workload, 30);
  const StateOffer offer = *a.replica->state_source().describe();
  ASSERT_GT(offer.record_index, old.record_index);
  Moments moments;
  for (std::uint64_t n = 1; n <= moments_max; ++n) {
    SCOPED_TRACE("change " + std::to_string(n));
    crash_at(n, lagging, a, *targets[n - 1], offer, n * 7, moments);
    if (testing::Test::HasFatalFailure() || testing::Test::HasFailure()) return;
    targets[n - 1].reset();
  }
  EXPECT_GT(moments.new_state, 3);
  EXPECT_GT(moments.old_state, lagging ? 20 : -1);
}

TEST(StateInstallerFaults, power_may_fail_at_any_change_of_an_empty_directory) {
  crash_everywhere(false);
}

TEST(StateInstallerFaults, power_may_fail_at_any_change_of_a_lagging_directory) {
  crash_everywhere(true);
}

}  // namespace
}  // namespace meridian::replica
