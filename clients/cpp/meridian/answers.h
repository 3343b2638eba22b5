// How calls end: a value or an Error for reads; for writes, the end of each command.
//
// A write never ends as "failed, perhaps": each command is `done`, `refused`, `not_done`, or, when
// the time ran out before that was known, `unknown`, and then `WriteResult::unknown` holds what
// Client::resolve needs to find out later. Nothing here throws.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "meridian/records.h"

namespace meridian::client {

enum class Code : std::uint8_t {
  invalid_argument,     ///< The request can never be right.
  not_found,            ///< Nothing has that id, name or position.
  already_exists,       ///< It is there with other content.
  failed_precondition,  ///< Right request, wrong state.
  out_of_range,         ///< A position past the end, or before what is kept.
  permission_denied,    ///< The caller is known and may not.
  resource_exhausted,   ///< A named bound was met, the client's own or the server's.
  unavailable,          ///< No endpoint took the request in time.
  deadline_exceeded,    ///< Time ran out while a server had the request.
  data_loss,            ///< The server found damage.
  unimplemented,        ///< Known and refused by that server.
  internal,             ///< The server or the connection failed in a way not named better.
  cancelled,            ///< The Client was destroyed first.
};
/// "invalid_argument".
std::string_view name(Code code);

struct Error {
  Code code;
  std::string message;  ///< What was wrong and what to do.
  bool operator==(const Error&) const = default;
};

/// A value or an Error. Asking for the one that is not there stops the process.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : either_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : either_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return either_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return const_cast<Result*>(this)->value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->value(); }
  const Error& error() const {
    const Error* error = std::get_if<1>(&either_);
    if (error == nullptr) __builtin_trap();
    return *error;
  }

 private:
  T& value() {
    T* value = std::get_if<0>(&either_);
    if (value == nullptr) __builtin_trap();
    return *value;
  }
  std::variant<T, Error> either_;
};

/// What a read found, and how new the state was that answered.
template <typename T>
struct Answer {
  T value;
  /// Of local reads, if the server tells: "records=N index=M". The state is at least as new as
  /// that.
  std::optional<std::string> position{};
  /// Of local reads, if the replica knows: the state lacks nothing that was answered anywhere
  /// longer ago than that, as of when the answer was here.
  std::optional<std::chrono::milliseconds> staleness{};
};

enum class State : std::uint8_t {
  done,      ///< In the ledger, durable. Also if an earlier attempt, or another call, put it there.
  refused,   ///< The ledger judged it and said no, for good under this id: see `name`.
  not_done,  ///< It did not reach the ledger, and no attempt is under way.
  unknown,   ///< Neither is certain yet: Client::resolve, or the same ids once more.
};

/// How one command ended.
struct CommandEnd {
  u128 id = 0;
  State state = State::unknown;
  bool existed = false;         ///< done, by an earlier attempt or call with the same fields.
  std::uint32_t status = 0;     ///< The ledger's code, if it judged: 2^32-1 is created.
  std::string_view name;        ///< Of `status`: "created", "exceeds_credits"; else empty.
  std::uint64_t timestamp = 0;  ///< done: the record's. 0 if there was no time to ask for it.
  std::uint64_t revision = 0;   ///< done events: their place in the stream.
  std::optional<std::uint64_t> record_index{};  ///< done: unless only a lookup by id found it.
};

/// What Client::resolve needs, to be asked for later, also by another process (then `sent_last`
/// stays at its default, which means long ago).
struct Unknown {
  Kind kind = Kind::transfer;
  std::vector<u128> ids{};
  /// Accounts and transfers: what was sent, to tell it from what another took the id for. May be
  /// empty: then the id alone counts.
  std::vector<std::array<std::byte, 128>> commands{};
  /// An attempt may be on its way until some time after this (ClientOptions::settle).
  std::chrono::steady_clock::time_point sent_last{};
  bool empty() const { return ids.empty(); }
};

struct WriteResult {
  std::vector<CommandEnd> commands{};  ///< One per command, in order.
  std::optional<Error> error;          ///< Why there are commands of `not_done` or `unknown`.
  Position position;                   ///< Where the answered attempt stands in the log.
  Unknown unknown;                     ///< Those of State::unknown.
  bool all_done() const {
    for (const CommandEnd& end : commands)
      if (end.state != State::done) return false;
    return !error.has_value();
  }
};

}  // namespace meridian::client
