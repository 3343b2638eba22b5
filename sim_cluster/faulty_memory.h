// A node's network whose memory flips a bit of an entry once, when asked: the batch secret of it,
// so that every record of the entry gets another salt and nothing else changes.
#pragma once

#include <memory>

#include "io/network.h"

namespace meridian::sim_cluster {

class FaultyMemory final : public io::Network {
 public:
  FaultyMemory(std::unique_ptr<io::Network> sound, std::shared_ptr<bool> flips)
      : sound_(std::move(sound)), flips_(std::move(flips)) {}

  Status start(std::string_view address, Buffer hello, io::Executor& executor,
               Handler handler) override {
    handler.received = [this, received = std::move(handler.received)](
                           io::PeerId from, io::Channel channel, io::Parts parts) {
      if (*flips_) flip(parts);
      received(from, channel, std::move(parts));
    };
    return sound_->start(address, std::move(hello), executor, std::move(handler));
  }
  std::string address() const override { return sound_->address(); }
  void set_peer(io::PeerId peer, std::string_view at) override { sound_->set_peer(peer, at); }
  void remove_peer(io::PeerId peer) override { sound_->remove_peer(peer); }
  bool send(io::PeerId to, io::Channel channel, io::Parts parts) override {
    return sound_->send(to, channel, std::move(parts));
  }
  std::uint64_t queued_bytes(io::PeerId to, io::Channel channel) const override {
    return sound_->queued_bytes(to, channel);
  }

 private:
  static constexpr std::size_t secret_at = 40;  // docs/formats/entry.md
  static constexpr std::size_t entry_size_min = 64 + 64 + 8 + 128;

  void flip(io::Parts& parts) {
    if (parts.size() < 2 || parts[0]->front() != 1) return;  // consensus's, with payloads
    io::SharedBytes& entry = parts.back();
    if (entry->size() < entry_size_min) return;
    auto changed = std::make_shared<Buffer>(*entry);
    (*changed)[secret_at] ^= 1;
    entry = std::move(changed);
    *flips_ = false;
  }

  std::unique_ptr<io::Network> sound_;
  std::shared_ptr<bool> flips_;
};

}  // namespace meridian::sim_cluster
