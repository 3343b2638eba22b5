#include "replica/state_exchange.h"

#include <fmt/format.h>

namespace meridian::replica {

namespace {

constexpr std::size_t question_size = 10;
constexpr std::size_t answer_size = 10;
/// Silence after which the taker gives up on its peer.
constexpr int patience_max = 10;
/// Wrong pieces after which its state is not worth having.
constexpr int refused_max = 8;
/// How often a rate limit lets more through.
constexpr io::Duration pace = io::milliseconds(20);
/// How often an offer is asked for: links between the two come up only now.
constexpr io::Duration offer_period = io::milliseconds(100);

io::SharedBytes head(PeerTag tag, std::uint8_t kind, std::uint64_t number, Bytes rest = {}) {
  auto bytes = std::make_shared<Buffer>();
  ByteWriter out(*bytes);
  out.u8(static_cast<std::uint8_t>(tag));
  out.u8(kind);
  out.u64(number);
  out.bytes(rest);
  return bytes;
}

}  // namespace

io::SharedBytes encode_copy_question(CopyQuestion kind, std::uint64_t number, Bytes what) {
  return head(PeerTag::copy_request, static_cast<std::uint8_t>(kind), number, what);
}

std::optional<CopyAnswer> decode_copy_answer(const io::Parts& parts) {
  if (parts.size() != 2 || parts[0]->size() != answer_size) return std::nullopt;
  ByteReader in(*parts[0]);
  in.u8();
  const std::uint8_t outcome = in.u8();
  return CopyAnswer{in.u64(), outcome != 0, *parts[1]};
}

// --- giving ---

StateGiver::StateGiver(Peers& peers, io::Executor& executor, StateSource& source, Next next)
    : peers_(peers), executor_(executor), source_(source), next_(std::move(next)) {
  peers_.on(PeerTag::copy_request, [this](std::uint64_t from, io::Parts question) {
    executor_.post([this, from, question = std::move(question)] { answer(from, question); });
  });
}

void StateGiver::answer(std::uint64_t from, const io::Parts& question) {
  ByteReader in(*question[0]);
  in.u8();
  const auto kind = static_cast<CopyQuestion>(in.u8());
  const std::uint64_t number = in.u64();
  const Bytes what = in.take(in.remaining());
  if (!in.ok() || question[0]->size() < question_size) return;
  if (kind == CopyQuestion::done) return next_.done(from);
  next_.asked(from);
  const auto result = [&]() -> Result<Buffer> {
    if (kind == CopyQuestion::offer) return TRY(source_.describe()).encode();
    return source_.read(TRY(PieceRequest::decode(what)));
  };
  Result<Buffer> found = result();
  if (!found && kind == CopyQuestion::offer && found.error().code == Code::not_found)
    next_.wanted();
  const std::uint8_t outcome = found ? 0 : static_cast<std::uint8_t>(found.error().code) + 1;
  Buffer bytes = found ? std::move(*found) : to_buffer(as_bytes(found.error().message));
  given_bytes_ += bytes.size();
  peers_.send(from, io::Channel::bulk,
              {head(PeerTag::copy_answer, outcome, number),
               std::make_shared<const Buffer>(std::move(bytes))});
}

// --- taking ---

StateTaker::StateTaker(const Parts& parts, std::uint64_t peer,
                       std::function<void(Result<StateOffer>)> done)
    : parts_(parts), peer_(peer), done_(std::move(done)) {
  parts_.peers.on(PeerTag::copy_answer,
                  [this, alive = lifetime_.token()](std::uint64_t from, io::Parts answer) {
                    parts_.executor.post([this, alive, from, answer = std::move(answer)] {
                      if (*alive) receive(from, answer);
                    });
                  });
}

StateTaker::~StateTaker() {
  lifetime_.end();
  parts_.peers.on(PeerTag::copy_answer, nullptr);
}

void StateTaker::start() {
  parts_.executor.post([this, alive = lifetime_.token()] {
    if (!*alive) return;
    heard_at_ = began_at_ = parts_.clock.monotonic();
    ask_offer();
    watch();
  });
}

bool StateTaker::send(CopyQuestion kind, std::uint64_t number, Bytes what) {
  return parts_.peers.send(peer_, io::Channel::control, {encode_copy_question(kind, number, what)});
}

void StateTaker::ask_offer() { send(CopyQuestion::offer, 0, {}); }

void StateTaker::watch() {
  parts_.executor.post_after(offer_ ? pace : offer_period, [this, alive = lifetime_.token()] {
    if (!*alive) return;
    // Behind the answers that came while this executor was at work: a merge may take long.
    parts_.executor.post([this, alive] {
      if (!*alive || ended_) return;
      repeat_questions();
      if (!ended_) watch();
    });
  });
}

/// Repeats what got no answer; gives up when the peer is silent for long.
void StateTaker::repeat_questions() {
  const io::MonotonicTime now = parts_.clock.monotonic();
  if (now - heard_at_ > io::Duration{patience_max * static_cast<std::int64_t>(patience)})
    return end(fail(Code::unavailable,
                    fmt::format("replica {} stopped answering while its state was copied", peer_)));
  if (!offer_) return ask_offer();
  for (auto at = asked_.begin(); at != asked_.end();) {
    if (now - at->second.at < patience) {
      ++at;
      continue;
    }
    installer_->give_up(at->second.request);
    at = asked_.erase(at);
  }
  ask_more();
}

void StateTaker::receive(std::uint64_t from, const io::Parts& answer) {
  const std::optional<CopyAnswer> decoded = decode_copy_answer(answer);
  if (ended_ || from != peer_ || !decoded) return;
  heard_at_ = parts_.clock.monotonic();
  if (decoded->is_refusal)
    return end(fail(Code::unavailable, fmt::format("replica {} cannot give its state: {}", peer_,
                                                   as_text(decoded->bytes))));
  if (decoded->number == 0) return begin(decoded->bytes);
  take(decoded->number, decoded->bytes);
}

void StateTaker::begin(Bytes bytes) {
  if (offer_) return;
  Result<StateOffer> offer = StateOffer::decode(bytes);
  if (!offer) return end(offer.error());
  StateInstaller::Options options;
  options.window = window;
  options.skips_sync = parts_.skips_sync;
  options.beside = parts_.beside;
  Result<std::unique_ptr<StateInstaller>> installer =
      StateInstaller::begin(parts_.context, *offer, options);
  if (!installer) return end(installer.error());
  offer_ = std::move(*offer);
  installer_ = std::move(*installer);
  ask_more();
}

void StateTaker::ask_more() {
  const auto allowed = [&] {
    if (parts_.bytes_per_second == 0) return true;
    const auto ms = static_cast<std::uint64_t>(parts_.clock.monotonic() - began_at_) / 1'000'000;
    return received_ <= parts_.bytes_per_second * ms / 1'000 + piece_size_max;
  };
  while (asked_.size() < window && allowed()) {
    const std::optional<PieceRequest> request = installer_->next();
    if (!request) break;
    const std::uint64_t number = next_number_++;
    asked_.emplace(number, Asked{*request, parts_.clock.monotonic()});
    if (!send(CopyQuestion::piece, number, request->encode())) break;
  }
  if (installer_->is_complete()) finish();
}

void StateTaker::take(std::uint64_t number, Bytes piece) {
  const auto found = asked_.find(number);
  if (found == asked_.end()) return;  // asked again since
  const PieceRequest request = found->second.request;
  asked_.erase(found);
  received_ += piece.size();
  const Status added = installer_->add(request, piece, fmt::format("replica {}", peer_));
  heard_at_ = parts_.clock.monotonic();  // how long that took is no silence of the peer
  if (!added && (added.error().code != Code::invalid_argument || ++refused_ == refused_max))
    return end(added.error());
  if (parts_.progress) parts_.progress(installer_->progress());
  ask_more();
}

void StateTaker::finish() {
  if (ended_) return;
  const auto commit = [&]() -> Status {
    if (parts_.before_commit) TRY(parts_.before_commit(*offer_));
    return installer_->commit();
  };
  if (Status committed = commit(); !committed) return end(committed.error());
  send(CopyQuestion::done, 0, {});
  end(*offer_);
}

void StateTaker::end(Result<StateOffer> result) {
  if (std::exchange(ended_, true)) return;
  installer_.reset();
  done_(std::move(result));
}

}  // namespace meridian::replica
