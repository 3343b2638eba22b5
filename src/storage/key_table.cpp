// An erasure, and what a crash leaves after each step:
//   KEK e+1 added to the store      table still under e: not begun; the next erasure takes e+2
//   keys/table.new written, synced  the same; the file is removed at open
//   renamed, directory synced       table under e or e+1: open() makes what it sees durable, and
//   KEK e destroyed                 destroys every KEK below the table's epoch
#include "storage/key_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/internal/key_file.h"
#include "storage/internal/resident_rows.h"
#include "storage/internal/subject_rows.h"

namespace meridian::storage {
namespace {

class SealedKeyTable final : public KeyTable {
 public:
  SealedKeyTable(const SealedContext& context, KeyStore& keys, io::Clock& clock)
      : entropy_(context.entropy),
        keys_(keys),
        file_(context, keys),
        rows_(clock),
        resident_(keys) {}

  /// Reads or makes the file. Called once, before anything else.
  Status start() {
    TRY(file_.open([this](const KeyRow& row) {
      rows_.set_epoch(file_.epoch());
      rows_.take_in(row);
    }));
    rows_.set_epoch(file_.epoch());
    return {};
  }

  Result<SubjectKeys> for_sealing(u128 subject, std::uint8_t retention) override {
    if (retention >= forgotten_row)
      return fail(Code::invalid_argument, fmt::format("retention class {} is reserved: use 0 to {}",
                                                      retention, forgotten_row - 1));
    TRY(file_.check_usable());
    rows_.drop_old_keys();
    TRY(rows_.may_seal(subject));
    if (const Jurisdiction* jurisdiction = rows_.keeping().home_of(retention))
      return residency_unavailable(fmt::format(
          "a replica that is alone is in one region, and two of the jurisdiction {} are "
          "needed; nothing was done",
          to_text(*jurisdiction)));
    const KeyFile::Kek kek = TRY(file_.kek());
    const KeyName name = rows_.name_now(retention);
    for (const KeyName& needed : {KeyName{commit_row, 1}, name}) {
      const SubjectRows::Subject* known = rows_.find(subject);
      if (known == nullptr || known->find(needed.retention, needed.version) == nullptr)
        buffered_.push_back(TRY(rows_.make(subject, needed, entropy_, *kek)));
    }
    return rows_.keys_of(subject, retention, name.version, {kek});
  }

  Result<SubjectKeys> for_opening(u128 subject, std::uint8_t retention,
                                  std::uint32_t version) override {
    TRY(file_.check_usable());
    rows_.drop_old_keys();
    const KeyFile::Kek kek = TRY(file_.kek());
    const SubjectKeys row = TRY(rows_.keys_of(subject, retention, version, {kek}));
    return resident_.mix(rows_.keeping(), retention, row);
  }

  Status sync() override {
    rows_.drop_old_keys();
    if (buffered_.empty()) return {};
    std::size_t done = 0;
    Status written = file_.append(buffered_, std::nullopt, done);
    buffered_.erase(buffered_.begin(), buffered_.begin() + static_cast<std::ptrdiff_t>(done));
    return written;
  }

  Result<Erasure> erase(u128 subject) override { return change({forgotten_mark(subject)}); }

  Result<Erasure> change(const std::vector<KeyRow>& changes) override {
    TRY(file_.check_usable());
    if (unfinished_) {  // its table stands; a full disk kept the old KEK from being destroyed
      TRY(file_.destroy_older());
      Unfinished finished = *std::exchange(unfinished_, std::nullopt);
      if (finished.changes == changes) return finished.erasure;
    }
    const bool destroys = std::ranges::any_of(
        changes, [this](const KeyRow& row) { return rows_.keys_destroyed_by(row) != 0; });
    if (!destroys) {
      for (const KeyRow& row : changes)
        if (rows_.take_in(row)) buffered_.push_back(row);
      TRY(sync());  // also of what a full disk kept from it
      return Erasure{0, 0};
    }
    const KeyVersion next = TRY(keys_.add(epoch_key));
    const auto before = rows_.save();
    for (const KeyRow& row : changes) rows_.take_in(row);
    const std::uint32_t old_epoch = file_.epoch();
    if (Status replaced = replace(next); !replaced) {
      Error error = std::move(replaced).error();
      if (error.code == Code::resource_exhausted && file_.epoch() == old_epoch) {
        rows_.restore(*before);  // the old table stands
        return error;
      }
      file_.give_up();
      error.code = Code::internal;  // whatever it was: trying again is not the way out
      return with_context(std::move(error),
                          "the erasure is unfinished: a restart completes it, or shows that it had "
                          "not begun");
    }
    drop_keys();
    const Erasure erasure{static_cast<std::uint32_t>(before->size - rows_.size()), old_epoch};
    unfinished_ = Unfinished{changes, erasure};
    TRY(file_.destroy_older());
    unfinished_.reset();
    return erasure;
  }

