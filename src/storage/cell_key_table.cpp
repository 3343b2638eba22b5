#include "storage/cell_key_table.h"

#include <fmt/format.h>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/assert.h"
#include "storage/internal/epoch_keks.h"
#include "storage/internal/epoch_turn.h"
#include "storage/internal/key_file.h"
#include "storage/internal/resident_rows.h"
#include "storage/internal/subject_rows.h"

namespace meridian::storage {

namespace {

class FoldedKeyTable final : public CellKeyTable {
 public:
  FoldedKeyTable(const SealedContext& context, KeyStore& keys, io::Clock& clock, TurnPace pace)
      : pace_(pace),
        entropy_(context.entropy),
        keks_(keys, context.entropy, clock),
        file_(context, keys),
        rows_(clock),
        resident_(keys) {}

  Status start() {
    TRY(file_.open([this](const KeyRow& row) {
      rows_.set_epoch(file_.epoch());
      rows_.take_in(row);
    }));
    rows_.set_epoch(file_.epoch());
    place_ = file_.place().value_or(KeyPlace{});
    settled_ = place_.records;
    return take_check();
  }

  // --- making ---

  void make_in(std::uint64_t term) override {
    if (term == term_) return;
    term_ = term;
    drop_unfolded();
  }
  std::uint64_t makes_in() const override { return term_; }
  void hold(bool holds) override { holds_ = holds; }
  void refuse_subject(u128 subject) override { refused_.insert(subject); }
  void release_subjects() override { refused_.clear(); }

  Result<SubjectKeys> for_sealing(u128 subject, std::uint8_t retention) override {
    TRY(check_may_seal(subject, retention));
    const Jurisdiction* jurisdiction = rows_.keeping().home_of(retention);
    if (jurisdiction != nullptr) {
      noted_.is_resident = true;
      TRY(check_up(*jurisdiction));
    }
    if (is_for_leader_ && !is_there({subject, retention})) {
      noted_.missing.push_back({subject, retention});
      return fail(Code::unavailable, "keys of persons are asked of the leader");
    }
    TRY(provide({subject, retention}));
    const KeyName name = rows_.name_now(retention);
    if (jurisdiction != nullptr)
      for (const KeyName& needed : {KeyName{commit_row, 1}, name})
        await(*jurisdiction, {subject, needed.retention, needed.version});
    const Keks keks = TRY(keks_now());
    const SubjectKeys row = TRY(rows_.keys_of(subject, retention, name.version, keks));
    return resident_.mix(rows_.keeping(), retention, row);
  }

  void seal_for_leader(bool is_for_leader) override { is_for_leader_ = is_for_leader; }
  Noted take_noted() override { return std::exchange(noted_, {}); }
  bool is_there(const WantedRow& row) const override {
    const KeyName name = rows_.name_now(row.retention);
    return is_folded(row.subject, {commit_row, 1}) && is_folded(row.subject, name);
  }
  Status provide(const WantedRow& row) override {
    TRY(check_may_seal(row.subject, row.retention));
    const Keks keks = TRY(keks_now());
    TRY(provide(row.subject, {commit_row, 1}, *keks.now));
    return provide(row.subject, rows_.name_now(row.retention), *keks.now);
  }
  Status check_sealed(u128 subject, const KeyName& key) const override {
    if (refused_.contains(subject)) return forgotten_subject(subject);
    TRY(rows_.may_seal(subject));
    if (term_ != 0 && !holds_ && is_folded(subject, key)) return {};
    return fail(Code::unavailable,
                "keys of persons are being made or destroyed: nothing was done, send it again");
  }

  std::vector<ResidencyWait> take_waits() override { return std::exchange(waits_, {}); }
  void set_residency(std::uint8_t jurisdiction, const ResidencyState& state) override {
    residency_[jurisdiction] = state;
    std::uint64_t confirmed = state.confirmed;
    for (const auto& [number, one] : rows_.keeping().residency().all())
      confirmed = std::min(confirmed, residency(number).confirmed);
    absl::erase_if(fresh_, [confirmed](const auto& one) { return one.second <= confirmed; });
  }
  ResidencyState residency(std::uint8_t jurisdiction) const override {
    const auto known = residency_.find(jurisdiction);
    return known == residency_.end() ? ResidencyState{} : known->second;
  }

  std::vector<KeyRow> take_unfolded() override {
    std::vector<KeyRow> rows;
    rows.reserve(given_out_.size());
    for (const RowId& id : given_out_)
      if (const auto found = unfolded_.find(id); found != unfolded_.end()) {
        found->second.is_given_out = false;
        rows.push_back(found->second.row);
      }
    given_out_.clear();
    return rows;
  }

