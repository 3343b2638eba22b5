#include "replica/resupply.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <tuple>

#include "base/assert.h"

namespace meridian::replica {

Resupply::Resupply(const Parts& parts, std::uint64_t self, const consensus::Membership& members,
                   std::unique_ptr<RaftStore> store, storage::InDoubtMark mark, LogPosition applied,
                   const std::vector<consensus::LogEntry>& log, std::uint64_t nonce,
                   std::function<void(Result<Outcome>)> done)
    : parts_(parts),
      self_(self),
      members_(members),
      store_(std::move(store)),
      mark_(std::move(mark)),
      applied_(applied),
      nonce_(nonce),
      done_(std::move(done)) {
  for (const consensus::LogEntry& entry : log) {
    ASSERT(entry.index == last_index() + 1);
    terms_.push_back(entry.term);
  }
  const auto on_executor = [this](void (Resupply::*call)(std::uint64_t, const io::Parts&)) {
    return [this, alive = lifetime_.token(), call](std::uint64_t from, io::Parts message) {
      parts_.executor.post([this, alive, call, from, message = std::move(message)] {
        if (*alive) (this->*call)(from, message);
      });
    };
  };
  parts_.peers.on(PeerTag::log_request, on_executor(&Resupply::answer));
  parts_.peers.on(PeerTag::log_answer, on_executor(&Resupply::receive));
}

Resupply::~Resupply() {
  lifetime_.end();
  parts_.peers.on(PeerTag::log_request, nullptr);
  parts_.peers.on(PeerTag::log_answer, nullptr);
}

std::uint64_t Resupply::term_at(std::uint64_t index) const {
  if (index == applied_.index) return applied_.term;
  if (index < applied_.index || index > last_index()) return 0;
  return terms_[index - applied_.index - 1];
}

void Resupply::start() {
  parts_.executor.post([this, alive = lifetime_.token()] {
    if (*alive) ask();
  });
}

void Resupply::ask() {
  if (ended_) return;
  if (supplier_ && ++silent_rounds_ > silence_max) {
    supplier_.reset();
    answers_.clear();
  }
  if (supplier_) {
    fetch();
  } else {
    // Also those that joined after this replica's state: one of them may lead.
    const std::vector<std::uint64_t> known = parts_.peers.known();
    std::set<std::uint64_t> asked(known.begin(), known.end());
    asked.insert(members_.voters.begin(), members_.voters.end());
    asked.insert(members_.outgoing.begin(), members_.outgoing.end());
    asked.erase(self_);
    for (const std::uint64_t id : asked) parts_.peers.send(id, io::Channel::control, question(0));
    choose();  // alone, there is nobody to wait for
  }
  parts_.executor.post_after(ask_period, [this, alive = lifetime_.token()] {
    if (*alive) ask();
  });
}

/// To another in doubt: how this log stands, and what it holds. It does not change meanwhile but by
/// being supplied, and then this replica leaves the doubt.
void Resupply::answer(std::uint64_t from, const io::Parts& question) {
  const Result<LogRequest> request = decode_log_request(question);
  if (!request) return;
  LogAnswer out{request->nonce, true, {}};
  out.piece.term = store_->hard_state().term;
  out.piece.first_index = applied_.index + 1;
  out.piece.last = {last_index(), term_at(last_index())};
  if (request->first > 0) out.piece.prev_term = term_at(request->first - 1);
  if (request->first > applied_.index && request->first <= last_index()) {
    Result<std::vector<consensus::LogEntry>> read =
        store_->read(request->first, last_index(), log_answer_bytes_max);
    if (!read) return end(read.error());
    out.piece.entries = std::move(*read);
  }
  parts_.peers.send(from, io::Channel::bulk, encode_log_answer(out));
}

void Resupply::receive(std::uint64_t from, const io::Parts& parts) {
  Result<LogAnswer> decoded = decode_log_answer(parts);
  // Late or doubled answers to another question would say something wrong about this one.
  if (ended_ || !decoded || decoded->nonce != nonce_ + (supplier_ ? next_ : 0)) return;
  if (!supplier_) {
    decoded->piece.entries.clear();
    answers_[from] = std::move(*decoded);
    return choose();
  }
  if (from != supplier_->peer) return;
  silent_rounds_ = 0;
  if (Status taken = take(*decoded); !taken) return end(taken.error());
}

void Resupply::choose() {
  const std::uint64_t own_term = store_->hard_state().term;
  for (const auto& [peer, answer] : answers_)
    if (answer.piece.leads && answer.piece.term >= own_term)
      return supply_from(peer, answer.piece.term, answer.piece.last.index);
  choose_longest();
}

/// Nobody leads, and those free of doubt are too few to elect anybody: then no log changes, and the
/// longest of all voters' holds whatever was acknowledged, as long as no entry lost more than one
/// copy. All must have answered.
void Resupply::choose_longest() {
  std::size_t free = 0;
  std::uint64_t term = store_->hard_state().term;
  std::tuple<std::uint64_t, std::uint64_t, std::uint64_t> best{term_at(last_index()), last_index(),
                                                               self_};
  for (const auto* ids : {&members_.voters, &members_.outgoing})
    for (const std::uint64_t id : *ids) {
      if (id == self_) continue;
      const auto found = answers_.find(id);
      if (found == answers_.end()) return;
      const LogAnswer& answer = found->second;
      if (answer.piece.leads) return;  // of an older term: it will hear of ours
      if (!answer.in_doubt && ids == &members_.voters) ++free;
      term = std::max(term, answer.piece.term);
      best = std::max(best, {answer.piece.last.term, answer.piece.last.index, id});
    }
  if (free * 2 > members_.voters.size()) return;  // they will elect one
  parts_.notice(
      "no leader can be elected without replicas in doubt: the longest log of all voters counts");
  const auto [last_term, until, peer] = best;
  if (peer == self_) return finish();
  supply_from(peer, term, until);
}

void Resupply::supply_from(std::uint64_t peer, std::uint64_t term, std::uint64_t until) {
  supplier_ = Supplier{peer, term, until};
  silent_rounds_ = 0;
  next_ = std::min(last_index(), until) + 1;
  parts_.notice(
      fmt::format("replica {} supplies this replica's log again, up to entry {}", peer, until));
  fetch();
}

io::Parts Resupply::question(std::uint64_t first) const {
  return encode_log_request({nonce_ + first, first});
}

void Resupply::fetch() {
  parts_.peers.send(supplier_->peer, io::Channel::control, question(next_));
}

Status Resupply::take(const LogAnswer& answer) {
  const consensus::RaftNode::LogPiece& piece = answer.piece;
  if (next_ < piece.first_index) {
    end(Outcome{supplier_->peer});
    return {};
  }
  if (!piece.entries.empty() && piece.entries.front().index != next_)
    return {};  // no answer to what was asked
  if (piece.prev_term != term_at(next_ - 1)) {
    // Ours is another history there; below the checkpoint all are the same.
    if (next_ == applied_.index + 1)
      return fail(Code::data_loss,
                  fmt::format("replica {} has another entry {} than the one this replica's state "
                              "was made of: keep these files, and replace one of the two",
                              supplier_->peer, applied_.index));
    next_ = applied_.index + 1;
    fetch();
    return {};
  }
  // What is here and the same stays as it is: others in doubt may need it meanwhile.
  std::span<const consensus::LogEntry> entries = piece.entries;
  while (!entries.empty() && term_at(next_) == entries.front().term) {
    entries = entries.subspan(1);
    ++next_;
  }
  if (!entries.empty()) {
    // The term first: entries must never be of a later one than the replica's own.
    consensus::HardState state = store_->hard_state();
    const std::uint64_t term = std::max(supplier_->term, entries.back().term);
    const bool is_newer = term > state.term;
    if (is_newer) state = {term, 0, state.commit};
    TRY(store_->append(is_newer ? &state : nullptr, entries));
    terms_.resize(next_ - applied_.index - 1);
    for (const consensus::LogEntry& entry : entries) terms_.push_back(entry.term);
    next_ = last_index() + 1;
  }
  if (next_ > supplier_->until) {
    finish();
  } else if (!piece.entries.empty()) {
    fetch();
  }
  return {};
}

void Resupply::finish() {
  if (Status cleared = mark_.clear(); !cleared) return end(cleared.error());
  parts_.notice(fmt::format("the log is whole again up to entry {}", last_index()));
  end(Outcome{});
}

void Resupply::end(Result<Outcome> outcome) {
  if (std::exchange(ended_, true)) return;
  done_(std::move(outcome));
}

}  // namespace meridian::replica
