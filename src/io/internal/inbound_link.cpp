#include "io/internal/inbound_link.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace meridian::io::internal {

namespace net = boost::asio;
using tcp = net::ip::tcp;

namespace {

/// How long a refused peer may take to read why, before a reset takes it from it.
constexpr std::chrono::seconds drain_time{1};

/// The room of a decoder, for one read.
struct Window {
  const net::mutable_buffer* first;
  const net::mutable_buffer* last;
  const net::mutable_buffer* begin() const { return first; }
  const net::mutable_buffer* end() const { return last; }
};

}  // namespace

InboundLink::InboundLink(PeerHub& hub, tcp::socket socket)
    : hub_(hub), socket_(std::move(socket)), timer_(hub.context) {}

void InboundLink::begin(PeerHub& hub, tcp::socket socket) {
  std::size_t open = hub.inbound.size();
  std::size_t open_max = hub.limits.inbound_links_max;
  if (open >= 2 * open_max) return;  // too many to tell them
  auto link = std::make_shared<InboundLink>(hub, std::move(socket));
  hub.inbound.insert(link);
  set_link_options(link->socket_);
  if (open >= open_max) {
    link->refuse({Code::resource_exhausted, fmt::format("{} links are open here already", open)});
  } else {
    link->read_greeting();
  }
}

template <typename Function>
auto InboundLink::guarded(Function function) {
  return [self = shared_from_this(), function = std::move(function)](const ErrorCode& error,
                                                                     const auto&... rest) mutable {
    if (!self->is_closed_) function(error, rest...);
  };
}

// --- the greeting ---

void InboundLink::read_greeting() {
  timer_.expires_after(ns(hub_.limits.connect_timeout));
  timer_.async_wait(guarded([this](const ErrorCode& error) {
    if (!error && !is_admitted_) close();
  }));
  net::async_read(socket_, net::buffer(head_), guarded([this](const ErrorCode& error, std::size_t) {
                    if (error) return close();
                    Result<GreetingHead> head =
                        decode_greeting_head(head_, hub_.limits.hello_size_max);
                    if (!head) return refuse(head.error());
                    read_hello(*head);
                  }));
}

void InboundLink::read_hello(const GreetingHead& head) {
  channel_ = head.channel;
  hello_.resize(head.hello_size);
  net::async_read(socket_, net::buffer(hello_),
                  guarded([this](const ErrorCode& error, std::size_t) {
                    if (error) return close();
                    ask_to_admit();
                  }));
}

void InboundLink::ask_to_admit() {
  // The network lives while its handler runs, so the context does; this link may not.
  hub_.call(
      [weak = weak_from_this(), hub = &hub_, hello = hello_](const Network::Handler& handler) {
        Result<PeerId> admitted = handler.admit(hello);
        net::post(hub->context, [weak, admitted = std::move(admitted)] {
          auto self = weak.lock();
          if (self && !self->is_closed_) self->answer(admitted);
        });
      });
}

void InboundLink::answer(const Result<PeerId>& admitted) {
  if (!admitted) return refuse(admitted.error());
  is_admitted_ = true;
  peer_ = *admitted;
  timer_.cancel();
  replace_older();
  reply_ = encode_reply({});
  net::async_write(socket_, net::buffer(reply_),
                   guarded([this](const ErrorCode& error, std::size_t) {
                     if (error) return close();
                     read();
                   }));
}

/// So that nothing sent on an older link comes after what is sent on this one.
void InboundLink::replace_older() {
  std::shared_ptr<InboundLink> older;
  for (const auto& link : hub_.inbound) {
    bool is_same = link->is_admitted_ && link->peer_ == peer_ && link->channel_ == channel_;
    if (is_same && link.get() != this) older = link;
  }
  if (older) older->close();
}

void InboundLink::refuse(const Error& error) {
  is_admitted_ = false;
  timer_.expires_after(drain_time);
  timer_.async_wait(guarded([this](const ErrorCode& cancelled) {
    if (!cancelled) close();
  }));
  reply_ = encode_reply(error);
  net::async_write(socket_, net::buffer(reply_),
                   guarded([this](const ErrorCode& failed, std::size_t) {
                     if (failed) return close();
                     ErrorCode ignored;
                     socket_.shutdown(tcp::socket::shutdown_send, ignored);
                     drain();
                   }));
}

/// Closing with bytes unread would send a reset, which may overtake the reason.
void InboundLink::drain() {
  hello_.resize(4096);
  socket_.async_read_some(net::buffer(hello_), guarded([this](const ErrorCode& error, std::size_t) {
                            if (error) return close();
                            drain();
                          }));
}

void InboundLink::close() {
  is_closed_ = true;
  ErrorCode ignored;
  socket_.close(ignored);
  timer_.cancel();
  hub_.inbound.erase(shared_from_this());
}

// --- messages ---

void InboundLink::read() {
  rooms_.clear();
  for (MutableBytes room : decoder_.room()) rooms_.emplace_back(room.data(), room.size());
  socket_.async_read_some(Window{rooms_.data(), rooms_.data() + rooms_.size()},
                          guarded([this](const ErrorCode& error, std::size_t count) {
                            if (error) return close();
                            take(count);
                          }));
}

void InboundLink::take(std::size_t count) {
  Status status = decoder_.filled(count);
  std::vector<Parts> messages;
  std::uint64_t cost = 0;
  while (auto message = decoder_.next()) {
    cost += queue_cost(*message);
    messages.push_back(std::move(*message));
  }
  if (!messages.empty()) deliver(std::move(messages), cost);
  if (!status) return refuse(status.error());
  if (!must_pause()) read();
}

void InboundLink::deliver(std::vector<Parts> messages, std::uint64_t cost) {
  flow_->undelivered_bytes += cost;
  hub_.executor.post([gate = hub_.gate, hub = &hub_, weak = weak_from_this(), flow = flow_,
                      peer = peer_, channel = channel_, cost,
                      messages = std::move(messages)]() mutable {
    for (Parts& parts : messages) {
      // One by one, as each may be the one that destroys the network.
      gate->run([&](const Network::Handler& handler) {
        handler.received(peer, channel, std::move(parts));
      });
    }
    std::uint64_t left = flow->undelivered_bytes -= cost;
    gate->run([&](const Network::Handler&) {
      if (left > hub->limits.undelivered_bytes_max / 2) return;
      if (!flow->is_paused.exchange(false)) return;
      net::post(hub->context, [weak] {
        auto self = weak.lock();
        if (self && !self->is_closed_) self->read();
      });
    });
  });
}

/// The handler is behind: who set is_paused back to false is the one who reads on.
bool InboundLink::must_pause() {
  std::uint64_t undelivered_max = hub_.limits.undelivered_bytes_max;
  if (flow_->undelivered_bytes <= undelivered_max) return false;
  flow_->is_paused = true;
  if (flow_->undelivered_bytes > undelivered_max / 2) return true;
  return !flow_->is_paused.exchange(false);
}

}  // namespace meridian::io::internal
