// Takes the frames of a link apart as they arrive, each part into a buffer of its own.
//
// The reader of a socket asks where bytes shall go, reads straight into it, and tells how many
// came:
//   n = readv(decoder.room());  TRY(decoder.filled(n));  while (auto message = decoder.next()) ...
// Only what was read beyond the frame at hand, 16 KiB at most, is copied. Pure; bytes may be
// hostile. Memory: message_size_max, 4 bytes per part announced, and whole messages not yet taken.
//
//   count --4 bytes--> sizes --4 each--> parts --all--> count
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/network.h"

namespace meridian::io::internal {

class FrameDecoder {
 public:
  FrameDecoder() : staging_(staging_size) {}

  /// Where the next bytes go, in this order. None is empty; valid until filled().
  std::span<const MutableBytes> room();
  /// `count` bytes were put there. Errors: invalid_argument, for good: the link has no next frame.
  Status filled(std::size_t count);
  /// The next whole message.
  std::optional<Parts> next();

 private:
  static constexpr std::size_t staging_size = 16 << 10;
  static constexpr std::size_t rooms_max = 32;  // one readv takes no more than 64
  enum class State : std::uint8_t { count, sizes, parts };

  Status parse();
  Status begin_sizes();
  Status begin_parts();
  void finish_message();
  MutableBytes part_room(std::size_t index);
  /// Moves staged bytes to `room`; true if that filled it.
  bool unstage(MutableBytes room);

  State state_ = State::count;
  Buffer staging_;  // read ahead: [staged_begin_, staged_end_)
  std::size_t staged_begin_ = 0;
  std::size_t staged_end_ = 0;
  Buffer sizes_;                                // as on the wire
  std::vector<std::shared_ptr<Buffer>> parts_;  // null until their turn
  std::size_t part_ = 0;                        // the first that is not full
  std::size_t target_filled_ = 0;               // of sizes_, or of that part
  std::vector<MutableBytes> rooms_;
  std::deque<Parts> messages_;
};

}  // namespace meridian::io::internal
