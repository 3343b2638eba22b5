#include "consensus/internal/outbox.h"

#include <algorithm>

#include "base/assert.h"

namespace meridian::consensus {

void Outbox::send(OutgoingMessage message, std::uint64_t term) {
  if (message.kind != MessageKind::append) return transmit(std::move(message), {});
  const std::uint64_t to = message.to;
  Waiting& waiting = waiting_[to];
  if (waiting.term != term) waiting = Waiting{{}, {}, false, term};
  drop_repeated(waiting.messages, message);
  waiting.messages.push_back(std::move(message));
  flush(to);
}

/// What is sent once more was taken for lost, with all that followed it: it must not wait behind
/// that, and be read back twice.
void Outbox::drop_repeated(std::deque<OutgoingMessage>& messages, const OutgoingMessage& message) {
  if (message.entry_count == 0) return;
  const auto is_repeated = [&](const OutgoingMessage& waiting) {
    return waiting.entry_count != 0 && waiting.first_index >= message.first_index;
  };
  messages.erase(std::find_if(messages.begin(), messages.end(), is_repeated), messages.end());
}

void Outbox::flush(std::uint64_t to) {
  Waiting& waiting = waiting_[to];
  while (!waiting.messages.empty() && !waiting.loading) {
    const OutgoingMessage& next = waiting.messages.front();
    if (const std::uint64_t missing = first_missing(next, waiting); missing != 0) {
      if (!parts_.visible.has(missing)) {  // released meanwhile: the core will offer a snapshot
        waiting.messages.pop_front();
        unreachable_.push_back(to);
        continue;
      }
      if (is_ahead()) return;
      waiting.loading = true;
      return load(to, missing, next.first_index + next.entry_count - 1);
    }
    OutgoingMessage message = std::move(waiting.messages.front());
    waiting.messages.pop_front();
    waiting.loaded.erase(waiting.loaded.begin(), waiting.loaded.lower_bound(message.first_index));
    transmit(std::move(message), waiting.loaded);
  }
  if (waiting.messages.empty()) waiting_.erase(to);
}

std::uint64_t Outbox::first_missing(const OutgoingMessage& message, const Waiting& waiting) const {
  for (std::size_t i = 0; i < message.entry_count; ++i) {
    const std::uint64_t index = message.first_index + i;
    if (waiting.loaded.count(index) != 0) continue;
    if (!parts_.visible.has(index) || !parts_.visible.is_cached(index)) return index;
  }
  return 0;
}

void Outbox::go_on() {
  if (is_ahead()) return;
  std::vector<std::uint64_t> members;
  for (const auto& [to, waiting] : waiting_) members.push_back(to);
  for (const std::uint64_t to : members) flush(to);
}

void Outbox::count(std::span<const LogEntry> read) {
  std::uint64_t bytes = 0;
  for (const LogEntry& entry : read) bytes += entry.size;
  pace_.count(bytes, parts_.clock.monotonic());
}

void Outbox::load(std::uint64_t to, std::uint64_t first, std::uint64_t last) {
  const std::uint64_t term = waiting_[to].term;
  parts_.log.post([this, to, first, last, term] {
    Result<std::vector<LogEntry>> read = parts_.store.read(first, last, read_back_bytes_max);
    parts_.raft.post([this, to, term, read = std::move(read)]() mutable {
      const auto found = waiting_.find(to);
      if (found == waiting_.end() || found->second.term != term) return;  // of an earlier term
      Waiting& waiting = found->second;
      waiting.loading = false;
      if (!read) {
        if (read.error().code != Code::out_of_range) return next_.failed(read.error());
        waiting.messages.clear();  // released while we asked
        unreachable_.push_back(to);
      } else {
        ASSERT(!read->empty());
        count(*read);
        for (LogEntry& entry : *read) waiting.loaded[entry.index] = std::move(entry.bytes);
      }
      flush(to);
    });
  });
}

void Outbox::transmit(OutgoingMessage message, const std::map<std::uint64_t, EntryBytes>& loaded) {
  io::Parts parts;
  parts.reserve(1 + message.entry_count);
  auto head = std::make_shared<Buffer>(1 + message.bytes.size(), raft_message_tag);
  std::copy(message.bytes.begin(), message.bytes.end(), head->begin() + 1);
  parts.push_back(std::move(head));
  for (std::size_t i = 0; i < message.entry_count; ++i) {
    const std::uint64_t index = message.first_index + i;
    if (const auto found = loaded.find(index); found != loaded.end()) {
      if (found->second) parts.push_back(found->second);
      continue;
    }
    const LogEntry entry = parts_.visible.at(index);
    if (entry.size == 0) continue;
    ASSERT(entry.bytes != nullptr);
    parts.push_back(entry.bytes);
  }
  const io::Channel channel =
      message.kind == MessageKind::append ? io::Channel::entries : io::Channel::control;
  if (!next_.send(message.to, channel, std::move(parts))) unreachable_.push_back(message.to);
}

}  // namespace meridian::consensus
