// What is kept in a cell, as programs see it: accounts, transfers, events, and where they stand.
//
// Plain values. Account and Transfer have exactly the 128 bytes that go over the wire
// (docs/formats/entry.md), so a batch is sent without being rebuilt; what a client may set and what
// the ledger answers is told field by field. No other header of ours or of gRPC is needed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace meridian::client {

__extension__ using u128 = unsigned __int128;

namespace account_flags {
inline constexpr std::uint16_t linked = 1 << 0;  ///< This command and the next: both or neither.
inline constexpr std::uint16_t debits_must_not_exceed_credits = 1 << 1;
inline constexpr std::uint16_t credits_must_not_exceed_debits = 1 << 2;
inline constexpr std::uint16_t history = 1 << 3;
inline constexpr std::uint16_t imported = 1 << 4;
inline constexpr std::uint16_t closed = 1 << 5;
/// Whatever touches the account is signed (WriteOptions::sign).
inline constexpr std::uint16_t requires_signature = 1 << 15;
}  // namespace account_flags

namespace transfer_flags {
inline constexpr std::uint16_t linked = 1 << 0;  ///< This command and the next: both or neither.
inline constexpr std::uint16_t pending = 1 << 1;
inline constexpr std::uint16_t post_pending_transfer = 1 << 2;
inline constexpr std::uint16_t void_pending_transfer = 1 << 3;
inline constexpr std::uint16_t balancing_debit = 1 << 4;
inline constexpr std::uint16_t balancing_credit = 1 << 5;
inline constexpr std::uint16_t closing_debit = 1 << 6;
inline constexpr std::uint16_t closing_credit = 1 << 7;
inline constexpr std::uint16_t imported = 1 << 8;
}  // namespace transfer_flags

struct Account {
  u128 id = 0;  ///< 0 in a command: the client makes one.
  u128 debits_pending = 0;
  u128 debits_posted = 0;
  u128 credits_pending = 0;
  u128 credits_posted = 0;
  u128 user_data_128 = 0;
  std::uint64_t user_data_64 = 0;
  std::uint32_t user_data_32 = 0;
  std::uint32_t reserved = 0;
  std::uint32_t ledger = 0;
  std::uint16_t code = 0;
  std::uint16_t flags = 0;
  std::uint64_t timestamp = 0;  ///< Nanoseconds since 1970; the ledger's, 0 in a command.
  bool operator==(const Account&) const = default;
};

struct Transfer {
  u128 id = 0;  ///< 0 in a command: the client makes one.
  u128 debit_account_id = 0;
  u128 credit_account_id = 0;
  u128 amount = 0;
  u128 pending_id = 0;
  u128 user_data_128 = 0;
  std::uint64_t user_data_64 = 0;
  std::uint32_t user_data_32 = 0;
  std::uint32_t timeout = 0;  ///< Seconds a pending transfer lives; 0 = for ever.
  std::uint32_t ledger = 0;
  std::uint16_t code = 0;
  std::uint16_t flags = 0;
  std::uint64_t timestamp = 0;  ///< Nanoseconds since 1970; the ledger's, 0 in a command.
  bool operator==(const Transfer&) const = default;
};
static_assert(sizeof(Account) == 128 && sizeof(Transfer) == 128);

/// What a stream must be for an event to be appended.
enum class Expected : std::uint8_t {
  any = 0,
  none = 1,    ///< It does not exist yet.
  exists = 2,  ///< It exists.
  exact = 3,   ///< Its last revision is `revision`.
};

struct NewEvent {
  u128 id = 0;  ///< 0: the client makes one.
  std::string stream{};
  std::string type{};
  std::string data{};
  std::string content_type = "application/json";  ///< Or application/octet-stream.
  std::string metadata{};
  std::string subject{};  ///< The person it is about: their key seals it. Empty: nobody.
  std::uint32_t retention = 0;
  std::uint32_t classification = 0;
  Expected expected = Expected::any;
  std::uint64_t revision = 0;  ///< With Expected::exact.
};

struct Event {
  std::uint64_t record_index = 0;
  std::uint64_t revision = 0;
  std::uint64_t time = 0;  ///< Nanoseconds since 1970.
  u128 id = 0;
  bool forgotten = false;  ///< Its subject's key is destroyed: the texts below are empty.
  std::string stream{};
  std::string type{};
  std::string content_type{};
  std::string metadata{};
  std::string data{};
};

/// Which events to read. Neither stream nor category: all of the cell.
struct EventQuery {
  std::string stream{};
  std::string category{};
  std::uint64_t position = 0;  ///< Stream: a revision; else a record index. Included.
  bool from_end = false;       ///< With `backwards`: from the newest.
  bool backwards = false;
  std::uint32_t limit = 0;  ///< 0 = 100, at most 4096.
};
struct EventPage {
  std::vector<Event> events{};
  bool end = false;  ///< Nothing more in that direction now.
  bool stream_deleted = false;
  std::uint64_t next = 0;  ///< The position to go on from.
};

enum class Kind : std::uint8_t { account, transfer, event };

/// Where a write stands in the cell's log.
struct Position {
  std::uint64_t record_index = 0;  ///< The first record of the write.
  std::uint64_t entry_index = 0;
  std::uint64_t term = 0;
  bool operator==(const Position&) const = default;
};

/// What the ledger keeps of one command. `status` 2^32-1 is `created`.
struct Record {
  std::uint32_t status = 0;
  std::string name{};
  std::uint64_t timestamp = 0;
  std::uint64_t revision = 0;  ///< Events only.
  std::uint64_t record_index = 0;
};

}  // namespace meridian::client
