#include "new_generation.h"

#include <fmt/format.h>

#include <future>
#include <memory>

#include "io/executor.h"
#include "ledger/command.h"
#include "ledger/header.h"
#include "metrics/registry.h"
#include "replica/cosigned_head.h"
#include "replica/replica.h"
#include "storage/record_store.h"

namespace meridian::app {

namespace {

constexpr std::uint64_t kept_file_size_max = std::uint64_t{1} << 32;

Status keep_file(io::Disk& disk, const std::string& path, const std::string& folder) {
  if (!TRY(disk.exists(path))) return {};
  const Buffer bytes = TRY(io::read_file(disk, path, kept_file_size_max));
  return io::replace_file(disk, folder + "/" + path, bytes);
}

/// What proves the loss: the head that was signed, and segments that hold lost records.
Status keep_evidence(io::Disk& disk, const Generation& next, std::uint64_t stored) {
  const std::string folder = kept_path(next);
  for (const std::string& made :
       {std::string(generations_path), folder, folder + "/headers", folder + "/payloads"})
    TRY(disk.make_directory(made));
  TRY(keep_file(disk, std::string(replica::CosignedHead::path), folder));
  for (std::uint64_t record = next.opening->is_none() ? stored : next.opening->first;
       record < stored;) {
    const std::uint64_t segment = record / storage::segment_records;
    for (const char* kind : {"headers", "payloads"})
      TRY(keep_file(disk, fmt::format("{}/{:016x}.seg", kind, segment), folder));
    record = (segment + 1) * storage::segment_records;
  }
  for (const std::string& made :
       {folder + "/headers", folder + "/payloads", folder, std::string(generations_path)})
    TRY(disk.sync_directory(made));
  return disk.sync_directory("");
}

/// Nothing is signed under the new origin yet. Only if it is the old generation's still.
Status blank_cosigned(io::Disk& disk, const Generation& next) {
  const std::string path(replica::CosignedHead::path);
  const Buffer now = TRY(io::read_file(disk, path, kept_file_size_max));
  const Buffer kept = TRY(io::read_file(disk, kept_path(next) + "/" + path, kept_file_size_max));
  if (now != kept) return {};
  return io::replace_file(disk, path, Buffer(now.size()));
}

/// Threads and replica of the new generation, for as long as it takes to open it.
class Opening {
 public:
  Status open(Node& node) {
    replica::ReplicaConfig config;
    config.cell = node.cell;
    config.generation = node.generation.number;
    replica_ = TRY(replica::Replica::open(
        {*node.disk, *node.clock, *node.entropy, *node.keys, metrics_,
         [](const std::string& notice) { fmt::print(stderr, "meridian: {}\n", notice); }},
        config, {*log_, *apply_, *prove_, *checkpoint_}, {},
        [](const Error& error) { fmt::print(stderr, "meridian: {}\n", error.message); }));
    return {};
  }
  /// The record that opens the generation: found, if an earlier attempt got so far, or made.
  Result<std::uint64_t> record(const Node& node) {
    const Loss& loss = *node.generation.opening;
    for (std::uint64_t at = loss.first; at < replica_->visible_records(); ++at) {
      const Buffer bytes = TRY(replica_->header(ledger::RecordIndex{at}));
      const ledger::Header header = TRY(ledger::Header::decode(bytes));
      if (opens(header, node.generation.number)) return at;
    }
    ledger::OpenGeneration command{};
    command.cell = node.cell;
    command.generation = node.generation.number;
    command.predecessor_size = loss.signed_size;
    command.predecessor_root = loss.signed_root;
    command.feature_level = feature_level();
    command.lost_count = loss.signed_size - loss.first;
    auto request = std::make_unique<ledger::Request>();
    request->attester = ledger::Attester::replica;
    request->add(ledger::CommandKind::open_generation, command);
    const replica::Answer answer = TRY(submit(std::move(request)));
    if (answer.results.front().outcome != ledger::Outcome::created)
      return fail(Code::internal, "the ledger refused the record that opens the generation");
    return raw(answer.first_record);
  }
  /// Signed and durable: the generation is open.
  Result<std::string> sign() {
    std::promise<Result<std::string>> signed_note;
    replica_->checkpoint([&](Result<std::string> note) { signed_note.set_value(std::move(note)); });
    return signed_note.get_future().get();
  }
  std::string origin() const { return replica_->origin(); }

 private:
  /// A new generation goes on at the level of the one before.
  std::uint32_t feature_level() {
    std::promise<std::uint32_t> level;
    replica_->read_state(
        [&](const ledger::Ledger& ledger) { level.set_value(ledger.feature_level()); });
    return level.get_future().get();
  }
  static bool opens(const ledger::Header& header, std::uint64_t generation) {
    if (header.kind != ledger::CommandKind::open_generation) return false;
    const auto& body = std::get<ledger::SystemBody>(header.body);
    return header.outcome == ledger::Outcome::created &&
           ledger::load_command<ledger::OpenGeneration>(body.command.data()).generation ==
               generation;
  }
  Result<replica::Answer> submit(std::unique_ptr<ledger::Request> request) {
    std::promise<Result<replica::Answer>> answered;
    replica_->submit(std::move(request), [&](Result<replica::Answer> answer) {
      answered.set_value(std::move(answer));
    });
    return answered.get_future().get();
  }

  metrics::Registry metrics_;
  std::unique_ptr<io::Executor> log_ = io::os_executor("log"), apply_ = io::os_executor("apply"),
                                prove_ = io::os_executor("prove"),
                                checkpoint_ = io::os_executor("checkpoint");
  std::unique_ptr<replica::Replica> replica_;
};

}  // namespace

std::string kept_path(const Generation& next) {
  return fmt::format("{}/{}", generations_path, next.number - 1);
}

Status decide_generation(Node& node, const Loss& loss, std::uint64_t stored_records) {
  const Generation next{node.generation.number + 1, loss};
  TRY(keep_evidence(*node.disk, next, stored_records));
  TRY(node.keys->add("log"));
  TRY(write_generation(*node.disk, next));
  node.generation = next;
  return {};
}

Result<OpenedGeneration> open_generation(Node& node) {
  TRY(blank_cosigned(*node.disk, node.generation));
  OpenedGeneration opened;
  {
    Opening opening;
    TRY(opening.open(node));
    opened.record = TRY(opening.record(node));
    opened.note = TRY(opening.sign());
    opened.origin = opening.origin();
  }
  node.generation.opening.reset();
  TRY(write_generation(*node.disk, node.generation));
  return opened;
}

}  // namespace meridian::app
