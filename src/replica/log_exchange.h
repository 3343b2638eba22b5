// Parts of a log between replicas: for one whose own log ends in doubt (resupply.h).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "consensus/raft_node.h"
#include "replica/peers.h"

namespace meridian::replica {

struct LogRequest {
  std::uint64_t nonce = 0;  ///< Of who asks, new at each start: an older answer must not count.
  std::uint64_t first = 0;  ///< 0: no entries, only how the log stands.
};
struct LogAnswer {
  std::uint64_t nonce = 0;
  bool in_doubt = false;
  consensus::RaftNode::LogPiece piece;
};

io::Parts encode_log_request(const LogRequest& request);
/// Errors: invalid_argument.
Result<LogRequest> decode_log_request(const io::Parts& parts);
io::Parts encode_log_answer(const LogAnswer& answer);
/// Errors: invalid_argument naming what is wrong.
Result<LogAnswer> decode_log_answer(const io::Parts& parts);

inline constexpr std::uint64_t log_answer_bytes_max = 1 << 20;

}  // namespace meridian::replica
