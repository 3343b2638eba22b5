#include "demo_cell.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "ids.h"
#include "io/network.h"

namespace meridian::app {

namespace {

constexpr io::Duration start_patience = io::seconds(30);
constexpr io::Duration equal_patience = io::seconds(60);
constexpr io::Duration look_pause = io::milliseconds(100);
/// Who is sent away by a dying cell tries so long to reach a living one.
constexpr std::uint32_t load_timeout_s = 20;

std::string how_they_stand(const CellView& view) {
  std::string text;
  for (const ReplicaRow& row : view.rows)
    text += fmt::format("{}{} {} of {} records signed", text.empty() ? "" : ", ", row.region,
                        row.signed_records, row.records);
  return text;
}

bool is_equal(const CellView& view) {
  if (!view.leader) return false;
  const ReplicaRow& first = view.rows.front();
  for (const ReplicaRow& row : view.rows)
    if (!row.answers || row.records != first.records || row.signed_records != row.records)
      return false;
  return true;
}

}  // namespace

/// A port between 20,000 and 32,000 is no source of the connections that others make all the time:
/// one of those would take it while its server is dead.
Result<std::vector<std::string>> free_addresses(std::size_t count) {
  constexpr std::uint32_t port_min = 20'000, port_count = 12'000;
  const std::unique_ptr<io::Executor> executor = io::os_executor("ports");
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  std::array<Byte, 4> random{};
  entropy->fill(random);
  const std::uint32_t start = load_le<std::uint32_t>(random.data());
  std::vector<std::unique_ptr<io::Network>> taken;
  std::vector<std::string> addresses;
  for (std::uint32_t i = 0; i < port_count && addresses.size() < count; ++i) {
    const std::string address =
        fmt::format("127.0.0.1:{}", port_min + (start % port_count + i) % port_count);
    std::unique_ptr<io::Network> network = io::os_network({});
    io::Network::Handler handler;
    handler.admit = [](Bytes, const io::LinkPeer*) -> Result<io::PeerId> {
      return fail(Code::unavailable, "only looking for a port");
    };
    handler.received = [](io::PeerId, io::Channel, const io::Parts&) {};
    handler.link = [](io::PeerId, io::Channel, bool, const std::string&) {};
    if (!network->start(address, {}, *executor, std::move(handler))) continue;
    taken.push_back(std::move(network));
    addresses.push_back(address);
  }
  if (addresses.size() < count) return fail(Code::unavailable, "there are no free loopback ports");
  return addresses;
}

DemoCell::DemoCell(const Stage& stage, std::vector<std::string> addresses, std::string witness)
    : stage_(stage), addresses_(std::move(addresses)), witness_(std::move(witness)) {
  ASSERT(addresses_.size() == address_count);
  watching_.servers = servers();
}

std::string DemoCell::data(std::size_t region) const { return stage_.at(regions[region]); }

std::vector<std::string> DemoCell::servers() const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < region_count; ++i) all.push_back(grpc(i));
  return all;
}
std::string DemoCell::servers_text() const { return fmt::format("{}", fmt::join(servers(), ",")); }

std::vector<std::string> DemoCell::group_arguments(std::size_t region) const {
  std::vector<std::string> out{"--replica-id", std::to_string(region + 1)};
  for (std::size_t i = 0; i < region_count; ++i) {
    out.emplace_back("--founder");
    out.push_back(fmt::format("{}={}@{}", i + 1, regions[i], peer_address(i)));
  }
  out.emplace_back("--link-delay");
  out.push_back(std::to_string(one_way_ms));
  return out;
}

std::vector<std::string> DemoCell::arguments(std::size_t region) const {
  std::vector<std::string> out{"serve",  "--data",     data(region), "--dev",
                               "--grpc", grpc(region), "--http",     http(region)};
  const std::vector<std::string> group = group_arguments(region);
  out.insert(out.end(), group.begin(), group.end());
  return out;
}

Result<ChildServer> DemoCell::begin(std::size_t region) const {
  std::vector<std::string> more = group_arguments(region);
  more.emplace_back("--witness");
  more.push_back(witness_);
  return ChildServer::begin(data(region), data(region) + ".log", {grpc(region), http(region)},
                            more);
}

