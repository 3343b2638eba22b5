// What the replicas of a cell say to each other: the first byte of a message's first part.
#pragma once

#include "base/bytes.h"
#include "consensus/raft_core.h"

namespace meridian::replica {

enum class PeerTag : Byte {
  raft = consensus::raft_message_tag,
  cosign_request = 2,  ///< cosigner_exchange.h
  cosign_answer = 3,
  copy_request = 4,  ///< state_exchange.h
  copy_answer = 5,
  log_request = 6,  ///< resupply.h
  log_answer = 7,
  ping = 8,  ///< round_trips.h
  pong = 9,
  members_request = 10,  ///< member_news.h
  members_answer = 11,
  levels = 12,         ///< level_news.h
  keeper = 13,         ///< cell/key_message.h
  timing = 14,         ///< election_timing.h
  clock_request = 15,  ///< clock_guard.h
  clock_answer = 16,
};

}  // namespace meridian::replica
