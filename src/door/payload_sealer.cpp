#include "door/payload_sealer.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace meridian::door {

namespace {

constexpr std::size_t salt_size = 32;

Buffer encode_envelope(const EventDraft& draft) {
  Buffer content;
  ledger::Envelope{draft.stream, draft.type, draft.content_type, draft.metadata, draft.data}.encode(
      content);
  return content;
}

}  // namespace

PayloadSealer::PayloadSealer(u128 cell, io::Entropy& entropy, const storage::KeyStore& keys,
                             storage::KeyTable& table, crypto::HmacKey commit_key,
                             storage::KeyStore::Key wrapping_key)
    : cell_(cell),
      entropy_(&entropy),
      keys_(&keys),
      table_(&table),
      commit_key_(std::move(commit_key)),
      wrapping_key_(wrapping_key) {}

Result<PayloadSealer> PayloadSealer::create(u128 cell, io::Entropy& entropy,
                                            const storage::KeyStore& keys,
                                            storage::KeyTable& table) {
  const storage::KeyStore::Key commit_key = TRY(keys.newest("commit"));
  return PayloadSealer(cell, entropy, keys, table, crypto::HmacKey(commit_key.secret),
                       TRY(keys.newest("payload")));
}

/// Fresh random bytes; asked of the kernel a few kilobytes at a time, wiped once handed out.
void PayloadSealer::random(MutableBytes out) {
  constexpr std::size_t pool_size = 4'096;
  if (pool_.size() < out.size()) {
    pool_.resize(pool_size);
    entropy_->fill(pool_);
  }
  const MutableBytes taken = MutableBytes(pool_).last(out.size());
  std::ranges::copy(taken, out.begin());
  crypto::cleanse(taken);
  pool_.resize(pool_.size() - out.size());
}

Result<PayloadSealer::Sealed> PayloadSealer::seal(const EventDraft& draft,
                                                  std::span<const u128> subject_ids) {
  const std::size_t count = draft.more.size() + 1;
  ASSERT(subject_ids.size() == count);
  if (count > ledger::compartments_max)
    return fail(Code::invalid_argument,
                fmt::format("the event has {} compartments; at most {} are allowed", count,
                            ledger::compartments_max));
  // Sizes first: nothing is sealed and no key is made for what cannot be recorded.
  std::size_t content_size =
      draft.stream.size() + draft.type.size() + draft.metadata.size() + draft.data.size();

  for (const CompartmentDraft& more : draft.more) content_size += more.content.size();
  const auto too_large = [](std::size_t size) {
    return fail(Code::invalid_argument,
                fmt::format("the event's payload takes {} bytes sealed; at most {} fit", size,
                            ledger::payload_size_max));
  };
  if (content_size > ledger::payload_size_max) return too_large(content_size);

  ledger::Payload payload;
  payload.compartments.push_back(
      TRY(seal_one(draft.event_id, 0, subject_ids[0], draft.retention, encode_envelope(draft))));
  for (std::size_t i = 1; i < count; ++i)
    payload.compartments.push_back(
        TRY(seal_one(draft.event_id, static_cast<std::uint8_t>(i), subject_ids[i],
                     draft.more[i - 1].retention, draft.more[i - 1].content)));
  if (payload.encoded_size() > ledger::payload_size_max) return too_large(payload.encoded_size());

  std::vector<crypto::Digest> commitments;
  for (const ledger::Compartment& compartment : payload.compartments)
    commitments.push_back(compartment.commitment);
  Sealed sealed;
  payload.encode(sealed.payload);
  sealed.commitment = ledger::fold_commitments(commitments);
  return sealed;
}

Result<ledger::Compartment> PayloadSealer::seal_one(u128 command_id, std::uint8_t number,
                                                    u128 subject, std::uint8_t retention,
                                                    Bytes content) {
  ledger::Compartment compartment;
  compartment.subject = subject;
  compartment.retention = retention;
  random(compartment.nonce);

  std::array<Byte, crypto::aead_key_size> own_key{};
  Bytes seal_key = own_key;
  crypto::Digest salt;
  if (subject == 0) {
    compartment.key_kind = ledger::KeyKind::own;
    compartment.key_version = static_cast<std::uint32_t>(wrapping_key_.version);
    random(own_key);
    compartment.wrapped_key = crypto::wrap_key(wrapping_key_.secret, own_key);
    salt = ledger::commitment_salt(commit_key_, cell_, command_id, number);
  } else {
    const storage::KeyTable::SubjectKeys keys = TRY(table_->for_sealing(subject, retention));
    compartment.key_kind = ledger::KeyKind::subject;
    compartment.key_version = keys.seal_version;
    seal_key = keys.seal;
    salt = ledger::commitment_salt(crypto::HmacKey(keys.commit), cell_, command_id, number);
  }
  compartment.commitment = ledger::commit(salt, content);

  Buffer plain(salt.begin(), salt.end());
  plain.insert(plain.end(), content.begin(), content.end());
  compartment.sealed.resize(plain.size() + crypto::aead_tag_size);
  crypto::AeadKey(seal_key).seal(
      compartment.nonce,
      ledger::compartment_aad(cell_, command_id, number, subject, compartment.retention), plain,
      compartment.sealed);
  crypto::cleanse(plain);
  crypto::cleanse(own_key);
  return compartment;
}

