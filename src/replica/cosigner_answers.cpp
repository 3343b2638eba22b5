// What a replica answers to peers that ask about its tree.
#include <fmt/format.h>

#include "replica/cosigner_exchange.h"

namespace meridian::replica {

void CosignerExchange::grown(std::uint64_t count) {
  stored_ = count;
  if (!started_ || stopped_) return;
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    if (raw(waiting->second.head.size) > count) {
      ++waiting;
      continue;
    }
    const auto [from, question] = *waiting;
    waiting = waiting_.erase(waiting);
    answer_stored(from, question);
    if (stopped_) return;
  }
  aim_higher();
}

void CosignerExchange::reply(std::uint64_t to, std::uint64_t number, CosignAnswer answer) {
  answer.number = number;
  answer.keys = own_keys();
  parts_.send(to, answer.encode());
}

void CosignerExchange::take_question(std::uint64_t from, Bytes bytes) {
  const Result<CosignQuestion> question = CosignQuestion::decode(bytes);
  if (!question) return;
  // What it has is evidence, which a replica that stopped gives as long as it can.
  if (stopped_ && question->kind == CosignQuestion::Kind::cosign) return;
  if (question->origin != parts_.cosigner.origin()) {
    CosignAnswer answer;
    answer.kind = CosignAnswer::Kind::refused;
    answer.why = fmt::format("it signs for {}", parts_.cosigner.origin());
    return reply(from, question->number, std::move(answer));
  }
  learn(from, question->keys);
  switch (question->kind) {
    case CosignQuestion::Kind::cosign:
    case CosignQuestion::Kind::root:
      // Asked before it is here: answered when it is, unless the peer asks something newer.
      if (raw(question->head.size) > stored_) {
        waiting_.insert_or_assign(from, *question);
        return;
      }
      return answer_stored(from, *question);
    case CosignQuestion::Kind::hashes: return answer_hashes(from, *question);
    case CosignQuestion::Kind::keys: {
      CosignAnswer answer;
      answer.kind = CosignAnswer::Kind::keys;
      return reply(from, question->number, std::move(answer));
    }
    case CosignQuestion::Kind::state: return answer_state(from, *question);
  }
}

/// Who made no checkpoint there, or long ago, says nothing.
void CosignerExchange::answer_state(std::uint64_t from, const CosignQuestion& question) {
  const std::uint64_t record = raw(question.head.size);
  if (!parts_.state_digest) return;
  const std::optional<crypto::Digest> own = parts_.state_digest(record);
  if (!own) return;
  CosignAnswer answer;
  answer.kind = CosignAnswer::Kind::state;
  answer.head = {question.head.size, *own};
  reply(from, question.number, std::move(answer));
  if (stopped_) return;
  if (state_comparison_.is_running())
    return state_comparison_.take(from, {record, question.head.root});
  if (*own != question.head.root) state_differs({record, *own});
}

/// The tree asked about is committed, applied and stored here.
void CosignerExchange::answer_stored(std::uint64_t from, const CosignQuestion& question) {
  const Result<proof::TreeHead> own = parts_.cosigner.head_at(question.head.size);
  if (!own) return fatal(with_context(own.error(), "the tiles of the log cannot be read"));
  const bool is_same = own->root == question.head.root;
  if (is_same && question.kind == CosignQuestion::Kind::cosign)
    return answer_cosign(from, question);
  CosignAnswer answer;
  answer.kind = CosignAnswer::Kind::root;
  answer.head = *own;
  reply(from, question.number, std::move(answer));
  if (comparison_.is_running()) return comparison_.take_root(from, question.head);
  if (!is_same) differs(from, *own, question.head.root);
}

void CosignerExchange::answer_cosign(std::uint64_t from, const CosignQuestion& question) {
  if (comparison_.is_running()) {
    comparison_.take_root(from, question.head);
    return;  // it asks again; nothing is signed in doubt
  }
  const std::optional<proof::TreeHead>& last = parts_.cosigner.last();
  const proof::TreeHead head =
      last && raw(last->size) > raw(question.head.size) ? *last : question.head;
  Result<proof::NoteSignature> cosignature = parts_.cosigner.cosign(head);
  if (!cosignature)
    return fatal(with_context(cosignature.error(), "a tree head cannot be signed and kept"));
  CosignAnswer answer;
  answer.kind = CosignAnswer::Kind::cosigned;
  answer.head = head;
  answer.cosignature = std::move(cosignature->signature);
  reply(from, question.number, std::move(answer));
}

void CosignerExchange::answer_hashes(std::uint64_t from, const CosignQuestion& question) {
  const TileRange& range = question.range;
  const std::uint64_t complete = stored_ >> (proof::tile_height * range.level);
  CosignAnswer answer;
  if (range.first + range.count > complete) {
    answer.kind = CosignAnswer::Kind::refused;
    answer.why = fmt::format("it has {} hashes of level {}", complete, range.level);
    return reply(from, question.number, std::move(answer));
  }
  Result<proof::Hashes> hashes = parts_.tiles.read(range.level, range.first, range.count);
  if (!hashes) return fatal(with_context(hashes.error(), "the tiles of the log cannot be read"));
  answer.kind = CosignAnswer::Kind::hashes;
  answer.hashes = std::move(*hashes);
  reply(from, question.number, std::move(answer));
}

}  // namespace meridian::replica
