#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "proof/add_checkpoint.h"
#include "proof/cosignature.h"
#include "witness/internal/courier.h"

namespace meridian::witness::internal {

namespace {

constexpr std::uint32_t conflicts_max = 4;  // others may send for the same log at the same time
constexpr std::uint32_t doublings_max = 10;

/// What a stranger says, for a line of a log: printable and short.
std::string printable(std::string_view text) {
  constexpr std::size_t shown_max = 200;
  std::string out;
  for (const char c : text.substr(0, shown_max)) out += c >= 0x20 && c < 0x7f ? c : ' ';
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

/// Lines of other keys are ignored.
std::optional<proof::NoteSignature> good_line(std::string_view text, std::string_view body,
                                              const proof::VerifierKey& key) {
  const auto lines = proof::parse_signature_lines(body);
  if (!lines) return std::nullopt;
  for (const proof::NoteSignature& line : *lines)
    if (proof::check_cosignature(text, line, key).check == proof::SignatureCheck::good) return line;
  return std::nullopt;
}

metrics::Gauge& gauge(metrics::Registry& metrics, std::string_view name, std::string_view help,
                      const std::string& witness) {
  return metrics.gauge(name, help, {{"witness", witness}});
}
metrics::Counter& calls(metrics::Registry& metrics, const std::string& witness,
                        const std::string& outcome) {
  return metrics.counter("meridian_witnessing_calls_total",
                         "Requests to witnesses to cosign, by how they ended.",
                         {{"witness", witness}, {"outcome", outcome}});
}

}  // namespace

Courier::Courier(Witnessing::Peer peer, metrics::Registry& metrics,
                 std::function<void(const std::string&)> notice, const WitnessingOptions& options)
    : peer_(std::move(peer)),
      notice_(std::move(notice)),
      options_(options),
      size_gauge_(gauge(metrics, "meridian_witnessing_cosigned_size",
                        "Records of the newest tree that a witness cosigned.", key().name)),
      lag_gauge_(gauge(metrics, "meridian_witnessing_lag_records",
                       "Readable records that a witness has not cosigned.", key().name)),
      refusing_gauge_(gauge(metrics, "meridian_witnessing_refusing",
                            "1 while a witness contradicts this log.", key().name)),
      cosigned_count_(calls(metrics, key().name, "cosigned")),
      refused_count_(calls(metrics, key().name, "refused")),
      unreachable_count_(calls(metrics, key().name, "unreachable")) {}

std::string Courier::who() const {
  return fmt::format("witness {} at {}", key().name, peer_.address.url);
}

bool Courier::wants(const std::shared_ptr<Round>& round, io::MonotonicTime now) const {
  return !is_busy() && round && round->size > cosigned_size_ && now >= not_before_;
}

Result<std::string> Courier::begin(const std::shared_ptr<Round>& round, proof::TileReader& tiles) {
  ASSERT(!is_busy());
  if (its_size_ > round->size)
    return meridian::fail(
        Code::failed_precondition,
        fmt::format("it has cosigned {} records of this log, and here are only {}", its_size_,
                    round->size));
  proof::AddCheckpoint request{proof::TreeSize{its_size_}, {}, round->note};
  if (its_size_ > 0 && its_size_ < round->size)
    request.path =
        TRY(proof::prove_consistency(request.old_size, proof::TreeSize{round->size}, tiles));
  sending_ = round;
  return proof::format_add_checkpoint(request);
}

bool Courier::finish(const Result<WitnessLink::Reply>& reply, io::MonotonicTime now) {
  ASSERT(is_busy());
  bool has_more = false;
  if (!reply) {
    fail(WitnessState::unreachable, reply.error().message, now);
  } else if (reply->status == 200) {
    has_more = cosigned(reply->body, now);
  } else if (reply->status == 409) {
    other_size(reply->body, now);
  } else if (reply->status == 422) {
    fail(WitnessState::refusing,
         fmt::format("the {} records here do not extend the {} that it cosigned before ({})",
                     sending_->size, its_size_, printable(reply->body)),
         now);
  } else if (reply->status >= 400 && reply->status < 500 && reply->status != 429) {
    fail(WitnessState::refusing, fmt::format("{} {}", reply->status, printable(reply->body)), now);
  } else {
    fail(WitnessState::unreachable, fmt::format("{} {}", reply->status, printable(reply->body)),
         now);
  }
  sending_ = nullptr;
  return has_more;
}

bool Courier::cosigned(const std::string& body, io::MonotonicTime now) {
  const std::optional<proof::NoteSignature> line = good_line(sending_->note.text, body, key());
  if (!line) {
    fail(WitnessState::unreachable,
         fmt::format("its answer has no good signature of key {:08x}: is the vkey right?",
                     key().id()),
         now);
    return false;
  }
  sending_->note.signatures.push_back(*line);
  ++sending_->cosigned;
  its_size_ = cosigned_size_ = sending_->size;
  conflicts_ = failures_ = 0;
  not_before_ = {};
  problem_.clear();
  if (std::exchange(state_, WitnessState::cosigning) != WitnessState::cosigning)
    notice_(fmt::format("{} cosigns: {} records", who(), cosigned_size_));
  refusing_gauge_.set(0);
  cosigned_count_.increment();
  return true;
}

void Courier::other_size(const std::string& body, io::MonotonicTime now) {
  const Result<proof::TreeSize> size = proof::parse_size_line(body);
  if (!size) return fail(WitnessState::unreachable, "409 " + size.error().message, now);
  its_size_ = raw(*size);
  if (++conflicts_ <= conflicts_max) return;  // wants() is true at once: the next begin() uses it
  conflicts_ = 0;
  fail(WitnessState::unreachable, "it names another size each time; who else sends this log?", now);
}

void Courier::fail(WitnessState state, const std::string& why, io::MonotonicTime now) {
  const bool is_refusal = state == WitnessState::refusing;
  (is_refusal ? refused_count_ : unreachable_count_).increment();
  refusing_gauge_.set(is_refusal ? 1 : 0);
  const auto pause = static_cast<std::int64_t>(options_.retry_min)
                     << std::min(failures_, doublings_max);
  not_before_ = now + std::min(io::Duration{pause}, options_.retry_max);
  ++failures_;
  problem_ = why;
  if (std::exchange(state_, state) == state) return;
  notice_(
      is_refusal
          ? fmt::format("{} REFUSES to cosign this log: {}. either this data is an old copy or "
                        "a fork of the log, or the witness has another log under this name. "
                        "find out which before anybody relies on it: docs/operations/witness.md",
                        who(), why)
          : fmt::format("{} does not answer: {}. the ledger goes on; until it is back, new "
                        "receipts are without its cosignature",
                        who(), why));
}

WitnessReport Courier::report(std::uint64_t visible_records) const {
  return {key().name,
          peer_.address.url,
          state_,
          cosigned_size_,
          visible_records - std::min(visible_records, cosigned_size_),
          problem_};
}

void Courier::measure(std::uint64_t visible_records) {
  const WitnessReport now = report(visible_records);
  size_gauge_.set(static_cast<std::int64_t>(now.cosigned_size));
  lag_gauge_.set(static_cast<std::int64_t>(now.lag_records));
}

}  // namespace meridian::witness::internal
