#include "cell/key_handover.h"

#include <algorithm>

#include "base/assert.h"
#include "storage/cell_key.h"

namespace meridian::cell {

namespace {

crypto::ExchangeKey exchange_key(const storage::KeyStore& keys) {
  const auto held = keys.newest(storage::exchange_key_name);
  ASSERT(held.has_value());  // made when the replica was opened
  return crypto::ExchangeKey(held->secret);
}

}  // namespace

void KeyHandover::start() { own_.emplace(exchange_key(parts_.keys)); }

void KeyHandover::tick() {
  std::erase_if(asked_, [this](const auto& one) {
    return parts_.clock.monotonic() - one.second.at >= patience;
  });
}

void KeyHandover::ask(const std::vector<std::uint64_t>& from, u128 check) {
  if (asked_.contains(check)) return;
  std::array<Byte, 32> secret;
  parts_.entropy.fill(secret);
  Asked asked{crypto::ExchangeKey(secret), parts_.clock.monotonic()};
  crypto::cleanse(secret);
  const Buffer question = encode_key_message(KeyQuestion{check, asked.once.public_key()});
  for (const std::uint64_t one : from) parts_.send(one, question);
  asked_.emplace(check, std::move(asked));
}

std::array<Byte, 64> KeyHandover::aad(std::uint64_t reader, u128 check) const {
  constexpr std::string_view label = "meridian/epoch-key/1";
  std::array<Byte, 64> bytes{};
  static_assert(label.size() <= 24);
  std::ranges::copy(as_bytes(label), bytes.begin());
  store_le(bytes.data() + 24, parts_.cell);
  store_le(bytes.data() + 40, reader);
  store_le(bytes.data() + 48, check);
  return bytes;
}

void KeyHandover::receive(std::uint64_t from, const KeyQuestion& question) {
  parts_.group([this, from, question, alive = lifetime_.token()](const auto& group) {
    if (!group.membership.has(from)) return;
    parts_.executor.post([this, from, question, alive, region = group.region_of(from)] {
      if (*alive) answer(from, region, question);
    });
  });
}

void KeyHandover::answer(std::uint64_t to, const std::string& region, const KeyQuestion& question) {
  const auto readers = parts_.exchange_keys();
  const auto reader = readers.find(to);
  const Result<Bytes> key = find_(question.check, region);
  if (reader == readers.end() || !key) return;
  std::array<Byte, 32> half, other_half, once_a, once_b;
  parts_.entropy.fill(half);
  parts_.entropy.fill(once_a);
  parts_.entropy.fill(once_b);
  for (std::size_t i = 0; i < half.size(); ++i)
    other_half[i] = static_cast<Byte>(half[i] ^ (*key)[i]);
  const auto for_whom = aad(to, question.check);
  const auto for_replica = crypto::seal_box(reader->second, half, for_whom, once_a);
  const auto for_once = crypto::seal_box(question.once, other_half, for_whom, once_b);
  for (auto* secret : {&half, &other_half, &once_a, &once_b}) crypto::cleanse(*secret);
  if (for_replica && for_once)
    parts_.send(to, encode_key_message(KeyAnswer{question.check, *for_replica, *for_once}));
}

std::optional<crypto::Secret> KeyHandover::open(const KeyAnswer& answer) {
  const auto asked = asked_.find(answer.check);
  if (asked == asked_.end()) return std::nullopt;
  const auto for_whom = aad(parts_.id, answer.check);
  const Result<crypto::Secret> half = own_->open(answer.for_replica, for_whom);
  const Result<crypto::Secret> other_half = asked->second.once.open(answer.for_once, for_whom);
  if (!half || !other_half) return std::nullopt;
  std::array<Byte, 32> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<Byte>(half->bytes()[i] ^ other_half->bytes()[i]);
  crypto::Secret key(bytes);
  crypto::cleanse(bytes);
  if (storage::kek_check(key.bytes()) != answer.check) return std::nullopt;
  asked_.erase(asked);
  return key;
}

}  // namespace meridian::cell
