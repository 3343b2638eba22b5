#include "sim_cluster/checker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "proof/note.h"
#include "proof/policy.h"
#include "replica/cell_policy.h"
#include "replica/state_source.h"
#include "sim_cluster/commands.h"

namespace meridian::sim_cluster {

namespace {

constexpr std::size_t accounts_max = 1'000;
constexpr std::size_t moments_between = 16;  // reads of what a replica calls current

/// Transfers, events and accounts have ids of their own.
int space_of(ledger::CommandKind kind) {
  if (kind == ledger::CommandKind::create_account) return 1;
  if (kind == ledger::CommandKind::create_transfer) return 2;
  return kind == ledger::CommandKind::append_event ? 3 : 0;
}

}  // namespace

void Checker::violate(const std::string& what) { throw Violation(what); }

// --- told by clients ---

void Checker::acknowledged(const std::vector<u128>& ids, const replica::Answer& answer) {
  Acknowledged done{raw(answer.first_record), ids, {}};
  for (const auto& result : answer.results) done.outcomes.push_back(result.outcome);
  newest_known_ = std::max(newest_known_, done.first_record + done.outcomes.size());
  unchecked_.push_back(std::move(done));
}

void Checker::refused(const std::vector<u128>& ids, bool again) {
  for (const u128 id : ids)
    if (again)
      refused_.erase(id);
    else
      refused_.insert(id);
}

void Checker::read(const Node& node, std::uint64_t known_before, const ledger::Ledger& ledger) {
  ++reads_;
  if (ledger.records() < known_before)
    broken(fmt::format("a linearizable read by {} saw {} records after {} were known", node.name(),
                       ledger.records(), known_before));
  newest_known_ = std::max(newest_known_, ledger.records());
  take_state(node.name(), ledger);
}

void Checker::take_state(const std::string& node, const ledger::Ledger& ledger) {
  const auto accounts = ledger.list_accounts(0, accounts_max);
  taken_states_.push_back(
      {node, ledger.records(), BooksModel::digest(accounts), BooksModel::is_balanced(accounts)});
}

// --- what the nodes say ---

void Checker::check(std::vector<std::unique_ptr<Node>>& nodes, sim::Random& random) {
  if (!broken_.empty()) violate(broken_);
  for (const auto& node : nodes) {
    if (!node->is_up()) continue;
    if (node->is_emptied() && node->replica().visible_records() != 0)
      violate(fmt::format("{} came back with an empty disk and was let in", node->name()));
    check_records(*node, seen_[node->id()].records);
  }
  note_keys(nodes);
  check_acknowledged();
  check_states();
  check_checkpoints();
  check_receipts();
  for (const auto& node : nodes) {
    if (!node->is_up()) continue;
    check_staleness(*node, seen_[node->id()]);
    ask(*node, seen_[node->id()], random);
  }
}

/// A clock may run fast or slow; by the same clock both moments are in order.
void Checker::check_staleness(Node& node, Seen& seen) {
  seen.moments.push_back({node.clock().monotonic(), newest_known_});
  if (seen.moments.size() % moments_between != 0) return;
  node.replica().read_state([this, &node, &seen](const ledger::Ledger& ledger) {
    if (!node.is_up()) return;  // it is being closed
    const auto as_of = node.replica().current_as_of();
    std::optional<std::uint64_t> known;
    while (as_of && !seen.moments.empty() && seen.moments.front().at < *as_of) {
      known = seen.moments.front().known;
      seen.moments.pop_front();
    }
    if (!known) return;
    ++stale_reads_;
    if (ledger.records() < *known)
      broken(
          fmt::format("{} holds {} records and calls them current as of a moment when {} were "
                      "known",
                      node.name(), ledger.records(), *known));
  });
}

void Checker::check_records(Node& node, std::uint64_t& seen) {
  const std::uint64_t visible = node.replica().visible_records();
  if (visible < seen) seen = 0;  // restarted: everything is read again
  if (visible == seen) return;
  const Status scanned = node.replica().scan(
      ledger::RecordIndex{seen}, visible - seen, [&](ledger::RecordIndex index, Bytes bytes) {
        const std::uint64_t record = raw(index);
        const crypto::Digest digest = crypto::sha256(bytes);
        if (record == headers_.size()) {
          const Result<ledger::Header> header = ledger::Header::decode(bytes);
          if (!header) violate(fmt::format("record {}: {}", record, header.error().message));
          add_record(*header, digest, bytes);
        } else if (record > headers_.size() || headers_[record] != digest) {
          violate(fmt::format("{} has another record {}", node.name(), record));
        }
        return true;
      });
  if (!scanned && node.is_rotten())
    node.find_damage(scanned.error());
  else if (!scanned && !node.disk().has_crashed())
    violate(fmt::format("{}: {}", node.name(), scanned.error().message));
  else
    seen = visible;
}

void Checker::add_record(const ledger::Header& header, const crypto::Digest& digest, Bytes bytes) {
  const std::uint64_t record = headers_.size();
  const u128 id = command_id(header);
  const bool is_created = header.outcome == ledger::Outcome::created;
  const int space = space_of(header.kind);
  if (is_created && space != 0 && !created_.emplace(space, id).second)
    violate(fmt::format("record {} creates an id that was created before", record));
  if (refused_.contains(id))
    violate(fmt::format("record {} is of a command of which a replica said that nothing was done",
                        record));
  if (is_created && header.kind == ledger::CommandKind::append_event) {
    const auto& event = std::get<ledger::EventBody>(header.body);
    if (event.revision != streams_[event.stream]++)
      violate(fmt::format("record {} has revision {} of its stream", record, event.revision));
  }
  if (is_created) note_level(header, record);
  if (const auto wrong = books_.add(header)) violate(fmt::format("record {}: {}", record, *wrong));
  headers_.push_back(digest);
  ids_.push_back(id);
  outcomes_.push_back(header.outcome);
  tree_.append(proof::leaf_hash(bytes));
  roots_.push_back(tree_.root());
}

/// What a level brings stands in no record before the level is active.
void Checker::note_level(const ledger::Header& header, std::uint64_t record) {
  const auto* body = std::get_if<ledger::SystemBody>(&header.body);
  if (body == nullptr) return;
  const Byte* command = body->command.data();
  if (header.kind == ledger::CommandKind::open_generation)
    feature_level_ = ledger::load_command<ledger::OpenGeneration>(command).feature_level;
  if (header.kind == ledger::CommandKind::set_feature_level) {
    const auto level = ledger::load_command<ledger::SetFeatureLevel>(command).feature_level;
    if (level <= feature_level_) violate(fmt::format("record {} takes a level back", record));
    feature_level_ = level;
  }
  if (header.kind == ledger::CommandKind::entry_skipped)
    feature_level_ =
        std::max(feature_level_, ledger::load_command<ledger::EntrySkipped>(command).feature_level);
  if (ledger::level_needed(header.kind) > feature_level_)
    violate(
        fmt::format("record {} is of a kind that level {} does not have", record, feature_level_));
}

std::string Checker::what_is_unchecked() const {
  if (!unchecked_.empty())
    return fmt::format("record {} was acknowledged and nobody shows it",
                       unchecked_.front().first_record);
  if (!notes_.empty() || !taken_receipts_.empty()) return why_not_proven_;
  return {};
}

void Checker::check_acknowledged() {
  std::erase_if(unchecked_, [&](const Acknowledged& done) {
    if (done.first_record + done.outcomes.size() > headers_.size()) return false;  // not stored yet
    for (std::size_t i = 0; i < done.ids.size(); ++i) {
      const std::uint64_t record = done.first_record + i;
      if (ids_[record] != done.ids[i] || outcomes_[record] != done.outcomes[i])
        violate(fmt::format("record {} is not what was acknowledged", record));
    }
    return true;
  });
}

void Checker::check_states() {
  std::erase_if(taken_states_, [&](const State& state) {
    if (!state.is_balanced) violate(state.node + ": money is not conserved");
    if (state.records > books_.records()) return false;  // its records are not stored yet
    if (state.books != books_.at(state.records))
      violate(fmt::format("{}: after {} records its balances are not what they make", state.node,
                          state.records));
    ++states_;
    return true;
  });
}

// --- proofs ---

/// Of our tree, and cosigned in two regions by voters of now or of before. False if these are not
/// known yet.
template <typename Proof>
bool Checker::check_proof(const std::string& what, const Proof& proof) {
  why_not_proven_ = what + " verifies under the keys of nobody who voted";
  for (auto policy = policies_.rbegin(); policy != policies_.rend(); ++policy) {
    const Result<proof::Evidence> evidence = proof::evaluate(proof, policy->second);
    if (!evidence) {
      why_not_proven_ += ": " + evidence.error().message;
      continue;
    }
    if (!evidence->global) violate(what + " is not cosigned in two regions");
    const std::uint64_t size = raw(evidence->checkpoint.head.size);
    if (size == 0 || size > roots_.size() || roots_[size - 1] != evidence->checkpoint.head.root)
      violate(fmt::format("{} is of another tree of {} records", what, size));
    return true;
  }
  return false;
}

void Checker::check_checkpoints() {
  std::erase_if(notes_, [&](const Note& taken) {
    const Result<proof::Note> note = proof::parse_note(taken.text);
    if (!note) violate("a checkpoint note is none: " + note.error().message);
    if (!check_proof(fmt::format("a checkpoint of {}", taken.node), *note)) return false;
    ++checkpoints_;
    return true;
  });
}

void Checker::check_receipts() {
  std::erase_if(taken_receipts_, [&](const TakenReceipt& taken) {
    const std::string name =
        fmt::format("the receipt of record {} by {}", taken.record, taken.node);
    const Result<proof::Receipt> read = proof::parse_receipt(proof::format_receipt(taken.receipt));
    if (!read) violate(name + " is none: " + read.error().message);
    if (taken.record >= headers_.size() || crypto::sha256(read->header) != headers_[taken.record])
      violate(name + " is of another record");
    if (!check_proof(name, *read)) return false;
    ++receipts_;
    return true;
  });
}

/// A replica's keys stay those that it began with.
void Checker::note_keys(const std::vector<std::unique_ptr<Node>>& nodes) {
  for (const auto& node : nodes) {
    if (!node->is_up() || node->is_emptied() || keys_.contains(node->id())) continue;
    const replica::Replica& replica = node->replica();
    keys_[node->id()] = {node->id(), node->region(), replica.log_vkey(), replica.cosigner_vkey()};
  }
}

void Checker::note_voters(const std::vector<std::uint64_t>& voters) {
  if (voters.empty() || policies_.contains(voters)) return;
  std::vector<replica::Replica::VoterKeys> keys;
  for (const std::uint64_t voter : voters) {
    if (!keys_.contains(voter)) return;
    keys.push_back(keys_.at(voter));
  }
  const Result<proof::Policy> policy = replica::make_policy(keys);
  if (policy)
    policies_.emplace(voters, *policy);
  else
    broken(policy.error().message);
}

/// Whoever has checkpointed the same records must have the same state, to the last byte.
void Checker::check_digest(Node& node) {
  const Result<replica::StateOffer> offer = node.replica().state_source().describe();
  if (!offer) return;  // it has none yet
  const auto [known, is_first] = state_digests_.emplace(offer->record_index, offer->state_digest);
  if (known->second != offer->state_digest)
    violate(fmt::format("{}: its state of {} records is not that of others", node.name(),
                        offer->record_index));
  if (!is_first) ++digests_;
  if (offer->record_index <= roots_.size() && offer->record_index != 0 &&
      roots_[offer->record_index - 1] != offer->root)
    violate(fmt::format("{} has another root of {} records", node.name(), offer->record_index));
}

void Checker::ask(Node& node, Seen& seen, sim::Random& random) {
  const std::uint64_t visible = node.replica().visible_records();
  if (visible != seen.state) {
    seen.state = visible;
    node.replica().read_state(
        [this, name = node.name()](const ledger::Ledger& ledger) { take_state(name, ledger); });
  }
  if (random.chance(0.02)) check_digest(node);
  if (random.chance(0.2))
    node.replica().group([this](const replica::GroupState& group) {
      note_voters(group.membership.voters);
      note_voters(group.membership.outgoing);
    });
  if (random.chance(0.03))
    node.replica().checkpoint([this, name = node.name()](Result<std::string> note) {
      if (note) notes_.push_back({name, std::move(*note)});
    });
  if (visible != 0 && random.chance(0.03)) {
    const std::uint64_t record = random.below(visible);
    node.replica().receipt(ledger::RecordIndex{record},
                           [this, name = node.name(), record](Result<proof::Receipt> receipt) {
                             if (receipt)
                               taken_receipts_.push_back({name, record, std::move(*receipt)});
                           });
  }
}

}  // namespace meridian::sim_cluster
