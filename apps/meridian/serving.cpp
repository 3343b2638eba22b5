#include "serving.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <chrono>
#include <future>
#include <utility>

#include "api/witness_link_http.h"
#include "mesh/link_security.h"
#include "offline_acts.h"

namespace meridian::app {

namespace {

constexpr io::Duration stop_patience = io::seconds(5);

Result<std::vector<witness::Witnessing::Peer>> parse_witnesses(
    const std::vector<std::string>& texts) {
  std::vector<witness::Witnessing::Peer> peers;
  for (const std::string& text : texts) {
    witness::WitnessAddress address = TRY(witness::parse_witness_address(text));
    std::unique_ptr<witness::WitnessLink> link = TRY(api::make_witness_link(address.url));
    peers.push_back({std::move(address), std::move(link)});
  }
  return peers;
}

/// Null without witnesses.
Result<std::unique_ptr<witness::Witnessing>> start_witnessing(const ServeSetting& setting,
                                                              replica::Replica& replica,
                                                              const Threads& threads,
                                                              metrics::Registry& metrics) {
  std::vector<witness::Witnessing::Peer> peers = TRY(parse_witnesses(setting.witnesses));
  if (peers.empty()) return std::unique_ptr<witness::Witnessing>();
  const proof::VerifierKey own = TRY(proof::parse_vkey(replica.cosigner_vkey()));
  for (const witness::Witnessing::Peer& peer : peers)
    if (peer.address.key.public_key == own.public_key)
      return fail(Code::invalid_argument,
                  "--witness: this is the key of this very replica, which can be no witness of "
                  "its own log");
  return witness::Witnessing::start(
      {*threads.witnessing, *setting.node.clock, metrics, setting.notice},
      witness::witnessed_log(replica), std::move(peers));
}

/// For acts while the node does not serve.
void keep_policy(const ServeSetting& setting, const std::shared_ptr<const mesh::Policy>& policy) {
  if (policy == nullptr || setting.identity_directory.empty()) return;
  const Status kept = keep_second_person(*setting.node.disk, setting.identity_directory, *policy);
  if (!kept) setting.notice(fmt::format("the policy is not kept: {}", kept.error().message));
}

/// Waits a moment for the policy that is in force, so that callers are not sent away for nothing.
std::unique_ptr<cell::PolicyKeeper> start_policies(const ServeSetting& setting,
                                                   api::Backend& backend, io::Executor& executor) {
  auto known = std::make_shared<std::promise<void>>();
  std::future<void> is_known = known->get_future();
  auto keeper =
      cell::PolicyKeeper::start({backend.cell, setting.node.cell, *setting.node.clock,
                                 *setting.node.entropy, executor, setting.first_policy,
                                 [&backend, &setting, known = std::move(known), is_first = true](
                                     const std::shared_ptr<const mesh::Policy>& policy) mutable {
                                   backend.access.replace(policy);
                                   keep_policy(setting, policy);
                                   if (std::exchange(is_first, false)) known->set_value();
                                 },
                                 setting.notice});
  is_known.wait_for(std::chrono::seconds(1));
  return keeper;
}

}  // namespace

/// Entries are about a MiB each, and their buffers come and go by the hundred a second: taken from
/// the kernel anew each time, their pages cost 4 % of the CPU time under load.
void raise_open_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

Threads::Threads(bool is_replica) {
  if (!is_replica) return;
  raft = io::os_executor("raft");
  propose = io::os_executor("propose");
  give = io::os_executor("give");
}

replica::ReplicaExecutors Threads::for_replica() {
  return {*log, *apply, *prove, *checkpoint, raft.get(), propose.get(), give.get()};
}

replica::Replica::Io ServeSetting::replica_io(metrics::Registry& metrics) const {
  replica::Replica::Io result{*node.disk, *node.clock, *node.entropy, *node.keys, metrics, notice};
  io::OsNetworkOptions options = network;
  options.security = mesh::make_link_security(identity.credentials(), peer_domains);
  result.make_network = [options = std::move(options)] { return io::os_network(options); };
  result.behind = behind;
  result.standing = standing;
  result.damaged = damaged;
  result.turn_storage = [turner = storage_turner, tell = notice] {
    turner->begin([tell](const Result<storage::KeyVersion>& begun) {
      if (!begun) tell("the leader asked for a new storage key: " + begun.error().message);
    });
  };
  return result;
}

Result<std::unique_ptr<Serving>> Serving::open(const ServeSetting& setting) {
  std::unique_ptr<Serving> self(new Serving(setting.config.group.has_value()));
  Threads& threads = self->threads_;
  self->cell_ = TRY(cell::LocalCell::open(setting.replica_io(self->metrics_), setting.config,
                                          {threads.for_replica(), *threads.door, *threads.reads},
                                          setting.progress, setting.on_fatal));
  malloc_trim(0);  // what recovery needed goes back: a third of 3.2 GB with ten million accounts
  api::Backend& backend = self->backend_.emplace(*self->cell_, *setting.node.clock, *threads.work,
                                                 self->metrics_, setting.node.cell);
  self->witnessing_ =
      TRY(start_witnessing(setting, self->cell_->replica(), threads, self->metrics_));
  backend.witnessing = self->witnessing_.get();
  backend.process_metrics = &setting.process_metrics;
  backend.storage_turner = setting.storage_turner;
  if (setting.config.group) backend.replica_id = setting.config.group->id;
  backend.callers = &self->callers_.emplace(setting.identity.credentials());
  self->policies_ = start_policies(setting, backend, *threads.policy);
  backend.policies = self->policies_.get();
  self->acts_ = cell::ActKeeper::start(
      {backend.cell, setting.node.cell, *setting.node.clock, *setting.node.entropy, *threads.policy,
       setting.notice,
       [&backend](const auto& glasses) { backend.access.replace_glasses(glasses); }});
  backend.acts = self->acts_.get();
  self->readings_ = TRY(
      cell::ReadingKeeper::start({[&cell = backend.cell](auto event, auto answered) {
                                    cell.submit_own(std::move(event), std::move(answered));
                                  },
                                  *setting.node.disk, *setting.node.clock, *setting.node.entropy,
                                  *threads.policy, setting.notice, setting.readings_every}));
  backend.readings = self->readings_.get();
  self->grpc_ = TRY(api::GrpcServer::start(backend, setting.grpc));
  self->http_ = TRY(api::HttpServer::start(backend, setting.http));
  return self;
}

Serving::~Serving() {
  if (witnessing_) witnessing_->stop();
  if (http_) http_->stop(stop_patience);
  if (grpc_) grpc_->stop(stop_patience);
  threads_.work->drain();  // late conversions borrow the backend
  witnessing_.reset();
  readings_.reset();
  acts_.reset();
  policies_.reset();
  cell_.reset();
  threads_.work->drain();  // reads that waited for the cell learn that nobody waits for them
}

Result<std::unique_ptr<StateCopying>> StateCopying::start(const ServeSetting& setting,
                                                          std::optional<replica::MemberInfo> peer,
                                                          replica::CatchUp::Progress progress,
                                                          std::function<void(Status)> done) {
  std::unique_ptr<StateCopying> self(new StateCopying);
  self->copy_ = TRY(replica::CatchUp::start(setting.replica_io(self->metrics_), setting.config,
                                            self->threads_.for_replica(), std::move(peer),
                                            std::move(progress), std::move(done)));
  return self;
}

/// Where the copy runs, so that nothing of it is under way when its parts go.
StateCopying::~StateCopying() {
  threads_.log->post([this] { copy_.reset(); });
  threads_.log->drain();
}

}  // namespace meridian::app
