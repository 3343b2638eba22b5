// Replicas that know nothing but their trees and each other: exchanges over a net that loses.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/assert.h"
#include "proof/merkle_tree.h"
#include "replica/cosigner_exchange.h"
#include "sim/disk.h"
#include "sim/world.h"

namespace meridian::replica {

/// A tree whose record `n` is its number; from `forked_at` on another one.
inline std::unique_ptr<proof::MerkleTree> numbered_tree(
    std::uint64_t size, std::optional<std::uint64_t> forked_at = std::nullopt,
    std::uint8_t fork = 1) {
  auto tree = std::make_unique<proof::MerkleTree>();
  for (std::uint64_t i = 0; i < size; ++i) {
    proof::Hash leaf{};
    store_le(leaf.data(), i);
    if (forked_at && i == *forked_at) leaf[31] = fork;
    tree->append(leaf);
  }
  return tree;
}

class ExchangeRig {
 public:
  struct Released {
    proof::TreeHead head;
    Buffer cosignature;
  };
  struct Replica {
    std::uint64_t id = 0;
    std::string region;
    std::unique_ptr<sim::Disk> disk;
    std::unique_ptr<proof::MerkleTree> tree;
    std::uint64_t stored = 0;
    std::optional<CosignedHead> cosigned;
    std::unique_ptr<proof::Signer> log_key, name;
    std::optional<Cosigner> cosigner;
    std::unique_ptr<io::Executor> executor;
    std::unique_ptr<CosignerExchange> exchange;  ///< Null while it is down.
    std::optional<Error> fatal;
    std::string doubt;
    std::vector<std::string> notices;
    std::vector<Released> released;  ///< Every cosignature that left it, in order.
  };

  ExchangeRig(std::uint64_t seed, std::size_t count) : world(seed), random(seed ^ 0x5EED) {
    net_ = world.make_executor("net");
    for (std::uint64_t id = 1; id <= count; ++id) {
      auto one = std::make_unique<Replica>();
      one->id = id;
      one->region = fmt::format("region-{}", id);
      one->disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed * 10 + id});
      one->tree = numbered_tree(0);
      const Buffer secret(32, static_cast<Byte>(id));
      const Buffer other(32, static_cast<Byte>(id + 100));
      one->log_key =
          std::make_unique<proof::Signer>(origin, proof::KeyType::ed25519, Bytes(secret));
      one->name = std::make_unique<proof::Signer>(cosigner_name(origin, id),
                                                  proof::KeyType::cosignature, Bytes(other));
      membership.voters.push_back(id);
      replicas.push_back(std::move(one));
    }
  }
  ~ExchangeRig() {
    for (auto& one : replicas) down(*one);
  }

  Replica& at(std::uint64_t id) { return *replicas.at(id - 1); }
  void up(std::uint64_t id) {
    Replica& one = at(id);
    one.executor = world.make_executor(fmt::format("prove-{}", id));
    auto head = CosignedHead::open(*one.disk);
    ASSERT(head.has_value());
    one.cosigned.emplace(std::move(*head));
    one.cosigner.emplace(
        Cosigner::Parts{world.clock(), *one.cosigned, *one.log_key, *one.name, *one.tree});
    one.exchange = std::make_unique<CosignerExchange>(
        CosignerExchange::Parts{
            *one.executor,
            world.clock(),
            *one.cosigner,
            *one.tree,
            id,
            {},
            [this](std::uint64_t who) { return at(who).region; },
            [this, id](std::uint64_t to, Buffer bytes) { return carry(id, to, std::move(bytes)); },
            [this](const std::function<void(consensus::Membership)>& ready) { ready(membership); },
            [&one](const std::string& line) { one.notices.push_back(line); }},
        CosignerExchange::Next{[&one](const std::string& why) { one.doubt = why; },
                               [&one](const Error& error) { one.fatal = error; }});
    one.executor->post([&one] {
      one.exchange->grown(one.stored);
      one.exchange->start();
    });
  }
  void up_all() {
    for (auto& one : replicas) up(one->id);
    world.run_until_idle();
  }
  void down(Replica& one) {
    if (one.exchange == nullptr) return;
    one.exchange->stop();
    one.exchange.reset();
    one.executor.reset();
  }
  void store(std::uint64_t id, std::uint64_t count) {
    Replica& one = at(id);
    one.stored = count;
    one.executor->post([&one, count] { one.exchange->grown(count); });
  }
  std::optional<Result<CosignerExchange::Collected>>& collect(std::uint64_t id,
                                                              std::uint64_t size) {
    auto result = std::make_shared<std::optional<Result<CosignerExchange::Collected>>>();
    results_.push_back(result);
    Replica& one = at(id);
    one.executor->post([&one, size, result] {
      one.exchange->collect(size, [result](Result<CosignerExchange::Collected> collected) {
        result->emplace(std::move(collected));
      });
    });
    return *result;
  }
  void run(std::int64_t ms) { world.advance(io::milliseconds(ms)); }

  static inline const std::string origin = "test/cell/1";
  sim::World world;
  sim::Random random;
  std::vector<std::unique_ptr<Replica>> replicas;
  consensus::Membership membership;
  double loss = 0;
  std::set<std::uint64_t> cut_off;
  std::uint64_t carried = 0;

 private:
  bool carry(std::uint64_t from, std::uint64_t to, Buffer bytes) {
    if (const auto answer = CosignAnswer::decode(bytes);
        answer && answer->kind == CosignAnswer::Kind::cosigned)
      at(from).released.push_back({answer->head, answer->cosignature});
    if (random.chance(loss) || cut_off.count(from) != 0 || cut_off.count(to) != 0) return false;
    ++carried;
    const auto part = std::make_shared<const Buffer>(std::move(bytes));
    const auto delay = static_cast<std::int64_t>(1 + random.below(20));
    net_->post_after(io::milliseconds(delay), [this, from, to, part] {
      if (at(to).exchange != nullptr) at(to).exchange->receive(from, {part});
    });
    return true;
  }

  std::unique_ptr<io::Executor> net_;
  std::vector<std::shared_ptr<std::optional<Result<CosignerExchange::Collected>>>> results_;
};

}  // namespace meridian::replica
