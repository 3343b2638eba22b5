#include "consensus/raft_core.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "consensus/raft_core_abi.h"

namespace meridian::consensus {

namespace {

Bytes view(const std::uint8_t* data, std::size_t size) {
  return size == 0 ? Bytes{} : Bytes{data, size};
}

CoreEntry from_c(const RcEntry& entry) {
  return {entry.index,
          entry.term,
          static_cast<EntryKind>(entry.kind),
          {entry.handle, entry.size},
          view(entry.change, entry.change_size)};
}

RcEntry to_c(const CoreEntry& entry) {
  return {entry.index,        entry.term,        static_cast<std::uint8_t>(entry.kind),
          entry.handle.id,    entry.handle.size, entry.change.data(),
          entry.change.size()};
}

RcConfState to_c(const Membership& members) {
  return {members.voters.data(),        members.voters.size(),       members.learners.data(),
          members.learners.size(),      members.outgoing.data(),     members.outgoing.size(),
          members.learners_next.data(), members.learners_next.size()};
}

std::vector<std::uint64_t> sorted_ids(const std::uint64_t* ids, std::size_t count) {
  std::vector<std::uint64_t> out(ids, ids + count);
  std::sort(out.begin(), out.end());
  return out;
}

Membership from_c(const RcConfState& conf) {
  return {sorted_ids(conf.voters, conf.voter_count), sorted_ids(conf.learners, conf.learner_count),
          sorted_ids(conf.outgoing, conf.outgoing_count),
          sorted_ids(conf.learners_next, conf.learner_next_count)};
}

}  // namespace

Result<IncomingMessage> IncomingMessage::decode(Bytes bytes) {
  RcMessageInfo info{};
  RcMessageHandle* message = rc_message_decode(bytes.data(), bytes.size(), &info);
  if (message == nullptr)
    return fail(Code::invalid_argument, "the bytes from a peer are no message of the Raft core");
  IncomingMessage out;
  out.message_ = message;
  out.kind_ = static_cast<MessageKind>(info.kind);
  out.from_ = info.from;
  out.to_ = info.to;
  out.term_ = info.term;
  out.entry_count_ = info.entry_count;
  return out;
}

IncomingMessage::IncomingMessage(IncomingMessage&& other) noexcept { *this = std::move(other); }

IncomingMessage& IncomingMessage::operator=(IncomingMessage&& other) noexcept {
  std::swap(message_, other.message_);
  kind_ = other.kind_;
  from_ = other.from_;
  to_ = other.to_;
  term_ = other.term_;
  entry_count_ = other.entry_count_;
  return *this;
}

IncomingMessage::~IncomingMessage() {
  if (message_ != nullptr) rc_message_free(static_cast<RcMessageHandle*>(message_));
}

bool IncomingMessage::carries(std::size_t number) const {
  ASSERT(number < entry_count_);
  RcEntry entry{};
  rc_message_entry(static_cast<const RcMessageHandle*>(message_), number, &entry);
  return entry.handle != 0;
}

SnapshotOffer IncomingMessage::snapshot() const {
  ASSERT(kind_ == MessageKind::snapshot);
  RcSnapshot offer{};
  rc_message_snapshot(static_cast<const RcMessageHandle*>(message_), &offer);
  return {offer.index, offer.term, from_c(offer.conf_state),
          to_buffer(view(offer.data, offer.data_size))};
}

struct RaftCore::Host {
  Storage& storage;
  Log log;
  RcCore* core = nullptr;
  SnapshotOffer offered{};  // what the core copies from

