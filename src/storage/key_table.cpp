// table = sealed file (purpose 6, number 0); each frame: tag_word 8, count(4) epoch(4) count ×
// row(104) row   = subject(16) retention(1) zero(3) version(4) wrapped_seal_key(40)
// wrapped_commit_key(40) (docs/formats/keys.md). The first frame has no rows: it names the epoch.
// All frames have that one.
//
// An erasure, and what a crash leaves after each step:
//   KEK e+1 added to the store      table still under e: not begun; the next erasure takes e+2
//   keys/table.new written, synced  the same; the file is removed at open
//   renamed, directory synced       table under e or e+1: open() makes what it sees durable, and
//   KEK e destroyed                 destroys every KEK below the table's epoch
#include "storage/key_table.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/assert.h"
#include "storage/internal/key_cache.h"
#include "storage/internal/key_rows.h"

namespace meridian::storage {
namespace {

constexpr std::string_view folder = "keys";
constexpr std::string_view table_path = "keys/table";
constexpr std::string_view new_path = "keys/table.new";
constexpr std::string_view epoch_key = "epoch";
constexpr std::size_t frame_size_max = 8 + KeyTable::frame_rows_max * 104 + frame_overhead;

class SealedKeyTable final : public KeyTable {
 public:
  SealedKeyTable(const SealedContext& context, KeyStore& keys, io::Clock& clock)
      : context_(context), keys_(keys), cache_(clock) {}

  /// Reads or makes the file. Called once, before anything else.
  Status start() {
    TRY(context_.disk.make_directory(folder));
    if (TRY(context_.disk.exists(new_path))) TRY(context_.disk.remove(new_path));
    if (TRY(context_.disk.exists(table_path))) {
      TRY(load());
    } else {
      KeyStore::Key newest = TRY(keys_.newest(epoch_key));
      TRY(replace(newest.version));
    }
    return finish_erasure();
  }

  Result<SubjectKeys> for_sealing(u128 subject, std::uint8_t retention) override {
    if (retention >= forgotten_row)
      return fail(Code::invalid_argument, fmt::format("retention class {} is reserved: use 0 to {}",
                                                      retention, forgotten_row - 1));
    TRY(check_usable());
    cache_.drop_old();
    Subject& known = subjects_[subject];
    if (known.forgotten)
      return fail(Code::failed_precondition,
                  fmt::format("subject {:016x}{:016x} was forgotten: its keys are destroyed and no "
                              "new ones are made",
                              high64(subject), low64(subject)));
    if (known.find(commit_row, 1) == nullptr) TRY(make_row(subject, known, commit_row));
    const KeyRow* newest = known.newest(retention);
    if (newest == nullptr) newest = TRY(make_row(subject, known, retention));
    return keys_of(*newest, *known.find(commit_row, 1));
  }

  Result<SubjectKeys> for_opening(u128 subject, std::uint8_t retention,
                                  std::uint32_t version) override {
    TRY(check_usable());
    cache_.drop_old();
    auto found = subjects_.find(subject);
    const KeyRow* seal =
        found == subjects_.end() ? nullptr : found->second.find(retention, version);
    const KeyRow* commit = found == subjects_.end() ? nullptr : found->second.find(commit_row, 1);
    if (seal == nullptr || commit == nullptr || retention >= forgotten_row)
      return fail(Code::not_found,
                  fmt::format("no key of subject {:016x}{:016x} for retention class {}, version "
                              "{}{}",
                              high64(subject), low64(subject), retention, version,
                              found != subjects_.end() && found->second.forgotten
                                  ? ": the subject was forgotten"
                                  : ""));
    return keys_of(*seal, *commit);
  }

  Status sync() override {
    cache_.drop_old();
    while (!buffered_.empty()) {
      TRY(check_usable());
      std::size_t count = std::min(buffered_.size(), frame_rows_max);
      TRY(write_frame(std::span(buffered_).first(count)));
      buffered_.erase(buffered_.begin(), buffered_.begin() + static_cast<std::ptrdiff_t>(count));
    }
    return {};
  }

