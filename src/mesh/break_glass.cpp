//   signed --brought to the cell, between from and until--> in force --until--> over
#include "mesh/break_glass.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "base/uuid.h"
#include "mesh/internal/note_check.h"
#include "mesh/internal/record_body.h"
#include "mesh/signed_text.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t text_size_max = 4'096;
constexpr std::size_t note_size_max = 16 << 10;
constexpr std::size_t reason_size_max = 200;

Error bad_glass(std::string_view why) {
  return {Code::invalid_argument,
          fmt::format("break-glass: {}. `meridian break-glass propose` writes the text", why)};
}

std::string names_of(const Actions& actions) {
  std::string names;
  for (std::size_t i = 0; i < action_count; ++i)
    if (actions.test(i)) names += (names.empty() ? "" : ",") + std::string(info(action_at(i)).name);
  return names;
}

Result<Actions> parse_names(std::string_view names) {
  Actions actions;
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(','), names.size());
    const std::optional<Action> action = action_named(names.substr(0, end));
    if (!action || !can_be_given(*action))
      return bad_glass(fmt::format("'{}' is nothing that it can give", names.substr(0, end)));
    actions.set(index_of(*action));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return actions;
}

Result<Glass> read_lines(std::string_view rest) {
  Glass glass;
  if (TRY(take_line(rest, "meridian-break-glass")) != "1") return bad_glass("another version");
  const std::optional<u128> cell = parse_uuid(TRY(take_line(rest, "cell")));
  if (!cell) return bad_glass("its cell is no UUID");
  glass.cell = *cell;
  const std::string_view names = TRY(take_line(rest, "actions"));
  glass.actions = TRY(parse_names(names));
  glass.to = TRY(take_line(rest, "to"));
  const std::string_view from = TRY(take_line(rest, "from"));
  glass.from_s = TRY(parse_seconds(from));
  const std::string_view until = TRY(take_line(rest, "until"));
  glass.until_s = TRY(parse_seconds(until));
  glass.reason = TRY(take_line(rest, "reason"));
  Buffer nonce;
  const std::string_view nonce_hex = TRY(take_line(rest, "nonce"));
  if (!from_hex(nonce_hex, nonce) || nonce.size() != sizeof(u128))
    return bad_glass("its nonce is not 32 hexadecimal digits");
  glass.nonce = load_le<u128>(nonce.data());
  return glass;
}

}  // namespace

bool can_be_given(Action action) {
  return info(action).scope == Scope::cell && action != Action::policy_propose &&
         action != Action::policy_approve;
}

std::string format_glass(const Glass& glass) {
  Buffer nonce(sizeof(u128));
  store_le(nonce.data(), glass.nonce);
  return fmt::format(
      "meridian-break-glass 1\ncell {}\nactions {}\nto {}\nfrom {}\nuntil {}\nreason {}\nnonce "
      "{}\n",
      format_uuid(glass.cell), names_of(glass.actions), glass.to, glass.from_s, glass.until_s,
      glass.reason, to_hex(nonce));
}

Result<Glass> parse_glass(std::string_view text) {
  if (text.size() > text_size_max) return bad_glass("it is too long");
  Result<Glass> glass = read_lines(text);
  if (!glass && glass.error().message.starts_with("break-glass")) return glass;
  if (!glass) return bad_glass(glass.error().message);
  if (glass->actions.none()) return bad_glass("it gives nothing");
  const Result<SpiffeId> to = parse_spiffe_id(glass->to);
  if (!to || kind_of(*to) != IdKind::person) return bad_glass("it is for no person");
  if (glass->until_s <= glass->from_s || glass->until_s - glass->from_s > glass_lifetime_s_max)
    return bad_glass("it lasts from a second to 4 hours");
  const std::string& reason = glass->reason;
  if (reason.size() < 3 || reason.size() > reason_size_max || !is_printable(reason))
    return bad_glass("its reason has 3 to 200 printable ASCII characters");
  if (format_glass(*glass) != text) return bad_glass("it is written in another way");
  return glass;
}

