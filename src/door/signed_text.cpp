#include "door/signed_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "base/assert.h"
#include "base/uuid.h"
#include "mesh/signed_text.h"
#include "mesh/spiffe_id.h"

namespace meridian::door {
namespace {

/// Of a packed command. Accounts and transfers have fields of the same sizes in the same places.
struct Place {
  std::size_t offset, size;
};
constexpr std::array<Place, 13> places{{{0, 16},
                                        {16, 16},
                                        {32, 16},
                                        {48, 16},
                                        {64, 16},
                                        {80, 16},
                                        {96, 8},
                                        {104, 4},
                                        {108, 4},
                                        {112, 4},
                                        {116, 2},
                                        {118, 2},
                                        {120, 8}}};
using Names = std::array<std::string_view, places.size()>;
constexpr Names account_names{"id",
                              "debits_pending",
                              "debits_posted",
                              "credits_pending",
                              "credits_posted",
                              "user_data_128",
                              "user_data_64",
                              "user_data_32",
                              "reserved",
                              "ledger",
                              "code",
                              "flags",
                              "timestamp"};
constexpr Names transfer_names{"id",
                               "debit_account_id",
                               "credit_account_id",
                               "amount",
                               "pending_id",
                               "user_data_128",
                               "user_data_64",
                               "user_data_32",
                               "timeout",
                               "ledger",
                               "code",
                               "flags",
                               "timestamp"};
static_assert(offsetof(ledger::Account, user_data_64) == places[6].offset &&
              offsetof(ledger::Account, ledger) == places[9].offset &&
              offsetof(ledger::Account, timestamp) == places[12].offset);
static_assert(offsetof(ledger::Transfer, pending_id) == places[4].offset &&
              offsetof(ledger::Transfer, timeout) == places[8].offset &&
              offsetof(ledger::Transfer, flags) == places[11].offset);

using Packed = std::array<Byte, ledger::command_size>;

constexpr std::string_view account_word = "account", transfer_word = "transfer";
constexpr std::uint16_t resolves =
    ledger::transfer_flags::post_pending_transfer | ledger::transfer_flags::void_pending_transfer;

u128 load(const Byte* command, const Place& place) {
  u128 value = 0;
  std::memcpy(&value, command + place.offset, place.size);
  return value;
}

void append_decimal(std::string& out, u128 value) {
  if (high64(value) != 0) {
    out += to_decimal(value);
    return;
  }
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), low64(value));
  out.append(digits.data(), end.ptr);
}

void append_command(std::string& out, std::string_view word, const Byte* command,
                    const Names& names) {
  out += word;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const u128 value = load(command, places[i]);
    if (value == 0) continue;
    out.append(1, ' ').append(names[i]).append(1, '=');
    append_decimal(out, value);
  }
}

void append_command(std::string& out, const SignedCommand& command) {
  if (const auto* account = std::get_if<ledger::Account>(&command))
    append_command(out, account_word, reinterpret_cast<const Byte*>(account), account_names);
  else if (const auto* transfer = std::get_if<ledger::Transfer>(&command))
    append_command(out, transfer_word, reinterpret_cast<const Byte*>(transfer), transfer_names);
  else
    append_signed_event(out, std::get<SignedEvent>(command));
}

Error bad_text(std::string_view why) {
  return {Code::invalid_argument, fmt::format("this is no request that a client signs: {}", why)};
}

Error too_large() {
  return {Code::invalid_argument,
          fmt::format("a signed request holds at most {} commands and {} bytes of text "
                      "(about a thousand transfers): send it in parts, each signed",
                      signed_commands_max, signed_text_size_max)};
}

/// Looks for each name from where the one before stood: their order is that of the fields.
Status parse_fields(std::string_view line, const Names& names, Packed& command) {
  auto next = names.begin();
  while (!line.empty()) {
    if (line.front() != ' ') return bad_text("a command's words");
    line.remove_prefix(1);
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    const std::size_t equals = word.find('=');
    if (equals == word.npos) return bad_text("a command's word without a value");
    next = std::find(next, names.end(), word.substr(0, equals));
    if (next == names.end()) return bad_text("a command's names");
    const Place& place = places[static_cast<std::size_t>(next - names.begin())];
    const Result<u128> value = parse_decimal(word.substr(equals + 1));
    if (!value || (place.size < sizeof(u128) && *value >> (8 * place.size) != 0))
      return bad_text("a command's numbers");
    std::memcpy(command.data() + place.offset, &*value, place.size);
    ++next;
  }
  return {};
}

