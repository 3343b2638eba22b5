// Nodes of real sockets on loopback that write down what they are told, and a socket that says
// whatever a test wants.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "io/internal/peer_frame.h"
#include "io/network.h"

namespace meridian::io::internal {

inline SharedBytes part(std::string_view text) {
  return std::make_shared<Buffer>(to_buffer(as_bytes(text)));
}

inline std::string text_of(const Parts& parts) {
  std::string text;
  for (const SharedBytes& bytes : parts) text += std::string(as_text(*bytes)) + "|";
  return text;
}

inline OsNetworkOptions quick() {
  OsNetworkOptions options;
  options.limits.reconnect_after = milliseconds(5);
  return options;
}

/// A node that writes down what it is told. Its hello is its name, and its id the last digit of it.
class Node {
 public:
  explicit Node(std::string name, const OsNetworkOptions& options = quick(),
                std::string_view address = "127.0.0.1:0")
      : name_(std::move(name)), executor_(os_executor(name_)), network_(os_network(options)) {
    Network::Handler handler;
    handler.admit = [this](Bytes hello, const LinkPeer* shown) { return admit(hello, shown); };
    handler.received = [this](PeerId from, Channel channel, Parts parts) {
      while (is_stuck) std::this_thread::yield();
      std::lock_guard lock(mutex_);
      received_.push_back(
          fmt::format("{}/{}:{}", std::uint64_t(from), int(channel), text_of(parts)));
      if (received_.back().size() > 200) received_.back().resize(200);
      last_ = std::move(parts);
      changed_.notify_all();
    };
    handler.link = [this](PeerId peer, Channel channel, bool is_up, const std::string& why) {
      std::lock_guard lock(mutex_);
      links_.push_back(fmt::format("{}/{} {}{}", std::uint64_t(peer), int(channel),
                                   is_up ? "up" : "down: ", why));
      changed_.notify_all();
    };
    Status started = network_->start(address, to_buffer(as_bytes(name_)), *executor_, handler);
    EXPECT_TRUE(started.has_value()) << started.error().message;
  }
  ~Node() {
    is_stuck = false;
    network_.reset();
  }

  Network& network() { return *network_; }
  PeerId id() const { return PeerId(std::uint64_t(name_.back() - '0')); }
  void knows(Node& peer) { network_->set_peer(peer.id(), peer.network().address()); }
  bool send(const Node& to, std::string_view text, Channel channel = Channel::control) {
    return network_->send(to.id(), channel, {part(text)});
  }
  /// Knows `peer` and waits for the link.
  void connect(Node& peer, Channel channel = Channel::control) {
    knows(peer);
    send(peer, "wake", channel);
    EXPECT_TRUE(told(fmt::format("{}/{} up", std::uint64_t(peer.id()), int(channel))));
  }
  void refuse(std::string why) {
    std::lock_guard lock(mutex_);
    refusal_ = std::move(why);
  }

  /// Waits until `is_reached(received, links)`; false after a time no healthy machine needs.
  template <typename Condition>
  bool wait(Condition is_reached) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return is_reached(received_, links_); });
  }
  bool told(const std::string& text) {
    return wait([&](auto&, auto& links) {
      return std::ranges::any_of(links, [&](auto& link) { return link.starts_with(text); });
    });
  }
  bool has_received(std::size_t count) {
    return wait([&](auto& received, auto&) { return received.size() >= count; });
  }
  std::vector<std::string> received() {
    std::lock_guard lock(mutex_);
    return received_;
  }
  std::vector<std::string> links() {
    std::lock_guard lock(mutex_);
    return links_;
  }
  Parts last() {
    std::lock_guard lock(mutex_);
    return last_;
  }
  void forget() {
    std::lock_guard lock(mutex_);
    received_.clear();
    links_.clear();
  }

  std::atomic<bool> is_stuck = false;  ///< Its handler does not return.
  std::atomic<int> admitted = 0;

 private:
  Result<PeerId> admit(Bytes hello, const LinkPeer* shown) {
    ++admitted;
    std::lock_guard lock(mutex_);
    if (!refusal_.empty()) return fail(Code::permission_denied, refusal_);
    if (hello.empty()) return fail(Code::invalid_argument, "an empty hello");
    if (shown != nullptr && shown->id != PeerId(std::uint64_t(hello.back() - '0'))) {
      return fail(Code::permission_denied, "the hello is not of " + shown->name);
    }
    return PeerId(std::uint64_t(hello.back() - '0'));
  }

  const std::string name_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> received_;
  std::vector<std::string> links_;
  Parts last_;
  std::string refusal_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Network> network_;
};

/// A socket that says whatever a test wants.
class RawPeer {
 public:
  explicit RawPeer(const std::string& address)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(std::uint16_t(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~RawPeer() { ::close(socket_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void write(Bytes bytes) {
    while (!bytes.empty()) {
      ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }
  Buffer read(std::size_t size) {
    Buffer bytes(size);
    std::size_t done = 0;
    while (done < size) {
      ssize_t count = ::recv(socket_, bytes.data() + done, size - done, 0);
      if (count <= 0) break;
      done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
  }
  /// Why it is refused; "admitted", or "closed" without a word.
  std::string reply() {
    Buffer head = read(reply_head_size);
    if (head.size() < reply_head_size) return "closed";
    Result<ReplyHead> reply = decode_reply_head(head);
    if (!reply) return reply.error().message;
    if (reply->is_admitted) return "admitted";
    return std::string(as_text(read(reply->reason_size)));
  }
  void greet(std::string_view name) { write(encode_greeting(Channel::entries, as_bytes(name))); }
  int socket() const { return socket_; }
  /// Waits for it, with the patience of any read.
  bool is_closed() {
    Byte byte = 0;
    ssize_t count = ::recv(socket_, &byte, 1, 0);
    return count == 0 || (count < 0 && errno == ECONNRESET);
  }

 private:
  int socket_;
};

}  // namespace meridian::io::internal
