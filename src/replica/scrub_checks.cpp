// What must fit together: records, the hashes of tiles over them, roots of segments, checkpoint.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "replica/checkpointer.h"
#include "replica/record_copy.h"
#include "replica/scrub.h"

namespace meridian::replica {

namespace {

constexpr std::size_t segment_level = 2;  // one tile hash of it covers a segment
constexpr std::uint64_t header_size_usual = 310;
constexpr std::uint64_t records_at_once_min = 16;
constexpr std::uint64_t records_at_once_max = 2'048;

Result<proof::Frontier> frontier_of(const storage::StateManifest& manifest) {
  const auto which = static_cast<std::size_t>(Checkpointer::Part::frontier);
  return proof::Frontier::decode(which < manifest.parts.size() ? Bytes(manifest.parts[which])
                                                               : Bytes());
}

/// The roots of the complete subtrees under a frontier, the largest first.
proof::Hashes subtrees_of(const proof::Frontier& frontier) {
  const Buffer bytes = frontier.encode();
  ByteReader in(bytes);
  in.u64();
  proof::Hashes subtrees;
  while (!in.done()) subtrees.push_back(in.array<32>());
  return subtrees;
}

/// Those of them that are made of whole segments.
proof::Hashes upper_subtrees_of(const proof::Frontier& frontier) {
  proof::Hashes subtrees = subtrees_of(frontier);
  subtrees.resize(
      static_cast<std::size_t>(std::popcount(raw(frontier.size()) / storage::segment_records)));
  return subtrees;
}

/// Whether these are the roots of all whole segments under it.
bool lead_to(const proof::Hashes& roots, const proof::Frontier& frontier) {
  proof::Frontier over;
  for (const proof::Hash& root : roots) over.append(root);
  return subtrees_of(over) == upper_subtrees_of(frontier);
}

std::uint64_t stored_bytes(const ledger::Header& header) {
  const auto* event = header.outcome == ledger::Outcome::created
                          ? std::get_if<ledger::EventBody>(&header.body)
                          : nullptr;
  return header_size_usual + (event != nullptr ? event->payload_size : 0);
}

}  // namespace

// --- the checkpoint and the hashes above segments ---

/// False if there is none yet. Errors: damage of what is above segments.
Result<bool> Scrub::know_checkpoint() {
  const auto state = parts_.states.pin();
  if (state == nullptr) return false;
  Known known{TRY(frontier_of(state->manifest())), {}};
  known.roots = TRY(roots_under(known.frontier));
  known_ = std::move(known);
  return true;
}

/// As the tiles have them; those of damaged hashes as the segments themselves do.
Result<proof::Hashes> Scrub::roots_under(const proof::Frontier& frontier) {
  const std::uint64_t count = raw(frontier.size()) / storage::segment_records;
  proof::Hashes roots = parts_.tiles.read(segment_level, 0, count).value_or(proof::Hashes(count));
  if (!lead_to(roots, frontier)) {
    for (std::uint64_t segment = 0; segment < count; ++segment)
      if (const auto kept = parts_.records.segment_root(segment)) roots[segment] = *kept;
    if (!lead_to(roots, frontier))
      return fail(Code::data_loss,
                  fmt::format("the roots of the segments below record {} do not lead to the root "
                              "of the state checkpoint: hashes of tile level {} are damaged",
                              raw(frontier.size()), segment_level));
  }
  proof::Frontier over;
  proof::TileHashes completed;
  over.append(roots, completed);
  for (std::size_t level = segment_level; level < storage::TileStore::levels; ++level)
    check_hashes(level, 0, completed.levels[level - segment_level]);
  return roots;
}

/// Writes again what of the hashes from `first` on is not as it should be.
void Scrub::check_hashes(std::size_t level, std::uint64_t first, const proof::Hashes& right) {
  if (right.empty() || ended_) return;
  const auto tile_level = static_cast<std::uint8_t>(level);
  const auto read = [&] { return parts_.tiles.read(tile_level, first, right.size()); };
  Result<proof::Hashes> stored = read();
  if (stored && *stored == right) return;
  stored = read();  // what was read, not what is stored, may have been wrong
  if (stored && *stored == right) return;
  std::size_t begin = 0;
  std::size_t end = right.size();
  if (stored) {
    while (begin < end && (*stored)[begin] == right[begin]) ++begin;
    while (begin < end && (*stored)[end - 1] == right[end - 1]) --end;
  }
  parts_.metrics.damaged.increment(1);
  const Status written =
      parts_.tiles.rewrite(tile_level, first + begin, std::span(right).subspan(begin, end - begin));
  if (!written) {
    ended_ = true;
    return parts_.fatal(written.error());
  }
  parts_.metrics.repaired.increment(1);
  parts_.notice(
      fmt::format("hashes {} to {} of tile level {} were damaged: they are written again "
                  "from what they are hashes of",
                  first + begin, first + end - 1, level));
}

Status Scrub::heal_edge() {
  const auto state = parts_.states.pin();
  if (state == nullptr) return {};
  const proof::Frontier frontier = TRY(frontier_of(state->manifest()));
  StoredTiles tiles(parts_.tiles);
  const auto edge = proof::frontier_at(frontier.size(), tiles);
  if (edge && *edge == frontier) return {};
  TRY(know_checkpoint());
  read_rest();
  while (reading_) TRY(read_records());
  return {};
}

// --- records ---

/// Begins with those behind the last whole segment, if there are any.
void Scrub::read_rest() {
  const std::uint64_t first = known_->roots.size() * storage::segment_records;
  if (first < known_->records()) reading_.emplace(Reading{first, known_->records(), {}});
}

bool Scrub::is_below_checkpoint(std::uint64_t segment) const {
  return known_ && segment < known_->roots.size();
}

void Scrub::read_segment(std::uint64_t segment) {
  parts_.records.forget_segment(segment);
  const std::uint64_t first = segment * storage::segment_records;
  reading_.emplace(Reading{first, first + storage::segment_records, {}});
}

Result<std::uint64_t> Scrub::read_records() {
  Reading& reading = *reading_;
  std::uint64_t bytes = 0;
  const std::uint64_t last = std::min(reading.end, reading.next() + reading.at_once);
  if (const std::uint64_t count = last - reading.next(); count > 0) {
    const proof::Hashes leaves = TRY(check_stored_records(
        parts_.records, parts_.cell, reading.next(), last, [&](const ledger::Header& header) {
          bytes += stored_bytes(header);
          return Status();
        }));
    reading.leaves.insert(reading.leaves.end(), leaves.begin(), leaves.end());
    reading.at_once = std::clamp(step_bytes() * count / std::max<std::uint64_t>(bytes, 1),
                                 records_at_once_min, records_at_once_max);
  }
  if (last < reading.end) return bytes;
  const bool is_segment = last % storage::segment_records == 0;
  TRY(is_segment ? compare_segment() : compare_rest());
  reading_.reset();
  return bytes;
}

Status Scrub::compare_segment() {
  const Reading& reading = *reading_;
  const std::uint64_t segment = reading.first / storage::segment_records;
  const proof::Hash& wanted = known_->roots[segment];
  proof::Frontier subtree;
  proof::TileHashes completed;
  subtree.append(reading.leaves, completed);
  if (subtree.root() != wanted)
    return fail(Code::data_loss, fmt::format("their root is {}, and it must be {}",
                                             to_hex(subtree.root()), to_hex(wanted)));
  if (TRY(parts_.records.segment_root(segment)) != wanted)
    return fail(Code::data_loss, "the root kept with them is another one");
  for (std::size_t level = 0; level < segment_level; ++level)
    check_hashes(level, reading.first >> (8 * level), completed.levels[level]);
  if (unrepaired_.erase(segment) != 0) show_unrepaired();
  return {};
}

/// Of the records behind the last whole segment.
Status Scrub::compare_rest() {
  const Reading& reading = *reading_;
  proof::Frontier whole = proof::Frontier::from_subtrees(proof::TreeSize{reading.first},
                                                         upper_subtrees_of(known_->frontier));
  proof::TileHashes completed;
  whole.append(reading.leaves, completed);
  if (!(whole == known_->frontier))
    return fail(Code::data_loss, fmt::format("records {} to {}: with them the root is {}, and the "
                                             "state checkpoint has {}",
                                             reading.first, reading.end - 1, to_hex(whole.root()),
                                             to_hex(known_->frontier.root())));
  for (std::size_t level = 0; level < segment_level; ++level)
    check_hashes(level, reading.first >> (8 * level), completed.levels[level]);
  return {};
}

}  // namespace meridian::replica
