#include "sim_cluster/node.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "sim_cluster/faulty_memory.h"

namespace meridian::sim_cluster {

namespace {

Bytes passphrase() { return as_bytes("a passphrase"); }

}  // namespace

Node::Node(sim::World& world, sim::Net& net, const replica::ReplicaConfig& config,
           std::uint64_t seed)
    : world_(world),
      net_(net),
      config_(config),
      name_(fmt::format("node-{}", config.group->id)),
      disk_(std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed})) {
  const auto made =
      storage::KeyStore::create({*disk_, world.clock(), world.entropy()}, passphrase(), {1, 1, 1});
  ASSERT(made.has_value());
}

Node::~Node() { stop(); }

Status Node::open_parts() {
  keys_ = TRY(storage::KeyStore::open({*disk_, world_.clock(), world_.entropy()}, passphrase()));
  log_ = world_.make_executor(name_ + "-log");
  apply_ = world_.make_executor(name_ + "-apply");
  prove_ = world_.make_executor(name_ + "-prove");
  checkpoint_ = world_.make_executor(name_ + "-checkpoint");
  raft_ = world_.make_executor(name_ + "-raft");
  propose_ = world_.make_executor(name_ + "-propose");
  metrics_.emplace();
  return {};
}

replica::Replica::Io Node::io() {
  return {*disk_,
          world_.clock(),
          world_.entropy(),
          *keys_,
          *metrics_,
          [this](const std::string& line) { notices_.push_back(line); },
          [this] {
            return std::make_unique<FaultyMemory>(net_.make_network(name_), flips_next_entry_);
          },
          [this](std::uint64_t peer) { behind_ = peer; }};
}

replica::ReplicaExecutors Node::executors() {
  return {*log_, *apply_, *prove_, *checkpoint_, raft_.get(), propose_.get()};
}

Status Node::start() {
  ASSERT(!is_up());
  fatal_.reset();
  behind_.reset();
  TRY(open_parts());
  if (TRY(replica::CatchUp::is_needed(*disk_))) return catch_up(std::nullopt);
  Result<std::unique_ptr<replica::Replica>> opened =
      replica::Replica::open(io(), config_, executors(), {}, [this](const Error& error) {
        if (!fatal_) fatal_ = error;
      });
  if (!opened && TRY(replica::CatchUp::is_needed(*disk_))) return catch_up(std::nullopt);
  if (!opened) {
    stop();
    return opened.error();
  }
  replica_ = std::move(*opened);
  return {};
}

Status Node::keep_going() {
  if (disk_->has_crashed()) {
    crash(++power_failures_);
    return {};
  }
  if (is_copying()) {
    if (!copied_) return {};
    const bool is_done = copied_->has_value();
    copied_.reset();
    stop();
    if (is_done) ++copies_;
    return start();  // without it, the leader offers its state again
  }
  if (!is_up() || !behind_) return {};
  const std::uint64_t peer = *behind_;
  stop();
  behind_.reset();
  TRY(open_parts());
  return catch_up(peer);
}

Status Node::catch_up(std::optional<std::uint64_t> peer) {
  metrics_.emplace();
  catch_up_ = TRY(replica::CatchUp::start(io(), config_, executors(), peer, {},
                                          [this](const Status& done) { copied_ = done; }));
  return {};
}

void Node::stop() {
  for (auto* executor : {&propose_, &raft_, &log_, &apply_, &prove_, &checkpoint_})
    if (*executor) static_cast<sim::Executor&>(**executor).hold(false);
  catch_up_.reset();
  copied_.reset();
  replica_.reset();
  for (auto* executor : {&propose_, &raft_, &log_, &apply_, &prove_, &checkpoint_})
    executor->reset();
  keys_.reset();
}

/// The disk goes first: what the stages still do while they are taken down fails, as it never
/// happened.
void Node::take_down(std::unique_ptr<sim::Disk> survived) {
  stop();
  disk_ = std::move(survived);
}

void Node::kill() { take_down(disk_->kill_process()); }
void Node::crash(std::uint64_t seed) { take_down(disk_->crash(seed)); }

void Node::empty_disk(std::uint64_t seed) {
  stop();
  disk_ = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
  const auto made = storage::KeyStore::create({*disk_, world_.clock(), world_.entropy()},
                                              passphrase(), {1, 1, 1});
  ASSERT(made.has_value());
}

void Node::hold_disk(bool held) {
  if (log_) static_cast<sim::Executor&>(*log_).hold(held);
}

}  // namespace meridian::sim_cluster
