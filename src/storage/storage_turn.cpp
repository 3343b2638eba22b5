//   at_rest ──begin()──▶ waiting ──no header is on its way──▶ walking ◀─────────┐
//   walking ──batch full, or end──▶ writing: intent, headers one by one, ──▶ back │
//   walking ──end──▶ closing: new names are looked at                             │
//   closing ──something was found under an older version──────────────────────────┘
//   closing ──nothing was──▶ folders synced, older versions destroyed ──▶ at_rest
//   anything that hinders ──▶ waiting, later
#include "storage/internal/storage_turn.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "storage/sealed_file.h"

namespace meridian::storage {
namespace {

constexpr std::size_t batch_size = 64;
constexpr int entries_at_once = 64;
static_assert(batch_size <= headers_at_once_max);

}  // namespace

StorageTurn::Progress StorageTurn::progress() const {
  Progress now{.files = done_, .destroyed = destroyed_, .hindrance = hindrance_};
  for (const KeyStore::Listing& key : keys_.list())
    if (key.name == storage_key_name) now.newest = std::max(now.newest, key.version);
  now.older = older_storage_keys(keys_, now.newest);
  return now;
}

Result<KeyVersion> StorageTurn::begin() {
  const Progress now = progress();
  if (!now.older.empty())
    return fail(Code::failed_precondition,
                fmt::format("storage is being turned over already, to version {}{}: `meridian keys "
                            "list` says how far it is",
                            static_cast<std::uint32_t>(now.newest),
                            now.hindrance.empty() ? "" : " (" + now.hindrance + ")"));
  const KeyVersion added = TRY(keys_.add(storage_key_name));
  done_ = 0;
  destroyed_.clear();
  return added;
}

Result<StorageTurn::Next> StorageTurn::step() {
  switch (phase_) {
    case Phase::at_rest:
      if (progress().older.empty()) return Next::at_end;
      phase_ = Phase::waiting;
      return Next::at_once;
    case Phase::waiting: return wait_for_fresh();
    case Phase::walking: return walk();
    case Phase::writing: return write_next();
    case Phase::closing: return close_pass();
  }
  return Next::at_end;
}

/// Whoever asked for a storage key before the turn has it in a file once it is let go of.
Result<StorageTurn::Next> StorageTurn::wait_for_fresh() {
  const Progress now = progress();
  newest_ = now.newest;
  for (const KeyVersion older : now.older)
    if (keys_.is_held(storage_key_name, older)) return Next::soon;
  start_pass();
  return Next::at_once;
}

void StorageTurn::start_pass() {
  disk_.note_renames();
  static_cast<void>(disk_.take_renamed());
  files_.emplace(disk_);
  pass_found_ = 0;
  pass_hindrance_.clear();
  phase_ = Phase::walking;
}

/// Something is in the way that may go by itself: a full disk, a token that is away, damage that
/// is healed.
Result<StorageTurn::Next> StorageTurn::hinder(const Error& why) {
  hindrance_ = why.message;
  batch_.clear();
  disk_.stop_noting();
  phase_ = Phase::waiting;
  return Next::later;
}

Result<StorageTurn::Next> StorageTurn::walk() {
  for (int i = 0; i < entries_at_once && batch_.size() < batch_size; ++i) {
    const Result<SealedFiles::Seen> seen = files_->next();
    if (!seen) return hinder(seen.error());
    if (*seen == SealedFiles::Seen::end) return write_batch(Phase::closing);
    if (*seen == SealedFiles::Seen::sealed) look_at(files_->path(), files_->header());
  }
  return batch_.size() < batch_size ? Next::at_once : write_batch(Phase::walking);
}

void StorageTurn::look_at(const std::string& path, Bytes header) {
  const Result<KeyVersion> version = storage_version_of(header);
  if (version && *version == newest_) return;
  Result<Buffer> fresh = rewrap_header(keys_, header);
  if (fresh) {
    ++pass_found_;
    batch_.push_back({path, to_buffer(header), *std::move(fresh)});
  } else {
    pass_hindrance_ = fmt::format("{}: {}", disk_.display(path), fresh.error().message);
  }
}

/// What is in the batch is written, and then it goes on in `after`.
Result<StorageTurn::Next> StorageTurn::write_batch(Phase after) {
  after_writing_ = after;
  phase_ = after;
  if (batch_.empty()) return Next::at_once;
  if (Status saved = save_intent(disk_, batch_); !saved) {
    if (saved.error().code != Code::resource_exhausted) return std::move(saved).error();
    return hinder(saved.error());
  }
  written_ = 0;
  phase_ = Phase::writing;
  return Next::at_once;
}

Result<StorageTurn::Next> StorageTurn::write_next() {
  if (written_ < batch_.size()) {
    TRY(write_header(batch_[written_]));
    ++written_;
    return Next::at_once;
  }
  TRY(remove_intent(disk_));
  batch_.clear();
  phase_ = after_writing_;
  return Next::at_once;
}

/// Not if another file has the name by now, or the file another header: such a name is noted, and
/// whoever wrote that header had the newest version.
Status StorageTurn::write_header(const NewHeader& one) {
  // What else of the file is unwritten goes first, so that nobody waits for it below.
  if (Result<std::unique_ptr<io::File>> file = disk_.open(one.path, io::OpenMode::read_write); file)
    TRY((*file)->sync());
  const Result<bool> is_written = disk_.exclusively([&](io::Disk& disk) -> Result<bool> {
    Result<std::unique_ptr<io::File>> file = disk.open(one.path, io::OpenMode::read_write);
    if (!file) {
      if (file.error().code != Code::not_found) pass_hindrance_ = file.error().message;
      return false;
    }
    Buffer there(sealed_file_header_size);
    const std::size_t got = TRY((*file)->read_at(0, there));
    if (got != there.size() || there != one.before) return false;
    TRY((*file)->write_at(0, one.after));
    TRY((*file)->sync());
    return true;
  });
  if (!is_written) return with_context(is_written.error(), disk_.display(one.path));
  if (*is_written) ++done_;
  return {};
}

Status StorageTurn::look_at_renamed() {
  for (const std::string& path : disk_.take_renamed()) {
    const std::optional<Buffer> header = TRY(read_header(disk_, path));
    if (header && is_in_use(path, *header)) look_at(path, *header);
  }
  return {};
}

Result<StorageTurn::Next> StorageTurn::close_pass() {
  const std::vector<std::string>& folders = files_->folders();
  if (Status looked = look_at_renamed(); !looked) return hinder(looked.error());
  if (batch_.size() > headers_at_once_max) batch_.resize(headers_at_once_max);  // met again
  if (!batch_.empty()) return write_batch(Phase::closing);
  if (!pass_hindrance_.empty()) return hinder(fail(Code::data_loss, pass_hindrance_));
  if (pass_found_ != 0) {
    start_pass();
    return Next::at_once;
  }
  // A name that a power failure takes back would bring back a file under the older version.
  for (const std::string& folder : folders)
    if (Status synced = disk_.sync_directory(folder);
        !synced && synced.error().code != Code::not_found)
      return std::move(synced).error();
  for (const KeyVersion older : progress().older) {
    if (Status gone = keys_.destroy(storage_key_name, older); !gone) return hinder(gone.error());
    destroyed_.push_back(older);
  }
  hindrance_.clear();
  disk_.stop_noting();
  phase_ = Phase::at_rest;
  return Next::at_end;
}

}  // namespace meridian::storage