  Result<Erasure> erase(u128 subject) override {
    TRY(check_usable());
    if (unfinished_) {  // its table stands; a full disk kept the old KEK from being destroyed
      TRY(finish_erasure());
      Unfinished finished = *std::exchange(unfinished_, std::nullopt);
      if (finished.subject == subject) return finished.erasure;
    }
    auto found = subjects_.find(subject);
    if (found == subjects_.end() || found->second.rows.empty()) {
      TRY(mark_forgotten(subject));
      return Erasure{0, 0};
    }
    KeyVersion next = TRY(keys_.add(epoch_key));
    Subject keys = std::exchange(found->second, Subject{{}, true});
    std::uint32_t old_epoch = epoch_;
    Status replaced = replace(next);
    if (!replaced) {
      Error error = std::move(replaced).error();
      if (error.code == Code::resource_exhausted && epoch_ == old_epoch) {
        found->second = std::move(keys);  // the old table stands
        return error;
      }
      broken_ = true;
      error.code = Code::internal;  // whatever it was: trying again is not the way out
      return with_context(std::move(error),
                          "the erasure is unfinished: a restart completes it, or shows that it had "
                          "not begun");
    }
    cache_.clear();
    Erasure erasure{static_cast<std::uint32_t>(keys.rows.size()), old_epoch};
    rows_ -= keys.rows.size();
    unfinished_ = Unfinished{subject, erasure};
    TRY(finish_erasure());
    unfinished_.reset();
    return erasure;
  }

  std::vector<std::uint8_t> classes(u128 subject) override {
    cache_.drop_old();
    auto found = subjects_.find(subject);
    std::vector<std::uint8_t> classes;
    if (found == subjects_.end()) return classes;
    for (const KeyRow& row : found->second.rows)
      if (row.retention != commit_row) classes.push_back(row.retention);
    std::sort(classes.begin(), classes.end());
    classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
    return classes;
  }

  bool is_forgotten(u128 subject) const override {
    auto found = subjects_.find(subject);
    return found != subjects_.end() && found->second.forgotten;
  }

  std::size_t rows() const override { return rows_; }
  std::uint32_t epoch() const override { return epoch_; }
  std::uint64_t dropped_bytes() const override { return dropped_bytes_; }

 private:
  struct Subject {
    std::vector<KeyRow> rows;
    bool forgotten = false;

    const KeyRow* find(std::uint8_t retention, std::uint32_t version) const {
      for (const KeyRow& row : rows)
        if (row.retention == retention && row.version == version) return &row;
      return nullptr;
    }
    const KeyRow* newest(std::uint8_t retention) const {
      const KeyRow* newest = nullptr;
      for (const KeyRow& row : rows)
        if (row.retention == retention && (newest == nullptr || row.version > newest->version))
          newest = &row;
      return newest;
    }
  };

  Status check_usable() const {
    if (broken_)
      return fail(Code::failed_precondition,
                  "the key table could not be written before: restart, to read what is on disk");
    return {};
  }

  /// A subject without keys needs no new epoch, only the mark.
  Status mark_forgotten(u128 subject) {
    if (!is_forgotten(subject)) {
      subjects_[subject].forgotten = true;
      buffered_.push_back({.subject = subject, .retention = forgotten_row});
    }
    return sync();  // also of a mark that a full disk kept from it
  }

  Result<Bytes> kek(std::uint32_t epoch) const {
    Result<KeyStore::Key> key = keys_.get(epoch_key, KeyVersion{epoch});
    if (!key)
      return fail(
          Code::failed_precondition,
          fmt::format("{} is wrapped under epoch {}, whose key the key store does not hold: "
                      "one of the two is an old copy",
                      context_.disk.display(table_path), epoch));
    return key->secret;
  }

  Result<const KeyRow*> make_row(u128 subject, Subject& known, std::uint8_t retention) {
    std::array<Byte, crypto::aead_key_size> fresh;
    context_.entropy.fill(fresh);
    crypto::Secret key{Bytes(fresh)};
    crypto::cleanse(fresh);
    KeyRow row{.subject = subject, .retention = retention, .version = 1};
    (retention == commit_row ? row.commit : row.seal) =
        crypto::wrap_key(TRY(kek(epoch_)), key.bytes());
    cache_.put(row, std::move(key));
    known.rows.push_back(row);
    buffered_.push_back(row);
    ++rows_;
    return &known.rows.back();
  }