  Result<SubjectKeys> for_opening(u128 subject, std::uint8_t retention,
                                  std::uint32_t version) override {
    TRY(file_.check_usable());
    rows_.drop_old_keys();
    if (!is_complete_ && !rows_.is_erased(subject, {retention, version}) &&
        !has_row(subject, {retention, version}))
      return fail(Code::unavailable,
                  "keys of persons are still being brought up to date here: ask again, or ask "
                  "another replica");
    const Keks keks = TRY(keks_now());
    const SubjectKeys row = TRY(rows_.keys_of(subject, retention, version, keks));
    return resident_.mix(rows_.keeping(), retention, row);
  }
  std::vector<std::uint8_t> classes(u128 subject) override {
    rows_.drop_old_keys();
    return rows_.classes(subject);
  }
  bool is_forgotten(u128 subject) const override {
    return rows_.is_forgotten(subject) || refused_.contains(subject);
  }
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

  // --- folding ---

  Status add(const KeyRow& row, std::uint64_t record) override {
    const RowId id{row.subject, row.retention, row.version};
    if (!rows_.may_seal(row.subject)) return {};
    // Made for a key of the jurisdiction that is not in use any more: another one is made.
    if (row.retention < forgotten_row &&
        turn_of(row.version) != rows_.keeping().turn_now(row.retention))
      return {};
    const bool is_own = unfolded_.contains(id);
    if (rows_.has(row)) {  // ours, or it came with several requests
      if (unfolded_.erase(id) != 0) take(row, id, record);
      return {};
    }
    if (!is_own && has_row(row.subject, {row.retention, row.version}))
      return fail(Code::data_loss,
                  fmt::format("two keys stand in the log for subject {:016x}{:016x}, class {}, "
                              "version {}",
                              high64(row.subject), low64(row.subject), row.retention, row.version));
    const Keks keks = TRY(keks_now());
    TRY(rewrap(row, *keks.now, *keks.now));  // it opens
    if (unfolded_.erase(id) != 0) drop_keys();
    take(row, id, record);
    return {};
  }

  void erase(u128 subject) override { change(forgotten_mark(subject)); }

  void change(const KeyRow& row) override {
    drop_unfolded();  // whatever it says is of what all replicas have
    if (rows_.take_in(row)) buffered_.push_back(effective(row));
    drop_keys();
    if (row.kind == RowKind::wish || row.retention == forgotten_row) refused_.erase(row.subject);
  }

  Result<bool> turn(std::uint32_t number, u128 check, std::uint64_t record) override {
    TRY(file_.check_usable());
    if (number != place_.turns + 1) return true;
    ASSERT(!turning_);
    const auto next = keks_.find(check);
    if (!next) return false;
    drop_unfolded();
    const KeyFile::Kek now = TRY(file_.kek(static_cast<std::uint32_t>(*next)));
    const KeyFile::Kek before = TRY(file_.kek());
    buffered_.clear();  // the marks and keys of now stand in the next file
    turning_.emplace(EpochTurn::Into{*next, check, {record + 1, number}}, Keks{now, before}, rows_);
    drop_keys();
    if (rows_.size() <= pace_.at_once) TRY(turn_on(record + 1, rows_.size()));
    return true;
  }
  bool is_turning() const override { return turning_.has_value(); }
  Result<bool> turn_on(std::uint64_t records) override { return turn_on(records, pace_.step); }

  Status folded(std::uint64_t records) override {
    ASSERT(records >= place_.records);
    place_.records = records;
    if (turning_) return {};  // the next file has it
    const std::uint64_t noted = file_.place().value_or(KeyPlace{}).records;
    if (buffered_.empty() && records - noted < note_every) return {};
    std::size_t done = 0;
    Status written = file_.append(buffered_, place_, done);
    buffered_.erase(buffered_.begin(), buffered_.begin() + static_cast<std::ptrdiff_t>(done));
    return written;
  }
  KeyPlace place() const override { return place_; }
  void set_complete(bool is_complete) override { is_complete_ = is_complete; }

  // --- handing over ---

  u128 check() const override { return turning_ ? turning_->into().check : check_; }
  Result<u128> offer() override { return keks_.offer(); }
  bool holds_kek(u128 check) const override { return keks_.find(check).has_value(); }
  Result<Bytes> kek(u128 check) const override { return keks_.hand_on(check); }
  Status take(const crypto::Secret& kek) override { return keks_.take(kek); }
  void drop_handed_on() override { keks_.drop_handed_on(); }

  Copy copy() const override {
    ASSERT(!turning_);
    Copy copy{check(), place_, {}};
    if (place_.turns == 0) return copy;
    SubjectRows::All all = rows_.all();
    std::erase_if(all.rows, [this](const KeyRow& row) {
      return unfolded_.contains({row.subject, row.retention, row.version});
    });
    for (std::span<const KeyRow> rest : {std::span<const KeyRow>(all.marks), {all.rows}}) {
      while (!rest.empty()) {
        const std::size_t count = std::min(rest.size(), part_rows);
        copy.parts.push_back(encode_rows(rest.first(count), place_.turns, place_));
        rest = rest.subspan(count);
      }
    }
    return copy;
  }

