// A record's header: the canonical bytes that the Merkle tree hashes (docs/formats/header.md).
//
// HeaderEncoder writes what apply decided; Header::decode reads bytes from outside and accepts
// exactly one encoding of a value. Pure. Cost: encode about 40 ns for a transfer, decode 30 ns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "ledger/effect.h"
#include "ledger/entry.h"

namespace meridian::ledger {

inline constexpr std::size_t header_size_max = 2'048;
inline constexpr std::size_t header_common_size = 96;
inline constexpr std::uint8_t classification_max = 4;  ///< 0 none .. 4 restricted

/// What is the same for all records of an entry.
struct EntryPosition {
  u128 cell;
  std::uint64_t term;
  std::uint64_t entry_index;
  RecordIndex first_record;
};

/// Writes headers of one entry, in order for speed. One per entry and thread; owns the keyed salt
/// state; borrows `entry`, which outlives it.
class HeaderEncoder {
 public:
  HeaderEncoder(const EntryPosition& position, const EntryView& entry);
  /// Encodes the header of command `number` (of `kind`, in request `request`) with its `effect`
  /// into `out` and returns its size. `out` has at least header_size_max bytes (asserted).
  /// `expired` is applied.expired (used by expiries only). Asserts what Ledger::apply promises of
  /// created events: a revision, classification, content type and expectation that exist.
  std::size_t encode(std::uint32_t number, CommandKind kind, const RequestHeader& request,
                     const Effect& effect, std::span<const Transfer> expired, MutableBytes out);

 private:
  const Byte* salt_of(std::uint64_t record_index);

  const EntryView& entry_;
  std::uint64_t first_record_;
  crypto::HmacKey salt_key_;
  std::uint64_t salt_pair_ = ~std::uint64_t{0};  ///< The pair of records whose salts are kept.
  crypto::Digest salts_{};
  std::array<Byte, header_common_size> common_{};  ///< What all records of the entry share.
};

/// Of a transfer (as it was applied) or an expiry (the pending transfer that ended).
struct TransferBody {
  /// `timestamp` is the imported time, or else the record's time; encode does not read it.
  Transfer transfer{};
  u128 requested_amount = 0;  ///< transfer.amount unless balancing or posting changed it.
  bool applied = false;       ///< created: the balances and links below are there
  Balances debit;
  Balances credit;
  RecordIndex previous_debit = no_record;
  RecordIndex previous_credit = no_record;
  bool operator==(const TransferBody&) const = default;
};
struct AccountBody {
  Account account{};  ///< `timestamp` as in TransferBody.
  bool operator==(const AccountBody&) const = default;
};
/// A refused event or deletion may hold values of Expected and ContentType that have no name.
struct EventBody {
  u128 event_id = 0, stream = 0, category = 0, type = 0;
  std::uint64_t revision = no_revision;  ///< no_revision unless created.
  std::uint64_t expected_revision = 0;
  RecordIndex previous = no_record;  ///< The stream's last record before; no_record unless created.
  std::uint32_t payload_size = 0;
  Expected expected = Expected::any;
  ContentType content_type = ContentType::bytes;
  std::uint16_t flags = 0;
  bool operator==(const EventBody&) const = default;
};
struct DeletionBody {
  u128 event_id = 0, stream = 0;
  std::uint64_t revision = no_revision;  ///< Of the stream's last event; as in EventBody.
  std::uint64_t expected_revision = 0;
  RecordIndex previous = no_record;
  Expected expected = Expected::any;
  std::uint16_t flags = 0;
  bool operator==(const DeletionBody&) const = default;
};
/// Any other command of the replica or the door, as it was.
struct SystemBody {
  std::array<Byte, command_size> command{};
  bool operator==(const SystemBody&) const = default;
};

enum class Decision : std::uint8_t { none = 0, allowed = 1, refused = 2, flagged = 3 };

struct Header {
  CommandKind kind = CommandKind::create_transfer;  ///< Chooses the alternative of `body`.
  Outcome outcome = Outcome::created;
  std::uint8_t classification = 0;
  std::uint8_t retention = 0;
  u128 cell = 0;
  RecordIndex record_index{0};
  std::uint64_t term = 0, entry_index = 0;
  std::uint64_t time = 0;  ///< Nanoseconds since 1970.
  std::uint32_t clock_uncertainty_us = 0;
  Attester attester = Attester::door;
  std::uint8_t decision = 0;  ///< A Decision.
  u128 actor = 0;
  std::array<Byte, 16> salt{};
  std::variant<TransferBody, AccountBody, EventBody, DeletionBody, SystemBody> body;
  std::uint64_t imported_time = 0;      ///< 0 if none
  Buffer facts;                         ///< empty if none
  crypto::Digest signature_digest{};    ///< zero if none
  crypto::Digest rule_set{};            ///< zero if none: if and only if decision is none
  Buffer rule_aggregates;               ///< empty if none
  crypto::Digest payload_commitment{};  ///< zero if none; events only

  /// Errors: invalid_argument naming the field and why; every accepted input re-encodes to itself.
  static Result<Header> decode(Bytes bytes);
  /// The canonical bytes; decode(encode(h)) == h if the values are those of a record. Asserts that
  /// `body` fits `kind` and that the result fits header_size_max.
  Buffer encode() const;
  bool operator==(const Header&) const = default;
};

/// The id of the account, transfer or event that the record is of; 0 for the system's own.
u128 command_id(const Header& header);

}  // namespace meridian::ledger
