// The one error type of the code base: what to use when the world failed or sent nonsense.
//
// An outcome the domain knows (insufficient funds) is a value, not an Error; our own bugs are
// ASSERTs. `Code` is a closed subset of gRPC's canonical codes so that api/ maps one to one.
// A new Code needs a caller that acts on it differently.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace meridian {

enum class Code : std::uint8_t {
  invalid_argument,     ///< The input can never be right; the message names field and limit.
  not_found,            ///< Nothing has that id, name or position.
  already_exists,       ///< It is there with other content.
  failed_precondition,  ///< Right input, wrong state (closed, not initialised, wrong generation).
  out_of_range,         ///< A position past the end, or before what is kept.
  permission_denied,    ///< The caller is known and may not.
  resource_exhausted,   ///< A named bound was met: queue full, disk full, declared maximum.
  unavailable,          ///< Try again later; nothing was done.
  deadline_exceeded,    ///< Time ran out and the outcome is UNKNOWN: ask for it later by id.
  data_loss,            ///< Damage: bytes do not match their digest, or are missing.
  unimplemented,        ///< Known and refused by this build or feature level.
  internal,  ///< The operating system or a library failed in a way we cannot name better.
};

/// Lower-case name as used in JSON and logs: "invalid_argument".
std::string_view name(Code code);

/// What went wrong, for a program (`code`) and for people (`message`: what was wrong and what to
/// do).
struct Error {
  Code code;
  std::string message;
  bool operator==(const Error&) const = default;
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(Error error) : tl::expected<T, Error>(tl::unexpected<Error>(std::move(error))) {}
  Result(Code code, std::string message) : Result(Error{code, std::move(message)}) {}
};

using Status = Result<void>;

/// `return fail(Code::data_loss, "...")` in a function returning any Result.
inline Error fail(Code code, std::string message) { return Error{code, std::move(message)}; }

/// The same error with "context: " before its message.
inline Error with_context(Error error, std::string_view context) {
  error.message = std::string(context) + ": " + error.message;
  return error;
}

}  // namespace meridian

/// TRY(expr) yields the value of a Result, or returns its Error from the enclosing function.
/// A GCC statement expression: TRY must not appear inside another statement expression's cleanup.
#define TRY(...)                                                \
  __extension__({                                               \
    auto&& try_result_ = (__VA_ARGS__);                         \
    if (!try_result_.has_value()) [[unlikely]]                  \
      return ::meridian::Error(std::move(try_result_).error()); \
    ::meridian::detail::take(std::move(try_result_));           \
  })

namespace meridian::detail {
template <typename T>
T take(Result<T>&& result) {
  return *std::move(result);
}
inline void take(Result<void>&&) {}
}  // namespace meridian::detail
