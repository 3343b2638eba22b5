#include "replica/peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/assert.h"

namespace meridian::replica {

namespace {

constexpr std::uint32_t hello_version = 2;
constexpr std::size_t client_address_size_max = 255;
/// Of `peers`: count(8), then as many id(8) storage(16).
constexpr std::size_t pins_max = 18;
constexpr std::size_t pin_size = 24;
/// Ids that said hello and are no members': what is known of more is not kept.
constexpr std::size_t met_max = 64;
constexpr storage::SlotFormat pins_format{"MERPEERS", 8 + pins_max* pin_size,
                                          "without it this replica cannot tell an emptied disk "
                                          "from the one it knew: replace this replica "
                                          "(`meridian node replace`)"};
static_assert(pins_format.value_size <= storage::SlotFile::value_size_max);

/// What is said of the members, and an introduction: also by and to one that takes no part.
bool is_about_members(PeerTag tag) {
  constexpr PeerTag introduction{0};
  return tag == PeerTag::members_request || tag == PeerTag::members_answer || tag == introduction;
}
PeerTag tag_of(const io::Parts& parts) { return static_cast<PeerTag>(parts[0]->front()); }

std::string cell_text(u128 cell) {
  Byte bytes[16];
  store_le(bytes, cell);
  return to_hex(bytes);
}

}  // namespace

Buffer encode_hello(const Hello& hello) {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u32(hello_version);
  out.id(hello.cell);
  out.u64(hello.generation);
  out.u64(hello.id);
  out.id(hello.storage);
  out.u8(static_cast<std::uint8_t>(hello.region.size()));
  out.bytes(as_bytes(hello.region));
  ASSERT(hello.client_address.size() <= client_address_size_max);
  out.u8(static_cast<std::uint8_t>(hello.client_address.size()));
  out.bytes(as_bytes(hello.client_address));
  return bytes;
}

Result<Hello> decode_hello(Bytes bytes) {
  ByteReader in(bytes);
  if (const std::uint32_t version = in.u32(); in.ok() && version != hello_version)
    return fail(Code::invalid_argument,
                fmt::format("it speaks version {} of the peers' protocol, this replica {}", version,
                            hello_version));
  Hello hello{};
  hello.cell = in.id();
  hello.generation = in.u64();
  hello.id = in.u64();
  hello.storage = in.id();
  hello.region = as_text(in.take(in.u8()));
  hello.client_address = as_text(in.take(in.u8()));
  if (!in.done() || hello.id == 0 || hello.region.empty() ||
      hello.region.size() > storage::region_name_size_max)
    return fail(Code::invalid_argument, "its hello is none: is it a replica of Meridian?");
  return hello;
}

Peers::Peers(std::unique_ptr<io::Network> network, const storage::ReplicaIdentity& self,
             storage::SlotFile pins, std::function<void(const std::string&)> notice)
    : self_(self),
      notice_(std::move(notice)),
      network_(std::move(network)),
      pins_file_(std::move(pins)) {}

Result<std::unique_ptr<Peers>> Peers::open(io::Disk& disk, std::unique_ptr<io::Network> network,
                                           const storage::ReplicaIdentity& self,
                                           std::function<void(const std::string&)> notice) {
  storage::SlotFile file =
      TRY(storage::SlotFile::open(disk, "peers", pins_format, storage::IfMissing::create));
  std::unique_ptr<Peers> peers(
      new Peers(std::move(network), self, std::move(file), std::move(notice)));
  if (const std::optional<Buffer>& value = peers->pins_file_.value()) {
    ByteReader in(*value);
    const std::uint64_t count = in.u64();
    if (count > pins_max) return fail(Code::data_loss, "`peers` names more members than fit");
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t id = in.u64();
      peers->pins_[id] = in.id();
    }
  }
  return peers;
}