  Status install(const Copy& copy) override {
    TRY(file_.check_usable());
    const auto version = keks_.find(copy.check);
    if (!version) return fail(Code::failed_precondition, "the key of the copy's epoch is not here");
    const KeyFile::Kek kek = TRY(file_.kek(static_cast<std::uint32_t>(*version)));
    SubjectRows::All all;
    for (const Buffer& part : copy.parts) {
      const RowsFrame frame = TRY(decode_rows(placed_rows_tag, part));
      for (const KeyRow& row : frame.rows) {
        const bool is_key = row.kind == RowKind::key && row.retention != forgotten_row;
        if (is_key) TRY(rewrap(row, *kek, *kek));  // it opens
        (is_key ? all.rows : all.marks).push_back(row);
      }
    }
    TRY(replace(*version, all, copy.place));
    turning_.reset();
    since_turn_.clear();
    rows_.clear();
    rows_.set_epoch(file_.epoch());
    for (const KeyRow& row : all.marks) rows_.take_in(row);
    for (const KeyRow& row : all.rows) rows_.take_in(row);
    unfolded_.clear();
    given_out_.clear();
    fresh_.clear();
    settled_ = copy.place.records;
    return {};
  }

 private:
  struct RowId {
    u128 subject;
    std::uint8_t retention;
    std::uint32_t version;
    bool operator==(const RowId&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const RowId& id) {
      return H::combine(std::move(hash), high64(id.subject), low64(id.subject), id.retention,
                        id.version);
    }
  };
  struct Unfolded {
    KeyRow row;
    bool is_given_out;
  };

  void take(const KeyRow& row, const RowId& id, std::uint64_t record) {
    rows_.take_in(row);
    buffered_.push_back(row);
    if (turning_) since_turn_.insert(id);
    note_fresh(id, record);
  }

  /// As it counts in a file that is written while an epoch turns, where a key that is gone by the
  /// end may be missing before it: whether a class may live where it says depends on its keys.
  KeyRow effective(const KeyRow& row) const {
    if (row.kind != RowKind::retention_class) return row;
    return row_of(*rows_.keeping().find(row.retention));
  }

  /// The row of that name, made if it is missing and may be.
  Status provide(u128 subject, const KeyName& name, const crypto::KeyWrapper& kek) {
    const RowId id{subject, name.retention, name.version};
    auto unfolded = unfolded_.find(id);
    if (unfolded == unfolded_.end() && has_row(subject, name)) return {};
    if (term_ == 0 || holds_ || check() == 0)
      return fail(Code::unavailable,
                  "keys of persons cannot be made by this replica now, as it does not lead or has "
                  "just begun to; nothing was done, ask again");
    if (unfolded == unfolded_.end()) {
      const KeyRow made = TRY(rows_.make(subject, name, entropy_, kek));
      unfolded = unfolded_.emplace(id, Unfolded{made, false}).first;
    }
    if (!std::exchange(unfolded->second.is_given_out, true)) given_out_.push_back(id);
    return {};
  }

  Result<Keks> keks_now() {
    if (turning_) return turning_->keks();
    return Keks{TRY(file_.kek()), nullptr};
  }

  Status check_up(const Jurisdiction& jurisdiction) const {
    if (!resident_.holds(jurisdiction, jurisdiction.turn()))
      return resident_.not_here(jurisdiction, jurisdiction.turn());
    if (residency(jurisdiction.number).is_up) return {};
    return residency_unavailable(
        fmt::format("replicas in two regions of the jurisdiction {} are needed to write what lives "
                    "there, and fewer are heard now; nothing was done",
                    to_text(jurisdiction)));
  }

  /// Of a row that is folded in.
  void await(const Jurisdiction& jurisdiction, const RowId& id) {
    if (unfolded_.contains(id)) return;
    const auto fresh = fresh_.find(id);
    const std::uint64_t records = fresh == fresh_.end() ? settled_ : fresh->second;
    if (records > residency(jurisdiction.number).confirmed)
      waits_.push_back({jurisdiction.number, records});
  }

  void note_fresh(const RowId& id, std::uint64_t record) {
    if (rows_.keeping().residency().all().empty() || fresh_.size() >= fresh_max) {
      for (const auto& [other, records] : fresh_) settled_ = std::max(settled_, records);
      fresh_.clear();
      settled_ = std::max(settled_, record + 1);
    } else {
      fresh_[id] = record + 1;
    }
  }

  void drop_keys() {
    rows_.drop_keys();
    resident_.drop_keys();
  }

