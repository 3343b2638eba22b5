// A checkpoint on its way through the witnesses, and the ones that came back.
//
// Values without threads; owned by Witnessing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "proof/note.h"

namespace meridian::witness::internal {

struct Round {
  proof::Note note;  ///< As the log signed it, then one line per witness.
  std::uint64_t size = 0;
  std::size_t cosigned = 0;
};

/// For each number of witnesses the newest checkpoint that so many cosigned.
class BestRounds {
 public:
  explicit BestRounds(std::size_t witnesses) : best_(witnesses) {}

  void add(const std::shared_ptr<Round>& round) {
    for (std::size_t count = 0; count < std::min(round->cosigned, best_.size()); ++count)
      if (!best_[count] || best_[count]->size <= round->size) best_[count] = round;
  }
  /// Covering `record`, cosigned by at least `count` (1 or more) witnesses; by as many as there is.
  const Round* find(std::uint64_t record, std::size_t count) const {
    for (std::size_t n = best_.size(); n >= count; --n)
      if (best_[n - 1] && best_[n - 1]->size > record) return best_[n - 1].get();
    return nullptr;
  }
  const Round* find(std::string_view text) const {
    for (std::size_t n = best_.size(); n > 0; --n)
      if (best_[n - 1] && best_[n - 1]->note.text == text) return best_[n - 1].get();
    return nullptr;
  }

 private:
  std::vector<std::shared_ptr<Round>> best_;
};

}  // namespace meridian::witness::internal
