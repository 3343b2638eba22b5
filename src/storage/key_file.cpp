// file = sealed file (purpose 6, number 0); each frame: tag_word 8, count(4) epoch(4) count ×
// row(104), or tag_word 9 with records(8) turns(4) zero(4) before the rows. The first frame has no
// rows: it names the epoch. All frames have that one.
#include "storage/internal/key_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/assert.h"
#include "storage/key_table.h"

namespace meridian::storage {
namespace {

constexpr std::string_view folder = "keys";
constexpr std::string_view table_path = "keys/table";
constexpr std::string_view new_path = "keys/table.new";
constexpr std::size_t frame_size_max = 24 + KeyTable::frame_rows_max * 104 + frame_overhead;

}  // namespace

Status KeyFile::open(const std::function<void(const KeyRow&)>& row) {
  TRY(context_.disk.make_directory(folder));
  if (TRY(context_.disk.exists(new_path))) TRY(context_.disk.remove(new_path));
  if (TRY(context_.disk.exists(table_path))) {
    TRY(load(row));
  } else {
    const KeyVersion newest = TRY(keys_.newest_wrapper(epoch_key)).version;
    TRY(replace(newest, {}, std::nullopt));
  }
  return destroy_older();
}

std::string KeyFile::display() const { return context_.disk.display(table_path); }

std::string KeyFile::position_text() const {
  return fmt::format("{} at byte {}", display(), position_);
}

Status KeyFile::check_usable() const {
  if (broken_)
    return fail(Code::failed_precondition,
                "the key table could not be written before: restart, to read what is on disk");
  return {};
}

Result<KeyFile::Kek> KeyFile::kek(std::uint32_t epoch) const {
  Result<Kek> key = keys_.wrapper(epoch_key, KeyVersion{epoch});
  if (!key && key.error().code == Code::not_found)
    return fail(Code::failed_precondition,
                fmt::format("{} is wrapped under epoch {}, whose key the key store does not hold: "
                            "one of the two is an old copy",
                            display(), epoch));
  return key;
}

Result<KeyFile::Kek> KeyFile::kek() {
  if (kek_epoch_ != epoch_) {
    kek_ = TRY(kek(epoch_));
    kek_epoch_ = epoch_;
  }
  return kek_;
}

std::uint64_t KeyFile::made_ns() const {
  for (const KeyStore::Listing& key : keys_.list())
    if (key.name == epoch_key && key.version == KeyVersion{epoch_}) return key.created_ns;
  return 0;
}

Status KeyFile::append(std::span<const KeyRow> rows, const std::optional<KeyPlace>& place,
                       std::size_t& done) {
  done = 0;
  do {
    TRY(check_usable());
    const std::size_t count = std::min(rows.size() - done, KeyTable::frame_rows_max);
    // Only the last frame's place is true of all that stands before it.
    const bool is_last = done + count == rows.size();
    TRY(write_frame(rows.subspan(done, count), is_last ? place : place_));
    done += count;
  } while (done < rows.size());
  place_ = place;
  return {};
}

/// One frame, one write, one sync: so that only the last frame of a file can be torn.
Status KeyFile::write_frame(std::span<const KeyRow> rows, const std::optional<KeyPlace>& place) {
  Buffer frame;
  sealer_->seal(position_, tag_of(place), encode_rows(rows, epoch_, place), frame);
  Status written = file_->write_at(position_, frame);
  const bool full = !written && written.error().code == Code::resource_exhausted;
  if (written) written = file_->sync();
  if (written) position_ += frame.size();
  broken_ = !written && !full;  // after a full disk the same place is written again
  return written;
}

Result<KeyFile::Successor> KeyFile::begin(KeyVersion next, const std::optional<KeyPlace>& place) {
  const auto epoch = static_cast<std::uint32_t>(next);
  if (TRY(context_.disk.exists(new_path))) TRY(context_.disk.remove(new_path));
  SealedWriter writer = TRY(SealedWriter::create(context_, new_path, Purpose::key_table, 0));
  Successor successor{epoch, std::move(writer)};
  TRY(mark(successor, place));
  return successor;
}

Status KeyFile::add(Successor& successor, std::span<const KeyRow> rows,
                    const std::optional<KeyPlace>& place) {
  while (!rows.empty()) {
    const std::size_t count = std::min(rows.size(), KeyTable::frame_rows_max);
    TRY(successor.writer.append(tag_of(place),
                                encode_rows(rows.first(count), successor.epoch, place)));
    rows = rows.subspan(count);
  }
  return {};
}

Status KeyFile::mark(Successor& successor, const std::optional<KeyPlace>& place) {
  TRY(successor.writer.append(tag_of(place), encode_rows({}, successor.epoch, place)));
  return {};
}

Status KeyFile::put_in_place(Successor successor, const std::optional<KeyPlace>& place) {
  TRY(successor.writer.sync());
  TRY(context_.disk.rename(new_path, table_path));
  epoch_ = successor.epoch;  // from here on the old file may be gone
  place_ = place;
  TRY(context_.disk.sync_directory(folder));
  return open_for_append(successor.writer.position());
}

Status KeyFile::replace(KeyVersion next, std::span<const std::span<const KeyRow>> rows,
                        const std::optional<KeyPlace>& place) {
  Successor successor = TRY(begin(next, place));
  for (const std::span<const KeyRow> part : rows) TRY(add(successor, part, place));
  return put_in_place(std::move(successor), place);
}

Status KeyFile::open_for_append(std::uint64_t end) {
  file_ = TRY(context_.disk.open(table_path, io::OpenMode::read_write));
  std::array<Byte, sealed_file_header_size> header;
  const std::size_t got = TRY(file_->read_at(0, header));
  Result<FrameSealer> sealer =
      FrameSealer::open(context_, Purpose::key_table, 0, Bytes(header).first(got));
  if (!sealer) return with_context(std::move(sealer).error(), display());
  sealer_ = std::make_unique<FrameSealer>(*std::move(sealer));
  position_ = end;
  return {};
}

/// At most one whole frame (or a torn one) from `position` on, and what stands after it.
Result<Buffer> KeyFile::read_window(std::uint64_t position, std::uint64_t end, std::size_t size) {
  Buffer bytes(static_cast<std::size_t>(std::min<std::uint64_t>(end - position, size)));
  bytes.resize(TRY(file_->read_at(position, bytes)));
  return bytes;
}

Result<FrameSealer::Frame> KeyFile::read_frame(std::uint64_t end) {
  Buffer bytes = TRY(read_window(position_, end, frame_prefix_size));
  const std::uint32_t plain_size = bytes.size() < 4 ? 0 : load_le<std::uint32_t>(bytes.data());
  if (plain_size <= frame_plain_max)
    bytes = TRY(read_window(position_, end, plain_size + frame_overhead));
  return sealer_->open_frame(position_, bytes);
}

Status KeyFile::load(const std::function<void(const KeyRow&)>& row) {
  TRY(open_for_append(sealed_file_header_size));
  const std::uint64_t end = TRY(file_->size());
  while (position_ < end) {
    Result<FrameSealer::Frame> frame = read_frame(end);
    if (!frame) {
      if (frame.error().code != Code::data_loss && frame.error().code != Code::out_of_range)
        return std::move(frame).error();  // of the disk
      TRY(drop_tail(end));
      break;
    }
    Result<RowsFrame> rows = decode_rows(frame->tag_word, frame->plain);
    if (rows && epoch_ != 0 && rows->epoch != epoch_)
      rows = fail(Code::data_loss,
                  fmt::format("a frame of epoch {} in a table of epoch {}", rows->epoch, epoch_));
    if (!rows) return with_context(std::move(rows).error(), position_text());
    epoch_ = rows->epoch;
    if (rows->place) place_ = rows->place;
    for (const KeyRow& one : rows->rows) row(one);
    position_ += frame->size;
  }
  if (epoch_ == 0)
    return fail(
        Code::data_loss,
        fmt::format("{}: the table has no frame; bring it back from a backup", position_text()));
  TRY(kek());
  return {};
}

/// The frame at position_ does not open. Torn by a crash if it is the last: no frame stands after
/// it, and there is no more than a frame's worth of bytes. Anything else is damage.
Status KeyFile::drop_tail(std::uint64_t end) {
  const auto damaged = [&](std::string_view what) {
    return fail(Code::data_loss, fmt::format("{}: a frame does not open {}: keys of subjects are "
                                             "damaged; bring the table back from a backup",
                                             position_text(), what));
  };
  if (epoch_ == 0) return damaged("and it is the first");
  if (end - position_ > frame_size_max) return damaged("and is not the last");
  const Buffer bytes = TRY(read_window(position_, end, frame_size_max));
  for (std::size_t at = 1; at + frame_overhead <= bytes.size(); ++at) {
    const Bytes rest = Bytes(bytes).subspan(at);
    if (may_be_rows(rest) && sealer_->open_frame(position_ + at, rest))
      return damaged(fmt::format("but the one {} bytes later does", at));
  }
  dropped_bytes_ = end - position_;
  TRY(file_->truncate(position_));
  return file_->sync();
}

Status KeyFile::destroy_older() {
  if (kek_epoch_ != epoch_) {  // what is destroyed is not kept at hand
    kek_.reset();
    kek_epoch_ = 0;
  }
  std::vector<KeyVersion> old;
  for (const KeyStore::Listing& key : keys_.list())
    if (key.name == epoch_key && static_cast<std::uint32_t>(key.version) < epoch_)
      old.push_back(key.version);
  if (old.empty()) return {};
  // After kill -9 the new file may be here and not yet durable: first make it so, or a power
  // failure could bring back one whose KEK is gone.
  Status done = file_->sync();
  if (done) done = context_.disk.sync_directory(folder);
  for (const KeyVersion version : old)
    if (done) done = keys_.destroy(epoch_key, version);
  if (!done && done.error().code != Code::resource_exhausted) broken_ = true;
  return done;
}

}  // namespace meridian::storage
