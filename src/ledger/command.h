// The commands of a cell: what a client may ask and what the replica adds (docs/formats/entry.md).
//
// Plain 128-byte values with the exact bytes that are proposed, stored and hashed from; a batch is
// used in place, never copied or rebuilt. Transfers and accounts have the fields, sizes and order
// that double entry made standard (TigerBeetle's), so existing encoders work.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/u128.h"
#include "crypto/sha256.h"

namespace meridian::ledger {

enum class RecordIndex : std::uint64_t {};  ///< Position of a record in its cell: 0-based, dense.
inline constexpr RecordIndex no_record{~std::uint64_t{0}};
constexpr std::uint64_t raw(RecordIndex index) { return static_cast<std::uint64_t>(index); }

enum class CommandKind : std::uint8_t {
  create_account = 1,
  create_transfer = 2,
  append_event = 3,
  delete_stream = 4,
  open_generation = 16,
  set_feature_level = 17,
  expire_pending = 18,
  state_digest = 19,
  time_advance = 20,
  erase_subject = 21,
  door_refusals = 22,
  dropped_tail = 23,
  member_change = 24,
  cell_key_grant = 25,
  subject_key = 26,
  turn_epoch = 27,
  entry_skipped = 28,
  set_retention = 32,
  place_hold = 33,
  release_hold = 34,
  forget_subject = 35,
  erase_key = 36,
  expire_class = 37,
  set_residency = 38,
  residency_key = 39,
  turn_residency = 40,
};
constexpr bool made_by_clients(CommandKind kind) { return static_cast<std::uint8_t>(kind) <= 4; }

inline constexpr std::size_t command_size = 128;

namespace account_flags {
inline constexpr std::uint16_t linked = 1 << 0;
inline constexpr std::uint16_t debits_must_not_exceed_credits = 1 << 1;
inline constexpr std::uint16_t credits_must_not_exceed_debits = 1 << 2;
inline constexpr std::uint16_t history = 1 << 3;
inline constexpr std::uint16_t imported = 1 << 4;
inline constexpr std::uint16_t closed = 1 << 5;
/// Ours, from the top, as the others are the standard's: each transfer that touches the account was
/// signed by the client that sent it (docs/decisions/0036).
inline constexpr std::uint16_t requires_signature = 1 << 15;
inline constexpr std::uint16_t all = ((1 << 6) - 1) | requires_signature;
}  // namespace account_flags

namespace transfer_flags {
inline constexpr std::uint16_t linked = 1 << 0;
inline constexpr std::uint16_t pending = 1 << 1;
inline constexpr std::uint16_t post_pending_transfer = 1 << 2;
inline constexpr std::uint16_t void_pending_transfer = 1 << 3;
inline constexpr std::uint16_t balancing_debit = 1 << 4;
inline constexpr std::uint16_t balancing_credit = 1 << 5;
inline constexpr std::uint16_t closing_debit = 1 << 6;
inline constexpr std::uint16_t closing_credit = 1 << 7;
inline constexpr std::uint16_t imported = 1 << 8;
inline constexpr std::uint16_t all = (1 << 9) - 1;
}  // namespace transfer_flags

inline constexpr std::uint16_t event_flag_linked = 1 << 0;

struct Account {
  u128 id;
  u128 debits_pending;
  u128 debits_posted;
  u128 credits_pending;
  u128 credits_posted;
  u128 user_data_128;
  std::uint64_t user_data_64;
  std::uint32_t user_data_32;
  std::uint32_t reserved;
  std::uint32_t ledger;
  std::uint16_t code;
  std::uint16_t flags;
  std::uint64_t timestamp;
  bool operator==(const Account&) const = default;
};

struct Transfer {
  u128 id;
  u128 debit_account_id;
  u128 credit_account_id;
  u128 amount;
  u128 pending_id;
  u128 user_data_128;
  std::uint64_t user_data_64;
  std::uint32_t user_data_32;
  std::uint32_t timeout;  ///< Seconds; 0 = never.
  std::uint32_t ledger;
  std::uint16_t code;
  std::uint16_t flags;
  std::uint64_t timestamp;  ///< Nanoseconds; zero in a command unless imported.
  bool operator==(const Transfer&) const = default;
};

enum class Expected : std::uint8_t { any = 0, none = 1, exists = 2, exact = 3 };
enum class ContentType : std::uint8_t { bytes = 1, json = 2 };
inline constexpr std::uint64_t no_revision = ~std::uint64_t{0};

struct AppendEvent {
  u128 event_id;
  u128 stream;
  u128 category;
  u128 type;
  crypto::Digest commitment;
  std::uint64_t expected_revision;
  std::uint32_t payload_size;
  std::uint32_t payload_offset;
  std::uint16_t flags;
  Expected expected;
  ContentType content_type;
  std::uint8_t classification;
  std::uint8_t retention;
  std::array<Byte, 10> zero;
  bool operator==(const AppendEvent&) const = default;
};

struct DeleteStream {
  u128 event_id;
  u128 stream;
  std::array<Byte, 64> zero_a;
  std::uint64_t expected_revision;
  std::array<Byte, 8> zero_b;
  std::uint16_t flags;
  Expected expected;
  std::array<Byte, 13> zero_c;
  bool operator==(const DeleteStream&) const = default;
};

struct OpenGeneration {
  u128 cell;
  std::uint64_t generation;
  std::uint64_t predecessor_size;
  crypto::Digest predecessor_root;
  std::uint32_t feature_level;
  std::uint32_t zero_a;
  std::uint64_t lost_count;
  std::array<Byte, 48> zero;
};

struct SetFeatureLevel {
  std::uint32_t feature_level;
  std::array<Byte, 124> zero;
};

struct ExpirePending {
  u128 transfer_id;
  std::array<Byte, 112> zero;
};

struct StateDigest {
  std::uint64_t record_index;  ///< The state is that after all records below this index.
  std::uint64_t zero_a;
  crypto::Digest digest;
  std::array<Byte, 80> zero;
};

struct TimeAdvance {
  std::uint64_t time;
  std::array<Byte, 120> zero;
};

struct EraseSubject {
  u128 subject;
  u128 proposal;
  std::array<Byte, 32> classes;  ///< Bit n: retention class n erased.
  std::uint32_t keys_destroyed;
  std::uint32_t epoch;  ///< The epoch whose key was destroyed.
  std::array<Byte, 56> zero;
};

struct DoorRefusals {
  u128 actor;
  std::uint64_t minute;  ///< Minutes since 1970.
  std::uint64_t count;
  std::uint32_t reason;
  std::uint32_t action;
  std::array<Byte, 88> zero;
};

struct DroppedTail {
  std::uint64_t wal_index;
  std::uint64_t bytes;
  std::uint32_t reason;
  std::array<Byte, 108> zero;
};

/// A replica joins, gets a vote or leaves: the entry that holds it changes consensus's
/// configuration at the same index.
struct MemberChange {
  std::uint64_t member;  ///< Raft id: of one disk, for ever.
  std::uint32_t change;  ///< 0 votes, 1 leaves, 2 learns.
  std::array<Byte, 4> zero_a;
  std::array<char, 32> region;   ///< Padded with zeros, as is `address`.
  std::array<char, 64> address;  ///< "host:port" for its peers.
  u128 storage;  ///< Of the disk that the id belongs to; 0: not said, as in logs of before.
};

/// The cell's key, sealed for one replica (crypto/sealed_box.h). The first one names the key of the
/// cell; one of another key is refused.
struct CellKeyGrant {
  std::uint64_t member;  ///< Who can open it.
  std::array<Byte, 8> zero_a;
  u128 check;  ///< Of the key: tells it from another.
  std::array<Byte, 80> box;
  std::array<Byte, 8> zero;
};

/// A key of a person's, wrapped under the KEK of an epoch, for all replicas: of a cell that has
/// several. Unreadable for good once that KEK is destroyed.
struct SubjectKey {
  u128 subject;
  std::uint8_t retention;  ///< Class, or 255: the subject's K_commit.
  std::array<Byte, 3> zero_a;
  std::uint32_t version;
  std::array<Byte, 40> wrapped;  ///< AES-256-KW.
  u128 check;                    ///< Of the KEK.
  std::array<Byte, 48> zero;
};

/// From here on keys of persons are wrapped under the next KEK, and the one before is destroyed.
struct TurnEpoch {
  std::uint32_t number;  ///< 1 and up, without a gap; another one turns nothing.
  std::array<Byte, 12> zero_a;
  u128 check;  ///< Of the KEK, which no record holds.
  std::array<Byte, 96> zero;
};

/// Of an entry that an operator had every replica skip, as none could apply it: its commands have
/// no record and never happened.
struct EntrySkipped {
  std::uint64_t entry_index;
  std::uint64_t term;
  crypto::Digest digest;        ///< SHA-256 of the entry's bytes.
  std::uint32_t feature_level;  ///< The cell is at it from here on, if it was below.
  std::array<Byte, 76> zero;
};

/// Defines a retention class: its keys are of one year, or one month, from here on.
struct SetRetention {
  std::uint8_t retention;
  std::uint8_t is_by_month;
  std::uint8_t residency;  ///< Jurisdiction in which it may be read; 0: anywhere.
  std::array<Byte, 1> zero_a;
  std::uint16_t keep_months, keep_days;    ///< From the end of a key's period.
  std::uint16_t erase_months, erase_days;  ///< From its beginning; both 0: never.
  std::uint32_t defined;                   ///< Day since 1970; that of the first definition counts.
  std::array<char, 24> name;               ///< ASCII, padded with zeros, as is `basis`.
  std::array<char, 44> basis;
  std::array<Byte, 44> zero;
};

/// Nothing of the subject's in those classes is erased until the hold is released.
struct PlaceHold {
  u128 subject;
  u128 hold;
  std::array<Byte, 32> classes;    ///< Bit n: class n.
  std::array<char, 32> reference;  ///< ASCII, padded with zeros: of a case, not of a person.
  std::array<Byte, 32> zero;
};

struct ReleaseHold {
  u128 subject;
  u128 hold;
  std::array<Byte, 96> zero;
};

/// The subject is to be forgotten, and some of its keys must be kept yet: nothing is sealed for it
/// any more, and they go as soon as they may.
struct ForgetSubject {
  u128 subject;
  u128 proposal;
  std::uint32_t day;  ///< Since 1970.
  std::uint32_t keys_kept;
  std::array<Byte, 88> zero;
};

/// One key of a subject's is destroyed, unless it is held.
struct EraseKey {
  u128 subject;
  std::uint8_t retention;
  std::array<Byte, 3> zero_a;
  std::uint32_t version;
  std::uint32_t epoch;  ///< The epoch whose key was destroyed.
  std::array<Byte, 100> zero;
};

/// All keys of a class are destroyed whose periods began up to that of `through`, unless held.
struct ExpireClass {
  std::uint8_t retention;
  std::array<Byte, 3> zero_a;
  std::uint32_t through;
  std::uint32_t epoch;
  std::uint32_t keys_destroyed;
  std::array<Byte, 112> zero;
};

/// A region of a jurisdiction: personal data of classes that name it may be read there.
struct SetResidency {
  std::uint8_t jurisdiction;  ///< 1 and up.
  std::array<Byte, 7> zero_a;
  std::array<char, 24> name;    ///< Of the jurisdiction; ASCII, padded with zeros.
  std::array<char, 32> region;  ///< As records of members have it.
  std::array<Byte, 64> zero;
};

/// The key of a jurisdiction, which no record holds. The first one of a number counts.
struct ResidencyKey {
  std::uint8_t jurisdiction;
  std::array<Byte, 3> zero_a;
  std::uint32_t turn;  ///< How often it was turned over before: 0 of the first key.
  std::array<Byte, 8> zero_b;
  u128 check;  ///< Tells it from another.
  std::array<Byte, 96> zero;
};

/// A next key of a jurisdiction is wanted: the one of that turn.
struct TurnResidency {
  std::uint8_t jurisdiction;
  std::array<Byte, 3> zero_a;
  std::uint32_t turn;  ///< 1 and up.
  std::array<Byte, 120> zero;
};

static_assert(sizeof(Account) == command_size && sizeof(Transfer) == command_size);
static_assert(sizeof(AppendEvent) == command_size && sizeof(DeleteStream) == command_size);
static_assert(sizeof(OpenGeneration) == command_size && sizeof(SetFeatureLevel) == command_size);
static_assert(sizeof(ExpirePending) == command_size && sizeof(StateDigest) == command_size);
static_assert(sizeof(TimeAdvance) == command_size && sizeof(EraseSubject) == command_size);
static_assert(sizeof(DoorRefusals) == command_size && sizeof(DroppedTail) == command_size);
static_assert(sizeof(MemberChange) == command_size && sizeof(CellKeyGrant) == command_size);
static_assert(sizeof(SubjectKey) == command_size && sizeof(TurnEpoch) == command_size);
static_assert(sizeof(EntrySkipped) == command_size && sizeof(SetRetention) == command_size);
static_assert(sizeof(PlaceHold) == command_size && sizeof(ReleaseHold) == command_size);
static_assert(sizeof(ForgetSubject) == command_size && sizeof(EraseKey) == command_size);
static_assert(sizeof(ExpireClass) == command_size && sizeof(SetResidency) == command_size);
static_assert(sizeof(ResidencyKey) == command_size && sizeof(TurnResidency) == command_size);

/// The command whose 128 bytes stand at `bytes` (any alignment). A copy: 128 bytes, registers.
template <typename Command>
Command load_command(const Byte* bytes) {
  static_assert(sizeof(Command) == command_size);
  return load_le<Command>(bytes);
}

}  // namespace meridian::ledger