  Status turn() override {
    TRY(sync());
    const KeyVersion next = TRY(keys_.add(epoch_key));
    const auto before = rows_.save();
    const std::uint32_t old_epoch = file_.epoch();
    if (Status replaced = replace(next); !replaced) {
      if (replaced.error().code == Code::resource_exhausted && file_.epoch() == old_epoch)
        rows_.restore(*before);  // the old table stands
      else
        file_.give_up();
      return replaced;
    }
    drop_keys();
    return file_.destroy_older();
  }

  std::vector<std::uint8_t> classes(u128 subject) override {
    rows_.drop_old_keys();
    return rows_.classes(subject);
  }
  bool is_forgotten(u128 subject) const override { return rows_.is_forgotten(subject); }
  std::size_t rows() const override { return rows_.size(); }
  std::uint64_t epoch_made_ns() const override { return file_.made_ns(); }
  void drop_old_keys() override { rows_.drop_old_keys(); }
  std::size_t unwrapped_keys() const override { return rows_.unwrapped_keys(); }
  bool is_erased(u128 subject, const KeyName& key) const override {
    return rows_.is_erased(subject, key);
  }
  const Keeping& keeping() const override { return rows_.keeping(); }
  SubjectState state(u128 subject) const override { return rows_.state(subject); }
  Day today() const override { return rows_.today(); }
  ForgetPlan plan(u128 subject) const override { return rows_.plan(subject); }
  bool has_keys(std::uint8_t retention) const override { return rows_.has_keys(retention); }
  bool needs(const Jurisdiction& one, std::uint32_t turn) const override {
    return rows_.needs(one, turn);
  }
  bool holds(const Jurisdiction& one, std::uint32_t turn) const override {
    return resident_.holds(one, turn);
  }
  DueKeys due(std::size_t subjects_max) const override { return rows_.due(subjects_max); }
  std::uint32_t epoch() const override { return file_.epoch(); }
  std::uint64_t dropped_bytes() const override { return file_.dropped_bytes(); }

 private:
  void drop_keys() {
    rows_.drop_keys();
    resident_.drop_keys();
  }
  Status replace(KeyVersion next) {
    const Keks keks{TRY(file_.kek(static_cast<std::uint32_t>(next))), TRY(file_.kek())};
    rows_.set_epoch(static_cast<std::uint32_t>(next));
    const std::vector<KeyRow> marks = rows_.marks();
    std::vector<KeyRow> keys;
    keys.reserve(rows_.size());
    for (const u128 subject : rows_.subjects()) TRY(rows_.wrap_now(subject, keks, keys));
    const std::span<const KeyRow> parts[] = {marks, keys};
    TRY(file_.replace(next, parts, std::nullopt));
    buffered_.clear();
    return {};
  }

  io::Entropy& entropy_;
  KeyStore& keys_;
  KeyFile file_;
  SubjectRows rows_;
  ResidentRows resident_;
  std::vector<KeyRow> buffered_;  // made, not yet durable
  struct Unfinished {
    std::vector<KeyRow> changes;
    Erasure erasure;
  };
  std::optional<Unfinished> unfinished_;
};

}  // namespace

Result<std::unique_ptr<KeyTable>> KeyTable::open(const SealedContext& context, KeyStore& keys,
                                                 io::Clock& clock) {
  auto table = std::make_unique<SealedKeyTable>(context, keys, clock);
  TRY(table->start());
  return Result<std::unique_ptr<KeyTable>>(std::move(table));
}

}  // namespace meridian::storage
