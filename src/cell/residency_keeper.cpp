#include "cell/residency_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace meridian::cell {
namespace {

constexpr int ticks_between_looks = 5;

using Key = storage::ResidencyKeys::Held;

bool holds(const ResidencyNews& news, const Key& key) {
  return std::ranges::find(news.keys, key) != news.keys.end();
}

Key key_of(const storage::Jurisdiction& one, std::uint32_t turn) {
  return {one.number, turn, one.keys[turn]};
}

}  // namespace

// --- what is told ---

void ResidencyKeeper::tick() {
  if (residency().all().empty()) return;
  if (ticks_++ % ticks_between_looks == 0)
    parts_.group([this, alive = lifetime_.token()](const replica::GroupState& group) {
      parts_.executor.post([this, alive, group] {
        if (*alive) group_ = group;
      });
    });
  destroy_unneeded();
  settle();
}

/// One in use is told before any other, so that what may be written does not hang on how many there
/// are; then candidates, of jurisdictions in their order: as these come to count, others follow.
ResidencyKeeper::Told ResidencyKeeper::own() const {
  std::vector<Key> in_use, next, older;
  for (const Key& held : keys_.held()) {
    const storage::Jurisdiction* one = residency().find(held.jurisdiction);
    if (one == nullptr) continue;
    if (held.turn >= one->keys.size()) {
      if (one->wants_key() && held.turn == one->next_turn()) next.push_back(held);
    } else if (one->keys[held.turn] == held.check && parts_.table.needs(*one, held.turn)) {
      (held.turn == one->turn() ? in_use : older).push_back(held);
    }
  }
  Told told{{fold_.end(), std::move(in_use)}, parts_.clock.monotonic()};
  std::vector<Key>& keys = told.news.keys;
  for (const std::vector<Key>& more : {next, older})
    keys.insert(keys.end(), more.begin(), more.end());
  keys.resize(std::min(keys.size(), ResidencyNews::keys_max));
  std::ranges::sort(keys, std::less<>());
  return told;
}

void ResidencyKeeper::tell() {
  if (residency().all().empty()) return;
  board_[parts_.id] = own();
  const Buffer news = encode_key_message(board_[parts_.id].news);
  for (const auto& [id, key] : parts_.exchange_keys())
    if (id != parts_.id) parts_.send(id, news);
}

void ResidencyKeeper::folded() {
  if (residency().all().empty() || std::exchange(is_telling_, true)) return;
  parts_.executor.post([this, alive = lifetime_.token()] {
    if (!*alive) return;
    is_telling_ = false;
    tell();
    settle();
  });
}

void ResidencyKeeper::receive(std::uint64_t from, ResidencyNews news) {
  board_[from] = {std::move(news), parts_.clock.monotonic()};
  settle();
}

const ResidencyKeeper::Told* ResidencyKeeper::told(std::uint64_t id) const {
  const auto found = board_.find(id);
  return found == board_.end() ? nullptr : &found->second;
}

// --- whether it may be written ---

std::vector<std::uint64_t> ResidencyKeeper::members_in(const storage::Jurisdiction& one) const {
  std::vector<std::uint64_t> members;
  for (const std::uint64_t id : group_->membership.ids())
    if (one.has(group_->region_of(id))) members.push_back(id);
  return members;
}

bool ResidencyKeeper::is_in_two_regions(const storage::Jurisdiction& one, const Key& key) const {
  std::set<std::string> regions;
  for (const std::uint64_t id : members_in(one)) {
    const Told* of = told(id);
    if (of != nullptr && is_heard(*of) && holds(of->news, key))
      regions.insert(group_->region_of(id));
  }
  return regions.size() >= 2;
}

void ResidencyKeeper::settle() {
  if (!group_) return;
  board_[parts_.id] = own();
  bool is_inside_any = false;
  for (const auto& [number, one] : residency().all()) {
    look_at(one);
    is_inside_any |= is_inside(one) && parts_.table.holds(one, one.turn());
  }
  is_inside_any_ = is_inside_any;
  go_on();
}

void ResidencyKeeper::look_at(const storage::Jurisdiction& one) {
  if (one.has_key()) look_at_state(one);
  if (one.wants_key())
    look_at_next(one);
  else
    wanted_.erase(one.number);
  if (is_inside(one)) ask_for_missing(one);
}