Status Peers::start(const std::string& listen, const std::string& client_address,
                    io::Executor& executor) {
  if (client_address.size() > client_address_size_max)
    return fail(Code::invalid_argument,
                fmt::format("the address for clients is longer than {} bytes: {}",
                            client_address_size_max, client_address));
  const Hello hello{self_.name.cell, self_.name.generation, self_.name.raft_id,
                    self_.storage,   self_.name.region,     client_address};
  // Who has not let us in since this start may know another disk under our id: what it says is
  // meant for that one, and would stop the core (a commit index past our log).
  const auto let_us_in = std::make_shared<std::set<io::PeerId>>();  // executor
  TRY(network()->start(
      listen, encode_hello(hello), executor,
      {[this](Bytes bytes, const io::LinkPeer* shown) { return admit(bytes, shown); },
       [this, let_us_in](io::PeerId from, io::Channel, io::Parts parts) {
         if (parts.empty() || parts[0]->empty()) return;
         const PeerTag tag = tag_of(parts);
         // Who does not let us in says why; and where to answer one that is no member, it says.
         if (!is_about_members(tag)) {
           if (!let_us_in->contains(from)) return introduce_ourselves(from);
           if (!takes_part_) return;
           if (!is_heard(static_cast<std::uint64_t>(from))) {
             if (stranger_) stranger_(static_cast<std::uint64_t>(from));
             return;
           }
         }
         const auto found = receivers_.find(tag);
         if (found != receivers_.end() && found->second)
           found->second(static_cast<std::uint64_t>(from), std::move(parts));
       },
       [this, let_us_in](io::PeerId peer, io::Channel channel, bool is_up, const std::string& why) {
         if (is_up) {
           let_us_in->insert(peer);
           let_in_by(static_cast<std::uint64_t>(peer));
           if (channel == io::Channel::control && link_up_)
             link_up_(static_cast<std::uint64_t>(peer));
           return;
         }
         if (channel == io::Channel::control)
           notice_(fmt::format("no link to replica {}: {}", static_cast<std::uint64_t>(peer), why));
         if (link_down_) link_down_(static_cast<std::uint64_t>(peer));
       }}));
  is_started_ = true;
  ask_to_be_let_in();
  return {};
}

void Peers::wait_for(const std::set<std::uint64_t>& founders) {
  const std::lock_guard lock(mutex_);
  waits_for_ = founders;
  takes_part_ = waits_for_.empty();
}

std::set<std::uint64_t> Peers::waits_for() const {
  const std::lock_guard lock(mutex_);
  return waits_for_;
}

void Peers::ask_to_be_let_in() {
  for (const std::uint64_t founder : waits_for()) introduce_ourselves(io::PeerId{founder});
}

void Peers::let_in_by(std::uint64_t peer) {
  const std::lock_guard lock(mutex_);
  waits_for_.erase(peer);
  takes_part_ = waits_for_.empty();
}

/// A link is made when something is sent: this, which nobody listens to.
void Peers::introduce_ourselves(io::PeerId to) {
  static const auto nothing = std::make_shared<const Buffer>(1, Byte{0});
  send(static_cast<std::uint64_t>(to), io::Channel::control, {nothing});
}

std::shared_ptr<io::Network> Peers::network() const {
  const std::lock_guard lock(mutex_);
  return network_;
}

void Peers::stop() {
  std::shared_ptr<io::Network> last;
  const std::lock_guard lock(mutex_);
  last.swap(network_);
}

bool Peers::send(std::uint64_t to, io::Channel channel, io::Parts parts) {
  if (!is_started_) return false;
  if (!is_about_members(tag_of(parts)) && (!takes_part_ || is_cut_off(to))) return false;
  const std::shared_ptr<io::Network> net = network();
  return net && net->send(io::PeerId{to}, channel, std::move(parts));
}

Result<io::PeerId> Peers::admit(Bytes bytes, const io::LinkPeer* shown) {
  const Hello hello = TRY(decode_hello(bytes));
  if (shown != nullptr &&
      (shown->cell != hello.cell || static_cast<std::uint64_t>(shown->id) != hello.id))
    return fail(Code::permission_denied,
                fmt::format("it says that it is replica {} of the cell {}, and shows the "
                            "certificate of {}: start it with its own",
                            hello.id, cell_text(hello.cell), shown->name));
  if (hello.cell != self_.name.cell)
    return fail(Code::permission_denied,
                fmt::format("it is a replica of the cell {}, this one of {}: start both with the "
                            "same founders, or the same id of the cell",
                            cell_text(hello.cell), cell_text(self_.name.cell)));
  if (hello.generation != self_.name.generation)
    return fail(Code::permission_denied, fmt::format("it is of generation {}, this replica of {}",
                                                     hello.generation, self_.name.generation));
  if (hello.id == self_.name.raft_id)
    return fail(Code::permission_denied,
                fmt::format("both are replica {}: an id belongs to one disk", hello.id));
  if (Status known = admits_any_disk_ ? Status{} : pin(hello.id, hello.storage); !known) {
    if (stranger_) stranger_(hello.id);
    return known.error();
  }
  {
    const std::lock_guard lock(mutex_);
    if (members_.contains(hello.id) || client_addresses_.size() < met_max)
      client_addresses_[hello.id] = hello.client_address;
  }
  return io::PeerId{hello.id};
}

