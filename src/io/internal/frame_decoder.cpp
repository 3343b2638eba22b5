#include "io/internal/frame_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/assert.h"

namespace meridian::io::internal {
namespace {

constexpr std::size_t word = sizeof(std::uint32_t);

std::uint32_t size_of(const Buffer& sizes, std::size_t index) {
  return load_le<std::uint32_t>(sizes.data() + index * word);
}

}  // namespace

MutableBytes FrameDecoder::part_room(std::size_t index) {
  std::shared_ptr<Buffer>& part = parts_[index];
  if (!part) part = std::make_shared<Buffer>(size_of(sizes_, index));
  return MutableBytes(*part).subspan(index == part_ ? target_filled_ : 0);
}

std::span<const MutableBytes> FrameDecoder::room() {
  rooms_.clear();
  if (state_ == State::sizes) rooms_.push_back(MutableBytes(sizes_).subspan(target_filled_));
  if (state_ == State::parts) {
    for (std::size_t i = part_; i < parts_.size() && rooms_.size() < rooms_max; ++i) {
      MutableBytes room = part_room(i);
      if (!room.empty()) rooms_.push_back(room);
    }
  }
  rooms_.push_back(MutableBytes(staging_).subspan(staged_end_));
  return rooms_;
}

Status FrameDecoder::filled(std::size_t count) {
  if (state_ == State::sizes) {
    std::size_t taken = std::min(count, sizes_.size() - target_filled_);
    target_filled_ += taken;
    count -= taken;
  }
  if (state_ == State::parts) {
    // Only what room() offered: parts beyond it wait for the next one, the rest is staged.
    std::size_t offered = rooms_.size() - 1;
    while (count > 0 && offered > 0) {
      std::size_t part_size = parts_[part_]->size();
      std::size_t taken = std::min(count, part_size - target_filled_);
      if (part_size - target_filled_ > 0) --offered;
      target_filled_ += taken;
      count -= taken;
      if (target_filled_ < part_size) break;
      ++part_;
      target_filled_ = 0;
    }
  }
  ASSERT(count <= staging_.size() - staged_end_);
  staged_end_ += count;
  return parse();
}

std::optional<Parts> FrameDecoder::next() {
  if (messages_.empty()) return std::nullopt;
  Parts message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

bool FrameDecoder::unstage(MutableBytes room) {
  std::size_t taken = std::min(room.size(), staged_end_ - staged_begin_);
  if (taken > 0) std::memcpy(room.data(), staging_.data() + staged_begin_, taken);
  staged_begin_ += taken;
  target_filled_ += taken;
  return taken == room.size();
}

Status FrameDecoder::parse() {
  for (;;) {
    if (state_ == State::count) {
      if (staged_end_ - staged_begin_ < word) break;
      TRY(begin_sizes());
    }
    if (state_ == State::sizes) {
      if (!unstage(MutableBytes(sizes_).subspan(target_filled_))) break;
      TRY(begin_parts());
    }
    while (part_ < parts_.size() && unstage(part_room(part_))) {
      ++part_;
      target_filled_ = 0;
    }
    if (part_ < parts_.size()) break;
    finish_message();
  }
  // At most a torn count is left: bytes of anything longer went to where they belong.
  std::size_t left = staged_end_ - staged_begin_;
  ASSERT(left < word);
  std::memmove(staging_.data(), staging_.data() + staged_begin_, left);
  staged_begin_ = 0;
  staged_end_ = left;
  return {};
}

Status FrameDecoder::begin_sizes() {
  std::uint32_t count = load_le<std::uint32_t>(staging_.data() + staged_begin_);
  staged_begin_ += word;
  if (count > message_parts_max) {
    return fail(Code::invalid_argument,
                fmt::format("a message of {} parts; {} are allowed", count, message_parts_max));
  }
  sizes_.resize(count * word);
  target_filled_ = 0;
  state_ = State::sizes;
  return {};
}

Status FrameDecoder::begin_parts() {
  std::size_t count = sizes_.size() / word;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < count; ++i) size += size_of(sizes_, i);
  if (size > message_size_max) {
    return fail(Code::invalid_argument,
                fmt::format("a message of {} bytes; {} are allowed", size, message_size_max));
  }
  parts_.assign(count, nullptr);
  part_ = 0;
  target_filled_ = 0;
  state_ = State::parts;
  return {};
}

void FrameDecoder::finish_message() {
  messages_.emplace_back(std::make_move_iterator(parts_.begin()),
                         std::make_move_iterator(parts_.end()));
  parts_.clear();
  part_ = 0;
  target_filled_ = 0;
  state_ = State::count;
}

}  // namespace meridian::io::internal
