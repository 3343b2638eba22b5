// Keys that no record holds go from replica to replica, in two halves: one that opens with the
// reader's own exchange key, one with a key that lives for one question (docs/formats/keys.md).
//
// On the door's executor. Members only are answered; which keys they may have says `find`.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "cell/key_parts.h"
#include "replica/lifetime.h"

namespace meridian::cell {

class KeyHandover {
 public:
  /// After this silence a question is asked again, of another replica if there is one.
  static constexpr io::Duration patience = io::seconds(1);
  /// The key of `check`, for a member in `region`. Errors: not_found, or it may not have it.
  using Find = std::function<Result<Bytes>(u128 check, const std::string& region)>;

  KeyHandover(const KeyParts& parts, Find find) : parts_(parts), find_(std::move(find)) {}
  void start();
  void stop() { lifetime_.end(); }  ///< Any thread.
  void tick();                      ///< Now and then.

  /// Unless it was just before. All of `from` are asked: what is in a token is not handed on for
  /// ever.
  void ask(const std::vector<std::uint64_t>& from, u128 check);
  void receive(std::uint64_t from, const KeyQuestion& question);
  /// The key, if it was asked for and is the one of that check.
  std::optional<crypto::Secret> open(const KeyAnswer& answer);

 private:
  struct Asked {
    crypto::ExchangeKey once;
    io::MonotonicTime at;
  };
  std::array<Byte, 64> aad(std::uint64_t reader, u128 check) const;
  void answer(std::uint64_t to, const std::string& region, const KeyQuestion& question);

  const KeyParts& parts_;
  Find find_;
  replica::Lifetime lifetime_;
  std::optional<crypto::ExchangeKey> own_;  ///< From start() on.
  std::map<u128, Asked> asked_;
};

}  // namespace meridian::cell