void ResidencyKeeper::look_at_state(const storage::Jurisdiction& one) {
  const Key in_use = key_of(one, one.turn());
  // What a region has is what the replica there that has most has; what two regions have, is what
  // the second one does.
  std::map<std::string, std::uint64_t> folded;
  for (const std::uint64_t id : members_in(one)) {
    const Told* of = told(id);
    if (of == nullptr || !holds(of->news, in_use)) continue;
    std::uint64_t& region = folded[group_->region_of(id)];
    region = std::max(region, of->news.folded);
  }
  std::vector<std::uint64_t> ends;
  for (const auto& [region, end] : folded) ends.push_back(end);
  std::ranges::sort(ends, std::greater<>());
  parts_.table.set_residency(
      one.number, {is_in_two_regions(one, in_use), ends.size() < 2 ? std::uint64_t{0} : ends[1]});
}

void ResidencyKeeper::wait(std::vector<storage::ResidencyWait> waits, GoOn go_on) {
  waiters_.push_back({std::move(waits), parts_.clock.monotonic(), std::move(go_on)});
  folded();
}

void ResidencyKeeper::go_on() {
  std::vector<std::pair<GoOn, Status>> ready;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    bool is_there = true, is_up = true;
    for (const storage::ResidencyWait& wait : waiter.waits) {
      const storage::ResidencyState state = parts_.table.residency(wait.jurisdiction);
      is_there &= state.confirmed >= wait.records;
      is_up &= state.is_up;
    }
    if (is_there || !is_up) {  // if it is not up, the table says why
      ready.emplace_back(std::move(waiter.go_on), Status());
      return true;
    }
    if (!has_passed(waiter.since, patience)) return false;
    ready.emplace_back(std::move(waiter.go_on),
                       storage::residency_unavailable(
                           "the keys of a person are not known to be in two regions of their "
                           "jurisdiction yet; nothing was done, send it again"));
    return true;
  });
  for (const auto& [call, how] : ready) call(how);
}

void ResidencyKeeper::end() {
  for (const Waiter& waiter : std::exchange(waiters_, {}))
    waiter.go_on(fail(Code::unavailable, "this replica stops: nothing was done"));
}

// --- keys ---

void ResidencyKeeper::look_at_next(const storage::Jurisdiction& one) {
  Wanted& wanted =
      wanted_.try_emplace(one.number, Wanted{one.next_turn(), parts_.clock.monotonic()})
          .first->second;
  if (wanted.turn != one.next_turn()) wanted = {one.next_turn(), parts_.clock.monotonic()};
  if (is_inside(one)) provide_candidate(one, wanted);
  propose(one, wanted);
}

std::vector<u128> ResidencyKeeper::candidates_of(const storage::Jurisdiction& one,
                                                 const Told& told) {
  std::vector<u128> candidates;
  for (const Key& held : told.news.keys)
    if (held.jurisdiction == one.number && held.turn == one.next_turn())
      candidates.push_back(held.check);
  return candidates;
}

/// Of those that replicas there made, each there holds all: whichever two regions hold counts.
void ResidencyKeeper::provide_candidate(const storage::Jurisdiction& one, const Wanted& wanted) {
  std::set<u128> here, there;
  std::int64_t before = 0;  // replicas there that should make one first
  for (const std::uint64_t id : members_in(one)) {
    if (id < parts_.id) ++before;
    if (const Told* of = told(id))
      for (const u128 check : candidates_of(one, *of))
        (id == parts_.id ? here : there).insert(check);
  }
  for (const u128 check : there)
    if (!here.contains(check) && here.size() < candidates_max)
      ask(one, {one.number, wanted.turn, check});
  if (!here.empty() || !there.empty()) return;
  if (!has_passed(wanted.since, io::Duration{before * static_cast<std::int64_t>(patience)})) return;
  std::array<Byte, 32> fresh;
  parts_.entropy.fill(fresh);
  const crypto::Secret key{Bytes(fresh)};
  crypto::cleanse(fresh);
  const Status taken = keys_.take(one.number, wanted.turn, key);
  if (taken) return tell();
  if (taken.error().code != Code::resource_exhausted)
    parts_.fatal(with_context(taken.error(), "the key of a jurisdiction cannot be kept"));
}

