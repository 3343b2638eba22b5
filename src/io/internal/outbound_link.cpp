#include "io/internal/outbound_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/assert.h"

namespace meridian::io::internal {

namespace net = boost::asio;

namespace {

/// Some buffers of a batch, for one write.
struct Window {
  const net::const_buffer* first;
  const net::const_buffer* last;
  const net::const_buffer* begin() const { return first; }
  const net::const_buffer* end() const { return last; }
};

}  // namespace

OutboundLink::OutboundLink(PeerHub& hub, PeerId peer, Channel channel, std::string address,
                           Duration delay)
    : hub_(hub),
      peer_(peer),
      channel_(channel),
      delay_(delay),
      is_retired_(std::make_shared<std::atomic<bool>>(false)),
      address_(std::move(address)),
      socket_(hub.context),
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
  enter(State::connecting);
  timer_.expires_after(ns(hub_.limits.connect_timeout));
  timer_.async_wait(guarded([this](const ErrorCode& error) {
    if (error || is(State::up)) return;
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
  return fmt::format("{}: {}", address_, error.message());
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
  net::async_connect(
      socket_, endpoints, guarded([this](const ErrorCode& error, const auto&) {
        if (error) {
          return lose(fmt::format("cannot connect to {}: {}", address_, error.message()));
        }
        greet();
      }));
}

void OutboundLink::greet() {
  set_link_options(socket_);
  greeting_ = encode_greeting(channel_, hub_.hello);
  net::async_write(socket_, net::buffer(greeting_),
                   guarded([this](const ErrorCode& error, std::size_t) {
                     if (error) return lose(describe(error));
                     read_reply();
                   }));
}

/// The peer answers the greeting; later, if it says more, that is why it closes the link.
void OutboundLink::read_reply() {
  net::async_read(socket_, net::buffer(reply_head_),
                  guarded([this](const ErrorCode& error, std::size_t) {
                    if (error) return lose(describe(error));
                    Result<ReplyHead> head = decode_reply_head(reply_head_);
                    if (!head) {
                      return lose(fmt::format("answer of {}: {}", address_, head.error().message));
                    }
                    take_reply(*head);
                  }));
}

void OutboundLink::take_reply(const ReplyHead& head) {
  if (head.is_admitted) return is(State::up) ? lose("the peer answered twice") : up();
  reason_.resize(head.reason_size);
  net::async_read(socket_, net::buffer(reason_),
                  guarded([this](const ErrorCode& error, std::size_t) {
                    if (error) return lose(describe(error));
                    lose(fmt::format("refused: {}", as_text(reason_)));
                  }));
}

void OutboundLink::up() {
  enter(State::up);
  timer_.cancel();
  told_why_.clear();
  tell(true, {});
  read_reply();
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
  ErrorCode ignored;
  socket_.close(ignored);
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
  if (!rest_.empty() || !socket_.is_open()) return;
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
  const net::const_buffer* first = rest_.data() + rest_begin_;
  std::size_t count = std::min(rest_.size() - rest_begin_, iovecs_max);
  socket_.async_write_some(Window{first, first + count},
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
