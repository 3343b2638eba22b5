#include "door/payload_sealer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace meridian::door {

namespace {

constexpr std::size_t salt_size = 32;

ledger::Envelope envelope_of(const EventDraft& draft, Bytes signature) {
  return {draft.stream, draft.type, draft.content_type, draft.metadata, draft.data, signature};
}

/// Nothing if a compartment did not open.
std::optional<OpenedSignature> signature_of(Bytes kept,
                                            const std::vector<OpenedCompartment>& compartments) {
  if (kept.empty()) return std::nullopt;
  OpenedSignature signature;
  std::ranges::copy(kept.first(salt_size), signature.salt.begin());
  for (std::size_t i = 1; i < compartments.size(); ++i) {
    if (compartments[i].forgotten || compartments[i].withheld) return std::nullopt;
    ledger::mask_signature_salt(signature.salt, compartments[i].salt);
  }
  for (std::size_t at = salt_size; at < kept.size(); at += salt_size)
    std::ranges::copy(kept.subspan(at, salt_size), signature.about.emplace_back().begin());
  return signature;
}

}  // namespace

PayloadSealer::PayloadSealer(u128 cell, io::Entropy& entropy, const storage::KeyStore& keys,
                             storage::SubjectKeyring& table, const crypto::HmacKey& commit_key,
                             const storage::KeyStore::Key& payload_key)
    : cell_(cell),
      entropy_(&entropy),
      keys_(&keys),
      table_(&table),
      commit_key_(commit_key),
      payload_key_version_(static_cast<std::uint32_t>(payload_key.version)),
      payload_key_(payload_key.secret),
      seal_key_(std::array<Byte, crypto::aead_key_size>{}) {}

