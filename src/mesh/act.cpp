#include "mesh/act.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/printable.h"
#include "base/uuid.h"
#include "mesh/signed_text.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {
namespace {

constexpr std::size_t method_size_max = 128;

Error bad_act(std::string_view why) {
  return {Code::invalid_argument,
          fmt::format("this is no proposal of an act ({}): `meridian act propose` and the commands "
                      "that need one make them",
                      why)};
}

Result<ActStatement> read_lines(std::string_view rest) {
  ActStatement act;
  if (TRY(take_line(rest, "meridian-act")) != "1") return bad_act("another version");
  const std::optional<u128> cell = parse_uuid(TRY(take_line(rest, "cell")));
  if (!cell) return bad_act("its cell");
  act.cell = *cell;
  const std::optional<Action> action = action_named(TRY(take_line(rest, "action")));
  if (!action || !info(*action).is_dangerous) return bad_act("its action");
  act.what.action = *action;
  act.what.method = TRY(take_line(rest, "method"));
  act.what.request = TRY(take_line(rest, "request"));
  act.by = TRY(take_line(rest, "by"));
  Buffer nonce;
  const std::string_view nonce_hex = TRY(take_line(rest, "nonce"));
  if (!from_hex(nonce_hex, nonce) || nonce.size() != sizeof(u128)) return bad_act("its nonce");
  act.nonce = load_le<u128>(nonce.data());
  const std::string_view at = TRY(take_line(rest, "at"));
  act.at_s = TRY(parse_seconds(at));
  const std::string_view ends = TRY(take_line(rest, "ends"));
  act.ends_s = TRY(parse_seconds(ends));
  return act;
}

}  // namespace

std::string format_act(const ActStatement& act) {
  Buffer nonce(sizeof(u128));
  store_le(nonce.data(), act.nonce);
  return fmt::format(
      "meridian-act 1\ncell {}\naction {}\nmethod {}\nrequest {}\nby {}\nnonce {}\nat {}\nends "
      "{}\n",
      format_uuid(act.cell), info(act.what.action).name, act.what.method, act.what.request, act.by,
      to_hex(nonce), act.at_s, act.ends_s);
}

Result<ActStatement> parse_act(std::string_view text) {
  if (text.size() > act_text_size_max) return bad_act("it is too long");
  Result<ActStatement> act = read_lines(text);
  if (!act) return bad_act(act.error().message);
  if (act->what.method.empty() || act->what.method.size() > method_size_max ||
      !is_printable(act->what.method) || act->what.request.empty() ||
      !is_printable(act->what.request))
    return bad_act("its method or request");
  const Result<SpiffeId> by = parse_spiffe_id(act->by);
  if (!by || kind_of(*by) != IdKind::person) return bad_act("it is by no person");
  if (act->ends_s <= act->at_s || act->ends_s - act->at_s > act_lifetime_s_max)
    return bad_act("it lasts from a second to 24 hours");
  if (format_act(*act) != text) return bad_act("it is written in another way");
  return act;
}

crypto::Digest act_hash(std::string_view text) { return crypto::sha256(as_bytes(text)); }

std::string format_act_approval(const crypto::Digest& act, std::string_view by) {
  return fmt::format("meridian-act-approval 1\nproposal {}\nby {}\n", to_hex(act), by);
}

}  // namespace meridian::mesh