void ResidencyKeeper::propose(const storage::Jurisdiction& one, Wanted& wanted) {
  const std::uint64_t term = parts_.table.makes_in();
  if (term == 0 || (wanted.proposed && !has_passed(*wanted.proposed, patience))) return;
  std::set<u128> candidates;
  for (const std::uint64_t id : members_in(one))
    if (const Told* of = told(id))
      for (const u128 check : candidates_of(one, *of)) candidates.insert(check);
  const auto chosen = std::ranges::find_if(candidates, [&](u128 check) {
    return is_in_two_regions(one, {one.number, wanted.turn, check});
  });
  if (chosen == candidates.end()) return;
  wanted.proposed = parts_.clock.monotonic();
  ledger::ResidencyKey command{};
  command.jurisdiction = one.number;
  command.turn = wanted.turn;
  command.check = *chosen;
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  request->only_in_term = term;
  request->add(ledger::CommandKind::residency_key, command);
  parts_.submit(std::move(request), [](const Result<replica::Answer>&) {});
}

/// An older one only by a table that is up to date: it may be that nothing needs it any more.
void ResidencyKeeper::ask_for_missing(const storage::Jurisdiction& one) {
  for (std::uint32_t turn = 0; turn < one.keys.size(); ++turn) {
    if (turn != one.turn() && !fold_.is_complete()) continue;
    if (parts_.table.needs(one, turn) && !parts_.table.holds(one, turn))
      ask(one, key_of(one, turn));
  }
}

/// Of one that has it, and of another one the next time. An older key that nobody told of may not
/// have found room in what they tell.
void ResidencyKeeper::ask(const storage::Jurisdiction& one, const Key& key) {
  std::vector<std::uint64_t> holders, heard;
  for (const std::uint64_t id : members_in(one)) {
    const Told* of = told(id);
    if (id == parts_.id || of == nullptr || !is_heard(*of)) continue;
    heard.push_back(id);
    if (holds(of->news, key)) holders.push_back(id);
  }
  if (holders.empty() && key.turn < one.turn()) holders = std::move(heard);
  if (holders.empty()) return;
  asked_[key.check] = key;
  handover_.ask({holders[asks_++ % holders.size()]}, key.check);
}

Result<Bytes> ResidencyKeeper::find(u128 check, const std::string& region) const {
  for (const Key& key : keys_.held()) {
    const storage::Jurisdiction* one = residency().find(key.jurisdiction);
    if (key.check != check || one == nullptr || !one->has(region)) continue;
    const bool may_go = key.turn < one->keys.size()
                            ? one->keys[key.turn] == check && parts_.table.needs(*one, key.turn)
                            : one->wants_key() && key.turn == one->next_turn();
    if (may_go) return keys_.find(key);
  }
  return fail(Code::not_found, "no key that a replica there may have");
}

bool ResidencyKeeper::take(u128 check, const crypto::Secret& key) {
  const auto asked = asked_.find(check);
  if (asked == asked_.end()) return false;
  const Status taken = keys_.take(asked->second.jurisdiction, asked->second.turn, key);
  asked_.erase(asked);
  if (taken)
    tell();
  else if (taken.error().code != Code::resource_exhausted)
    parts_.fatal(with_context(taken.error(), "the key of a jurisdiction cannot be kept"));
  return true;
}

/// Of turns that are decided only, so that what is folded in later says nothing else: one that did
/// not come to count then never does, and no row is made for an earlier one any more. A key of a
/// turn that is not decided here may be in use elsewhere.
void ResidencyKeeper::destroy_unneeded() {
  if (!fold_.is_complete()) return;
  for (const Key& held : keys_.held()) {
    const storage::Jurisdiction* one = residency().find(held.jurisdiction);
    if (one == nullptr || held.turn >= one->keys.size()) continue;
    if (one->keys[held.turn] == held.check && parts_.table.needs(*one, held.turn)) continue;
    const Status destroyed = keys_.destroy(held);
    if (destroyed) continue;
    if (destroyed.error().code != Code::resource_exhausted)
      parts_.fatal(
          with_context(destroyed.error(), "the key of a jurisdiction cannot be destroyed"));
    return;
  }
}

}  // namespace meridian::cell
