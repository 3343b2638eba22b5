// Requests under way, in the order in which their answers are wanted, and answers that came early.
//
// Bounded by the number of requests. One thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "replica/state_copy.h"

namespace meridian::replica {

class PieceWindow {
 public:
  struct Place {
    PieceRequest request;
    bool asked = false;
    bool arrived = false;
    Buffer piece{};
    std::string peer{};

    /// Not asked, as if nothing had come.
    void reset() {
      asked = arrived = false;
      piece.clear();
    }
  };

  explicit PieceWindow(std::size_t size) : size_(size) {}

  bool is_full() const { return places_.size() >= size_; }
  bool empty() const { return places_.empty(); }
  void plan(const PieceRequest& request) { places_.push_back({.request = request}); }
  /// The first one that nobody was asked for.
  std::optional<PieceRequest> ask() {
    for (Place& place : places_) {
      if (place.asked) continue;
      place.asked = true;
      return place.request;
    }
    return std::nullopt;
  }
  /// Null if it was not asked for, or came before.
  Place* find(const PieceRequest& request) {
    for (Place& place : places_)
      if (place.request == request && place.asked && !place.arrived) return &place;
    return nullptr;
  }
  /// The one wanted next, once its answer is here; else null.
  Place* next_arrived() {
    return !places_.empty() && places_.front().arrived ? &places_.front() : nullptr;
  }
  void pop() { places_.pop_front(); }

 private:
  const std::size_t size_;
  std::deque<Place> places_;
};

}  // namespace meridian::replica
