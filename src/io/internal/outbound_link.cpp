#include "io/internal/outbound_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>

#include "base/assert.h"

namespace meridian::io::internal {

namespace net = boost::asio;

namespace {

constexpr std::chrono::seconds review_period{1};
/// For a peer whose handler is behind to read a link to its end.
constexpr std::chrono::seconds renewal_patience{15};

}  // namespace

OutboundLink::OutboundLink(PeerHub& hub, PeerId peer, Channel channel, std::string address,
                           Duration delay)
    : hub_(hub),
      peer_(peer),
      channel_(channel),
      delay_(delay),
      is_retired_(std::make_shared<std::atomic<bool>>(false)),
      address_(std::move(address)),
      resolver_(hub.context),
      timer_(hub.context),
      delay_timer_(hub.context) {}

// --- for any thread ---

bool OutboundLink::send(Parts parts) {
  std::uint64_t cost = queue_cost(parts);
  std::lock_guard lock(mutex_);
  if (state_ == State::idle) {
    state_ = State::connecting;
    net::post(hub_.context, [self = shared_from_this()] { self->connect(); });
  }
  if (state_ != State::up) return false;
  bool is_empty = queued_bytes_ == 0;
  if (!is_empty && queued_bytes_ + cost > hub_.limits.queued_bytes_max) return false;
  if (delay_ > Duration{}) {
    if (delayed_bytes_ + cost > delayed_bytes_max) return false;
    delayed_bytes_ += cost;
    delayed_.push_back({std::chrono::steady_clock::now() + ns(delay_), std::move(parts)});
  } else {
    queued_bytes_ += cost;
    queue_.push_back(std::move(parts));
  }
  if (!std::exchange(is_writing_, true)) {
    net::post(hub_.context, [self = shared_from_this()] { self->write(); });
  }
  return true;
}

std::uint64_t OutboundLink::queued_bytes() const {
  std::lock_guard lock(mutex_);
  return queued_bytes_;
}

bool OutboundLink::is(State state) const {
  std::lock_guard lock(mutex_);
  return state_ == state;
}

void OutboundLink::enter(State state) {
  std::lock_guard lock(mutex_);
  state_ = state;
}

// --- connecting ---

template <typename Function>
auto OutboundLink::guarded(Function function) {
  return [self = shared_from_this(), epoch = epoch_, function = std::move(function)](
             const ErrorCode& error, const auto&... rest) mutable {
    if (epoch == self->epoch_) function(error, rest...);
  };
}

void OutboundLink::connect() {
  if (*is_retired_) return;
  ++epoch_;
  is_admitted_ = false;
  if (renewal_ == Renewal::none) enter(State::connecting);
  timer_.expires_after(ns(hub_.limits.connect_timeout));
  timer_.async_wait(guarded([this](const ErrorCode& error) {
    if (error || is_admitted_) return;
    lose(fmt::format("no answer from {} within {} ms", address_,
                     static_cast<std::int64_t>(hub_.limits.connect_timeout) / 1'000'000));
  }));
  Result<HostPort> address = parse_host_port(address_);
  if (!address) return lose(address.error().message);
  ErrorCode error;
  net::ip::address ip = net::ip::make_address(address->host, error);
  if (error) return resolve(*address);
  open({Tcp::endpoint(ip, address->port)});
}

std::string OutboundLink::describe(const ErrorCode& error) const {
  if (error == net::error::eof || error == net::error::connection_reset) {
    return "the peer closed the link";
  }
  return fmt::format("{}: {}", address_, describe_tls(error));
}

void OutboundLink::resolve(const HostPort& address) {
  resolver_.async_resolve(
      address.host, std::to_string(address.port),
      guarded([this](const ErrorCode& error, const Tcp::resolver::results_type& found) {
        if (error) return lose(fmt::format("cannot resolve {}: {}", address_, error.message()));
        std::vector<Tcp::endpoint> endpoints;
        for (const auto& entry : found) endpoints.push_back(entry.endpoint());
        open(endpoints);
      }));
}

void OutboundLink::open(const std::vector<Tcp::endpoint>& endpoints) {
  stream_ = plain_stream(Tcp::socket(hub_.context));
  net::async_connect(
      stream_->socket(), endpoints, guarded([this](const ErrorCode& error, const auto&) {
        if (error) {
          return lose(fmt::format("cannot connect to {}: {}", address_, error.message()));
        }
        set_link_options(stream_->socket());
        if (hub_.security) return secure();
        greet();
      }));
}

void OutboundLink::secure() {
  Result<TlsContext> context = hub_.security->context();
  if (!context) return lose(context.error().message);
  context_ = *context;
  auto stream = tls_stream(std::move(stream_->socket()), context_, LinkStream::Side::connects);
  if (!stream) return lose(stream.error().message);
  stream_ = std::move(*stream);
  stream_->handshake(guarded([this](const ErrorCode& error, std::size_t) {
    if (error) return lose(describe(error));
    judge();
  }));
}

void OutboundLink::judge() {
  Result<LinkPeer> who = hub_.security->judge(*stream_->tls());
  if (!who) return lose(fmt::format("who answers at {}: {}", address_, who.error().message));
  if (who->id != peer_) {
    return lose(fmt::format("at {} answers replica {} ({}), not {}: correct its address", address_,
                            static_cast<std::uint64_t>(who->id), who->name,
                            static_cast<std::uint64_t>(peer_)));
  }
  who_ = std::move(*who);
  greet();
}

void OutboundLink::greet() {
  greeting_ = encode_greeting(channel_, hub_.hello);
  stream_->write(greeting_, guarded([this](const ErrorCode& error, std::size_t) {
                   if (error) return lose(describe(error));
                   read_reply();
                 }));
}

/// The peer answers the greeting; later, if it says more, that is why it closes the link.
void OutboundLink::read_reply() {
  stream_->read(reply_head_, guarded([this](const ErrorCode& error, std::size_t) {
                  if (error) return take_error(error);
                  Result<ReplyHead> head = decode_reply_head(reply_head_);
                  if (!head) {
                    return lose(fmt::format("answer of {}: {}", address_, head.error().message));
                  }
                  take_reply(*head);
                }));
}

void OutboundLink::take_error(const ErrorCode& error) {
  if (renewal_ != Renewal::finishing || error != net::error::eof) return lose(describe(error));
  renewal_ = Renewal::connecting;
  stream_->close();
  connect();
}

void OutboundLink::take_reply(const ReplyHead& head) {
  if (head.is_admitted) return is_admitted_ ? lose("the peer answered twice") : up();
  reason_.resize(head.reason_size);
  stream_->read(reason_, guarded([this](const ErrorCode& error, std::size_t) {
                  if (error) return lose(describe(error));
                  lose(fmt::format("refused: {}", as_text(reason_)));
                }));
}

void OutboundLink::up() {
  is_admitted_ = true;
  timer_.cancel();
  told_why_.clear();
  bool is_renewed = std::exchange(renewal_, Renewal::none) != Renewal::none;
  if (!is_renewed) {
    enter(State::up);
    tell(true, {});
  }
  read_reply();
  if (who_) review_later();
  if (is_renewed) write();
}

void OutboundLink::review_later() {
  timer_.expires_after(review_period);
  timer_.async_wait(guarded([this](const ErrorCode& cancelled) {
    if (cancelled) return;
    Result<LinkSecurity::Advice> advice = hub_.security->review(*who_, context_);
    if (!advice) return lose(advice.error().message);
    if (*advice == LinkSecurity::Advice::make_again) return renew();
    review_later();
  }));
}

void OutboundLink::renew() {
  renewal_ = Renewal::draining;
  if (rest_.empty()) finish_old();
}

void OutboundLink::finish_old() {
  renewal_ = Renewal::finishing;
  stream_->finish();
  timer_.expires_after(renewal_patience);
  timer_.async_wait(guarded([this](const ErrorCode& cancelled) {
    if (!cancelled) lose("the peer did not let go of a link that is to be made again");
  }));
}

void OutboundLink::lose(const std::string& why) {
  bool was_up = is(State::up);
  close();
  if (was_up || why != told_why_) tell(false, why);
  told_why_ = why;
  retry();
}

void OutboundLink::retry() {
  timer_.expires_after(ns(hub_.limits.reconnect_after));
  timer_.async_wait(guarded([this](const ErrorCode& error) {
    if (!error) connect();
  }));
}

void OutboundLink::tell(bool is_up, const std::string& why) {
  hub_.call([peer = peer_, channel = channel_, is_up, why,
             is_retired = is_retired_](const Network::Handler& handler) {
    if (!*is_retired) handler.link(peer, channel, is_up, why);
  });
}

void OutboundLink::close() {
  ++epoch_;
  if (stream_) stream_->close();
  is_admitted_ = false;
  renewal_ = Renewal::none;
  resolver_.cancel();
  timer_.cancel();
  delay_timer_.cancel();
  // No write under way looks at these any more: its socket is closed.
  batch_.clear();
  batch_cost_ = 0;
  rest_.clear();
  std::lock_guard lock(mutex_);
  state_ = State::waiting;
  queue_.clear();
  delayed_.clear();
  queued_bytes_ = 0;
  delayed_bytes_ = 0;
  is_writing_ = false;
}

void OutboundLink::retire() {
  *is_retired_ = true;
  close();
}

void OutboundLink::set_address(std::string address) {
  if (address == address_) return;
  address_ = std::move(address);
  if (is(State::up) || is(State::connecting)) lose("the address of the peer changed");
}

// --- writing ---

void OutboundLink::write() {
  if (!rest_.empty() || !is_admitted_ || renewal_ != Renewal::none) return;
  if (!take_batch()) return;
  batch_heads_.clear();
  for (const Parts& parts : batch_) append_frame_head(batch_heads_, parts);
  const Byte* head = batch_heads_.data();
  for (const Parts& parts : batch_) {
    std::size_t head_size = frame_head_size(parts.size());
    rest_.emplace_back(head, head_size);
    head += head_size;
    for (const SharedBytes& part : parts) {
      if (!part->empty()) rest_.emplace_back(part->data(), part->size());
    }
  }
  rest_begin_ = 0;
  write_some();
}

void OutboundLink::write_some() {
  std::span<const net::const_buffer> left = std::span(rest_).subspan(rest_begin_);
  stream_->write_some(left.first(std::min(left.size(), iovecs_max)),
                      guarded([this](const ErrorCode& error, std::size_t written) {
                        if (error) return lose(describe(error));
                        advance(written);
                      }));
}

void OutboundLink::advance(std::size_t written) {
  while (rest_begin_ < rest_.size() && rest_[rest_begin_].size() <= written) {
    written -= rest_[rest_begin_].size();
    ++rest_begin_;
  }
  if (rest_begin_ < rest_.size()) {
    rest_[rest_begin_] += written;
    return write_some();
  }
  {
    std::lock_guard lock(mutex_);
    queued_bytes_ -= batch_cost_;
  }
  batch_.clear();
  batch_cost_ = 0;
  rest_.clear();
  if (renewal_ == Renewal::draining) return finish_old();
  write();
}

bool OutboundLink::take_batch() {
  std::lock_guard lock(mutex_);
  if (!delayed_.empty()) release_delayed(std::chrono::steady_clock::now());
  if (queue_.empty()) {
    is_writing_ = !delayed_.empty();
    if (!is_writing_) return false;
    delay_timer_.expires_at(delayed_.front().due);
    delay_timer_.async_wait(guarded([this](const ErrorCode& error) {
      if (!error) write();
    }));
    return false;
  }
  while (!queue_.empty() && batch_cost_ < batch_bytes && batch_.size() < batch_messages) {
    batch_cost_ += queue_cost(queue_.front());
    batch_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return true;
}

void OutboundLink::release_delayed(Time now) {
  while (!delayed_.empty() && delayed_.front().due <= now) {
    std::uint64_t cost = queue_cost(delayed_.front().parts);
    delayed_bytes_ -= cost;
    queued_bytes_ += cost;
    queue_.push_back(std::move(delayed_.front().parts));
    delayed_.pop_front();
  }
}

}  // namespace meridian::io::internal