Result<SignedCommand> parse_command(std::string_view line) {
  Packed command{};
  if (line.starts_with(account_word)) {
    TRY(parse_fields(line.substr(account_word.size()), account_names, command));
    return SignedCommand(ledger::load_command<ledger::Account>(command.data()));
  }
  if (line.starts_with(signed_event_word))
    return SignedCommand(TRY(parse_signed_event(line.substr(signed_event_word.size()))));
  if (!line.starts_with(transfer_word)) return bad_text("a command of another kind");
  TRY(parse_fields(line.substr(transfer_word.size()), transfer_names, command));
  return SignedCommand(ledger::load_command<ledger::Transfer>(command.data()));
}

Result<SignedRequest> parse_lines(std::string_view rest) {
  SignedRequest request;
  const std::string_view version = TRY(mesh::take_line(rest, "meridian-request"));
  if (version != "1" && version != "2") return bad_text("another version");
  const std::string_view cell_text = TRY(mesh::take_line(rest, "cell"));
  const std::optional<u128> cell = parse_uuid(cell_text);
  if (!cell) return bad_text("its cell");
  request.cell = *cell;
  request.by = TRY(mesh::take_line(rest, "by"));
  if (!mesh::parse_spiffe_id(request.by)) return bad_text("its signer");
  const std::string_view at = TRY(mesh::take_line(rest, "at"));
  request.at_s = TRY(mesh::parse_seconds(at));
  const std::string_view count_text = TRY(mesh::take_line(rest, "commands"));
  const Result<u128> count = parse_decimal(count_text);
  if (!count || *count > signed_commands_max) return bad_text("its number of commands");
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == rest.npos || request.commands.size() == *count) return bad_text("its end");
    request.commands.push_back(TRY(parse_command(rest.substr(0, end))));
    rest.remove_prefix(end + 1);
  }
  if (request.commands.empty() || request.commands.size() != *count)
    return bad_text("its number of commands");
  return request;
}

ledger::CommandKind kind_of(const SignedCommand& command) {
  if (std::holds_alternative<ledger::Account>(command)) return ledger::CommandKind::create_account;
  if (std::holds_alternative<SignedEvent>(command)) return ledger::CommandKind::append_event;
  return ledger::CommandKind::create_transfer;
}
u128 id_of(const SignedCommand& command) {
  return std::visit([](const auto& one) { return one.id; }, command);
}

Status check_account(const ledger::Account& meant, const ledger::Header& header) {
  ledger::Account made = std::get<ledger::AccountBody>(header.body).account;
  made.timestamp = header.imported_time;
  return made == meant ? Status() : signed_otherwise("another account");
}

Status check_transfer(ledger::Transfer meant, const ledger::Header& header) {
  const auto& body = std::get<ledger::TransferBody>(header.body);
  ledger::Transfer made = body.transfer;
  made.amount = body.requested_amount;
  made.timestamp = header.imported_time;
  // What a post or void that was created left out comes from what was pending.
  if (body.applied && (made.flags & resolves) != 0) {
    if (meant.debit_account_id == 0) meant.debit_account_id = made.debit_account_id;
    if (meant.credit_account_id == 0) meant.credit_account_id = made.credit_account_id;
    if (meant.user_data_128 == 0) meant.user_data_128 = made.user_data_128;
    if (meant.user_data_64 == 0) meant.user_data_64 = made.user_data_64;
    if (meant.user_data_32 == 0) meant.user_data_32 = made.user_data_32;
    if (meant.ledger == 0) meant.ledger = made.ledger;
    if (meant.code == 0) meant.code = made.code;
  }
  return made == meant ? Status() : signed_otherwise("another transfer");
}

/// Of the same kind as the record, and with its id.
Status check_command(const SignedCommand& command, const ledger::Header& header) {
  if (const auto* account = std::get_if<ledger::Account>(&command))
    return check_account(*account, header);
  if (const auto* event = std::get_if<SignedEvent>(&command))
    return check_signed_event(*event, header);
  return check_transfer(std::get<ledger::Transfer>(command), header);
}

}  // namespace

std::string format_signed_command(const SignedCommand& command) {
  std::string line;
  append_command(line, command);
  return line;
}

