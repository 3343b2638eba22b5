#include "storage/internal/epoch_turn.h"

#include <algorithm>
#include <utility>

namespace meridian::storage {

EpochTurn::EpochTurn(const Into& into, Keks keks, SubjectRows& rows)
    : into_(into),
      keks_(std::move(keks)),
      rows_(rows),
      marks_(rows.marks()),
      subjects_(rows.subjects()) {
  rows_.set_epoch(static_cast<std::uint32_t>(into.kek));
}

Status EpochTurn::begin(KeyFile& file) {
  file_.emplace(TRY(file.begin(into_.kek, into_.place)));
  next_ = 0;
  unsynced_ = 0;
  return add(marks_);
}

/// Now and then made durable, so that no more than a moment of it is left for the end.
Status EpochTurn::add(std::span<const KeyRow> rows) {
  TRY(KeyFile::add(*file_, rows, into_.place));
  unsynced_ += rows.size();
  if (unsynced_ < sync_rows) return {};
  unsynced_ = 0;
  return file_->writer.sync();
}

Result<bool> EpochTurn::go_on(std::size_t count, KeyFile& file,
                              const std::function<bool(const KeyRow&)>& left_out) {
  std::vector<KeyRow> keys;
  Status written;
  if (!file_) written = begin(file);
  while (written && keys.size() < count && next_ < subjects_.size())
    TRY(rows_.wrap_now(subjects_[next_++], keks_, keys));
  std::erase_if(keys, left_out);
  if (written) written = add(keys);
  if (!written) {
    file_.reset();
    return written.error();
  }
  return next_ == subjects_.size();
}

Status EpochTurn::finish(KeyFile& file, std::span<const KeyRow> changed, const KeyPlace& place) {
  Status written = KeyFile::add(*file_, changed, place);
  // The last frame says how far the file is.
  if (written && changed.empty() && place != into_.place) written = KeyFile::mark(*file_, place);
  if (written) written = file.put_in_place(std::move(*file_), place);
  file_.reset();
  is_in_place_ = written.has_value();
  return written;
}

}  // namespace meridian::storage
