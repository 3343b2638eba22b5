// `meridian keys` on a running node, over its API.
#pragma once

#include <cstdint>
#include <string>

#include "client.h"

namespace meridian::app {

struct KeyCallOptions {
  ClientOptions client;
  std::string name{};          ///< Of the key to turn over.
  std::uint64_t replica = 0;   ///< Of `storage`, of several replicas: which; 0: each.
  std::string jurisdiction{};  ///< Of `residency`.
  /// Until the old storage key is gone where it was asked; until the next one of a jurisdiction is
  /// in use.
  bool waits = false;
  bool json = false;
};

/// Of the first server that answers.
Result<Exit> list_keys_online(const KeyCallOptions& options);
Result<Exit> rotate_key_online(const KeyCallOptions& options);

/// What a key is and what it opens, for people.
struct KeyMeaning {
  std::string_view name, kind, opens;
};
KeyMeaning meaning_of_key(std::string_view name);

}  // namespace meridian::app