  Result<Bytes> unwrapped(const KeyRow& row) {
    if (Bytes cached = cache_.find(row); !cached.empty()) return cached;
    Result<crypto::Secret> key =
        crypto::unwrap_key(TRY(kek(epoch_)), row.retention == commit_row ? row.commit : row.seal);
    if (!key)
      return with_context(
          std::move(key).error(),
          fmt::format("{}, subject {:016x}{:016x}", context_.disk.display(table_path),
                      high64(row.subject), low64(row.subject)));
    return cache_.put(row, *std::move(key));
  }

  Result<SubjectKeys> keys_of(const KeyRow& seal, const KeyRow& commit) {
    Bytes commit_key = TRY(unwrapped(commit));
    return SubjectKeys{seal.version, TRY(unwrapped(seal)), commit_key};
  }

  /// One frame, one write, one sync: so that only the last frame of a file can be torn.
  Status write_frame(std::span<const KeyRow> rows) {
    Buffer frame;
    sealer_->seal(position_, rows_tag, encode_rows(rows, epoch_), frame);
    Status written = file_->write_at(position_, frame);
    bool full = !written && written.error().code == Code::resource_exhausted;
    if (written) written = file_->sync();
    if (written) position_ += frame.size();
    broken_ = !written && !full;  // after a full disk the same place is written again
    return written;
  }

  /// Writes a table of all subjects under `next` beside the old one and gives it its name. Durable
  /// when it returns; wrapped rows in memory, epoch and open file are then the new ones. After an
  /// error with the epoch unchanged, so are file and rows.
  Status replace(KeyVersion next) {
    auto epoch = static_cast<std::uint32_t>(next);
    Bytes new_kek = TRY(kek(epoch));
    Bytes old_kek = epoch_ == 0 ? Bytes() : TRY(kek(epoch_));  // 0: no table yet, no rows
    if (TRY(context_.disk.exists(new_path))) TRY(context_.disk.remove(new_path));
    SealedWriter writer = TRY(SealedWriter::create(context_, new_path, Purpose::key_table, 0));
    TRY(writer.append(rows_tag, encode_rows({}, epoch)));

    // Subjects in hash order: the order of rows in the file means nothing.
    std::vector<KeyRow> rewrapped;
    rewrapped.reserve(rows_);
    std::vector<KeyRow> forgotten;
    for (const auto& [id, subject] : subjects_) {
      if (subject.forgotten) forgotten.push_back({.subject = id, .retention = forgotten_row});
      for (const KeyRow& row : subject.rows)
        rewrapped.push_back(TRY(rewrap(row, old_kek, new_kek)));
    }
    for (std::span<const KeyRow> rest : {std::span<const KeyRow>(forgotten), {rewrapped}}) {
      while (!rest.empty()) {
        std::size_t count = std::min(rest.size(), frame_rows_max);
        TRY(writer.append(rows_tag, encode_rows(rest.first(count), epoch)));
        rest = rest.subspan(count);
      }
    }
    TRY(writer.sync());
    TRY(context_.disk.rename(new_path, table_path));
    epoch_ = epoch;  // from here on the old table may be gone
    TRY(context_.disk.sync_directory(folder));

    auto renewed = rewrapped.begin();
    for (auto& [id, subject] : subjects_)
      for (KeyRow& row : subject.rows) row = *renewed++;
    ASSERT(renewed == rewrapped.end());
    buffered_.clear();
    return open_for_append(writer.position());
  }

  Status open_for_append(std::uint64_t end) {
    file_ = TRY(context_.disk.open(table_path, io::OpenMode::read_write));
    std::array<Byte, sealed_file_header_size> header;
    std::size_t got = TRY(file_->read_at(0, header));
    Result<FrameSealer> sealer =
        FrameSealer::open(context_, Purpose::key_table, 0, Bytes(header).first(got));
    if (!sealer) return with_context(std::move(sealer).error(), context_.disk.display(table_path));
    sealer_ = std::make_unique<FrameSealer>(*std::move(sealer));
    position_ = end;
    return {};
  }

  /// At most one whole frame (or a torn one) from `position` on, and what stands after it.
  Result<Buffer> read_window(std::uint64_t position, std::uint64_t end, std::size_t size) {
    Buffer bytes(static_cast<std::size_t>(std::min<std::uint64_t>(end - position, size)));
    bytes.resize(TRY(file_->read_at(position, bytes)));
    return bytes;
  }

