// A copy is the same replica: records, proofs, balances, ids, streams, and what comes after.
#include "replica/state_installer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replica/checkpointer.h"
#include "replica/internal/copy_rig.h"
#include "replica/internal/crash_model.h"

namespace meridian::replica {
namespace {

ReplicaConfig cut_every(std::uint64_t interval) {
  ReplicaConfig config = ReplicaRig::default_config();
  config.checkpoint_interval = interval;
  config.wal_file_size = 4 << 20;
  return config;
}

void grow(ReplicaRig& rig, CopyWorkload& workload, std::uint64_t requests, std::uint64_t commands) {
  for (std::uint64_t i = 0; i < requests; ++i) {
    const Result<Answer> answer = rig.ask(workload.next(commands));
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
  }
  rig.world.advance(io::seconds(2));  // some pending transfers expire
}

std::optional<std::uint64_t> find(ReplicaRig& rig, ledger::IdSpace space, u128 id) {
  std::optional<std::uint64_t> at;
  rig.replica->find_record(space, id, [&](Result<ledger::RecordIndex> found) {
    ASSERT_TRUE(found.has_value());
    if (*found != ledger::no_record) at = raw(*found);
  });
  rig.world.run_until_idle();
  return at;
}

proof::TreeHead head_of(ReplicaRig& rig) {
  const auto note = rig.checkpoint();
  EXPECT_TRUE(note.has_value());
  return proof::parse_checkpoint(proof::parse_note(*note)->text)->head;
}

/// Ids of every space that the first `count` records could have used.
void expect_same_ids(ReplicaRig& a, ReplicaRig& b, std::uint64_t count) {
  std::uint64_t used = 0;
  const std::vector<ledger::Header> headers = a.all_headers();
  for (std::uint64_t i = 0; i < count; i += 1 + count / 3'000) {
    for (const auto space :
         {ledger::IdSpace::transfer, ledger::IdSpace::resolution, ledger::IdSpace::event}) {
      std::optional<std::uint64_t> wanted = find(a, space, command_id(headers[i]));
      if (wanted && *wanted >= count) wanted.reset();
      ASSERT_EQ(find(b, space, command_id(headers[i])), wanted)
          << "record " << i << ", space " << static_cast<int>(space);
      used += wanted ? 1 : 0;
    }
  }
  EXPECT_GT(used, 0U);
}

void expect_same_streams(ReplicaRig& a, ReplicaRig& b, std::uint64_t count) {
  const auto below = [&](std::vector<ledger::RecordIndex> records) {
    std::erase_if(records, [&](ledger::RecordIndex at) { return raw(at) >= count; });
    return records;
  };
  constexpr std::uint64_t all = ~std::uint64_t{0};
  for (u128 stream = 1; stream <= 6; ++stream)
    EXPECT_EQ(below(*b.replica->stream_records(stream, 0, all, 1 << 20, false)),
              below(*a.replica->stream_records(stream, 0, all, 1 << 20, false)));
  for (u128 category = 100; category <= 101; ++category) {
    const auto records = below(*a.replica->category_records(category, 0, all, 1 << 20, false));
    EXPECT_FALSE(records.empty());
    EXPECT_EQ(below(*b.replica->category_records(category, 0, all, 1 << 20, false)), records);
  }
}

/// The first `count` records of both, with their payloads.
void expect_same_records(ReplicaRig& a, ReplicaRig& b, std::uint64_t count) {
  ASSERT_GE(b.replica->visible_records(), count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const ledger::RecordIndex record{i};
    ASSERT_EQ(*a.replica->header(record), *b.replica->header(record)) << i;
    const Result<Buffer> wanted = a.replica->payload(record), payload = b.replica->payload(record);
    ASSERT_EQ(payload.has_value(), wanted.has_value()) << i;
    if (!wanted) continue;
    ASSERT_EQ(*payload, *wanted) << i;
  }
}

/// Balances as the records alone give them.
void expect_folded_balances(ReplicaRig& rig) {
  Fold fold;
  const std::vector<ledger::Header> headers = rig.all_headers();
  for (std::size_t i = 0; i < headers.size(); ++i) fold.add(headers[i], i);
  for (const auto& [id, balances] : fold.accounts) {
    const auto account = rig.account(id);
    ASSERT_TRUE(account.has_value());
    EXPECT_EQ(account->account.debits_posted, balances.debits_posted);
    EXPECT_EQ(account->account.credits_posted, balances.credits_posted);
    EXPECT_EQ(account->account.debits_pending, balances.debits_pending);
    EXPECT_EQ(account->account.credits_pending, balances.credits_pending);
  }
}

void expect_same(ReplicaRig& a, ReplicaRig& b, std::uint64_t count) {
  ASSERT_NO_FATAL_FAILURE(expect_same_records(a, b, count));
  ASSERT_NO_FATAL_FAILURE(expect_same_ids(a, b, count));
  ASSERT_NO_FATAL_FAILURE(expect_same_streams(a, b, count));
  ASSERT_NO_FATAL_FAILURE(expect_folded_balances(b));
}

/// One life of a copy: from `a` into a directory, opened, compared, then caught up and compared.
void copy_and_compare(ReplicaRig& a, ReplicaRig& b, std::uint64_t seed) {
  sim::Random shuffle(seed);
  const StateOffer offer = *a.replica->state_source().describe();
  const Status copied = copy_state(a, b, {.records_per_request = 1'000}, &shuffle);
  ASSERT_TRUE(copied.has_value()) << copied.error().message;
  b.must_open();
  EXPECT_EQ(b.report().checkpoint_record, offer.record_index);
  const StateOffer again = *b.replica->state_source().describe();
  EXPECT_EQ(again, offer) << "digest, root and position are those that were offered";
  ASSERT_NO_FATAL_FAILURE(expect_same(a, b, offer.record_index));
  const auto receipt = b.receipt(offer.record_index / 2);
  ASSERT_TRUE(receipt.has_value()) << receipt.error().message;
  EXPECT_TRUE(proof::evaluate(*receipt, b.policy()).has_value());
}

TEST(StateInstaller, an_empty_directory_becomes_the_same_replica) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    ReplicaRig a(seed, cut_every(400)), b(seed + 100, cut_every(400));
    a.must_open();
    CopyWorkload workload(seed);
    grow(a, workload, 60, 20);
    ASSERT_NO_FATAL_FAILURE(copy_and_compare(a, b, seed));
  }
}

TEST(StateInstaller, a_copy_that_gets_the_rest_of_the_log_is_the_same_to_the_last_byte) {
  ReplicaRig a(1, cut_every(400)), b(2, cut_every(400));
  a.must_open();
  CopyWorkload workload(1);
  grow(a, workload, 70, 20);
  const StateOffer offer = *a.replica->state_source().describe();
  ASSERT_TRUE(copy_state(a, b).has_value());
  const proof::TreeHead head = head_of(a);
  a.close();
  const Status logged = copy_log(a, b, offer.entry_index);
  ASSERT_TRUE(logged.has_value()) << logged.error().message;
  a.must_open();
  b.must_open();
  const std::uint64_t count = raw(head.size);
  ASSERT_GT(count, offer.record_index);
  const proof::Frontier then = *proof::frontier_at(head.size, b.replica->tiles());
  EXPECT_EQ(then.root(), head.root);
  ASSERT_NO_FATAL_FAILURE(expect_same(a, b, count));
  // Both go on alike.
  for (ReplicaRig* rig : {&a, &b}) {
    CopyWorkload again(1);
    ASSERT_TRUE(rig->ask(again.next(1)).has_value());
    const auto retried = rig->ask(again.next(20));
    ASSERT_TRUE(retried.has_value());
    for (const auto& result : retried->results)
      EXPECT_NE(result.outcome, ledger::Outcome::created) << "done twice";
  }
}

/// Late, too: until somebody waits, the other executors do nothing.
TEST(StateInstaller, a_copy_with_work_beside_is_the_same) {
  ReplicaRig a(1, cut_every(400)), b(2, cut_every(400));
  a.must_open();
  CopyWorkload workload(1);
  grow(a, workload, 70, 20);
  const auto storing = b.world.make_executor("storing");
  const auto folding = b.world.make_executor("folding");
  const StateOffer offer = *a.replica->state_source().describe();
  ASSERT_TRUE(
      copy_state(a, b, {.records_per_request = 10, .beside = {storing.get(), folding.get()}})
          .has_value());
  b.must_open();
  EXPECT_EQ(b.report().checkpoint_record, offer.record_index);
  ASSERT_NO_FATAL_FAILURE(expect_same_records(a, b, offer.record_index));
  ASSERT_NO_FATAL_FAILURE(expect_same_ids(a, b, offer.record_index));
  ASSERT_NO_FATAL_FAILURE(expect_same_streams(a, b, offer.record_index));
}

TEST(StateInstaller, a_lagging_replica_keeps_what_it_has_and_its_signature) {
  ReplicaRig a(1, cut_every(300)), b(2, cut_every(300));
  a.must_open();
  CopyWorkload workload(5);
  grow(a, workload, 30, 20);
  ASSERT_TRUE(copy_state(a, b).has_value());
  b.must_open();
  const proof::TreeHead signed_head = head_of(b);
  const std::uint64_t kept = b.report().checkpoint_record;
  b.close();
  grow(a, workload, 60, 20);

  const Buffer cosigned = *io::read_file(*b.disk, "cosigned", 4'096);
  const auto keys = *open_keys(b);
  const StateOffer offer = *a.replica->state_source().describe();
  ASSERT_GT(offer.record_index, kept);
  auto installer = *StateInstaller::begin(context_of(b, *keys), offer, {});
  const Status carried = carry(a.replica->state_source(), *installer);
  ASSERT_TRUE(carried.has_value()) << carried.error().message;
  EXPECT_EQ(installer->progress().records_kept, kept);
  const Status committed = installer->commit();
  ASSERT_TRUE(committed.has_value()) << committed.error().message;
  EXPECT_EQ(*io::read_file(*b.disk, "cosigned", 4'096), cosigned);
  b.must_open();
  ASSERT_NO_FATAL_FAILURE(expect_same(a, b, offer.record_index));
  EXPECT_GT(raw(head_of(b).size), raw(signed_head.size));
}

/// A leader's first entry and changes of members leave no record, or a later one: what a log
/// reaches back to is a matter of entries.
TEST(StateInstaller, the_same_records_at_a_later_entry_are_taken) {
  ReplicaRig a(1, cut_every(300)), b(2, cut_every(300));
  a.must_open();
  CopyWorkload workload(5);
  grow(a, workload, 30, 20);
  ASSERT_TRUE(copy_state(a, b).has_value());
  const auto keys = *open_keys(b);
  StateOffer offer = *a.replica->state_source().describe();
  const auto again = StateInstaller::begin(context_of(b, *keys), offer, {});
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("nothing to copy"), std::string::npos);

  StateOffer other = offer;
  other.entry_index += 2;
  other.root[0] ^= Byte{1};
  EXPECT_EQ(StateInstaller::begin(context_of(b, *keys), other, {}).error().code,
            Code::failed_precondition);

  offer.entry_index += 2;
  auto installer = *StateInstaller::begin(context_of(b, *keys), offer, {});
  const Status carried = carry(a.replica->state_source(), *installer);
  ASSERT_TRUE(carried.has_value()) << carried.error().message;
  ASSERT_TRUE(installer->commit().has_value());
  installer.reset();
  b.must_open();
  EXPECT_EQ(*b.replica->state_source().describe(), offer);
  ASSERT_NO_FATAL_FAILURE(expect_same_records(a, b, offer.record_index));
}

TEST(StateInstaller, chunks_that_are_here_already_are_not_asked_for) {
  ReplicaConfig config = cut_every(10'000);
  ReplicaRig a(1, config), b(2, config);
  a.must_open();
  for (std::uint64_t first = 1; first < 40'000; first += 4'000) {
    auto request = make_request();
    for (std::uint64_t id = first; id < first + 4'000; ++id)
      add_account(*request, make_account(id));
    ASSERT_TRUE(a.ask(std::move(request)).has_value());
  }
  ASSERT_TRUE(copy_state(a, b).has_value());
  const StateOffer before = *a.replica->state_source().describe();
  CopyWorkload workload(1);
  static_cast<void>(workload.next(1));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(a.ask(workload.next(3'000)).has_value());
  const StateOffer offer = *a.replica->state_source().describe();
  ASSERT_GT(offer.record_index, before.record_index);
  std::uint64_t asked = 0;
  const auto keys = *open_keys(b);
  auto installer = *StateInstaller::begin(context_of(b, *keys), offer, {});
  const Status carried = carry(a.replica->state_source(), *installer, nullptr,
                               [&](const PieceRequest& request, Buffer&) {
                                 if (request.kind == PieceKind::chunk) asked += request.last;
                                 return "a";
                               });
  ASSERT_TRUE(carried.has_value()) << carried.error().message;
  EXPECT_LT(asked, offer.chunk_bytes / 2);
  ASSERT_TRUE(installer->commit().has_value());
  b.must_open();
  EXPECT_EQ(*b.replica->state_source().describe(), offer);
}

TEST(StateInstaller, an_offer_stays_readable_while_newer_checkpoints_are_cut) {
  ReplicaRig a(1, cut_every(200)), b(2, cut_every(200));
  a.must_open();
  CopyWorkload workload(9);
  grow(a, workload, 20, 20);
  const auto keys = *open_keys(b);
  const StateOffer offer = *a.replica->state_source().describe();
  auto installer = *StateInstaller::begin(context_of(b, *keys), offer, {.window = 1});
  const Status carried =
      carry(a.replica->state_source(), *installer, nullptr, [&](const PieceRequest&, Buffer&) {
        grow(a, workload, 10, 20);
        return "a";
      });
  ASSERT_TRUE(carried.has_value()) << carried.error().message;
  ASSERT_TRUE(installer->commit().has_value());
  ASSERT_GT(a.report().checkpoint_record, offer.record_index);
  b.must_open();
  EXPECT_EQ(*b.replica->state_source().describe(), offer);
  ASSERT_NO_FATAL_FAILURE(expect_same(a, b, offer.record_index));

  a.replica->state_source().release(offer.record_index);
  const PieceRequest late{PieceKind::chunk_list, offer.record_index, 0, 1, {}};
  EXPECT_EQ(a.replica->state_source().read(late).error().code, Code::failed_precondition);
}

TEST(StateInstaller, whole_segments_of_an_interrupted_copy_are_checked_and_kept) {
  ReplicaConfig config = cut_every(150'000);
  ReplicaRig a(1, config);
  a.must_open();
  CopyWorkload workload(3);
  grow(a, workload, 45, 3'400);
  const StateOffer offer = *a.replica->state_source().describe();
  ASSERT_GT(offer.record_index, 2 * storage::segment_records);

  for (const bool damaged : {false, true}) {
    ReplicaRig b(2, config);
    {
      const auto keys = *open_keys(b);
      auto installer = *StateInstaller::begin(context_of(b, *keys), offer, {});
      const Status carried = carry(a.replica->state_source(), *installer, nullptr,
                                   [&](const PieceRequest& request, Buffer& piece) {
                                     if (request.first > offer.record_index - 10'000) piece.clear();
                                     return "a";
                                   });
      ASSERT_FALSE(carried.has_value());
    }
    b.disk = b.disk->crash(7);
    if (damaged) {
      ASSERT_TRUE(b.disk->flip_bit("headers/0000000000000001.seg", 5'000'000).has_value());
    }
    const auto keys = *open_keys(b);
    auto installer = *StateInstaller::begin(context_of(b, *keys), offer, {});
    const Status carried = carry(a.replica->state_source(), *installer);
    ASSERT_TRUE(carried.has_value()) << carried.error().message;
    EXPECT_EQ(installer->progress().records_kept, (damaged ? 1 : 2) * storage::segment_records);
    ASSERT_TRUE(installer->commit().has_value());
    installer.reset();
    b.must_open();
    EXPECT_EQ(*b.replica->state_source().describe(), offer);
    ASSERT_NO_FATAL_FAILURE(expect_same_ids(a, b, offer.record_index));
    ASSERT_NO_FATAL_FAILURE(expect_same_streams(a, b, offer.record_index));
    ASSERT_NO_FATAL_FAILURE(expect_same_records(a, b, offer.record_index));
  }
}

TEST(StateInstaller, manifests_from_before_there_was_a_membership_are_read) {
  static_assert(Checkpointer::is_part_count(7) && Checkpointer::is_part_count(8));
  static_assert(!Checkpointer::is_part_count(6) && !Checkpointer::is_part_count(9));
  ReplicaRig a(1, cut_every(100));
  a.must_open();
  CopyWorkload workload(1);
  grow(a, workload, 12, 20);
  const std::uint64_t covered = a.report().checkpoint_record;
  a.close();
  {
    const auto keys = *open_keys(a);
    auto states = *storage::StateStore::open(context_of(a, *keys));
    const storage::StateManifest old = *states->newest();
    const auto pin = states->pin();
    ASSERT_TRUE(states->begin(old.record_index).has_value());
    for (const auto& chunk : pin->chunks()) ASSERT_TRUE(states->keep(chunk.id).has_value());
    std::vector<Buffer> parts = old.parts;
    parts.resize(7);
    ASSERT_TRUE(states->commit(old.entry_index, old.term, parts).has_value());
  }
  a.must_open();
  EXPECT_EQ(a.report().checkpoint_record, covered);
  EXPECT_TRUE(a.replica->state_source().describe()->membership.empty());
}

}  // namespace
}  // namespace meridian::replica
