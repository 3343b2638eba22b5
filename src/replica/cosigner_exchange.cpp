#include "replica/cosigner_exchange.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/assert.h"
#include "replica/peer_message.h"

namespace meridian::replica {

CosignerExchange::CosignerExchange(const Parts& parts, Next next)
    : parts_(parts),
      next_(std::move(next)),
      comparison_({parts.clock, parts.tiles, parts.id,
                   [this](std::uint64_t to, CosignQuestion question) {
                     const bool is_hashes = question.kind == CosignQuestion::Kind::hashes;
                     const std::uint64_t number = ask(to, std::move(question));
                     if (is_hashes) hashes_asked_[to] = number;
                   },
                   parts.notice},
                  {next_.doubting, [this](const Error& error) { fatal(error); }}),
      state_comparison_(
          {parts.clock, parts.id,
           [this](std::uint64_t to, CosignQuestion question) { ask(to, std::move(question)); },
           parts.notice},
          {next_.doubting, [this](const Error& error) { fatal(error); }}) {}

void CosignerExchange::start() {
  started_ = true;
  with_membership([this] { ask_keys(); });
  tick();
  grown(stored_);
}

void CosignerExchange::fatal(const Error& error) {
  if (std::exchange(stopped_, true)) return;
  waiting_.clear();
  if (done_) finish(fail(Code::unavailable, "this replica stopped: " + error.message));
  next_.fatal(error);
}

void CosignerExchange::with_membership(std::function<void()> then) {
  parts_.membership(
      [this, alive = lifetime_.token(), then = std::move(then)](consensus::Membership now) mutable {
        parts_.executor.post([this, alive, then = std::move(then), now = std::move(now)]() mutable {
          if (!*alive || stopped_) return;
          membership_ = std::move(now);
          {
            const std::lock_guard lock(mutex_);
            voters_ = membership_.voting_ids();
          }
          then();
        });
      });
}

ReplicaKeys CosignerExchange::own_keys() const {
  ReplicaKeys keys = parts_.cosigner.keys();
  keys.exchange = parts_.exchange_key;
  return keys;
}

std::map<std::uint64_t, ReplicaKeys> CosignerExchange::keys_known() const {
  const std::lock_guard lock(mutex_);
  std::map<std::uint64_t, ReplicaKeys> all = keys_;
  all[parts_.id] = own_keys();
  return all;
}

std::uint64_t CosignerExchange::ask(std::uint64_t to, CosignQuestion question) {
  question.number = next_number_++;
  question.origin = parts_.cosigner.origin();
  question.keys = own_keys();
  parts_.send(to, question.encode());
  return question.number;
}

void CosignerExchange::tick() {
  parts_.executor.post_after(repeat, [this, alive = lifetime_.token()] {
    if (!*alive || stopped_) return;
    const io::MonotonicTime now = parts_.clock.monotonic();
    if (keys_asked_at_ + keys_repeat <= now) with_membership([this] { ask_keys(); });
    comparison_.tick();
    if (!stopped_) state_comparison_.tick();
    if (stopped_) return;
    if (done_ && now > until_)
      finish(missing());
    else if (done_)
      ask_missing(true);
    tick();
  });
}

// --- collecting ---

void CosignerExchange::collect(std::uint64_t size, Done done) {
  ASSERT(started_ && !is_collecting() && size >= 1 && size <= stored_);
  done_ = std::move(done);
  until_ = parts_.clock.monotonic() + patience;
  wanted_ = size;
  head_ = {};
  with_membership([this] {
    if (!done_ || raw(head_.size) != 0) return;
    if (membership_.voting_ids().count(parts_.id) != 0) return begin(wanted_);
    finish(fail(Code::unavailable,
                fmt::format("replica {} has no vote, so that no policy of the cell names its keys: "
                            "ask one that votes for checkpoints and receipts",
                            parts_.id)));
  });
}

/// Nothing is signed while our own tree is in doubt.
void CosignerExchange::begin(std::uint64_t size) {
  if (comparison_.is_running()) return;  // tick() tries again, or gives up
  signed_by_.clear();
  ahead_.clear();
  refused_.clear();
  aim(size);
}

/// Signs the tree of `size` records, or the larger one signed last, and asks everybody.
void CosignerExchange::aim(std::uint64_t size) {
  if (const auto& last = parts_.cosigner.last()) size = std::max(size, raw(last->size));
  ASSERT(size <= stored_);
  const Result<proof::TreeHead> head = parts_.cosigner.head_at(proof::TreeSize{size});
  if (!head) return fatal(with_context(head.error(), "the tiles of the log cannot be read"));
  Result<proof::Note> note = parts_.cosigner.sign(*head);
  if (!note) return fatal(with_context(note.error(), "a tree head cannot be signed and kept"));
  head_ = *head;
  note_ = std::move(*note);
  signed_by_ = {parts_.id};
  asked_at_.clear();
  for (const auto& [peer, ahead] : ahead_) {
    if (ahead.head.size != head_.size) continue;
    if (ahead.head.root != head_.root) return differs(peer, head_, ahead.head.root);
    note_.signatures.push_back(ahead.cosignature);
    signed_by_.insert(peer);
  }
  finish_if_quorum();
  if (done_) ask_missing(false);
}

/// A peer cosigns nothing below what it signed: its tree is the one to agree on, once it is here.
void CosignerExchange::aim_higher() {
  if (!done_ || comparison_.is_running()) return;
  std::uint64_t highest = 0;
  for (const auto& [peer, ahead] : ahead_)
    if (raw(ahead.head.size) <= stored_) highest = std::max(highest, raw(ahead.head.size));
  if (highest > raw(head_.size)) aim(highest);
}

void CosignerExchange::ask_missing(bool again) {
  if (raw(head_.size) == 0) return begin(wanted_);
  const io::MonotonicTime now = parts_.clock.monotonic();
  for (const std::uint64_t voter : membership_.voting_ids()) {
    if (signed_by_.count(voter) != 0) continue;
    const auto asked = asked_at_.find(voter);
    if (again && asked != asked_at_.end() && now - asked->second < repeat) continue;
    asked_at_[voter] = now;
    CosignQuestion question;
    question.kind = CosignQuestion::Kind::cosign;
    question.head = head_;
    ask(voter, std::move(question));
  }
}

void CosignerExchange::finish_if_quorum() {
  if (!is_quorum(membership_, signed_by_)) return;
  std::set<std::string> of_voters, of_signers;
  for (const std::uint64_t voter : membership_.voting_ids()) {
    of_voters.insert(parts_.region_of(voter));
    if (signed_by_.count(voter) != 0) of_signers.insert(parts_.region_of(voter));
  }
  if (of_signers.size() < std::min<std::size_t>(2, of_voters.size())) return;
  finish(Collected{head_, note_});
}

void CosignerExchange::finish(Result<Collected> result) {
  parts_.executor.post([alive = lifetime_.token(), done = std::exchange(done_, nullptr),
                        result = std::move(result)]() mutable {
    if (*alive) done(std::move(result));
  });
}

Error CosignerExchange::missing() const {
  std::string who;
  for (const std::uint64_t voter : membership_.voting_ids()) {
    if (voter == parts_.id || signed_by_.count(voter) != 0) continue;
    if (!who.empty()) who += ", ";
    who += fmt::format("replica {} in {}", voter, parts_.region_of(voter));
    if (const auto why = refused_.find(voter); why != refused_.end())
      who += ": " + why->second;
    else if (const auto ahead = ahead_.find(voter); ahead != ahead_.end())
      who += fmt::format(" (it signed {} records, of which {} are here)",
                         raw(ahead->second.head.size), stored_);
  }
  return fail(
      Code::unavailable,
      fmt::format("no quorum cosigned the tree within {} s, so there is no receipt yet; "
                  "missing: {}. What was acknowledged stays so: ask again when they are back",
                  static_cast<std::int64_t>(patience) / 1'000'000'000,
                  who.empty() ? "the cell's members are not known here yet" : who));
}

void CosignerExchange::state_differs(const CutDigest& own) {
  with_membership([this, own] { state_comparison_.begin(own, membership_); });
}

void CosignerExchange::differs(std::uint64_t peer, const proof::TreeHead& own,
                               const proof::Hash& other) {
  with_membership([this, peer, own, other] { comparison_.begin(peer, own, other, membership_); });
}

// --- answers of peers ---

void CosignerExchange::receive(std::uint64_t from, io::Parts parts) {
  parts_.executor.post([this, alive = lifetime_.token(), from, parts = std::move(parts)] {
    if (!*alive || !started_ || parts.size() != 1 || parts[0]->empty()) return;
    if (static_cast<PeerTag>(parts[0]->front()) == PeerTag::cosign_request)
      take_question(from, *parts[0]);
    else
      take_answer(from, *parts[0]);
  });
}

void CosignerExchange::take_answer(std::uint64_t from, Bytes bytes) {
  const Result<CosignAnswer> answer = CosignAnswer::decode(bytes);
  if (!answer || stopped_) return;
  learn(from, answer->keys);
  switch (answer->kind) {
    case CosignAnswer::Kind::cosigned: return take_cosignature(from, *answer);
    case CosignAnswer::Kind::root: return take_root(from, answer->head);
    case CosignAnswer::Kind::hashes:
      if (const auto asked = hashes_asked_.find(from);
          asked != hashes_asked_.end() && asked->second == answer->number)
        comparison_.take_hashes(from, answer->hashes);
      return;
    case CosignAnswer::Kind::refused:
      if (done_) refused_[from] = answer->why;
      return;
    case CosignAnswer::Kind::keys: return;
    case CosignAnswer::Kind::state:
      return state_comparison_.take(from, {raw(answer->head.size), answer->head.root});
  }
}

void CosignerExchange::take_cosignature(std::uint64_t from, const CosignAnswer& answer) {
  if (!done_ || raw(answer.head.size) < raw(head_.size) || raw(head_.size) == 0 ||
      signed_by_.count(from) != 0)
    return;
  const proof::VerifierKey key{cosigner_name(parts_.cosigner.origin(), from),
                               proof::KeyType::cosignature, answer.keys.cosigner};
  const proof::NoteSignature line{key.name, key.id(), answer.cosignature};
  const std::string text = checkpoint_text(parts_.cosigner.origin(), answer.head);
  if (proof::check_cosignature(text, line, key).check != proof::SignatureCheck::good) {
    refused_[from] = "its cosignature does not verify";
    return;
  }
  if (answer.head.size == head_.size) {
    if (answer.head.root != head_.root) return differs(from, head_, answer.head.root);
    note_.signatures.push_back(line);
    signed_by_.insert(from);
    return finish_if_quorum();
  }
  ahead_.insert_or_assign(from, Signed{answer.head, line});
  aim_higher();
}

/// The root of a peer at a size that we asked about: late or not, another one matters.
void CosignerExchange::take_root(std::uint64_t from, const proof::TreeHead& head) {
  if (raw(head.size) > stored_) return;
  const Result<proof::TreeHead> own = parts_.cosigner.head_at(head.size);
  if (!own) return fatal(with_context(own.error(), "the tiles of the log cannot be read"));
  if (comparison_.is_running()) return comparison_.take_root(from, head);
  if (own->root != head.root) differs(from, *own, head.root);
}

void CosignerExchange::learn(std::uint64_t from, const ReplicaKeys& keys) {
  const std::lock_guard lock(mutex_);
  const auto [known, is_new] = keys_.emplace(from, keys);
  if (is_new || known->second == keys) return;
  known->second = keys;
  parts_.notice(
      fmt::format("replica {} signs with other keys than before: give out a new policy "
                  "(`meridian log policy`) if it is to be trusted",
                  from));
}

/// Peers tell their keys with everything; those that never asked are asked.
void CosignerExchange::ask_keys() {
  keys_asked_at_ = parts_.clock.monotonic();
  std::set<std::uint64_t> unknown = membership_.voting_ids();
  unknown.insert(membership_.learners.begin(), membership_.learners.end());
  unknown.erase(parts_.id);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [peer, keys] : keys_) unknown.erase(peer);
  }
  for (const std::uint64_t peer : unknown) {
    CosignQuestion question;
    question.kind = CosignQuestion::Kind::keys;
    ask(peer, std::move(question));
  }
}

Result<std::vector<KnownReplica>> CosignerExchange::voters_known() const {
  std::vector<KnownReplica> all;
  std::vector<std::uint64_t> unknown;
  const std::lock_guard lock(mutex_);
  for (const std::uint64_t voter : voters_) {
    if (voter == parts_.id)
      all.push_back({voter, own_keys(), parts_.region_of(voter)});
    else if (const auto found = keys_.find(voter); found != keys_.end())
      all.push_back({voter, found->second, parts_.region_of(voter)});
    else
      unknown.push_back(voter);
  }
  if (!all.empty() && unknown.empty()) return all;
  return fail(Code::unavailable,
              all.empty() ? std::string("the members of the cell are not known here yet")
                          : fmt::format("the keys of replicas {} are not known yet: they did not "
                                        "answer since this one started; ask again when they are up",
                                        fmt::join(unknown, ", ")));
}

}  // namespace meridian::replica
