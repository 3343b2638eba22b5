// A batch of commands as proposed, replicated and logged (docs/formats/entry.md).
//
// EntryView reads an encoded entry in place: decoding checks every count, size, offset and
// reserved byte once per batch, after which access needs no checks. encode_entry makes one.
// Pure; a view borrows the bytes. Cost of decode: O(requests + runs + events + facts + commands
// made by the replica); the commands of transfers and accounts are not touched.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "ledger/command.h"

namespace meridian::ledger {

inline constexpr std::size_t entry_size_max = 2 << 20;
inline constexpr std::size_t request_size_max = 1 << 20;  ///< As packed commands and payloads.
inline constexpr std::uint32_t entry_commands_max = 8'190;
inline constexpr std::size_t payload_size_max = 512 << 10;
inline constexpr std::size_t facts_size_max = 256;
inline constexpr std::size_t entry_header_size = 64;

enum class Attester : std::uint8_t { door = 1, client_signature = 2, replica = 3 };

struct RequestHeader {
  u128 actor;
  crypto::Digest signature_digest;  ///< Zero if the client did not sign.
  Attester attester;
  std::array<Byte, 3> zero_a;
  std::uint32_t run_count;
  std::uint32_t command_count;
  std::uint32_t zero_b;
};
static_assert(sizeof(RequestHeader) == 64);

struct Run {
  CommandKind kind;
  std::array<Byte, 3> zero;
  std::uint32_t count;
};
static_assert(sizeof(Run) == 8);

class EntryView {
 public:
  /// Errors: invalid_argument naming the field that is wrong. Checks everything that does not
  /// depend on state, so that apply may rely on it; commands' own fields are apply's to judge.
  static Result<EntryView> decode(Bytes entry);

  std::uint64_t base_time() const { return base_time_; }
  std::uint32_t clock_uncertainty_us() const { return clock_uncertainty_us_; }
  Bytes secret() const { return secret_; }
  std::uint32_t command_count() const { return command_count_; }
  std::uint32_t request_count() const { return request_count_; }
  std::uint32_t run_count() const { return run_count_; }
  RequestHeader request(std::uint32_t number) const;
  Run run(std::uint32_t number) const;
  /// First byte of command `number` (its kind comes from the run it is in).
  const Byte* command(std::uint32_t number) const {
    return commands_.data() + number * command_size;
  }
  Bytes payload(const AppendEvent& event) const {
    return payloads_.subspan(event.payload_offset, event.payload_size);
  }
  Bytes payloads() const { return payloads_; }
  /// Facts of command `number`, or empty. Cost: O(log facts).
  Bytes facts(std::uint32_t number) const;
  bool has_facts() const { return !fact_positions_.empty(); }
  Bytes bytes() const { return bytes_; }

 private:
  friend Status check_request(const struct Request& request);
  Status index_facts();

  struct FactPosition {
    std::uint32_t command;
    std::uint32_t offset;
    std::uint32_t size;
  };
  Bytes bytes_, secret_, requests_, runs_, commands_, facts_, payloads_;
  std::uint64_t base_time_ = 0;
  std::uint32_t clock_uncertainty_us_ = 0;
  std::uint32_t request_count_ = 0;
  std::uint32_t run_count_ = 0;
  std::uint32_t command_count_ = 0;
  std::vector<FactPosition> fact_positions_;
};

/// One of the structs of command.h.
template <typename T>
concept CommandStruct = sizeof(T) == command_size && !std::is_convertible_v<const T&, Bytes>;

/// One request before it is batched: runs of packed commands, payload frames, facts. The door
/// fills it; payload offsets are relative to `payloads` and moved by the builder.
struct Request {
  u128 actor = 0;
  crypto::Digest signature_digest{};
  Attester attester = Attester::door;
  std::vector<Run> runs;
  Buffer commands;  ///< command_size bytes each
  Buffer payloads;
  struct Facts {
    std::uint32_t command;
    Buffer bytes;
  };
  std::vector<Facts> facts;
  /// Not part of an entry. Proposed in this term or not at all; 0: in any.
  std::uint64_t only_in_term = 0;

  std::uint32_t command_count() const {
    return static_cast<std::uint32_t>(commands.size() / command_size);
  }
  /// What it adds to an entry.
  std::size_t encoded_size() const;
  /// Appends a command, extending the last run if it is of the same kind.
  void add(CommandKind kind, Bytes command);
  /// The same with the command itself.
  template <CommandStruct Command>
  void add(CommandKind kind, const Command& command) {
    static_assert(std::is_trivially_copyable_v<Command>);
    add(kind, Bytes{reinterpret_cast<const Byte*>(&command), sizeof command});
  }
};

/// What EntryView::decode would find wrong with an entry that holds `request`, without encoding
/// one. Errors: invalid_argument naming the field.
Status check_request(const Request& request);

struct EntryStamp {
  std::uint64_t base_time;
  std::uint32_t clock_uncertainty_us;
  std::array<Byte, 32> secret;
};
/// Asserts that there is a request, that each has a command and fits request_size_max, and that
/// all fit entry_size_max and entry_commands_max; `out` is replaced.
void encode_entry(const EntryStamp& stamp, std::span<const Request* const> requests, Buffer& out);

}  // namespace meridian::ledger