Status Peers::pin(std::uint64_t id, u128 storage) {
  const std::lock_guard lock(mutex_);
  const std::optional<u128> known = met_.contains(id) ? std::nullopt : met_locked(id);
  if (known) {
    if (*known == storage) {
      cut_off_.erase(id);
      return {};
    }
    return fail(
        Code::permission_denied,
        fmt::format("replica {} had another disk: an emptied or exchanged one joins under a "
                    "new id (`meridian serve --join`), which takes the place of {} by "
                    "`meridian node replace {} NEW=REGION@HOST:PORT`",
                    id, id, id));
  }
  if (members_.contains(id)) return save_pin(id, storage);
  if (met_.size() < met_max || met_.contains(id)) met_[id] = storage;
  return {};
}

Status Peers::save_pin(std::uint64_t id, u128 storage) {
  if (pins_.size() == pins_max && !pins_.contains(id)) {
    // Who has left goes first: what is forgotten of a member would let an emptied disk in.
    auto oldest = std::find_if(pins_.begin(), pins_.end(),
                               [&](const auto& one) { return retired_.contains(one.first); });
    if (oldest == pins_.end()) oldest = pins_.begin();
    client_addresses_.erase(oldest->first);
    pins_.erase(oldest);
  }
  pins_[id] = storage;
  Buffer value;
  ByteWriter out(value);
  out.u64(pins_.size());
  for (const auto& [known, its] : pins_) {
    out.u64(known);
    out.id(its);
  }
  value.resize(pins_format.value_size);
  return pins_file_.save(value);
}

void Peers::set(const MemberInfo& member) {
  if (member.id == self_.name.raft_id) return;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = members_.find(member.id);
        found != members_.end() && found->second == member)
      return;
    MemberInfo& known = members_[member.id];
    const u128 storage = member.storage != 0 ? member.storage : known.storage;
    if (storage != 0) bind(member.id, storage);
    known = member;
    known.storage = storage;
    guests_.erase(member.id);
    if (const auto met = met_.extract(member.id); met && !pins_.contains(member.id))
      if (const Status pinned = save_pin(member.id, met.mapped()); !pinned)
        notice_(fmt::format("the storage of replica {} cannot be remembered: {}", member.id,
                            pinned.error().message));
  }
  if (const auto net = network()) net->set_peer(io::PeerId{member.id}, member.address);
}

/// As the records say it.
void Peers::bind(std::uint64_t id, u128 storage) {
  const std::optional<u128> had = met_locked(id);
  met_.erase(id);
  // Of who has left nothing counts anyway.
  if (retired_.contains(id) || (pins_.contains(id) && had == storage)) return;
  if (had && had != storage && !admits_any_disk_) {
    cut_off_.insert(id);
    notice_(fmt::format("replica {} was let in with another disk than its own: it is cut off", id));
  }
  if (const Status pinned = save_pin(id, storage); !pinned)
    notice_(fmt::format("the storage of replica {} cannot be remembered: {}", id,
                        pinned.error().message));
}

bool Peers::is_heard(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return !cut_off_.contains(id) && !retired_.contains(id);
}

bool Peers::is_cut_off(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return cut_off_.contains(id);
}

void Peers::set_guest(std::uint64_t id, const std::string& address) {
  {
    const std::lock_guard lock(mutex_);
    if (members_.contains(id) || (guests_.size() == guests_max && !guests_.contains(id))) return;
    guests_.insert(id);
  }
  if (const auto net = network()) net->set_peer(io::PeerId{id}, address);
}

void Peers::retire(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  retired_.insert(id);
}

std::vector<std::uint64_t> Peers::known() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> ids;
  for (const auto& [id, member] : members_) ids.push_back(id);
  return ids;
}

std::optional<u128> Peers::storage_of(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  if (met_.contains(id)) return std::nullopt;
  return met_locked(id);
}

std::optional<u128> Peers::storage_met(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return met_locked(id);
}

/// What a record says first: of many members, not every first contact is remembered.
std::optional<u128> Peers::met_locked(std::uint64_t id) const {
  if (const auto found = members_.find(id); found != members_.end() && found->second.storage != 0)
    return found->second.storage;
  if (const auto found = pins_.find(id); found != pins_.end()) return found->second;
  if (const auto found = met_.find(id); found != met_.end()) return found->second;
  return std::nullopt;
}

std::optional<MemberInfo> Peers::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = members_.find(id);
  if (found == members_.end()) return std::nullopt;
  return found->second;
}

std::string Peers::region_of(std::uint64_t id) const {
  if (id == self_.name.raft_id) return self_.name.region;
  const std::optional<MemberInfo> member = find(id);
  return member ? member->region : std::string();
}

std::string Peers::client_address_of(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = client_addresses_.find(id);
  return found == client_addresses_.end() ? std::string() : found->second;
}

}  // namespace meridian::replica
