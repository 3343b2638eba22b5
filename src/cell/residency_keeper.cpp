#include "cell/residency_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace meridian::cell {
namespace {

constexpr int ticks_between_looks = 5;

bool holds(const ResidencyNews& news, std::uint8_t jurisdiction, u128 check) {
  return std::ranges::find(news.keys, storage::ResidencyKeys::Held{jurisdiction, check}) !=
         news.keys.end();
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
  settle();
}

/// Keys of jurisdictions that are defined: candidates as long as none counts, then that one.
ResidencyKeeper::Told ResidencyKeeper::own() const {
  Told told{{fold_.end(), {}}, parts_.clock.monotonic()};
  for (const storage::ResidencyKeys::Held& held : keys_.held()) {
    const storage::Jurisdiction* one = residency().find(held.jurisdiction);
    if (one != nullptr && (one->key == 0 || one->key == held.check) &&
        told.news.keys.size() < ResidencyNews::keys_max)
      told.news.keys.push_back(held);
  }
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

bool ResidencyKeeper::is_in_two_regions(const storage::Jurisdiction& one, u128 check) const {
  std::set<std::string> regions;
  for (const std::uint64_t id : members_in(one)) {
    const Told* of = told(id);
    if (of != nullptr && is_heard(*of) && holds(of->news, one.number, check))
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
    is_inside_any |= is_inside(one) && one.key != 0 && parts_.table.holds(one);
  }
  is_inside_any_ = is_inside_any;
  go_on();
}

void ResidencyKeeper::look_at(const storage::Jurisdiction& one) {
  if (one.key == 0) {
    if (is_inside(one)) provide_candidate(one);
    return propose(one);
  }
  // What a region has is what the replica there that has most has; what two regions have, is what
  // the second one does.
  std::map<std::string, std::uint64_t> folded;
  for (const std::uint64_t id : members_in(one)) {
    const Told* of = told(id);
    if (of == nullptr || !holds(of->news, one.number, one.key)) continue;
    std::uint64_t& region = folded[group_->region_of(id)];
    region = std::max(region, of->news.folded);
  }
  std::vector<std::uint64_t> ends;
  for (const auto& [region, end] : folded) ends.push_back(end);
  std::ranges::sort(ends, std::greater<>());
  parts_.table.set_residency(
      one.number, {is_in_two_regions(one, one.key), ends.size() < 2 ? std::uint64_t{0} : ends[1]});
  if (is_inside(one) && !holds(board_[parts_.id].news, one.number, one.key)) ask(one, one.key);
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

/// Of those that replicas there made, each there holds all: whichever two regions hold counts.
void ResidencyKeeper::provide_candidate(const storage::Jurisdiction& one) {
  const io::MonotonicTime since =
      seen_.try_emplace(one.number, parts_.clock.monotonic()).first->second;
  std::set<u128> here, there;
  std::int64_t before = 0;  // replicas there that should make one first
  for (const std::uint64_t id : members_in(one)) {
    if (id < parts_.id) ++before;
    const Told* of = told(id);
    if (of == nullptr) continue;
    for (const storage::ResidencyKeys::Held& held : of->news.keys)
      if (held.jurisdiction == one.number) (id == parts_.id ? here : there).insert(held.check);
  }
  for (const u128 check : there)
    if (!here.contains(check) && here.size() < candidates_max) ask(one, check);
  if (!here.empty() || !there.empty()) return;
  if (!has_passed(since, io::Duration{before * static_cast<std::int64_t>(patience)})) return;
  std::array<Byte, 32> fresh;
  parts_.entropy.fill(fresh);
  const crypto::Secret key{Bytes(fresh)};
  crypto::cleanse(fresh);
  const Status taken = keys_.take(one.number, key);
  if (taken) return tell();
  if (taken.error().code != Code::resource_exhausted)
    parts_.fatal(with_context(taken.error(), "the key of a jurisdiction cannot be kept"));
}

void ResidencyKeeper::propose(const storage::Jurisdiction& one) {
  const std::uint64_t term = parts_.table.makes_in();
  const auto before = proposed_.find(one.number);
  if (term == 0 || (before != proposed_.end() && !has_passed(before->second, patience))) return;
  std::set<u128> candidates;
  for (const std::uint64_t id : members_in(one))
    if (const Told* of = told(id))
      for (const storage::ResidencyKeys::Held& held : of->news.keys)
        if (held.jurisdiction == one.number) candidates.insert(held.check);
  const auto chosen =
      std::ranges::find_if(candidates, [&](u128 check) { return is_in_two_regions(one, check); });
  if (chosen == candidates.end()) return;
  proposed_[one.number] = parts_.clock.monotonic();
  ledger::ResidencyKey command{};
  command.jurisdiction = one.number;
  command.check = *chosen;
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  request->only_in_term = term;
  request->add(ledger::CommandKind::residency_key, command);
  parts_.submit(std::move(request), [](const Result<replica::Answer>&) {});
}

/// Of one that has it, and of another one the next time.
void ResidencyKeeper::ask(const storage::Jurisdiction& one, u128 check) {
  std::vector<std::uint64_t> holders;
  for (const std::uint64_t id : members_in(one)) {
    const Told* of = told(id);
    if (id != parts_.id && of != nullptr && is_heard(*of) && holds(of->news, one.number, check))
      holders.push_back(id);
  }
  if (holders.empty()) return;
  asked_[check] = one.number;
  handover_.ask({holders[asks_++ % holders.size()]}, check);
}

Result<Bytes> ResidencyKeeper::find(u128 check, const std::string& region) const {
  for (const auto& [number, one] : residency().all())
    if (one.has(region) && (one.key == 0 || one.key == check))
      if (Result<Bytes> key = keys_.find(number, check)) return key;
  return fail(Code::not_found, "no key that a replica there may have");
}

bool ResidencyKeeper::take(u128 check, const crypto::Secret& key) {
  const auto asked = asked_.find(check);
  if (asked == asked_.end()) return false;
  const Status taken = keys_.take(asked->second, key);
  asked_.erase(asked);
  if (taken)
    tell();
  else if (taken.error().code != Code::resource_exhausted)
    parts_.fatal(with_context(taken.error(), "the key of a jurisdiction cannot be kept"));
  return true;
}

}  // namespace meridian::cell
