#include "sim/internal/net_link.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "sim/internal/net_node.h"

namespace meridian::sim::internal {
namespace {

/// Delivers at the receiver, or loses what it no longer can take. `tell_sender` is called if its
/// process is gone, as a reset that comes back would.
void arrive(Wire& wire, const std::string& from, const std::string& to, Inbound& inbound,
            io::Parts parts, const std::function<void()>& tell_sender) {
  io::Channel channel = inbound.channel;
  std::shared_ptr<NetCounts> counts = wire.counts(from, to, channel);
  auto lose = [counts] { ++counts->lost; };
  if (!wire.is_open(from, to)) return lose();
  if (inbound.node == nullptr) {
    tell_sender();
    return lose();
  }
  if (inbound.is_broken && wire.random().chance(0.5)) return lose();
  auto deliver = [counts, channel, id = inbound.from,
                  parts = std::move(parts)](const io::Network::Handler& handler) mutable {
    ++counts->delivered;
    handler.received(id, channel, std::move(parts));
  };
  inbound.node->call(std::move(deliver), lose);
}

}  // namespace

NetLink::NetLink(Wire& wire, NetNode& from, io::PeerId peer, io::Channel channel,
                 std::string address)
    : wire_(wire), from_(from), peer_(peer), channel_(channel), address_(std::move(address)) {}

NetLink::~NetLink() {
  drop_queue();
  if (inbound_) inbound_->is_broken = true;
}

template <typename Then>
void NetLink::later(io::Duration delay, Then then) {
  wire_.after(delay, [weak = weak_from_this(), epoch = epoch_, then = std::move(then)] {
    auto link = weak.lock();
    if (link && link->epoch_ == epoch) then(*link);
  });
}

bool NetLink::send(io::Parts parts) {
  if (to_.empty()) to_ = wire_.name_at(address_);
  std::uint64_t cost = io::queue_cost(parts);
  bool fits = queue_.empty() || queued_bytes_ + cost <= wire_.options().limits.queued_bytes_max;
  if (state_ != State::up || !fits) {
    ++counts().refused;
    if (state_ == State::idle) connect();
    return false;
  }
  ++counts().sent;
  queued_bytes_ += cost;
  queue_.push_back(std::move(parts));
  if (queue_.size() == 1) later({}, [](NetLink& link) { link.pump(); });
  return true;
}

void NetLink::set_address(const std::string& address) {
  if (address == address_) return;
  address_ = address;
  break_now("the address of the peer changed");
  to_.clear();
}

void NetLink::resume() { pump(); }

void NetLink::break_now(const std::string& why) {
  if (state_ == State::up) down(why);
  if (state_ == State::connecting) fail_connect(why);
}

void NetLink::tell_gone() {
  if (!inbound_ || !wire_.is_open(to_, from_.name())) return;
  later(wire_.latency(wire_.path(to_, from_.name())), [](NetLink& link) {
    if (link.wire_.is_open(link.to_, link.from_.name())) link.down("the peer closed the link");
  });
}

// --- connecting: there and back again ---

void NetLink::connect() {
  state_ = State::connecting;
  ++epoch_;
  to_ = wire_.name_at(address_);
  later(wire_.options().limits.connect_timeout, [](NetLink& link) {
    if (link.state_ == State::connecting) {
      link.fail_connect(fmt::format("no answer from {}", link.address_));
    }
  });
  if (!wire_.is_open(from_.name(), to_)) return;
  later(wire_.latency(wire_.path(from_.name(), to_)), [](NetLink& link) { link.reach(); });
}

void NetLink::reach() {
  if (to_.empty()) to_ = wire_.name_at(address_);  // it listens only by now
  if (!wire_.is_open(from_.name(), to_)) return;
  NetNode* node = wire_.listener(address_);
  if (node == nullptr) {
    return answer(fail(Code::unavailable, fmt::format("nobody listens at {}", address_)), nullptr);
  }
  node->call([weak = weak_from_this(), epoch = epoch_, node,
              hello = from_.hello()](const io::Network::Handler& handler) {
    Result<io::PeerId> admitted = node->admit(handler, hello);
    if (!admitted) admitted = with_context(std::move(admitted).error(), "refused");
    auto link = weak.lock();
    if (link && link->epoch_ == epoch) link->answer(admitted, node);
  });
}

void NetLink::answer(const Result<io::PeerId>& admitted, NetNode* node) {
  std::shared_ptr<Inbound> inbound;
  std::string why;
  if (admitted) {
    inbound = std::make_shared<Inbound>(Inbound{node, *admitted, channel_});
    node->add(inbound);
  } else {
    why = admitted.error().message;
  }
  if (!wire_.is_open(to_, from_.name())) return;
  later(wire_.latency(wire_.path(to_, from_.name())), [inbound, why](NetLink& link) {
    if (link.state_ != State::connecting) return;  // timed out just now
    if (!link.wire_.is_open(link.to_, link.from_.name())) return;
    if (!inbound) return link.fail_connect(why);
    if (inbound->node == nullptr) return link.fail_connect("the peer closed the link");
    link.inbound_ = inbound;
    link.up();
  });
}

void NetLink::up() {
  state_ = State::up;
  told_why_.clear();
  last_arrival_ = {};
  tell(true, {});
}

void NetLink::fail_connect(const std::string& why) {
  bool is_news = why != told_why_;
  told_why_ = why;
  state_ = State::waiting;
  ++epoch_;
  if (is_news) tell(false, why);
  later(wire_.options().limits.reconnect_after, [](NetLink& link) { link.connect(); });
}

void NetLink::down(const std::string& why) {
  ASSERT(state_ == State::up);
  drop_queue();
  inbound_->is_broken = true;
  inbound_.reset();
  is_sending_ = false;
  fail_connect(why);
}

void NetLink::tell(bool is_up, const std::string& why) {
  from_.call([peer = peer_, channel = channel_, is_up, why](const io::Network::Handler& handler) {
    handler.link(peer, channel, is_up, why);
  });
}

void NetLink::drop_queue() {
  if (!queue_.empty()) counts().lost += queue_.size();
  queue_.clear();
  queued_bytes_ = 0;
}

// --- sending ---

void NetLink::pump() {
  while (state_ == State::up && !is_sending_ && !queue_.empty() &&
         !wire_.is_held(from_.name(), to_, channel_)) {
    std::uint64_t rate = wire_.path(from_.name(), to_).bytes_per_second;
    if (rate == 0) {
      depart();
      continue;
    }
    is_sending_ = true;
    u128 transmit_ns = u128{io::queue_cost(queue_.front())} * 1'000'000'000 / rate;
    later(io::Duration{static_cast<std::int64_t>(transmit_ns)}, [](NetLink& link) {
      link.is_sending_ = false;
      link.depart();
      link.pump();
    });
  }
}

void NetLink::depart() {
  io::Parts parts = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= io::queue_cost(parts);
  Path path = wire_.path(from_.name(), to_);
  if (!wire_.is_open(from_.name(), to_) || wire_.random().chance(path.loss)) {
    ++counts().lost;
    return;
  }
  if (wire_.random().chance(path.duplicate)) {
    ++counts().doubled;
    fly(parts, sum(wire_.latency(path), wire_.up_to(path.late_max)));
  }
  io::Duration delay = wire_.latency(path);
  if (wire_.random().chance(path.reorder))
    return fly(parts, sum(delay, wire_.up_to(path.late_max)));
  io::MonotonicTime now = wire_.now();
  last_arrival_ = std::max(last_arrival_, now + delay);
  fly(parts, last_arrival_ - now);
}

void NetLink::fly(const io::Parts& parts, io::Duration delay) {
  auto land = [&wire = wire_, from = from_.name(), to = to_, inbound = inbound_,
               parts = copy(parts), weak = weak_from_this(), epoch = epoch_]() mutable {
    arrive(wire, from, to, *inbound, std::move(parts), [&weak, epoch] {
      auto link = weak.lock();
      if (link && link->epoch_ == epoch) link->tell_gone();
    });
  };
  wire_.after(delay, std::move(land));
}

io::Parts NetLink::copy(const io::Parts& parts) const {
  if (!wire_.options().copy_parts) return parts;
  io::Parts copies;
  copies.reserve(parts.size());
  for (const io::SharedBytes& part : parts) copies.push_back(std::make_shared<Buffer>(*part));
  return copies;
}

NetCounts& NetLink::counts() { return *wire_.counts(from_.name(), to_, channel_); }

}  // namespace meridian::sim::internal