  static Host& of(void* context) { return *static_cast<Host*>(context); }
  static std::uint64_t first_index(void* context) { return of(context).storage.first_index(); }
  static std::uint64_t last_index(void* context) { return of(context).storage.last_index(); }
  static std::int32_t term(void* context, std::uint64_t index, std::uint64_t* term) {
    const std::optional<std::uint64_t> found = of(context).storage.term(index);
    if (!found) return 1;
    *term = *found;
    return 0;
  }
  static std::int32_t entries(void* context, std::uint64_t low, std::uint64_t high,
                              std::uint64_t size_max, void* sink) {
    const bool found =
        of(context).storage.entries(low, high, size_max, [sink](const CoreEntry& entry) {
          const RcEntry c = to_c(entry);
          rc_sink_push(sink, &c);
        });
    return found ? 0 : 1;
  }
  static std::int32_t snapshot(void* context, std::uint64_t to, RcSnapshot* out) {
    Host& host = of(context);
    std::optional<SnapshotOffer> offer = host.storage.snapshot(to);
    if (!offer) return 1;
    host.offered = std::move(*offer);
    *out = {host.offered.index, host.offered.term, to_c(host.offered.membership),
            host.offered.data.data(), host.offered.data.size()};
    return 0;
  }
  static void write_log(void* context, std::int32_t level, const std::uint8_t* text,
                        std::size_t size) {
    if (of(context).log) of(context).log(level, as_text({text, size}));
  }
};

RaftCore::RaftCore(const Options& options, Storage& storage, const HardState& hard_state,
                   const Membership& membership, Log log)
    : host_(new Host{storage, std::move(log)}) {
  const RcHost host{host_.get(),   Host::first_index, Host::last_index, Host::term,
                    Host::entries, Host::snapshot,    Host::write_log};
  const RcConfig config{options.id,
                        options.applied,
                        options.election_ticks,
                        options.heartbeat_ticks,
                        election_ticks_max,
                        options.entry_headers_max,
                        options.inflight_messages_max,
                        UINT64_MAX,
                        1 << 20,
                        options.priority,
                        options.pre_vote,
                        options.check_quorum,
                        options.lease_reads};
  const RcHardState hard{hard_state.term, hard_state.vote, hard_state.commit};
  const RcConfState conf = to_c(membership);
  host_->core = rc_create(&config, &host, &hard, &conf);
  ASSERT(host_->core != nullptr);
}

RaftCore::~RaftCore() { rc_destroy(host_->core); }

void RaftCore::tick() { rc_tick(host_->core); }
void RaftCore::ping() { rc_ping(host_->core); }
void RaftCore::set_election_ticks(std::size_t ticks) { rc_set_election_ticks(host_->core, ticks); }

bool RaftCore::propose(std::span<const Handle> entries) {
  std::vector<RcHandle> handles;
  handles.reserve(entries.size());
  for (const Handle& entry : entries) {
    ASSERT(entry.id != 0);
    handles.push_back({entry.id, entry.size});
  }
  return rc_propose(host_->core, handles.data(), handles.size()) == 0;
}

bool RaftCore::propose_change(std::span<const MemberChange> changes, Handle record) {
  std::vector<RcChange> list;
  list.reserve(changes.size());
  for (const MemberChange& change : changes)
    list.push_back({change.id, static_cast<std::int32_t>(change.kind)});
  return rc_propose_change(host_->core, list.data(), list.size(), {record.id, record.size}) == 0;
}

void RaftCore::step(IncomingMessage message, std::span<const Handle> handles) {
  ASSERT(handles.size() == message.entry_count());
  std::vector<RcHandle> list;
  list.reserve(handles.size());
  for (const Handle& handle : handles) list.push_back({handle.id, handle.size});
  auto* decoded = static_cast<RcMessageHandle*>(std::exchange(message.message_, nullptr));
  rc_step(host_->core, decoded, list.data());
}

bool RaftCore::has_ready() const { return rc_has_ready(host_->core); }

CoreReady RaftCore::ready() {
  RcReady c{};
  rc_ready(host_->core, &c);
  // The host installs snapshots before the core hears of them (M6), so it never restores one.
  ASSERT(!c.has_snapshot);
  CoreReady out{};
  out.number = c.number;
  if (c.hard_state_changed)
    out.hard_state = HardState{c.hard_state.term, c.hard_state.vote, c.hard_state.commit};
  out.messages_wait_for_sync = c.messages_wait_for_sync;
  for (std::size_t i = 0; i < c.entry_count; ++i) out.entries.push_back(from_c(c.entries[i]));
  out.committed_index = c.committed_index;
  for (std::size_t i = 0; i < c.message_count; ++i) {
    const RcOutgoing& message = c.messages[i];
    out.messages.push_back({message.to, static_cast<MessageKind>(message.kind),
                            to_buffer(view(message.bytes, message.size)), message.first_index,
                            message.entry_count});
  }
  for (std::size_t i = 0; i < c.read_count; ++i) {
    ASSERT(c.reads[i].context_size == sizeof(std::uint64_t));
    out.reads.push_back({c.reads[i].index, load_le<std::uint64_t>(c.reads[i].context)});
  }
  return out;
}

void RaftCore::advance() { rc_advance(host_->core); }
void RaftCore::persisted(std::uint64_t number) { rc_persisted(host_->core, number); }
void RaftCore::applied(std::uint64_t index) { rc_applied(host_->core, index); }

Result<Membership> RaftCore::apply_change(Bytes change) {
  Membership out;
  const auto visit = [](void* visitor, const RcConfState* conf) {
    *static_cast<Membership*>(visitor) = from_c(*conf);
  };
  if (rc_apply_change(host_->core, change.data(), change.size(), visit, &out) != 0)
    return fail(Code::invalid_argument, "the membership change cannot be applied");
  return out;
}

void RaftCore::step_down() { rc_step_down(host_->core); }

void RaftCore::read_index(std::uint64_t context) {
  Byte bytes[sizeof context];
  store_le(bytes, context);
  rc_read_index(host_->core, bytes, sizeof bytes);
}

void RaftCore::transfer_leader(std::uint64_t to) { rc_transfer_leader(host_->core, to); }
void RaftCore::report_unreachable(std::uint64_t peer) { rc_report_unreachable(host_->core, peer); }
void RaftCore::report_snapshot(std::uint64_t peer, bool succeeded) {
  rc_report_snapshot(host_->core, peer, succeeded);
}

CoreStatus RaftCore::status() const {
  RcStatus c{};
  rc_status(host_->core, &c);
  return {c.term,
          c.vote,
          c.commit,
          c.applied,
          c.leader,
          c.last_index,
          static_cast<Role>(c.role),
          c.lead_transferee,
          c.pending_conf_index,
          c.commit_to_current_term,
          c.promotable,
          c.randomized_election_tick};
}

std::vector<PeerProgress> RaftCore::progress() const {
  std::vector<PeerProgress> out;
  const auto visit = [](void* visitor, const RcProgress* c) {
    static_cast<std::vector<PeerProgress>*>(visitor)->push_back(
        {c->id, c->matched, c->next, static_cast<PeerProgress::State>(c->state),
         c->pending_snapshot, c->paused, c->recent_active, c->is_learner});
  };
  rc_progress(host_->core, visit, &out);
  std::sort(out.begin(), out.end(),
            [](const PeerProgress& a, const PeerProgress& b) { return a.id < b.id; });
  return out;
}

}  // namespace meridian::consensus
