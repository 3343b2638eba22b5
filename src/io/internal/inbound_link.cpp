#include "io/internal/inbound_link.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>

namespace meridian::io::internal {

namespace net = boost::asio;
using tcp = net::ip::tcp;

namespace {

/// How long a refused peer may take to read why, before a reset takes it from it.
constexpr std::chrono::seconds drain_time{1};
constexpr std::chrono::seconds review_period{1};
/// What every TLS connection begins with, and no greeting of ours.
constexpr Byte tls_handshake_record = 22;

}  // namespace

InboundLink::InboundLink(PeerHub& hub, tcp::socket socket, std::size_t open_before)
    : hub_(hub),
      stream_(plain_stream(std::move(socket))),
      open_before_(open_before),
      timer_(hub.context) {}

void InboundLink::begin(PeerHub& hub, tcp::socket socket) {
  std::size_t open = hub.inbound.size();
  if (open >= 2 * hub.limits.inbound_links_max) return;  // too many to tell them
  auto link = std::make_shared<InboundLink>(hub, std::move(socket), open);
  hub.inbound.insert(link);
  set_link_options(link->stream_->socket());
  link->limit_greeting();
  if (hub.security) {
    link->expect_tls();
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

void InboundLink::limit_greeting() {
  timer_.expires_after(ns(hub_.limits.connect_timeout));
  timer_.async_wait(guarded([this](const ErrorCode& error) {
    if (!error && !is_admitted_) close();
  }));
}

/// Who connects in the clear is told so in the clear.
void InboundLink::expect_tls() {
  stream_->socket().async_wait(
      tcp::socket::wait_read, guarded([this](const ErrorCode& error) {
        if (error) return close();
        Byte first = 0;
        ssize_t count =
            ::recv(stream_->socket().native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
        if (count != 1) return close();
        if (first == tls_handshake_record) return begin_tls();
        refuse({Code::permission_denied,
                "links to this replica are TLS: start yours with a certificate of its own"});
      }));
}

void InboundLink::begin_tls() {
  Result<TlsContext> context = hub_.security->context();
  if (!context) return close();  // nothing can be said yet
  context_ = *context;
  auto stream = tls_stream(std::move(stream_->socket()), context_, LinkStream::Side::accepts);
  if (!stream) return close();
  stream_ = std::move(*stream);
  stream_->handshake(guarded([this](const ErrorCode& error, std::size_t) {
    if (error) return close();
    judge();
  }));
}

void InboundLink::judge() {
  Result<LinkPeer> who = hub_.security->judge(*stream_->tls());
  if (!who) return refuse(who.error());
  who_ = std::move(*who);
  read_greeting();
}

void InboundLink::read_greeting() {
  if (open_before_ >= hub_.limits.inbound_links_max) {
    return refuse(
        {Code::resource_exhausted, fmt::format("{} links are open here already", open_before_)});
  }
  stream_->read(head_, guarded([this](const ErrorCode& error, std::size_t) {
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
  stream_->read(hello_, guarded([this](const ErrorCode& error, std::size_t) {
                  if (error) return close();
                  ask_to_admit();
                }));
}

void InboundLink::ask_to_admit() {
  // The network lives while its handler runs, so the context does; this link may not.
  hub_.call([weak = weak_from_this(), hub = &hub_, hello = hello_,
             who = who_](const Network::Handler& handler) {
    Result<PeerId> admitted = handler.admit(hello, who ? &*who : nullptr);
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
  stream_->write(reply_, guarded([this](const ErrorCode& error, std::size_t) {
                   if (error) return close();
                   if (who_) review_later();
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
  is_refused_ = true;
  timer_.expires_after(drain_time);
  timer_.async_wait(guarded([this](const ErrorCode& cancelled) {
    if (!cancelled) close();
  }));
  reply_ = encode_reply(error);
  stream_->write(reply_, guarded([this](const ErrorCode& failed, std::size_t) {
                   if (failed) return close();
                   stream_->finish();
                   if (!is_reading_) drain();
                 }));
}

/// Closing with bytes unread would send a reset, which may overtake the reason.
void InboundLink::drain() {
  hello_.resize(4096);
  rooms_.assign(1, net::buffer(hello_));
  stream_->read_some(rooms_, guarded([this](const ErrorCode& error, std::size_t) {
                       if (error) return close();
                       drain();
                     }));
}

void InboundLink::review_later() {
  timer_.expires_after(review_period);
  timer_.async_wait(guarded([this](const ErrorCode& cancelled) {
    if (cancelled || is_refused_) return;
    Result<LinkSecurity::Advice> advice = hub_.security->review(*who_, context_);
    if (!advice) return refuse(advice.error());
    review_later();  // to make it again is for the side that connects
  }));
}

void InboundLink::close() {
  is_closed_ = true;
  stream_->close();
  timer_.cancel();
  hub_.inbound.erase(shared_from_this());
}

// --- messages ---

void InboundLink::read() {
  if (is_refused_) return;  // while the handler was behind
  is_reading_ = true;
  rooms_.clear();
  for (MutableBytes room : decoder_.room()) rooms_.emplace_back(room.data(), room.size());
  stream_->read_some(rooms_, guarded([this](const ErrorCode& error, std::size_t count) {
                       is_reading_ = false;
                       if (error) return close();
                       if (is_refused_) return drain();
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