Result<PayloadSealer> PayloadSealer::create(u128 cell, io::Entropy& entropy,
                                            const storage::KeyStore& keys,
                                            storage::SubjectKeyring& table) {
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

Result<crypto::Digest> PayloadSealer::seal(const EventDraft& draft,
                                           std::span<const u128> subject_ids, Buffer& out,
                                           Buffer signature) {
  const std::size_t count = draft.more.size() + 1;
  ASSERT(subject_ids.size() == count);
  if (count > ledger::compartments_max)
    return fail(Code::invalid_argument,
                fmt::format("the event has {} compartments; at most {} are allowed", count,
                            ledger::compartments_max));
  // Sizes first: nothing is sealed and no key is made for what cannot be recorded.
  const ledger::Envelope envelope = envelope_of(draft, signature);
  std::size_t content_size = envelope.encoded_size();
  for (const CompartmentDraft& more : draft.more) content_size += more.content.size();
  const auto too_large = [](std::size_t size) {
    return fail(Code::invalid_argument,
                fmt::format("the event's payload takes {} bytes sealed; at most {} fit", size,
                            ledger::payload_size_max));
  };
  if (content_size > ledger::payload_size_max) return too_large(content_size);

  // The salt of the client's signature is for who can open all of the event.
  for (std::size_t i = 1; i < count && !signature.empty(); ++i)
    ledger::mask_signature_salt(
        MutableBytes(signature).first(salt_size),
        TRY(commitment_salt({draft.event_id, static_cast<std::uint8_t>(i), subject_ids[i],
                             draft.more[i - 1].retention})));
  const std::size_t start = out.size();
  ledger::PayloadBuilder builder(count, out);
  std::array<crypto::Digest, ledger::compartments_max> commitments;
  commitments[0] = TRY(seal_one(
      {draft.event_id, 0, subject_ids[0], draft.retention}, envelope.encoded_size(),
      [&](MutableBytes room) { envelope.encode(room); }, builder));
  for (std::size_t i = 1; i < count; ++i) {
    const CompartmentDraft& more = draft.more[i - 1];
    commitments[i] = TRY(seal_one(
        {draft.event_id, static_cast<std::uint8_t>(i), subject_ids[i], more.retention},
        more.content.size(),
        [&](MutableBytes room) { std::ranges::copy(more.content, room.begin()); }, builder));
  }
  if (out.size() - start > ledger::payload_size_max) return too_large(out.size() - start);
  return ledger::fold_commitments(std::span(commitments).first(count));
}

void PayloadSealer::drop_key() { seal_key_.rekey(std::array<Byte, crypto::aead_key_size>{}); }

/// Sets seal_key_ and what `fields` says of it; returns the salt of the commitment.
Result<crypto::Digest> PayloadSealer::choose_key(const Place& place, ledger::Compartment& fields) {
  if (place.subject == 0) {
    random(fields.key_seed);
    fields.key_kind = ledger::KeyKind::own;
    fields.key_version = payload_key_version_;
    crypto::Digest key = ledger::own_key(payload_key_, fields.key_seed);
    seal_key_.rekey(key);
    crypto::cleanse(key);
    return ledger::commitment_salt(commit_key_, cell_, place.command_id, place.number);
  }
  const storage::SubjectKeyring::SubjectKeys keys =
      TRY(table_->for_sealing(place.subject, place.retention));
  fields.key_kind = ledger::KeyKind::subject;
  fields.key_version = keys.seal_version;
  seal_key_.rekey(keys.seal);
  return ledger::commitment_salt(crypto::HmacKey(keys.commit), cell_, place.command_id,
                                 place.number);
}

Result<crypto::Digest> PayloadSealer::commitment_salt(const Place& place) {
  if (place.subject == 0)
    return ledger::commitment_salt(commit_key_, cell_, place.command_id, place.number);
  const storage::SubjectKeyring::SubjectKeys keys =
      TRY(table_->for_sealing(place.subject, place.retention));
  return ledger::commitment_salt(crypto::HmacKey(keys.commit), cell_, place.command_id,
                                 place.number);
}

/// `write` puts content_size bytes of plaintext where the ciphertext will be.
template <typename Write>
Result<crypto::Digest> PayloadSealer::seal_one(const Place& place, std::size_t content_size,
                                               Write write, ledger::PayloadBuilder& builder) {
  ledger::Compartment fields;
  fields.subject = place.subject;
  fields.retention = place.retention;
  random(fields.nonce);
  const crypto::Digest salt = TRY(choose_key(place, fields));

  const std::size_t plain_size = salt_size + content_size;
  const auto room = builder.add(fields, plain_size + crypto::aead_tag_size);
  std::ranges::copy(salt, room.sealed.begin());
  const MutableBytes content = room.sealed.subspan(salt_size, content_size);
  write(content);
  const crypto::Digest commitment = ledger::commit(salt, content);
  std::ranges::copy(commitment, room.commitment.begin());
  seal_key_.seal(fields.nonce,
                 ledger::compartment_aad(cell_, place.command_id, place.number, place.subject,
                                         place.retention),
                 room.sealed.first(plain_size), room.sealed);
  return commitment;
}

Result<OpenedEvent> PayloadSealer::open(const ledger::Header& header, Bytes bytes, u128 about) {
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
    const ledger::Compartment& sealed = payload->compartments[i];
    if (about != 0 && sealed.subject != 0 && sealed.subject != about) {
      opened.compartments.push_back(
          {.withheld = true, .retention = sealed.retention, .content = {}});
      continue;
    }
    Result<OpenedCompartment> one =
        open_one(header.cell, body->event_id, static_cast<std::uint8_t>(i), sealed);
    if (!one && one.error().code == Code::unavailable) return one.error();
    if (!one) return damaged(one.error().message);
    const bool is_restricted = header.classification == ledger::classification_max;
    opened.is_personal |=
        !one->forgotten && (is_restricted || sealed.key_kind == ledger::KeyKind::subject);
    opened.compartments.push_back(std::move(*one));
  }
  opened.forgotten = opened.compartments.front().forgotten;
  opened.withheld = opened.compartments.front().withheld;
  if (opened.forgotten || opened.withheld) return opened;
  const Result<ledger::Envelope> envelope =
      ledger::Envelope::decode(opened.compartments.front().content);
  if (!envelope) return damaged("has a malformed envelope: " + envelope.error().message);
  opened.signature = signature_of(envelope->signature, opened.compartments);
  opened.stream = envelope->stream_name;
  opened.type = envelope->type_name;
  opened.content_type = envelope->content_type_name;
  opened.metadata = to_buffer(envelope->metadata);
  opened.data = to_buffer(envelope->data);
  if (opened.content_type != split_json_type) return opened;
  std::vector<Bytes> parts;
  for (std::size_t i = 1; i < opened.compartments.size(); ++i) {
    if (opened.compartments[i].forgotten)
      ++opened.parts_forgotten;
    else if (opened.compartments[i].withheld)
      ++opened.parts_withheld;
    else
      parts.emplace_back(opened.compartments[i].content);
  }
  Result<Buffer> whole = join_split(envelope->data, parts);
  if (!whole) return damaged("is taken apart: " + whole.error().message);
  opened.data = std::move(*whole);
  opened.content_type = "application/json";
  opened.compartments.resize(1);
  return opened;
}

Result<OpenedCompartment> PayloadSealer::open_one(u128 cell, u128 command_id, std::uint8_t number,
                                                  const ledger::Compartment& compartment) {
  OpenedCompartment opened;
  opened.retention = compartment.retention;
  crypto::Digest own_key{};
  Bytes key;
  if (compartment.key_kind == ledger::KeyKind::own) {
    const auto payload_key =
        TRY(keys_->get("payload", storage::KeyVersion{compartment.key_version}));
    own_key = ledger::own_key(crypto::HmacKey(payload_key.secret), compartment.key_seed);
    key = own_key;
  } else {
    const auto found =
        table_->for_opening(compartment.subject, compartment.retention, compartment.key_version);
    if (!found && found.error().code == Code::not_found) {
      // A missing key is right only if it was destroyed as it had to be; otherwise it is damage.
      if (!table_->is_erased(compartment.subject, {compartment.retention, compartment.key_version}))
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
  const auto aad =
      ledger::compartment_aad(cell, command_id, number, compartment.subject, compartment.retention);
  seal_key_.rekey(key);
  crypto::cleanse(own_key);
  if (!seal_key_.open(compartment.nonce, aad, compartment.sealed, plain))
    return fail(Code::data_loss, fmt::format("has a compartment {} that does not open", number));
  std::ranges::copy(Bytes(plain).first(salt_size), opened.salt.begin());
  opened.content = to_buffer(Bytes(plain).subspan(salt_size));
  if (ledger::commit(opened.salt, opened.content) != compartment.commitment)
    return fail(Code::data_loss,
                fmt::format("has a compartment {} that does not match its commitment", number));
  return opened;
}

}  // namespace meridian::door
