#include "storage/internal/subject_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "storage/internal/key_rows.h"

namespace meridian::storage {

const KeyRow* SubjectRows::Subject::find(std::uint8_t retention, std::uint32_t version) const {
  for (const KeyRow& row : rows)
    if (row.retention == retention && row.version == version) return &row;
  return nullptr;
}

const KeyRow* SubjectRows::Subject::newest(std::uint8_t retention) const {
  const KeyRow* newest = nullptr;
  for (const KeyRow& row : rows)
    if (row.retention == retention && (newest == nullptr || row.version > newest->version))
      newest = &row;
  return newest;
}

void SubjectRows::take_in(const KeyRow& row) {
  Subject& subject = subjects_[row.subject];
  if (row.retention == forgotten_row) {
    size_ -= subject.rows.size();
    subject = {{}, true};
    return;
  }
  if (subject.forgotten) return;
  for (KeyRow& known : subject.rows) {
    if (known.retention != row.retention || known.version != row.version) continue;
    known = row;
    return;
  }
  subject.rows.push_back(row);
  ++size_;
}

void SubjectRows::take_out(const KeyRow& row) {
  const auto found = subjects_.find(row.subject);
  if (found == subjects_.end()) return;
  std::vector<KeyRow>& rows = found->second.rows;
  size_ -= std::erase_if(rows, [&](const KeyRow& one) {
    return one.retention == row.retention && one.version == row.version;
  });
  if (rows.empty() && !found->second.forgotten) subjects_.erase(found);
}

Result<KeyRow> SubjectRows::make(u128 subject, std::uint8_t retention, io::Entropy& entropy,
                                 const crypto::KeyWrapper& kek) {
  std::array<Byte, crypto::aead_key_size> fresh;
  entropy.fill(fresh);
  crypto::Secret key{Bytes(fresh)};
  crypto::cleanse(fresh);
  KeyRow row{.subject = subject, .retention = retention, .version = 1};
  (retention == commit_row ? row.commit : row.seal) = TRY(kek.wrap(key.bytes()));
  cache_.put(row, std::move(key));
  take_in(row);
  return row;
}

Result<Bytes> SubjectRows::unwrapped(const KeyRow& row, const crypto::KeyWrapper& kek) {
  if (Bytes cached = cache_.find(row); !cached.empty()) return cached;
  Result<crypto::Secret> key = kek.unwrap(row.retention == commit_row ? row.commit : row.seal);
  if (!key)
    return with_context(
        std::move(key).error(),
        fmt::format("the subject {:016x}{:016x}", high64(row.subject), low64(row.subject)));
  return cache_.put(row, *std::move(key));
}

Result<SubjectKeyring::SubjectKeys> SubjectRows::keys_of(u128 subject, std::uint8_t retention,
                                                         std::uint32_t version,
                                                         const crypto::KeyWrapper& kek) {
  const Subject* known = find(subject);
  const KeyRow* seal = known == nullptr ? nullptr : known->find(retention, version);
  const KeyRow* commit = known == nullptr ? nullptr : known->find(commit_row, 1);
  if (seal == nullptr || commit == nullptr || retention >= forgotten_row)
    return fail(
        Code::not_found,
        fmt::format("no key of subject {:016x}{:016x} for retention class {}, version "
                    "{}{}",
                    high64(subject), low64(subject), retention, version,
                    known != nullptr && known->forgotten ? ": the subject was forgotten" : ""));
  const Bytes commit_key = TRY(unwrapped(*commit, kek));
  return SubjectKeyring::SubjectKeys{seal->version, TRY(unwrapped(*seal, kek)), commit_key};
}

std::vector<KeyRow> SubjectRows::forget(u128 subject) {
  Subject keys = std::exchange(subjects_[subject], Subject{{}, true});
  size_ -= keys.rows.size();
  return std::move(keys.rows);
}

void SubjectRows::restore(u128 subject, std::vector<KeyRow> rows) {
  size_ += rows.size();
  subjects_[subject] = {std::move(rows), false};
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
  for (const KeyRow& row : known->rows)
    if (row.retention != commit_row) classes.push_back(row.retention);
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  return classes;
}

SubjectRows::Rewrapped SubjectRows::all() const {
  Rewrapped out;
  out.rows.reserve(size_);
  for (const auto& [id, subject] : subjects_) {
    if (subject.forgotten) out.marks.push_back({.subject = id, .retention = forgotten_row});
    out.rows.insert(out.rows.end(), subject.rows.begin(), subject.rows.end());
  }
  return out;
}

Result<SubjectRows::Rewrapped> SubjectRows::rewrapped(const crypto::KeyWrapper& old_kek,
                                                      const crypto::KeyWrapper& new_kek) const {
  Rewrapped out = all();
  for (KeyRow& row : out.rows) row = TRY(rewrap(row, old_kek, new_kek));
  return out;
}

void SubjectRows::renew(const std::vector<KeyRow>& rows) {
  auto renewed = rows.begin();
  for (auto& [id, subject] : subjects_)
    for (KeyRow& row : subject.rows) row = *renewed++;
  ASSERT(renewed == rows.end());
}

void SubjectRows::clear() {
  subjects_.clear();
  size_ = 0;
  cache_.clear();
}

Error forgotten_subject(u128 subject) {
  return fail(Code::failed_precondition,
              fmt::format("subject {:016x}{:016x} was forgotten: its keys are destroyed and no "
                          "new ones are made",
                          high64(subject), low64(subject)));
}

}  // namespace meridian::storage
