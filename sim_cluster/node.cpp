#include "sim_cluster/node.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "base/assert.h"
#include "sim_cluster/faulty_memory.h"

namespace meridian::sim_cluster {

namespace {

constexpr std::uint64_t disk_capacity = std::uint64_t{1} << 40;
constexpr std::array<const char*, stage_count> stage_names{"propose", "raft",  "log",
                                                           "apply",   "prove", "checkpoint"};
Bytes passphrase() { return as_bytes("a passphrase"); }

}  // namespace

Node::Node(sim::World& world, sim::Net& net, const replica::ReplicaConfig& config,
           std::uint64_t seed)
    : world_(world),
      net_(net),
      config_(config),
      name_(fmt::format("node-{}", config.group->id)),
      clock_(world.clock()),
      disk_(std::make_unique<sim::Disk>(
          sim::DiskOptions{.seed = seed, .capacity = disk_capacity, .faults = {}})) {
  make_keys();
}

Node::~Node() { stop(); }

void Node::make_keys() {
  const auto made =
      storage::KeyStore::create({*disk_, clock_, world_.entropy()}, passphrase(), {1, 1, 1});
  ASSERT(made.has_value());
}

Status Node::open_parts() {
  keys_ = TRY(storage::KeyStore::open({*disk_, clock_, world_.entropy()}, passphrase()));
  for (std::size_t i = 0; i < stage_count; ++i)
    stages_[i] = world_.make_executor(name_ + "-" + stage_names[i]);
  metrics_.emplace();
  return {};
}

replica::Replica::Io Node::io() {
  return {*disk_,
          clock_,
          world_.entropy(),
          *keys_,
          *metrics_,
          [this](const std::string& line) { notices_.push_back(line); },
          [this] {
            return std::make_unique<FaultyMemory>(net_.make_network(name_), flips_next_entry_);
          },
          [this](const replica::MemberInfo& peer) { behind_ = peer; },
          [this](const Error& what) { damaged_ = what; }};
}

replica::ReplicaExecutors Node::executors() {
  return {*executor(Stage::log),        *executor(Stage::apply), *executor(Stage::prove),
          *executor(Stage::checkpoint), executor(Stage::raft),   executor(Stage::propose)};
}

Status Node::start() {
  ASSERT(may_start());
  const Status opened = open_replica();
  if (opened) return {};
  stop();
  return bury(opened.error());
}

Status Node::open_replica() {
  fatal_.reset();
  damaged_.reset();
  behind_.reset();
  was_full_ = is_full_;
  TRY(open_parts());
  if (TRY(replica::CatchUp::is_needed(*disk_))) return catch_up(std::nullopt);
  Result<std::unique_ptr<replica::Replica>> opened =
      replica::Replica::open(io(), config_, executors(), {}, [this](const Error& error) {
        if (!fatal_) fatal_ = error;
      });
  // It may have found only now that the end of its log is in doubt, or what it keeps damaged.
  if (!opened && TRY(replica::CatchUp::give_up_if_damaged(io(), config_, opened.error()))) {
    if (!is_rotten_) return opened.error();  // who damaged it, if not the disk?
    return catch_up(std::nullopt);
  }
  if (!opened && TRY(replica::CatchUp::is_needed(*disk_))) return catch_up(std::nullopt);
  replica_ = TRY(std::move(opened));
  return {};
}

/// The process ended with `why`: what that means for the machine.
Status Node::bury(const Error& why) {
  if (disk_->has_crashed()) {
    crash(power_seed_);
    return {};
  }
  if (was_full_) {
    kill();
    return {};
  }
  if (config_.canary.poison_amount != 0 && why.message.find("recovery skip") != std::string::npos) {
    kill();
    poisoned_ = why.message;
    return {};
  }
  if (why.code == Code::unimplemented && feature_level() < ledger::feature_level_newest) {
    kill();
    install(ledger::feature_level_newest);
    ++outdated_;
    return {};
  }
  if (is_rotten_) {  // whatever the flipped bit looks like: damage, or the number of another key
    lose(why.message);
    return {};
  }
  return why;
}

Status Node::keep_going() {
  if (disk_->has_crashed()) {
    crash(power_seed_);
    return {};
  }
  if (is_copying()) return end_catch_up();
  if (!is_up()) return {};
  if (const std::optional<Error> why = fatal_) {  // a copy: it is closed there
    return is_rotten_ && why->code == Code::data_loss ? repair_or_bury(*why) : bury(*why);
  }
  if (const std::optional<Error> what = damaged_) {
    if (!is_rotten_) return *what;
    const Status given_up = replica::CatchUp::give_up(io(), *what);
    stop();
    if (!given_up) return bury(given_up.error());
    return start();
  }
  if (!behind_) return {};
  const replica::MemberInfo peer = *behind_;
  stop();
  fatal_.reset();
  behind_.reset();
  Status began = open_parts();
  if (began) began = catch_up(peer);
  if (began) return {};
  stop();
  return bury(began.error());
}

/// It stopped over what may have rotted.
Status Node::repair_or_bury(const Error& why) {
  stop();
  if (disk_->has_crashed()) return bury(why);
  TRY(open_parts());
  const Result<bool> given_up = replica::CatchUp::give_up_if_damaged(io(), config_, why);
  stop();
  if (!given_up) return bury(given_up.error());
  return *given_up ? start() : bury(why);
}

Status Node::catch_up(const std::optional<replica::MemberInfo>& peer) {
  metrics_.emplace();
  copy_from_ = peer;
  was_given_up_ = TRY(storage::is_state_given_up(*disk_));
  copied_bytes_ = 0;
  catch_up_ = TRY(replica::CatchUp::start(
      io(), config_, executors(), peer,
      [this](const replica::StateInstaller::Progress& now) { copied_bytes_ = now.received_bytes; },
      [this](const Status& done) { copied_ = done; }));
  return {};
}

Status Node::end_catch_up() {
  if (!copied_) return {};
  const Status copied = *copied_;
  if (!copied) notices_.push_back("the copy ended: " + copied.error().message);
  stop();
  const bool is_copy = copy_from_ || was_given_up_;
  if (copied) ++(is_copy ? copies_ : resupplies_);
  // What had rotted is replaced: the log by its resupply, anything else by the copy.
  if (copied && is_rotten_ && (was_given_up_ || (is_log_rotten_ && !is_copy))) {
    is_rotten_ = false;
    ++repairs_;
  }
  if (copied && is_copy && std::exchange(power_fails_after_copy_, false)) {
    crash(power_seed_);
    return {};
  }
  if (!copied) notices_.push_back("what it lacks did not come: " + copied.error().message);
  if (!copied && copied.error().code == Code::data_loss) return bury(copied.error());
  return start();  // without it, the leader offers its state again
}

void Node::find_damage(const Error& what) { damaged_ = what; }

void Node::hold(Stage stage, bool held) {
  if (executor(stage) != nullptr) executor(stage)->hold(held);
}

void Node::hold_all(bool held) {
  for (std::size_t i = 0; i < stage_count; ++i) hold(static_cast<Stage>(i), held);
}

void Node::stop() {
  hold_all(false);
  catch_up_.reset();
  copied_.reset();
  replica_.reset();
  for (auto& stage : stages_) stage.reset();
  keys_.reset();
}

/// The disk goes first: what the stages still do while they are taken down fails, as it never
/// happened.
void Node::take_down(std::unique_ptr<sim::Disk> survived) {
  stop();
  disk_ = std::move(survived);
  fatal_.reset();
  behind_.reset();
}

void Node::kill() {
  if (disk_->has_crashed()) return crash(power_seed_);
  take_down(disk_->kill_process());
}
void Node::crash(std::uint64_t seed) { take_down(disk_->crash(seed)); }

void Node::fail_power_after(std::uint64_t nth, std::uint64_t seed) {
  power_seed_ = seed;
  disk_->crash_at_mutation(disk_->mutation_count() + nth);
}

void Node::fail_power_after_copy(std::uint64_t seed) {
  power_seed_ = seed;
  power_fails_after_copy_ = true;
}

void Node::keep_power() {
  power_fails_after_copy_ = false;
  disk_->crash_at_mutation(std::numeric_limits<std::uint64_t>::max());
}

void Node::limit_disk(std::optional<std::uint64_t> bytes) {
  const Result<std::uint64_t> free = disk_->free_bytes();
  if (!free) return;  // power failed in it
  if (!bytes) {
    disk_->set_capacity(disk_capacity);
    is_full_ = false;
  } else if (!is_full_) {
    is_full_ = was_full_ = true;
    disk_->set_capacity(disk_capacity - *free + *bytes);
  }
}

bool Node::rot(sim::Random& random) {
  ASSERT(!is_running());
  std::vector<std::string> paths;
  for (const char* directory : {"wal", "headers", "payloads", "state", "tiles/0", "index/transfers",
                                "index/events", "index/streams"}) {
    const auto names = disk_->list(directory);
    if (!names) continue;
    for (const std::string& name : *names) paths.push_back(fmt::format("{}/{}", directory, name));
  }
  if (paths.empty()) return false;
  const std::string& path = paths[random.below(paths.size())];
  const auto file = disk_->open(path, io::OpenMode::read);
  if (!file) return false;
  const auto size = (*file)->size();
  if (!size || *size == 0) return false;
  // Where something is: files are made longer than what they hold.
  const std::uint64_t offset = random.below(random.chance(0.5) ? *size : std::min(*size, 4096UL));
  return rot_at(path, offset, static_cast<unsigned>(random.below(8)));
}

bool Node::rot_at(const std::string& path, std::uint64_t offset, unsigned bit) {
  if (!disk_->flip_bit(path, offset, bit)) return false;
  is_rotten_ = true;
  is_log_rotten_ = path.starts_with("wal/");
  return true;
}

void Node::empty_disk(std::uint64_t seed) {
  take_down(std::make_unique<sim::Disk>(
      sim::DiskOptions{.seed = seed, .capacity = disk_capacity, .faults = {}}));
  is_full_ = false;
  make_keys();
  emptied_ = true;
  lost_ = "its disk was emptied";
}

void Node::lose(std::string why) {
  stop();
  emptied_ = false;
  lost_ = std::move(why);
}

std::string Node::describe() const {
  if (retired_) return "is retired";
  std::string text = "is down";
  if (is_copying())
    text =
        copy_from_ ? fmt::format("copies from {}", copy_from_->id) : "has its log supplied again";
  if (is_up()) {
    const replica::Leadership now = replica_->leadership();
    text = fmt::format("has {} records, term {}, leader {}", replica_->visible_records(), now.term,
                       now.leader);
  }
  if (lost_) text += fmt::format(" (lost: {})", *lost_);
  if (is_rotten_) text += " (rotten)";
  if (!notices_.empty()) text += fmt::format(" (said last: {})", notices_.back());
  return text;
}

void Node::retire() {
  if (is_running()) kill();
  retired_ = true;
}

}  // namespace meridian::sim_cluster
