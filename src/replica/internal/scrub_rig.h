// The stores of a replica with more than a segment of records, a scrub on them, and a peer that
// holds the same. For tests only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replica/internal/copy_rig.h"
#include "replica/record_copy.h"
#include "replica/recovery.h"
#include "replica/scrub.h"
#include "replica/state_exchange.h"

namespace meridian::replica {

/// One finished segment and the beginning of another below a state checkpoint, with payloads.
inline ReplicaConfig scrub_config() {
  ReplicaConfig config = ReplicaRig::default_config();
  config.checkpoint_interval = 67'000;
  config.wal_file_size = 4 << 20;
  config.scrub_bytes_per_second = 0;  // only the one under test reads
  return config;
}

class ScrubRig {
 public:
  /// What becomes of a question to a peer; none: no answer.
  using Answer =
      std::function<std::optional<Result<Buffer>>(std::uint64_t to, const PieceRequest&)>;

  ScrubRig() {
    peer.must_open();
    CopyWorkload workload(5);
    while (peer.replica->visible_records() < 75'000)
      EXPECT_TRUE(peer.ask(workload.next(4'000)).has_value());
    peer.world.advance(io::seconds(1));
    const Status copied = copy_state(peer, own);
    EXPECT_TRUE(copied.has_value()) << (copied ? "" : copied.error().message);
    keys = *open_keys(own);
    executor = own.world.make_executor("give");
    open();
  }
  ~ScrubRig() { close(); }

  void open() {
    auto opened = open_stores(context_of(own, *keys));
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    stores.emplace(std::move(*opened));
  }
  void close() {
    scrub.reset();
    stores.reset();
  }
  /// Of a group if `answer` is set; peers 2 and 3.
  void start(Answer answer, std::uint64_t rate = 64 << 20) {
    metrics_registry.emplace();
    metrics.emplace(*metrics_registry);
    Scrub::Parts parts{*executor,
                       own.world.clock(),
                       *stores->records,
                       *stores->tiles,
                       *stores->states,
                       {},
                       own.config.cell,
                       rate,
                       *metrics,
                       [this](const std::string& line) { notices.push_back(line); },
                       [this](const Error& error) { fatal.push_back(error); }};
    for (const auto& runs : stores->ids) parts.indexes.push_back(runs.get());
    parts.indexes.push_back(stores->index.streams.get());
    parts.indexes.push_back(stores->index.categories.get());
    if (answer) {
      parts.peers = [] { return std::vector<std::uint64_t>{2, 3}; };
      parts.send = [this, answer = std::move(answer)](std::uint64_t to, const io::Parts& question) {
        carry(to, question, answer);
        return true;
      };
      parts.damaged = [this](const Error& error) { damaged.push_back(error); };
    }
    scrub = std::make_unique<Scrub>(std::move(parts));
    stores->records->on_damage([this](std::uint64_t segment) {
      if (scrub != nullptr) scrub->look_at(segment);
    });
    scrub->start();
  }
  /// As StateGiver does.
  std::optional<Result<Buffer>> honest(const PieceRequest& request) {
    return peer.replica->state_source().read(request);
  }
  Answer all_honest() {
    return [this](std::uint64_t to, const PieceRequest& request) {
      asked.push_back(to);
      return honest(request);
    };
  }
  /// Until the next round has ended, or for ten minutes.
  bool run_round() {
    const std::uint64_t before = metrics->rounds.value();
    for (int i = 0; i < 6'000 && metrics->rounds.value() == before; ++i)
      own.world.advance(io::milliseconds(100));
    return metrics->rounds.value() > before;
  }
  void run(std::int64_t seconds) { own.world.advance(io::seconds(seconds)); }

  void flip(const std::string& path, std::uint64_t at) {
    const Status flipped = own.disk->flip_bit(path, at, 2);
    ASSERT_TRUE(flipped.has_value()) << flipped.error().message;
  }
  std::uint64_t size_of(const std::string& path) {
    auto file = own.disk->open(path, io::OpenMode::read);
    EXPECT_TRUE(file.has_value()) << path;
    return file ? (*file)->size().value_or(0) : 0;
  }
  std::vector<std::string> names_in(const std::string& directory) {
    const auto listed = own.disk->list(directory);
    EXPECT_TRUE(listed.has_value()) << directory;
    return listed.value_or(std::vector<std::string>());
  }
  std::string first_file_in(const std::string& directory, std::string_view suffix) {
    for (const std::string& name : names_in(directory))
      if (name.ends_with(suffix)) return directory + "/" + name;
    ADD_FAILURE() << "nothing in " << directory;
    return {};
  }
  /// All that is stored is what the peer has.
  void expect_healed() {
    close();
    open();
    const std::uint64_t count = stores->records->count();
    for (std::uint64_t first = 0; first < count; first += storage::segment_records) {
      const std::uint64_t last = std::min(count, first + storage::segment_records);
      const auto nothing = [](const ledger::Header&) { return Status(); };
      const auto leaves =
          check_stored_records(*stores->records, own.config.cell, first, last, nothing);
      ASSERT_TRUE(leaves.has_value()) << leaves.error().message;
    }
    for (std::uint64_t record = 0; record < count; record += 97) {
      const ledger::RecordIndex index{record};
      ASSERT_EQ(*stores->records->header(record), *peer.replica->header(index));
      const auto payload = stores->records->payload(record);
      const auto wanted = peer.replica->payload(index);
      ASSERT_EQ(payload.has_value(), wanted.has_value());
      ASSERT_EQ(payload ? *payload : Buffer(), wanted ? *wanted : Buffer());
    }
    for (std::uint8_t level = 0; level < 3; ++level) {
      const std::uint64_t hashes = stores->tiles->count(level);
      const auto stored = stores->tiles->read(level, 0, hashes);
      ASSERT_TRUE(stored.has_value());
      for (std::uint64_t at = 0; at < hashes; at += 256) {
        const std::size_t width = std::min<std::uint64_t>(256, hashes - at);
        const auto wanted = peer.replica->tiles().read(level, at, width);
        const auto begin = stored->begin() + static_cast<std::ptrdiff_t>(at);
        ASSERT_EQ(proof::Hashes(begin, begin + static_cast<std::ptrdiff_t>(width)), *wanted);
      }
    }
  }

  ReplicaRig peer{2, scrub_config()}, own{1, scrub_config()};
  std::unique_ptr<storage::KeyStore> keys;
  std::unique_ptr<io::Executor> executor;
  std::optional<Recovered> stores;
  std::optional<metrics::Registry> metrics_registry;
  std::optional<ScrubMetrics> metrics;
  std::unique_ptr<Scrub> scrub;
  std::vector<std::string> notices;
  std::vector<Error> fatal, damaged;
  std::vector<std::uint64_t> asked;  ///< Peers, by all_honest().

 private:
  void carry(std::uint64_t to, const io::Parts& question, const Answer& answer) {
    ByteReader in(*question[0]);
    EXPECT_EQ(in.u8(), static_cast<std::uint8_t>(PeerTag::copy_request));
    EXPECT_EQ(in.u8(), static_cast<std::uint8_t>(CopyQuestion::piece));
    const std::uint64_t number = in.u64();
    const auto request = PieceRequest::decode(in.take(in.remaining()));
    ASSERT_TRUE(request.has_value());
    std::optional<Result<Buffer>> answered = answer(to, *request);
    if (!answered) return;
    auto head = std::make_shared<Buffer>();
    ByteWriter out(*head);
    out.u8(static_cast<std::uint8_t>(PeerTag::copy_answer));
    out.u8(*answered ? 0 : static_cast<std::uint8_t>(answered->error().code) + 1);
    out.u64(number);
    auto body = std::make_shared<Buffer>(
        *answered ? **answered : to_buffer(as_bytes(answered->error().message)));
    executor->post_after(io::milliseconds(3), [this, to, head, body] {
      if (scrub != nullptr) scrub->receive(to, {head, body});
    });
  }
};

}  // namespace meridian::replica