Result<OpenedEvent> PayloadSealer::open(const ledger::Header& header, Bytes bytes) {
  const auto* body = std::get_if<ledger::EventBody>(&header.body);
  if (body == nullptr)
    return fail(Code::invalid_argument,
                fmt::format("record {} is not an event", raw(header.record_index)));
  const auto damaged = [&](std::string_view what) {
    return fail(Code::data_loss,
                fmt::format("the payload of record {} {}", raw(header.record_index), what));
  };
  Result<ledger::Payload> payload = ledger::Payload::decode(bytes);
  if (!payload) return damaged("is malformed: " + payload.error().message);
  std::vector<crypto::Digest> commitments;
  for (const ledger::Compartment& compartment : payload->compartments)
    commitments.push_back(compartment.commitment);
  if (ledger::fold_commitments(commitments) != header.payload_commitment)
    return damaged("does not match the commitment in its header");

  OpenedEvent opened;
  for (std::size_t i = 0; i < payload->compartments.size(); ++i) {
    Result<OpenedCompartment> one = open_one(
        header.cell, body->event_id, static_cast<std::uint8_t>(i), payload->compartments[i]);
    if (!one) return damaged(one.error().message);
    opened.compartments.push_back(std::move(*one));
  }
  opened.forgotten = opened.compartments.front().forgotten;
  if (opened.forgotten) return opened;
  const Result<ledger::Envelope> envelope =
      ledger::Envelope::decode(opened.compartments.front().content);
  if (!envelope) return damaged("has a malformed envelope: " + envelope.error().message);
  opened.stream = envelope->stream_name;
  opened.type = envelope->type_name;
  opened.content_type = envelope->content_type_name;
  opened.metadata = to_buffer(envelope->metadata);
  opened.data = to_buffer(envelope->data);
  return opened;
}

Result<OpenedCompartment> PayloadSealer::open_one(u128 cell, u128 command_id, std::uint8_t number,
                                                  const ledger::Compartment& compartment) {
  OpenedCompartment opened;
  opened.retention = compartment.retention;
  crypto::Secret own_key;
  Bytes key;
  if (compartment.key_kind == ledger::KeyKind::own) {
    const auto wrapping = TRY(keys_->get("payload", storage::KeyVersion{compartment.key_version}));
    own_key = TRY(crypto::unwrap_key(wrapping.secret, compartment.wrapped_key));
    key = own_key.bytes();
  } else {
    const auto found =
        table_->for_opening(compartment.subject, compartment.retention, compartment.key_version);
    if (!found && found.error().code == Code::not_found) {
      // A missing key is right only if its subject was forgotten; otherwise it is damage.
      if (!table_->is_forgotten(compartment.subject))
        return fail(Code::data_loss,
                    fmt::format("has a compartment {} whose subject was not forgotten, but {}",
                                number, found.error().message));
      opened.forgotten = true;
      return opened;
    }

    if (!found) return found.error();
    key = found->seal;
  }
  if (compartment.sealed.size() < salt_size + crypto::aead_tag_size)
    return fail(Code::data_loss, fmt::format("has a compartment {} that is too short", number));
  Buffer plain(compartment.sealed.size() - crypto::aead_tag_size);
  const Buffer aad =
      ledger::compartment_aad(cell, command_id, number, compartment.subject, compartment.retention);
  if (!crypto::AeadKey(key).open(compartment.nonce, aad, compartment.sealed, plain))
    return fail(Code::data_loss, fmt::format("has a compartment {} that does not open", number));
  std::ranges::copy(Bytes(plain).first(salt_size), opened.salt.begin());
  opened.content = to_buffer(Bytes(plain).subspan(salt_size));
  if (ledger::commit(opened.salt, opened.content) != compartment.commitment)
    return fail(Code::data_loss,
                fmt::format("has a compartment {} that does not match its commitment", number));
  return opened;
}

}  // namespace meridian::door