  Status check_may_seal(u128 subject, std::uint8_t retention) {
    if (retention >= forgotten_row)
      return fail(Code::invalid_argument, fmt::format("retention class {} is reserved: use 0 to {}",
                                                      retention, forgotten_row - 1));
    TRY(file_.check_usable());
    rows_.drop_old_keys();
    if (refused_.contains(subject)) return forgotten_subject(subject);
    return rows_.may_seal(subject);
  }

  bool is_folded(u128 subject, const KeyName& name) const {
    return has_row(subject, name) && !unfolded_.contains({subject, name.retention, name.version});
  }

  bool has_row(u128 subject, const KeyName& name) const {
    const SubjectRows::Subject* known = rows_.find(subject);
    return known != nullptr && known->find(name.retention, name.version) != nullptr;
  }

  void drop_unfolded() {
    if (unfolded_.empty()) return;
    for (const auto& [id, one] : unfolded_) rows_.take_out(one.row);
    unfolded_.clear();
    given_out_.clear();
    drop_keys();
  }

  Status take_check() {
    if (place_.turns != 0) check_ = TRY(keks_.check_of(KeyVersion{file_.epoch()}));
    return {};
  }

  Result<bool> turn_on(std::uint64_t records, std::size_t count) {
    TRY(file_.check_usable());
    ASSERT(turning_ && records >= turning_->into().place.records);
    const std::uint32_t old_epoch = file_.epoch();
    const Result<bool> written = write_on(records, count);
    if (written && !*written) return false;
    Status done = written ? file_.destroy_older() : Status(written.error());
    if (!done) {
      // On a full disk the old table stands, or the new one with a KEK too many.
      if (done.error().code != Code::resource_exhausted || (!written && file_.epoch() != old_epoch))
        file_.give_up();
      return done.error();
    }
    place_ = {std::max(place_.records, turning_->into().place.records),
              turning_->into().place.turns};
    turning_.reset();
    since_turn_.clear();
    TRY(take_check());
    return true;
  }

  /// True once all is in place.
  Result<bool> write_on(std::uint64_t records, std::size_t count) {
    if (turning_->is_in_place()) return true;
    const auto comes_later = [this](const KeyRow& row) {
      const RowId id{row.subject, row.retention, row.version};
      return unfolded_.contains(id) || since_turn_.contains(id);
    };
    if (!TRY(turning_->go_on(count, file_, comes_later))) return false;
    place_.records = records;
    TRY(turning_->finish(file_, buffered_, {records, turning_->into().place.turns}));
    buffered_.clear();
    return true;
  }

  /// After an error with the epoch unchanged, the old table stands.
  Status replace(KeyVersion next, const SubjectRows::All& all, const KeyPlace& place) {
    const std::uint32_t old_epoch = file_.epoch();
    const std::span<const KeyRow> parts[] = {all.marks, all.rows};
    if (Status replaced = file_.replace(next, parts, place); !replaced) {
      if (replaced.error().code != Code::resource_exhausted || file_.epoch() != old_epoch)
        file_.give_up();
      return replaced;
    }
    place_ = place;
    TRY(take_check());
    buffered_.clear();
    return file_.destroy_older();
  }

  const TurnPace pace_;
  io::Entropy& entropy_;
  EpochKeks keks_;
  KeyFile file_;
  SubjectRows rows_;
  ResidentRows resident_;
  KeyPlace place_;
  std::optional<EpochTurn> turning_;
  absl::flat_hash_set<RowId> since_turn_;  // folded in since it was begun: behind the others
  u128 check_{};                           // of the KEK in use; of none before the first turn
  std::vector<KeyRow> buffered_;  // folded in, not yet durable here; since a turn was begun

  /// Of jurisdictions, what was told of their regions; and behind which record each row stands that
  /// may not be in two of them yet. Of the others that is `settled_` at most.
  static constexpr std::size_t fresh_max = 65'536;
  std::map<std::uint8_t, ResidencyState> residency_;
  absl::flat_hash_map<RowId, std::uint64_t> fresh_;
  std::uint64_t settled_ = 0;
  std::vector<ResidencyWait> waits_;
  bool is_for_leader_ = false;
  Noted noted_;

  std::uint64_t term_ = 0;
  bool holds_ = false;
  bool is_complete_ = false;
  absl::flat_hash_map<RowId, Unfolded> unfolded_;
  std::vector<RowId> given_out_;
  absl::flat_hash_set<u128, U128Hash> refused_;
};

}  // namespace

Result<std::unique_ptr<CellKeyTable>> CellKeyTable::open(const SealedContext& context,
                                                         KeyStore& keys, io::Clock& clock,
                                                         TurnPace pace) {
  auto table = std::make_unique<FoldedKeyTable>(context, keys, clock, pace);
  TRY(table->start());
  return Result<std::unique_ptr<CellKeyTable>>(std::move(table));
}

}  // namespace meridian::storage
