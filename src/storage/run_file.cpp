// run = pairs-frame* filter-frame+ directory-frame+ trailer
// The trailer is a last frame of fixed size (tag 8) that says where filter and directory begin.
// What is larger than a frame continues in the next one.
#include "storage/internal/run_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace meridian::storage {

namespace {

constexpr std::uint32_t run_trailer_tag = 8;
constexpr std::size_t trailer_plain_size = 32;

// Keys are stored big-endian, so that bytes compare as numbers do.
void write_big_endian(Buffer& out, std::uint64_t value) {
  ByteWriter(out).u64(__builtin_bswap64(value));
}

std::uint64_t read_big_endian(const Byte* bytes) {
  return __builtin_bswap64(load_le<std::uint64_t>(bytes));
}

void write_key(Buffer& out, const RunKey& key, std::size_t key_size) {
  write_big_endian(out, high64(key.high));
  write_big_endian(out, low64(key.high));
  if (key_size == 24) write_big_endian(out, key.low);
}

RunKey read_key(const Byte* bytes, std::size_t key_size) {
  RunKey key;
  key.high = make_u128(read_big_endian(bytes), read_big_endian(bytes + 8));
  if (key_size == 24) key.low = read_big_endian(bytes + 16);
  return key;
}

}  // namespace

Result<RunWriter> RunWriter::create(const SealedContext& context,
                                    const SortedRuns::Options& options, std::uint64_t number,
                                    std::uint64_t pairs_expected, std::size_t part_frame_bytes) {
  SealedWriter writer = TRY(
      SealedWriter::create(context, run_path(options.name, number), Purpose::sorted_run, number));
  return RunWriter(std::move(writer), options.key_size, pairs_expected, part_frame_bytes);
}

Status RunWriter::add(const SortedRuns::Pair& pair) {
  ASSERT(!last_ || *last_ < pair.key);
  if (frame_.empty()) frame_first_ = pair.key;
  last_ = pair.key;
  hashes_.push_back(stable_hash(pair.key));
  filter_.prefetch(hashes_.back());
  write_key(frame_, pair.key, key_size_);
  ByteWriter(frame_).u64(pair.value);
  ++pairs_;
  if (frame_.size() < run_frame_pairs * (key_size_ + 8)) return {};
  return write_frame();
}

Status RunWriter::write_frame() {
  directory_.push_back({frame_first_, TRY(writer_.append(run_pairs_tag, frame_))});
  frame_.clear();
  // Only now, when their blocks have come from memory: a filter is larger than any cache.
  for (const std::uint64_t hash : hashes_) filter_.insert(hash);
  hashes_.clear();
  return {};
}

Result<RunWriter::Part> RunWriter::write_part(std::uint32_t tag, Bytes bytes) {
  ASSERT(!bytes.empty());
  Part part{writer_.position(), 0};
  for (std::size_t at = 0; at < bytes.size(); at += part_frame_bytes_, ++part.frames)
    TRY(writer_.append(tag, bytes.subspan(at, std::min(part_frame_bytes_, bytes.size() - at))));

  return part;
}

Status RunWriter::finish() {
  if (!frame_.empty()) TRY(write_frame());
  const Buffer filter_bytes = filter_.encode();
  const Part filter = TRY(write_part(run_filter_tag, filter_bytes));
  Buffer directory;
  ByteWriter out(directory);
  out.u64(pairs_);
  out.u32(static_cast<std::uint32_t>(directory_.size()));
  out.u32(static_cast<std::uint32_t>(key_size_));
  for (const RunFrame& frame : directory_) {
    write_key(directory, frame.first, key_size_);
    out.u64(frame.position);
  }
  const Part listed = TRY(write_part(run_directory_tag, directory));
  Buffer trailer;
  ByteWriter end(trailer);
  end.u64(filter.position);
  end.u64(listed.position);
  end.u32(filter.frames);
  end.u32(listed.frames);
  end.zeros(trailer_plain_size - trailer.size());
  TRY(writer_.append(run_trailer_tag, trailer));
  return writer_.sync();
}

Result<std::shared_ptr<Run>> Run::open(const SealedContext& context,
                                       const SortedRuns::Options& options, std::uint64_t number,
                                       std::uint64_t pairs) {
  const auto damaged = [&](const Error& error) {
    return with_context(error, "index run " + context.disk.display(run_path(options.name, number)) +
                                   " cannot be read");
  };
  auto reader =
      SealedReader::open(context, run_path(options.name, number), Purpose::sorted_run, number);
  if (!reader) {
    Error error = std::move(reader).error();
    if (error.code == Code::not_found) error.code = Code::data_loss;  // a manifest names it
    return damaged(error);
  }
  std::shared_ptr<Run> run(new Run(std::move(*reader), options.key_size, number));
  if (Status loaded = run->load(); !loaded) return damaged(loaded.error());
  if (run->pairs_ != pairs)
    return damaged(
        fail(Code::data_loss,
             fmt::format("it holds {} keys, the state checkpoint says {}", run->pairs_, pairs)));
  return run;
}