Status DemoCell::start_all() {
  for (std::size_t i = 0; i < region_count; ++i) processes_[i].emplace(TRY(begin(i)));
  for (auto& process : processes_) TRY(process->wait_ready());
  TRY(open_identity(watching_));  // the regions made it
  watch_ = std::make_unique<CellWatch>(watching_);
  return {};
}

Status DemoCell::start(std::size_t region) {
  processes_[region].emplace(TRY(begin(region)));
  return processes_[region]->wait_ready();
}

void DemoCell::kill_at_once(std::size_t region) { processes_[region]->kill_at_once(); }

Status DemoCell::stop_all() {
  for (std::size_t i = 0; i < region_count; ++i) {
    const int code = processes_[i]->stop();
    if (code != 0)
      return fail(Code::internal,
                  fmt::format("{} ended with exit code {}. see {}.log", regions[i], code, data(i)));
  }
  return {};
}

CellView DemoCell::look() { return observer_.add(watch_->sample()); }

Result<CellView> DemoCell::wait_leader() {
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  const io::MonotonicTime end = clock->monotonic() + start_patience;
  for (;;) {
    TRY(Stage::check_not_stopped());
    CellView view = look();
    if (view.leader) return view;
    if (clock->monotonic() > end)
      return fail(Code::deadline_exceeded, "the three regions elected no leader in 30 s");
    pause(look_pause);
  }
}

Result<CellView> DemoCell::wait_equal() {
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  const io::MonotonicTime end = clock->monotonic() + equal_patience;
  for (;;) {
    TRY(Stage::check_not_stopped());
    CellView view = look();
    if (is_equal(view)) {
      for (const ReplicaRow& row : view.rows)
        if (row.root != view.rows.front().root)
          return fail(
              Code::data_loss,
              fmt::format("the roots of {} records differ: {} has {}, {} has {}", row.records,
                          view.rows.front().region, view.rows.front().root, row.region, row.root));
      return view;
    }
    if (clock->monotonic() > end)
      return fail(Code::deadline_exceeded,
                  "the regions do not become equal in 60 s: " + how_they_stand(view));
    pause(look_pause);
  }
}

Result<std::unique_ptr<DemoLoad>> DemoLoad::make(const std::vector<std::string>& servers) {
  ClientOptions options;
  options.servers = servers;
  options.timeout_s = load_timeout_s;
  std::unique_ptr<DemoLoad> self(new DemoLoad(TRY(Client::connect(options))));
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  const u128 base = time_ordered_id(self->client_->clock(), *entropy);
  LoadPlan& plan = self->plan_;
  plan.count = std::uint64_t{1} << 40;  // until finish()
  plan.batch = 100;
  plan.in_flight = 16;
  plan.accounts = accounts;
  plan.first_account = (base >> 40) << 40;
  plan.seed = high64(base);
  plan.per_second = per_second;
  plan.end = &self->end_;
  TRY(make_accounts(*self->client_, plan));
  self->thread_ = io::os_executor("load");
  return self;
}

DemoLoad::~DemoLoad() {
  end_ = LoadEnd::abandon;
  if (thread_) thread_->drain();
}

void DemoLoad::start() {
  thread_->post([this] {
    result_ = run_load(*client_, plan_, [this](const Acknowledged& batch) { note(batch); });
    is_over_ = true;
  });
}

void DemoLoad::note(const Acknowledged& batch) {
  batches_.push_back(batch);
  acknowledged_count_ += batch.count;
  const std::lock_guard lock(mutex_);
  if (dead_at_ && !answered_at_ && batch.sent >= *dead_at_) answered_at_ = clock().monotonic();
}

void DemoLoad::watch_for_answer(io::MonotonicTime dead_at) {
  const std::lock_guard lock(mutex_);
  dead_at_ = dead_at;
}

std::optional<io::MonotonicTime> DemoLoad::answered_at() const {
  const std::lock_guard lock(mutex_);
  return answered_at_;
}

Status DemoLoad::finish() {
  end_ = LoadEnd::finish;
  thread_->drain();
  if (!*result_) return with_context(result_->error(), "the load");
  if ((*result_)->refused != 0)
    return fail(Code::internal,
                fmt::format("{} transfers of the load were refused", (*result_)->refused));
  return {};
}

}  // namespace meridian::app
