#include "sim_cluster/clients.h"

#include <algorithm>

namespace meridian::sim_cluster {

namespace {

constexpr std::size_t repeated_of_last = 30;

bool says_nothing_was_done(const Error& error) {
  return error.message.find("nothing was done") != std::string::npos;
}

}  // namespace

void Clients::use(std::uint64_t count, const Workload& workload) {
  memory_.accounts = count;
  workload_ = &workload;
}

/// Which request to send next.
std::size_t Clients::choose() {
  for (std::size_t tries = unknown_.size(); tries > 0; --tries) {
    const std::size_t number = unknown_.front();
    unknown_.pop_front();
    if (!sent_[number].is_open && !sent_[number].was_answered) return number;
  }
  if (!sent_.empty() && random_.chance(workload_->repeats)) {
    const std::size_t newest = sent_.size() - 1;
    const std::size_t number = newest - random_.below(std::min(sent_.size(), repeated_of_last));
    if (!sent_[number].is_open) return number;
  }
  NewRequest next = workload_->next(memory_, random_);
  sent_.push_back({std::move(next.request), std::move(next.ids)});
  ++counts_.sent;
  return sent_.size() - 1;
}

void Clients::send(Node& node) {
  if (!node.is_up() || workload_ == nullptr) return;
  const std::uint64_t before = counts_.sent;
  const std::size_t number = choose();
  if (counts_.sent == before) ++counts_.repeated;
  submit(node, number);
}

void Clients::submit(Node& node, std::size_t number) {
  Sent& sent = sent_[number];
  sent.is_open = true;
  if (sent.was_refused) checker_.refused(sent.ids, true);
  node.replica().submit(
      std::make_unique<ledger::Request>(*sent.request),
      [this, number](const Result<replica::Answer>& answer) { take_answer(number, answer); });
}

void Clients::take_answer(std::size_t number, const Result<replica::Answer>& answer) {
  Sent& sent = sent_[number];
  if (!sent.is_open) return checker_.broken("a request was answered twice");
  sent.is_open = false;
  if (answer) {
    ++counts_.acknowledged;
    sent.was_answered = true;
    sent.was_refused = false;
    checker_.acknowledged(sent.ids, *answer);
    return;
  }
  // One attempt of unknown outcome is enough: then no refusal of another says anything.
  const bool is_first = !sent.was_unknown && !sent.was_answered;
  if (is_first && says_nothing_was_done(answer.error())) {
    ++counts_.refused;
    sent.was_refused = true;
    checker_.refused(sent.ids, false);
    return;
  }
  ++counts_.unknown;
  sent.was_unknown = true;
  sent.was_refused = false;
  if (!sent.was_answered) unknown_.push_back(number);
}

void Clients::read(Node& node) {
  if (!node.is_up()) return;
  const std::uint64_t needed = checker_.newest_known();
  replica::Replica* replica = &node.replica();
  node.replica().catch_up([this, replica, &node, needed](const Status& ready) {
    // It may be gone meanwhile: then the answer comes while it is taken down.
    if (!ready || !node.is_up() || &node.replica() != replica) return;
    replica->read_state([this, needed, &node](const ledger::Ledger& ledger) {
      checker_.read(node, needed, ledger);
    });
  });
}

}  // namespace meridian::sim_cluster
