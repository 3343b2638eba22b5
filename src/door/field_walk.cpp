#include "door/internal/field_walk.h"

#include "base/assert.h"

namespace meridian::door::internal {

void FieldWalk::enter() {
  begin_of_name_ = path_.size();
  if (levels_.empty()) {
    place_ = {root_, root_ == nullptr ? nullptr : &root_->rule, false};
    return;
  }
  Level& outer = levels_.back();
  const FieldNode* node = nullptr;
  if (outer.is_array) {
    if (outer.place.node != nullptr) node = outer.place.node->items.get();
    path_ += '/';
    path_ += std::to_string(outer.count++);
  } else {
    if (outer.place.node != nullptr) node = outer.place.node->member(key_);
    append_escaped(path_, key_);
  }
  place_ = {node, node == nullptr ? outer.place.rule : &node->rule, outer.place.is_personal()};
}

void FieldWalk::push(bool is_array) { levels_.push_back({place_, is_array, 0, begin_of_name_}); }

void FieldWalk::pop() {
  ASSERT(!levels_.empty());
  place_ = levels_.back().place;
  path_.resize(levels_.back().begin_of_name);
  levels_.pop_back();
}

std::string FieldWalk::resolve(const std::vector<std::string>& pattern) const {
  std::string out;
  auto list = levels_.begin();
  for (const std::string& name : pattern) {
    if (name != "*") {
      append_escaped(out, name);
      continue;
    }
    while (list != levels_.end() && !list->is_array) ++list;
    ASSERT(list != levels_.end());  // read_field_rules
    out += '/';
    out += std::to_string(list->count - 1);
    ++list;
  }
  return out;
}

}  // namespace meridian::door::internal
