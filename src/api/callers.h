// Who calls: certificates of clients, judged once and remembered.
//
// gRPC lets every client through its handshake and hands its certificate out with each call, as
// text. A certificate is judged when it is first seen; what is asked at each call after that is
// whether it is still good (expiry, deny list, its authority). A refusal is remembered for the
// second in which it was found, so that who is refused and calls on costs no signature each time.
// Thread-safe. Cost: 0.5 us for one that is known, 200 us for a new one.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "base/u128.h"
#include "door/door.h"
#include "mesh/credentials.h"
#include "mesh/policy.h"

namespace meridian::api {

/// What one caller may do by one policy, in the cell of this process.
struct Standing {
  std::shared_ptr<const mesh::Policy> policy;  ///< Null: there is none.
  mesh::Rights rights;
  mesh::Actions blocked;  ///< Whatever the rights say: what people do, of whom is none; and others.
  bool is_known = false;  ///< The policy is.
  bool is_person = false;
  bool is_bootstrap = false;
};

/// Whose certificate was judged good, with what is worked out about them once. Thread-safe.
class Caller {
 public:
  explicit Caller(mesh::PeerIdentity who);

  const mesh::PeerIdentity identity;
  const std::string id;  ///< "spiffe://eu-west.bank.example/service/payments"

  /// Their opaque name in records. 0 as long as `door` cannot name anybody (Door::ready).
  u128 actor(const door::Door& door) const;

  /// What was kept last; null at first. It may be of an earlier policy.
  std::shared_ptr<const Standing> standing() const;
  void keep(std::shared_ptr<const Standing> standing) const;

 private:
  mutable std::mutex mutex_;  // guards the rest
  mutable u128 actor_ = 0;
  mutable std::shared_ptr<const Standing> standing_;
};
using CallerRef = std::shared_ptr<const Caller>;

/// Who may call at all: replicas, programs, people, gateways. What each may do is policy's to say.
mesh::WantedPeer wanted_caller();

class Callers {
 public:
  /// Remembered; more are forgotten, all together, and judged again when they call.
  static constexpr std::size_t known_max = 4'096;
  static constexpr std::size_t refused_max = 1'024;

  /// `credentials` outlives it.
  explicit Callers(const mesh::Credentials& credentials) : credentials_(credentials) {}

  /// `leaf` and what came with it, each in PEM. Errors: permission_denied with what the operator of
  /// the caller can do.
  Result<CallerRef> find(std::string_view leaf, std::string_view chain);
  /// Who find() let in with `leaf`, not checked again; null if that was long ago.
  CallerRef known(std::string_view leaf) const;
  /// Whether it may go on. Errors: permission_denied.
  Status check(const Caller& caller) const { return credentials_.check(caller.identity); }

  const mesh::Credentials& credentials() const { return credentials_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  template <typename Value>
  using Map = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;
  struct Refused {
    Error error;
    std::int64_t at_s;
  };

  Result<CallerRef> judge(std::string_view leaf, std::string_view chain) const;
  Error refuse(std::string_view leaf, const Error& error);

  const mesh::Credentials& credentials_;
  mutable std::mutex mutex_;  // guards the rest
  Map<CallerRef> known_;
  Map<Refused> refused_;
};

}  // namespace meridian::api
