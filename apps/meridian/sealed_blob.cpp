#include "sealed_blob.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::app {

namespace {

constexpr std::size_t frame_bytes = 4 << 20;
constexpr std::uint64_t file_bytes_max = std::uint64_t{1} << 32;

}  // namespace

Status write_sealed_blob(const storage::SealedContext& context, std::string_view path,
                         std::uint64_t number, std::uint32_t tag_word, Bytes content) {
  storage::FreshHeader fresh;
  storage::FrameSealer sealer =
      TRY(storage::FrameSealer::create(context, storage::Purpose::other, number, fresh));
  Buffer& file = fresh.bytes;
  for (std::size_t at = 0; at < content.size(); at += frame_bytes)
    sealer.seal(file.size(), tag_word,
                content.subspan(at, std::min(frame_bytes, content.size() - at)), file);
  return io::replace_file(context.disk, path, file);
}

Result<Buffer> read_sealed_blob(const storage::SealedContext& context, std::string_view path,
                                std::uint64_t number, std::uint32_t tag_word) {
  const Buffer file = TRY(io::read_file(context.disk, path, file_bytes_max));
  const auto damaged = [&](std::size_t at, const Error& error) {
    return fail(Code::data_loss,
                fmt::format("{} at byte {}: {}", context.disk.display(path), at, error.message));
  };
  auto sealer = storage::FrameSealer::open(context, storage::Purpose::other, number, file);
  if (!sealer) return damaged(0, sealer.error());
  Buffer content;
  for (std::size_t at = storage::sealed_file_header_size; at < file.size();) {
    const auto frame = sealer->open_frame(at, Bytes(file).subspan(at));
    if (!frame) return damaged(at, frame.error());
    if (frame->tag_word != tag_word)
      return damaged(at, fail(Code::data_loss, "another kind of frame stands here"));
    content.insert(content.end(), frame->plain.begin(), frame->plain.end());
    at += frame->size;
  }
  return content;
}

}  // namespace meridian::app
