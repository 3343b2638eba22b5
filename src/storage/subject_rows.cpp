#include "storage/internal/subject_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "storage/internal/key_rows.h"

namespace meridian::storage {
namespace {

const crypto::WrappedKey& wrapped_in(const KeyRow& row) {
  return row.retention == commit_row ? row.commit : row.seal;
}

KeyRow key_row(u128 subject, const SubjectRows::Row& key) {
  KeyRow row{.subject = subject, .retention = key.retention, .version = key.version};
  (key.retention == commit_row ? row.commit : row.seal) = key.wrapped;
  return row;
}

}  // namespace

const SubjectRows::Row* SubjectRows::Subject::find(std::uint8_t retention,
                                                   std::uint32_t version) const {
  for (const Row& row : rows)
    if (row.retention == retention && row.version == version) return &row;
  return nullptr;
}

// --- the fold ---

bool SubjectRows::take_in(const KeyRow& row) {
  switch (row.kind) {
    case RowKind::key: return row.retention == forgotten_row ? forget(row.subject) : take_key(row);
    case RowKind::retention_class: return define(class_in(row));
    case RowKind::jurisdiction:
      return keeping_.residency().add(row.retention, jurisdiction_in(row), region_in(row));
    case RowKind::residency_key:
      return keeping_.residency().set_key(row.retention, row.version, residency_key_in(row));
    case RowKind::residency_turn:
      return keeping_.residency().begin_turn(row.retention, row.version);
    case RowKind::hold: return keeping_.place(hold_in(row));
    case RowKind::release: return keeping_.release(row.subject, released_in(row));
    case RowKind::wish: {
      Subject& subject = subjects_[row.subject];
      if (subject.forgotten || subject.wish) return false;
      subject.wish = wished_on(row);
      return true;
    }
    case RowKind::gone: return remove(row.subject, {row.retention, row.version});
    case RowKind::expired: return expire(row.retention, row.version);
  }
  return false;
}

/// What is sealed already stays as it is, so a class with keys gets no jurisdiction any more.
bool SubjectRows::define(const RetentionClass& retention) {
  return keeping_.define(retention, retention.residency != 0 && has_keys(retention.retention));
}

bool SubjectRows::has_keys(std::uint8_t retention) const {
  const auto first = turns_.lower_bound({retention, 0});
  return first != turns_.end() && first->first.first == retention;
}

bool SubjectRows::needs(const Jurisdiction& jurisdiction, std::uint32_t turn) const {
  if (turn >= jurisdiction.keys.size()) return false;
  return turn == jurisdiction.turn() ||
         std::ranges::any_of(keeping_.classes(), [&](const auto& one) {
           return one.second.residency == jurisdiction.number && turns_.contains({one.first, turn});
         });
}

void SubjectRows::count_in(const Row& row) {
  if (row.retention < forgotten_row) ++turns_[{row.retention, turn_of(row.version)}];
}

void SubjectRows::count_out(const Row& row) {
  if (row.retention >= forgotten_row) return;
  const auto at = turns_.find({row.retention, turn_of(row.version)});
  ASSERT(at != turns_.end());
  if (--at->second == 0) turns_.erase(at);
}

bool SubjectRows::take_key(const KeyRow& row) {
  Subject& subject = subjects_[row.subject];
  if (subject.forgotten) return false;
  const Row taken{row.version, epoch_, row.retention, wrapped_in(row)};
  for (Row& known : subject.rows) {
    if (known.retention != row.retention || known.version != row.version) continue;
    if (known.wrapped == taken.wrapped && known.epoch == epoch_) return false;
    known = taken;
    return true;
  }
  subject.rows.push_back(taken);
  ++size_;
  count_in(taken);
  return true;
}

bool SubjectRows::is_held(u128 subject) const {
  if (keeping_.holds(subject).empty()) return false;
  const Subject* known = find(subject);
  return known != nullptr && std::ranges::any_of(known->rows, [&](const Row& row) {
           return row.retention != commit_row && keeping_.hold_on(subject, row.retention);
         });
}

bool SubjectRows::forget(u128 subject) {
  if (is_held(subject)) return false;
  Subject& keys = subjects_[subject];
  if (keys.forgotten) return false;
  take_rows(keys, [](const Row&) { return true; });
  keys = {.rows = {}, .forgotten = true, .wish = {}, .gone = {}};
  return true;
}

/// K_commit serves the keys that seal: it goes with the last of them.
void SubjectRows::drop_unneeded_commit(Subject& keys) {
  if (std::ranges::any_of(keys.rows, [](const Row& row) { return row.retention < commit_row; }))
    return;
  take_rows(keys, [](const Row&) { return true; });
}

bool SubjectRows::remove(u128 subject, const KeyName& key) {
  if (keeping_.hold_on(subject, key.retention) != nullptr) return false;
  Subject& keys = subjects_[subject];
  if (keys.forgotten || std::ranges::find(keys.gone, key) != keys.gone.end()) return false;
  keys.gone.push_back(key);
  take_rows(keys, [&](const Row& row) {
    return row.retention == key.retention && row.version == key.version;
  });
  drop_unneeded_commit(keys);
  return true;
}

std::size_t SubjectRows::take_expired(u128 subject, Subject& keys, std::uint8_t retention,
                                      std::uint32_t through) {
  const std::size_t before = keys.rows.size();
  if (keeping_.hold_on(subject, retention) != nullptr) return 0;
  const std::size_t gone = take_rows(keys, [&](const Row& row) {
    return row.retention == retention && keeping_.is_through(retention, row.version, through);
  });
  if (gone != 0) drop_unneeded_commit(keys);
  return before - keys.rows.size();
}

/// Again through the same one takes what was held then.
bool SubjectRows::expire(std::uint8_t retention, std::uint32_t through) {
  bool is_changed = keeping_.expire(retention, through);
  for (auto at = subjects_.begin(); at != subjects_.end();) {
    Subject& keys = at->second;
    if (take_expired(at->first, keys, retention, through) != 0) is_changed = true;
    const bool is_nothing = keys.rows.empty() && !keys.forgotten && !keys.wish && keys.gone.empty();
    const auto now = at++;
    if (is_nothing) subjects_.erase(now);
  }
  return is_changed;
}

std::size_t SubjectRows::keys_destroyed_by(const KeyRow& row) const {
  const auto left = [](const Subject& keys, const auto& goes) -> std::size_t {
    const auto gone = static_cast<std::size_t>(std::ranges::count_if(keys.rows, goes));
    const bool is_last = gone != 0 && std::ranges::all_of(keys.rows, [&](const Row& one) {
                           return one.retention == commit_row || goes(one);
                         });
    return is_last ? keys.rows.size() : gone;
  };
  const Subject* known = find(row.subject);
  switch (row.kind) {
    case RowKind::key:
      return row.retention == forgotten_row && known != nullptr && !is_held(row.subject)
                 ? known->rows.size()
                 : 0;
    case RowKind::gone:
      if (known == nullptr || keeping_.hold_on(row.subject, row.retention) != nullptr) return 0;
      return left(*known, [&](const Row& one) {
        return one.retention == row.retention && one.version == row.version;
      });
    case RowKind::expired: {
      std::size_t count = 0;
      for (const auto& [id, keys] : subjects_)
        if (keeping_.hold_on(id, row.retention) == nullptr)
          count += left(keys, [&](const Row& one) {
            return one.retention == row.retention &&
                   keeping_.is_through(row.retention, one.version, row.version);
          });
      return count;
    }
    case RowKind::retention_class:
    case RowKind::hold:
    case RowKind::release:
    case RowKind::wish:
    case RowKind::jurisdiction:
    case RowKind::residency_key:
    case RowKind::residency_turn: return 0;
  }
  return 0;
}

// --- keys ---

void SubjectRows::take_out(const KeyRow& row) {
  const auto found = subjects_.find(row.subject);
  if (found == subjects_.end()) return;
  take_rows(found->second, [&](const Row& one) {
    return one.retention == row.retention && one.version == row.version;
  });
  if (found->second.rows.empty() && !found->second.forgotten) subjects_.erase(found);
}

Result<KeyRow> SubjectRows::make(u128 subject, const KeyName& name, io::Entropy& entropy,
                                 const crypto::KeyWrapper& kek) {
  std::array<Byte, crypto::aead_key_size> fresh;
  entropy.fill(fresh);
  crypto::Secret key{Bytes(fresh)};
  crypto::cleanse(fresh);
  KeyRow row{.subject = subject, .retention = name.retention, .version = name.version};
  (name.retention == commit_row ? row.commit : row.seal) = TRY(kek.wrap(key.bytes()));
  cache_.put(subject, name, std::move(key));
  take_in(row);
  return row;
}

const crypto::KeyWrapper& SubjectRows::kek_of(const Row& row, const Keks& keks) const {
  if (row.epoch == epoch_) return *keks.now;
  ASSERT(keks.before != nullptr);
  return *keks.before;
}

Result<Bytes> SubjectRows::unwrapped(u128 subject, const Row& row, const Keks& keks) {
  const KeyName name{row.retention, row.version};
  if (Bytes cached = cache_.find(subject, name); !cached.empty()) return cached;
  Result<crypto::Secret> key = kek_of(row, keks).unwrap(row.wrapped);
  if (!key)
    return with_context(std::move(key).error(),
                        fmt::format("the subject {:016x}{:016x}", high64(subject), low64(subject)));
  return cache_.put(subject, name, *std::move(key));
}

Result<SubjectKeyring::SubjectKeys> SubjectRows::keys_of(u128 subject, std::uint8_t retention,
                                                         std::uint32_t version, const Keks& keks) {
  const Subject* known = find(subject);
  const Row* seal = known == nullptr ? nullptr : known->find(retention, version);
  const Row* commit = known == nullptr ? nullptr : known->find(commit_row, 1);
  if (seal == nullptr || commit == nullptr || retention >= forgotten_row)
    return fail(
        Code::not_found,
        fmt::format("no key of subject {:016x}{:016x} for retention class {}, version "
                    "{}{}",
                    high64(subject), low64(subject), retention, version,
                    known != nullptr && known->forgotten ? ": the subject was forgotten" : ""));
  const Bytes commit_key = TRY(unwrapped(subject, *commit, keks));
  return SubjectKeyring::SubjectKeys{seal->version, TRY(unwrapped(subject, *seal, keks)),
                                     commit_key};
}

std::shared_ptr<const SubjectRows::Saved> SubjectRows::save() const {
  return std::make_shared<const Saved>(Saved{subjects_, keeping_, size_, epoch_, turns_});
}

void SubjectRows::restore(const Saved& saved) {
  subjects_ = saved.subjects;
  keeping_ = saved.keeping;
  size_ = saved.size;
  turns_ = saved.turns;
  epoch_ = saved.epoch;
}

bool SubjectRows::has(const KeyRow& row) const {
  const Subject* known = find(row.subject);
  const Row* key = known == nullptr ? nullptr : known->find(row.retention, row.version);
  return key != nullptr && key->wrapped == wrapped_in(row) && key->epoch == epoch_;
}

const SubjectRows::Subject* SubjectRows::find(u128 subject) const {
  const auto found = subjects_.find(subject);
  return found == subjects_.end() ? nullptr : &found->second;
}

bool SubjectRows::is_forgotten(u128 subject) const {
  const Subject* known = find(subject);
  return known != nullptr && known->forgotten;
}

std::vector<std::uint8_t> SubjectRows::classes(u128 subject) const {
  std::vector<std::uint8_t> classes;
  const Subject* known = find(subject);
  if (known == nullptr) return classes;
  for (const Row& row : known->rows)
    if (row.retention != commit_row) classes.push_back(row.retention);
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  return classes;
}

bool SubjectRows::is_erased(u128 subject, const KeyName& key) const {
  const Subject* known = find(subject);
  if (known != nullptr &&
      (known->forgotten || std::ranges::find(known->gone, key) != known->gone.end()))
    return true;
  return keeping_.is_expired(key.retention, key.version);
}

ForgetPlan SubjectRows::plan(u128 subject) const {
  const Day now = today();
  ForgetPlan plan;
  const Subject* known = find(subject);
  if (known == nullptr) return plan;
  for (const Row& row : known->rows) {
    if (row.retention == commit_row) continue;
    KeptKey kept{{row.retention, row.version}, {}, 0};
    if (const RetentionClass* retention = keeping_.find(row.retention);
        retention != nullptr && !retention->keep.is_zero())
      kept.until = kept_until(row.version, *retention);
    if (const Hold* hold = keeping_.hold_on(subject, row.retention)) kept.hold = hold->id;
    if (kept.hold != 0 || (kept.until && *kept.until > now))
      plan.kept.push_back(kept);
    else
      plan.now.push_back(kept.key);
  }
  std::ranges::sort(plan.now);
  std::ranges::sort(plan.kept, {}, &KeptKey::key);
  return plan;
}

DueKeys SubjectRows::due(std::size_t subjects_max) const {
  DueKeys due;
  for (const auto& [retention, definition] : keeping_.classes()) {
    const auto through = keeping_.due_through(retention, today());
    if (!through) continue;
    const std::size_t keys = keys_destroyed_by(expired_row(retention, *through));
    if (keys != 0) due.classes.push_back({retention, *through, static_cast<std::uint32_t>(keys)});
  }
  for (const auto& [id, keys] : subjects_) {
    if (due.subjects.size() == subjects_max) break;
    if (!keys.wish) continue;
    const ForgetPlan now = plan(id);
    if (!now.now.empty() || now.kept.empty()) due.subjects.push_back(id);
  }
  std::ranges::sort(due.subjects);
  return due;
}

SubjectState SubjectRows::state(u128 subject) const {
  SubjectState state{.holds = keeping_.holds(subject)};
  const Subject* known = find(subject);
  if (known == nullptr) return state;
  state.is_forgotten = known->forgotten;
  state.wish = known->wish;
  for (const Row& row : known->rows)
    if (row.retention != commit_row) state.keys.push_back({row.retention, row.version});
  std::ranges::sort(state.keys);
  return state;
}

/// In an order in which nothing takes away what comes after it.
std::vector<KeyRow> SubjectRows::marks() const {
  std::vector<KeyRow> marks;
  for (const auto& [number, one] : keeping_.residency().all()) {
    for (const std::string& region : one.regions)
      marks.push_back(jurisdiction_row(number, one.name, region));
    for (std::uint32_t turn = 0; turn < one.next_turn(); ++turn) {
      if (turn != 0) marks.push_back(residency_turn_row(number, turn));
      marks.push_back(residency_key_row(number, turn, one.keys[turn]));
    }
    if (one.is_turning) marks.push_back(residency_turn_row(number, one.next_turn()));
  }
  for (const auto& [number, retention] : keeping_.classes()) marks.push_back(row_of(retention));
  for (const auto& [retention, through] : keeping_.expired())
    marks.push_back(expired_row(retention, through));
  for (const auto& [id, subject] : subjects_) {
    if (subject.forgotten) marks.push_back(forgotten_mark(id));
    if (subject.wish) marks.push_back(wish_row(id, *subject.wish));
    for (const KeyName& key : subject.gone) marks.push_back(gone_row(id, key));
  }
  for (const Hold& hold : keeping_.holds()) marks.push_back(row_of(hold));
  return marks;
}

std::vector<u128> SubjectRows::subjects() const {
  std::vector<u128> subjects;
  subjects.reserve(subjects_.size());
  for (const auto& [id, subject] : subjects_)
    if (!subject.rows.empty()) subjects.push_back(id);
  return subjects;
}

Status SubjectRows::wrap_now(u128 subject, const Keks& keks, std::vector<KeyRow>& out) {
  const auto found = subjects_.find(subject);
  if (found == subjects_.end()) return {};
  for (Row& row : found->second.rows) {
    if (row.epoch != epoch_) {
      const crypto::Secret key = TRY(kek_of(row, keks).unwrap(row.wrapped));
      row.wrapped = TRY(keks.now->wrap(key.bytes()));
      row.epoch = epoch_;
    }
    out.push_back(key_row(subject, row));
  }
  return {};
}

SubjectRows::All SubjectRows::all() const {
  All all{marks(), {}};
  all.rows.reserve(size_);
  for (const auto& [id, subject] : subjects_)
    for (const Row& row : subject.rows) all.rows.push_back(key_row(id, row));
  return all;
}

void SubjectRows::clear() {
  subjects_.clear();
  keeping_.clear();
  size_ = 0;
  turns_.clear();
  cache_.clear();
}

Status SubjectRows::may_seal(u128 subject) const {
  const Subject* known = find(subject);
  if (known == nullptr) return {};
  if (known->forgotten) return forgotten_subject(subject);
  if (known->wish)
    return fail(Code::failed_precondition,
                fmt::format("subject {:016x}{:016x} is to be forgotten since {}: what must be kept "
                            "of it is, and nothing new is sealed",
                            high64(subject), low64(subject), to_text(*known->wish)));
  return {};
}

Error forgotten_subject(u128 subject) {
  return fail(Code::failed_precondition,
              fmt::format("subject {:016x}{:016x} was forgotten: its keys are destroyed and no "
                          "new ones are made",
                          high64(subject), low64(subject)));
}

}  // namespace meridian::storage
