#include "storage/cell_key_table.h"

#include <fmt/format.h>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/assert.h"
#include "crypto/sha256.h"
#include "storage/internal/key_file.h"
#include "storage/internal/resident_rows.h"
#include "storage/internal/subject_rows.h"

namespace meridian::storage {

u128 kek_check(Bytes kek) {
  const crypto::Digest digest =
      crypto::HmacKey(kek).mac({as_bytes(std::string_view("meridian/epoch-key/1/check"))});
  const u128 check = load_le<u128>(digest.data());
  ASSERT(check != 0);
  return check;
}

namespace {

class FoldedKeyTable final : public CellKeyTable {
 public:
  FoldedKeyTable(const SealedContext& context, KeyStore& keys, io::Clock& clock)
      : entropy_(context.entropy),
        keys_(keys),
        clock_(clock),
        file_(context, keys),
        rows_(clock),
        resident_(keys) {}

  Status start() {
    TRY(file_.open([this](const KeyRow& row) { rows_.take_in(row); }));
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
    const KeyFile::Kek kek = TRY(file_.kek());
    const SubjectKeys row = TRY(rows_.keys_of(subject, retention, name.version, *kek));
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
    const KeyFile::Kek kek = TRY(file_.kek());
    TRY(provide(row.subject, {commit_row, 1}, *kek));
    return provide(row.subject, rows_.name_now(row.retention), *kek);
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
    const KeyFile::Kek kek = TRY(file_.kek());
    const SubjectKeys row = TRY(rows_.keys_of(subject, retention, version, *kek));
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
  bool holds(const Jurisdiction& one) const override { return resident_.holds(one); }
  DueKeys due(std::size_t subjects_max) const override { return rows_.due(subjects_max); }

  // --- folding ---

  Status add(const KeyRow& row, std::uint64_t record) override {
    const RowId id{row.subject, row.retention, row.version};
    if (!rows_.may_seal(row.subject)) return {};
    const SubjectRows::Subject* known = rows_.find(row.subject);
    const KeyRow* there = known == nullptr ? nullptr : known->find(row.retention, row.version);
    const bool is_own = unfolded_.contains(id);
    if (there != nullptr && *there == row) {  // ours, or it came with several requests
      if (unfolded_.erase(id) != 0) {
        buffered_.push_back(row);
        note_fresh(id, record);
      }
      return {};
    }
    if (there != nullptr && !is_own)
      return fail(Code::data_loss,
                  fmt::format("two keys stand in the log for subject {:016x}{:016x}, class {}, "
                              "version {}",
                              high64(row.subject), low64(row.subject), row.retention, row.version));
    const KeyFile::Kek kek = TRY(file_.kek());
    TRY(rewrap(row, *kek, *kek));  // it opens
    if (unfolded_.erase(id) != 0) drop_keys();
    rows_.take_in(row);
    buffered_.push_back(row);
    note_fresh(id, record);
    return {};
  }

  void erase(u128 subject) override { change(forgotten_mark(subject)); }

  void change(const KeyRow& row) override {
    drop_unfolded();  // whatever it says is of what all replicas have
    if (rows_.take_in(row)) buffered_.push_back(row);
    drop_keys();
    if (row.kind == RowKind::wish || row.retention == forgotten_row) refused_.erase(row.subject);
  }

  Result<bool> turn(std::uint32_t number, u128 check, std::uint64_t record) override {
    TRY(file_.check_usable());
    if (number != place_.turns + 1) return true;
    const auto next = find_kek(check);
    if (!next) return false;
    drop_unfolded();
    const KeyFile::Kek new_kek = TRY(file_.kek(static_cast<std::uint32_t>(*next)));
    const KeyFile::Kek old_kek = TRY(file_.kek());
    const SubjectRows::Rewrapped all = TRY(rows_.rewrapped(*old_kek, *new_kek));
    const KeyPlace place{record + 1, number};
    TRY(replace(*next, all, place));
    rows_.renew(all.rows);
    drop_keys();
    return true;
  }

  Status folded(std::uint64_t records) override {
    ASSERT(records >= place_.records);
    place_.records = records;
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

  u128 check() const override { return check_; }
  Result<u128> offer() override {
    // Given, not made by the store: one made in a token could not be handed to other replicas.
    std::array<Byte, crypto::aead_key_size> fresh;
    entropy_.fill(fresh);
    const crypto::Secret kek{Bytes(fresh)};
    crypto::cleanse(fresh);
    TRY(keep(kek));
    return kek_check(kek.bytes());
  }
  bool holds_kek(u128 check) const override { return find_kek(check).has_value(); }
  Result<Bytes> kek(u128 check) const override {
    const auto version = find_kek(check);
    if (!version) return fail(Code::not_found, "the key of that epoch is not here");
    if (const auto handed_on = handed_on_.find(check); handed_on != handed_on_.end())
      return handed_on->second.kek.bytes();
    return TRY(keys_.get(epoch_key, *version)).secret;
  }
  Status take(const crypto::Secret& kek) override {
    if (holds_kek(kek_check(kek.bytes()))) return {};
    return keep(kek);
  }
  void drop_handed_on() override {
    std::erase_if(handed_on_, [now = clock_.monotonic()](const auto& one) {
      return now - one.second.since >= handed_on_for;
    });
  }

  Copy copy() const override {
    Copy copy{check(), place_, {}};
    if (place_.turns == 0) return copy;
    SubjectRows::Rewrapped all = rows_.all();
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
    const auto version = find_kek(copy.check);
    if (!version) return fail(Code::failed_precondition, "the key of the copy's epoch is not here");
    const KeyFile::Kek kek = TRY(file_.kek(static_cast<std::uint32_t>(*version)));
    SubjectRows::Rewrapped all;
    for (const Buffer& part : copy.parts) {
      const RowsFrame frame = TRY(decode_rows(placed_rows_tag, part));
      for (const KeyRow& row : frame.rows) {
        const bool is_key = row.kind == RowKind::key && row.retention != forgotten_row;
        if (is_key) TRY(rewrap(row, *kek, *kek));  // it opens
        (is_key ? all.rows : all.marks).push_back(row);
      }
    }
    TRY(replace(*version, all, copy.place));
    rows_.clear();
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

  /// The row of that name, made if it is missing and may be.
  Status provide(u128 subject, const KeyName& name, const crypto::KeyWrapper& kek) {
    const RowId id{subject, name.retention, name.version};
    auto unfolded = unfolded_.find(id);
    if (unfolded == unfolded_.end() && has_row(subject, name)) return {};
    if (term_ == 0 || holds_ || place_.turns == 0)
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

  Status check_up(const Jurisdiction& jurisdiction) const {
    if (jurisdiction.key == 0 || !resident_.holds(jurisdiction))
      return resident_.not_here(jurisdiction);
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

  Status keep(const crypto::Secret& kek) {
    const u128 check = kek_check(kek.bytes());
    TRY(keys_.give_wrapper(epoch_key, kek.bytes(), check));
    if (!keys_.token_display().empty())
      handed_on_.insert_or_assign(check, HandedOn{kek.copy(), clock_.monotonic()});
    return {};
  }

  Result<u128> check_of(KeyVersion version) const {
    for (const KeyStore::Listing& key : keys_.list())
      if (key.name == epoch_key && key.version == version && key.check != 0) return key.check;
    return kek_check(TRY(keys_.get(epoch_key, version)).secret);
  }

  std::optional<KeyVersion> find_kek(u128 check) const {
    for (const KeyStore::Listing& key : keys_.list()) {
      if (key.name != epoch_key) continue;
      if (key.check == check) return key.version;
      const Result<KeyStore::Key> held = keys_.get(epoch_key, key.version);
      if (held && kek_check(held->secret) == check) return key.version;
    }
    return std::nullopt;
  }

  Status take_check() {
    if (place_.turns != 0) check_ = TRY(check_of(KeyVersion{file_.epoch()}));
    return {};
  }

  /// After an error with the epoch unchanged, the old table stands.
  Status replace(KeyVersion next, const SubjectRows::Rewrapped& all, const KeyPlace& place) {
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

  io::Entropy& entropy_;
  KeyStore& keys_;
  io::Clock& clock_;
  KeyFile file_;
  SubjectRows rows_;
  ResidentRows resident_;
  KeyPlace place_;
  struct HandedOn {
    crypto::Secret kek;
    io::MonotonicTime since;
  };
  std::map<u128, HandedOn> handed_on_;  // of those in a token
  u128 check_{};                        // of the KEK in use; of none before the first turn
  std::vector<KeyRow> buffered_;        // folded in, not yet durable here

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
                                                         KeyStore& keys, io::Clock& clock) {
  auto table = std::make_unique<FoldedKeyTable>(context, keys, clock);
  TRY(table->start());
  return Result<std::unique_ptr<CellKeyTable>>(std::move(table));
}

}  // namespace meridian::storage