  Result<FrameSealer::Frame> read_frame(std::uint64_t end) {
    Buffer bytes = TRY(read_window(position_, end, frame_prefix_size));
    std::uint32_t plain_size = bytes.size() < 4 ? 0 : load_le<std::uint32_t>(bytes.data());
    if (plain_size <= frame_plain_max)
      bytes = TRY(read_window(position_, end, plain_size + frame_overhead));
    return sealer_->open_frame(position_, bytes);
  }

  Status load() {
    TRY(open_for_append(sealed_file_header_size));
    std::uint64_t end = TRY(file_->size());
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
      if (!rows) return with_context(std::move(rows).error(), place());
      epoch_ = rows->epoch;
      for (const KeyRow& row : rows->rows) take_in(row);
      position_ += frame->size;
    }
    if (epoch_ == 0)
      return fail(Code::data_loss,
                  fmt::format("{}: the table has no frame; bring it back from a backup", place()));
    TRY(kek(epoch_));
    return {};
  }

  /// The frame at position_ does not open. Torn by a crash if it is the last: no frame stands after
  /// it, and there is no more than a frame's worth of bytes. Anything else is damage.
  Status drop_tail(std::uint64_t end) {
    auto damaged = [&](std::string_view what) {
      return fail(Code::data_loss, fmt::format("{}: a frame does not open {}: keys of subjects are "
                                               "damaged; bring the table back from a backup",
                                               place(), what));
    };
    if (epoch_ == 0) return damaged("and it is the first");
    if (end - position_ > frame_size_max) return damaged("and is not the last");
    Buffer bytes = TRY(read_window(position_, end, frame_size_max));
    for (std::size_t at = 1; at + frame_overhead <= bytes.size(); ++at) {
      Bytes rest = Bytes(bytes).subspan(at);
      if (may_be_rows(rest) && sealer_->open_frame(position_ + at, rest))
        return damaged(fmt::format("but the one {} bytes later does", at));
    }
    dropped_bytes_ = end - position_;
    TRY(file_->truncate(position_));
    return file_->sync();
  }

  std::string place() const {
    return fmt::format("{} at byte {}", context_.disk.display(table_path), position_);
  }

  void take_in(const KeyRow& row) {
    Subject& subject = subjects_[row.subject];
    if (row.retention == forgotten_row) {
      subject.forgotten = true;
      return;
    }
    for (KeyRow& known : subject.rows) {
      if (known.retention != row.retention || known.version != row.version) continue;
      known = row;
      return;
    }
    subject.rows.push_back(row);
    ++rows_;
  }

  /// Destroys every KEK below the table's epoch: after this no older copy of the table opens.
  Status finish_erasure() {
    std::vector<KeyVersion> old;
    for (const KeyStore::Listing& key : keys_.list())
      if (key.name == epoch_key && static_cast<std::uint32_t>(key.version) < epoch_)
        old.push_back(key.version);
    if (old.empty()) return {};
    // After kill -9 the new table may be here and not yet durable: first make it so, or a power
    // failure could bring back a table whose KEK is gone.
    Status done = file_->sync();
    if (done) done = context_.disk.sync_directory(folder);
    for (KeyVersion version : old)
      if (done) done = keys_.destroy(epoch_key, version);
    if (!done && done.error().code != Code::resource_exhausted) broken_ = true;
    return done;
  }

  SealedContext context_;
  KeyStore& keys_;
  KeyCache cache_;
  absl::flat_hash_map<u128, Subject, U128Hash> subjects_;
  std::vector<KeyRow> buffered_;  // made, not yet durable
  std::size_t rows_ = 0;
  std::uint32_t epoch_ = 0;
  std::unique_ptr<io::File> file_;
  std::unique_ptr<FrameSealer> sealer_;
  std::uint64_t position_ = 0;
  std::uint64_t dropped_bytes_ = 0;
  struct Unfinished {
    u128 subject;
    Erasure erasure;
  };
  std::optional<Unfinished> unfinished_;
  bool broken_ = false;
};

}  // namespace

Result<std::unique_ptr<KeyTable>> KeyTable::open(const SealedContext& context, KeyStore& keys,
                                                 io::Clock& clock) {
  auto table = std::make_unique<SealedKeyTable>(context, keys, clock);
  TRY(table->start());
  return Result<std::unique_ptr<KeyTable>>(std::move(table));
}

}  // namespace meridian::storage