Result<std::string> format_signed_text(const SignedRequest& request) {
  if (request.commands.size() > signed_commands_max) return too_large();
  const bool has_events = std::ranges::any_of(request.commands, [](const SignedCommand& command) {
    return std::holds_alternative<SignedEvent>(command);
  });
  std::string text =
      fmt::format("meridian-request {}\ncell {}\nby {}\nat {}\ncommands {}\n", has_events ? 2 : 1,
                  format_uuid(request.cell), request.by, request.at_s, request.commands.size());
  text.reserve(text.size() + request.commands.size() * 192);
  for (const SignedCommand& command : request.commands) {
    append_command(text, command);
    text += '\n';
    if (text.size() > signed_text_size_max) return too_large();
  }
  return text;
}

Result<SignedRequest> parse_signed_text(std::string_view text) {
  if (text.size() > signed_text_size_max) return bad_text("it is too long");
  Result<SignedRequest> request = parse_lines(text);
  if (!request) return bad_text(request.error().message);
  const Result<std::string> again = format_signed_text(*request);
  if (!again || *again != text) return bad_text("it is written in another way");
  return request;
}

Result<std::vector<SignedCommand>> signed_commands(const std::vector<CommandDraft>& drafts) {
  std::vector<SignedCommand> commands;
  commands.reserve(drafts.size());
  for (const CommandDraft& draft : drafts) {
    if (const auto* account = std::get_if<ledger::Account>(&draft))
      commands.emplace_back(*account);
    else if (const auto* transfer = std::get_if<ledger::Transfer>(&draft))
      commands.emplace_back(*transfer);
    else if (const auto* event = std::get_if<EventDraft>(&draft))
      commands.emplace_back(TRY(signed_event(*event)));
    else
      return fail(
          Code::invalid_argument,
          "deletions of streams are not signed: send them without a signature, in a request "
          "of their own");
  }
  return commands;
}

std::vector<SignedCommand> signed_commands(ledger::CommandKind kind, Bytes packed) {
  std::vector<SignedCommand> commands;
  commands.reserve(packed.size() / ledger::command_size);
  for (std::size_t at = 0; at + ledger::command_size <= packed.size(); at += ledger::command_size)
    if (kind == ledger::CommandKind::create_account)
      commands.emplace_back(ledger::load_command<ledger::Account>(packed.data() + at));
    else
      commands.emplace_back(ledger::load_command<ledger::Transfer>(packed.data() + at));
  return commands;
}

std::vector<CommandDraft> to_drafts(const std::vector<SignedCommand>& commands) {
  std::vector<CommandDraft> drafts;
  drafts.reserve(commands.size() + 1);  // and the evidence
  for (const SignedCommand& command : commands) {
    ASSERT(!std::holds_alternative<SignedEvent>(command));
    if (const auto* account = std::get_if<ledger::Account>(&command))
      drafts.emplace_back(*account);
    else
      drafts.emplace_back(std::get<ledger::Transfer>(command));
  }
  return drafts;
}

Status check_signed_record(const SignedRequest& request, const ledger::Header& header) {
  if (request.cell != header.cell) return signed_otherwise("a request to another cell");
  const auto recorded_s = static_cast<std::int64_t>(header.time / 1'000'000'000);
  const std::int64_t off = recorded_s - request.at_s;
  if (off > signed_at_leeway_s || off < -signed_at_leeway_s)
    return signed_otherwise(fmt::format("it was signed {} s {} the record", off < 0 ? -off : off,
                                        off < 0 ? "after" : "before"));
  Status found = signed_otherwise("it has no such command");
  for (const SignedCommand& command : request.commands) {
    if (kind_of(command) != header.kind || id_of(command) != ledger::command_id(header)) continue;
    // An id may stand there twice, and is recorded twice.
    found = check_command(command, header);
    if (found) return found;
  }
  return found;
}

Status check_signed_content(const SignedRequest& request, const ledger::Header& header,
                            const OpenedEvent& opened) {
  Status found = signed_otherwise("it has no such command");
  for (const SignedCommand& command : request.commands) {
    const auto* event = std::get_if<SignedEvent>(&command);
    if (event == nullptr || event->id != ledger::command_id(header)) continue;
    found = check_signed_content(*event, opened);
    if (found || found.error().code == Code::not_found) return found;
  }
  return found;
}

const SignedCommand* find_signed_command(const SignedRequest& request,
                                         const ledger::Header& header) {
  for (const SignedCommand& command : request.commands)
    if (kind_of(command) == header.kind && id_of(command) == ledger::command_id(header) &&
        check_command(command, header))
      return &command;
  return nullptr;
}

}  // namespace meridian::door