Result<Buffer> Run::read_part(std::uint32_t tag, std::uint64_t position, std::uint32_t frames) {
  Buffer bytes;
  for (std::uint32_t i = 0; i < frames; ++i) {
    const FrameSealer::Frame frame = TRY(reader_.read(position));
    if (frame.tag_word != tag)
      return fail(Code::data_loss,
                  fmt::format("the frame at byte {} is of another kind", position));
    bytes.insert(bytes.end(), frame.plain.begin(), frame.plain.end());
    position += frame.size;
  }
  return bytes;
}

Status Run::load() {
  const std::uint64_t size = TRY(reader_.size());
  if (size < sealed_file_header_size + trailer_plain_size + frame_overhead)
    return fail(Code::data_loss, "it is too short");
  const FrameSealer::Frame trailer = TRY(reader_.read(size - trailer_plain_size - frame_overhead));
  ByteReader end(trailer.plain);
  const std::uint64_t filter_position = end.u64();
  const std::uint64_t directory_position = end.u64();
  const std::uint32_t filter_frames = end.u32();
  const std::uint32_t directory_frames = end.u32();
  if (!end.ok() || trailer.tag_word != run_trailer_tag)
    return fail(Code::data_loss, "its last frame is no trailer");
  const Buffer filter = TRY(read_part(run_filter_tag, filter_position, filter_frames));
  filter_ = TRY(BlockFilter::decode(filter));

  const Buffer directory = TRY(read_part(run_directory_tag, directory_position, directory_frames));
  ByteReader in(directory);
  pairs_ = in.u64();
  const std::uint32_t frames = in.u32();
  const std::uint32_t key_size = in.u32();
  if (!in.ok() || key_size != key_size_ ||
      in.remaining() != std::uint64_t{frames} * (key_size_ + 8))
    return fail(Code::data_loss, "its directory is malformed");
  directory_.reserve(frames);
  for (std::uint32_t i = 0; i < frames; ++i) {
    const RunKey first = read_key(in.take(key_size_).data(), key_size_);
    directory_.push_back({first, in.u64()});
  }
  return {};
}

std::size_t Run::memory_bytes() const {
  return filter_.memory_bytes() + directory_.size() * sizeof(RunFrame);
}

std::size_t Run::frame_of(const RunKey& key) const {
  const auto after = std::upper_bound(
      directory_.begin(), directory_.end(), key,
      [](const RunKey& wanted, const RunFrame& frame) { return wanted < frame.first; });
  return after == directory_.begin() ? 0 : static_cast<std::size_t>(after - directory_.begin()) - 1;
}

Result<std::vector<SortedRuns::Pair>> Run::read_frame(std::size_t frame) {
  ASSERT(frame < directory_.size());
  Buffer plain;
  {
    const std::lock_guard lock(mutex_);
    FrameSealer::Frame read = TRY(reader_.read(directory_[frame].position));
    if (read.tag_word != run_pairs_tag || read.plain.empty() ||
        read.plain.size() % (key_size_ + 8) != 0)
      return fail(Code::data_loss,
                  fmt::format("frame {} of index run {:016x} is not one of pairs", frame, number_));
    plain = std::move(read.plain);
  }
  std::vector<SortedRuns::Pair> pairs;
  pairs.reserve(plain.size() / (key_size_ + 8));
  for (std::size_t at = 0; at < plain.size(); at += key_size_ + 8)
    pairs.push_back({read_key(plain.data() + at, key_size_),
                     load_le<std::uint64_t>(plain.data() + at + key_size_)});
  return pairs;
}

Result<std::optional<std::uint64_t>> Run::find(const RunKey& key) {
  if (directory_.empty()) return std::optional<std::uint64_t>{};
  const std::vector<SortedRuns::Pair> pairs = TRY(read_frame(frame_of(key)));
  const auto found = std::lower_bound(
      pairs.begin(), pairs.end(), key,
      [](const SortedRuns::Pair& pair, const RunKey& wanted) { return pair.key < wanted; });
  if (found == pairs.end() || found->key != key) return std::optional<std::uint64_t>{};
  return std::optional<std::uint64_t>{found->value};
}

Result<SortedRuns::Checked> check_run_frames(const SealedContext& context,
                                             const SortedRuns::Options& options,
                                             std::uint64_t number, std::uint64_t position,
                                             std::uint64_t bytes) {
  const std::string path = run_path(options.name, number);
  const auto damaged = [&](Error error) {
    if (error.code == Code::not_found) error.code = Code::data_loss;
    return with_context(error,
                        "index run " + context.disk.display(path) + " does not read as written");
  };
  auto reader = SealedReader::open(context, path, Purpose::sorted_run, number);
  if (!reader) return damaged(reader.error());
  const std::uint64_t size = TRY(reader->size());
  position = std::max<std::uint64_t>(position, sealed_file_header_size);
  if (position >= size) return damaged(fail(Code::data_loss, "it is too short"));
  for (const std::uint64_t until = position + bytes; position < std::min(size, until);) {
    const auto frame = reader->read(position);
    if (!frame) return damaged(frame.error());
    position += frame->size;
    if (position == size && frame->tag_word != run_trailer_tag)
      return damaged(fail(Code::data_loss, "it does not end in a trailer"));
  }
  return SortedRuns::Checked{position, position >= size};
}

}  // namespace meridian::storage
