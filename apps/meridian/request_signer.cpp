#include "request_signer.h"

#include <fmt/format.h>

#include "api/convert.h"
#include "ids.h"
#include "mesh/jws.h"
#include "output.h"

namespace meridian::app {

void add_sign_option(CLI::App& command, bool& sign) {
  command.add_flag("--sign", sign,
                   "Sign it with the key of the identity: kept as evidence, as accounts with the "
                   "flag requires_signature demand it");
}

Status sign_calls(Client& client, std::vector<door::SignedCommand> commands) {
  const std::shared_ptr<const mesh::OwnIdentity> own = client.options().credentials->own();
  if (own == nullptr) return fail(Code::failed_precondition, "--sign: there is no identity");
  const v1::StatusReply status =
      TRY(client.call(*client.admin, &v1::Admin::Stub::Status, v1::StatusRequest()));
  const std::int64_t at_s = client.options().credentials->now();
  const std::string text = TRY(door::format_signed_text(
      {to_u128(status.cell()), mesh::format_spiffe_id(own->id), at_s, std::move(commands)}));
  client.carry_signature(
      fmt::format("{} {}", at_s, mesh::sign_detached_jws(own->chain, own->key, text)));
  return {};
}

}  // namespace meridian::app
