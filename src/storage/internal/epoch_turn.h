// A turn of the epoch of a table that is used meanwhile: keys are wrapped under the next KEK some
// at a time, and written beside the file whose place they take at the end (docs/decisions/0041).
//
//   begun     marks as they stand; from now on new keys are under the next KEK
//   go_on     the next keys, as they stand then
//   finish    what changed since it was begun, in its order; then the name, and the KEK of before
//             is destroyed
//
// A crash before the end leaves the old file, which knows nothing of the turn: it is folded in
// again. Owned by the table's thread.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "storage/internal/key_file.h"
#include "storage/internal/subject_rows.h"

namespace meridian::storage {

class EpochTurn {
 public:
  struct Into {
    KeyVersion kek;
    u128 check;
    KeyPlace place;  ///< Behind the record of the turn, and that turn's number.
  };

  /// `rows` are in the next epoch from here on.
  EpochTurn(const Into& into, Keks keks, SubjectRows& rows);

  const Into& into() const { return into_; }
  const Keks& keks() const { return keks_; }

  /// About `count` more keys, without those that are `left_out`. True once there are no more.
  /// Errors: of the disk: on a full one the next call begins with the first key again.
  Result<bool> go_on(std::size_t count, KeyFile& file,
                     const std::function<bool(const KeyRow&)>& left_out);
  /// With what changed since, all below `place` being in the table. Errors: as KeyFile::replace;
  /// on a full disk go_on() is next.
  Status finish(KeyFile& file, std::span<const KeyRow> changed, const KeyPlace& place);
  bool is_in_place() const { return is_in_place_; }

 private:
  static constexpr std::size_t sync_rows = 65'536;

  Status begin(KeyFile& file);
  Status add(std::span<const KeyRow> rows);

  Into into_;
  Keks keks_;
  SubjectRows& rows_;
  std::vector<KeyRow> marks_;
  std::vector<u128> subjects_;
  std::size_t next_ = 0;
  std::size_t unsynced_ = 0;
  std::optional<KeyFile::Successor> file_;
  bool is_in_place_ = false;
};

}  // namespace meridian::storage