Result<SignedGlass> read_glass(std::string_view note) {
  if (note.size() > note_size_max) return bad_glass("it is too long");
  const proof::Note parsed = TRY(proof::parse_note(note));
  Glass glass = TRY(parse_glass(parsed.text));
  return SignedGlass{std::string(note), crypto::sha256(as_bytes(parsed.text)), std::move(glass)};
}

Status verify_glass(const SignedGlass& glass, const GlassKeys& keys) {
  if (keys.keys.empty())
    return fail(Code::permission_denied,
                "break-glass: the policy in force names no keys that could give it");
  const proof::Note note = TRY(proof::parse_note(glass.note));
  const std::size_t signers = TRY(internal::count_signers(note, keys.keys, "break-glass"));
  if (signers < keys.needed)
    return fail(Code::permission_denied,
                fmt::format("break-glass: {} of the keys that the policy in force names signed it, "
                            "and {} have to",
                            signers, keys.needed));
  if (glass.glass.until_s - glass.glass.from_s > keys.longest_s)
    return fail(Code::permission_denied,
                fmt::format("break-glass: it lasts longer than the {} s that the policy allows",
                            keys.longest_s));
  return {};
}

std::string glass_used_json(std::string_view note) { return Json{{"note", note}}.dump(); }

std::string glass_act_json(const crypto::Digest& glass, const ActRequest& what) {
  return Json{{"glass", to_hex(glass)},
              {"action", info(what.action).name},
              {"method", what.method},
              {"request", what.request}}
      .dump();
}

Status GlassHistory::apply(std::string_view type, std::string_view json, std::int64_t time_s) {
  if (type == glass_used_type) return use(json, time_s);
  if (type == glass_act_type) return act(json, time_s);
  return fail(Code::invalid_argument, fmt::format("a record of the unknown type {}", type));
}

std::vector<SignedGlass> GlassHistory::in_force(std::int64_t now_s) const {
  std::vector<SignedGlass> found;
  for (const SignedGlass& one : glasses_)
    if (now_s < one.glass.until_s) found.push_back(one);
  return found;
}

Status GlassHistory::use(std::string_view json, std::int64_t time_s) {
  const Json body = TRY(internal::parse_body(json, {"note"}));
  SignedGlass made = TRY(read_glass(body["note"].get_ref<const std::string&>()));
  if (made.glass.cell != cell_)
    return fail(Code::failed_precondition, "break-glass: it is for another cell");
  if (time_s < made.glass.from_s)
    return fail(Code::failed_precondition, "break-glass: its time has not begun");
  if (time_s >= made.glass.until_s)
    return fail(Code::failed_precondition, "break-glass: it is over");
  if (std::ranges::find(glasses_, made.hash, &SignedGlass::hash) != glasses_.end())
    return fail(Code::failed_precondition, "break-glass: it was used already");
  std::erase_if(glasses_, [&](const SignedGlass& one) { return time_s >= one.glass.until_s; });
  if (glasses_.size() >= glasses_max)
    return fail(Code::resource_exhausted, "break-glass: too many are in force");
  glasses_.push_back(std::move(made));
  return {};
}

Status GlassHistory::act(std::string_view json, std::int64_t time_s) const {
  const Json body = TRY(internal::parse_body(json, {"glass", "action", "method", "request"}));
  const crypto::Digest hash = TRY(parse_digest(body["glass"].get_ref<const std::string&>()));
  const auto found = std::ranges::find(glasses_, hash, &SignedGlass::hash);
  if (found == glasses_.end() || time_s >= found->glass.until_s)
    return fail(Code::permission_denied, "break-glass: it is not in force");
  const std::optional<Action> action = action_named(body["action"].get_ref<const std::string&>());
  if (!action || !found->glass.actions.test(index_of(*action)))
    return fail(Code::permission_denied, "break-glass: it does not give that");
  return {};
}

}  // namespace meridian::mesh
