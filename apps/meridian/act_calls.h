// Before a dangerous call: the approval of a second person, if the cell wants one.
//
// Run without it, a command signs and records the proposal of exactly that call by itself, and says
// what the other person runs; run again after that, it goes on.
#pragma once

#include <CLI/CLI.hpp>
#include <vector>

#include "client.h"
#include "mesh/act.h"
#include "mesh/break_glass.h"

namespace meridian::app {

/// --wait-approval and --approval-valid.
void add_approval_options(CLI::App& command, ClientOptions& options);

/// Returns when the call may be made: also if a broken glass gives it. Who is no person, or asks in
/// the clear, is left to the server. Errors: permission_denied with what the second person runs; of
/// calls.
Status ensure_approved(Client& client, const mesh::ActRequest& what);

/// One that is known to the cell, as it was signed.
struct KnownAct {
  crypto::Digest hash{};
  mesh::ActStatement statement;
  std::string text;
  std::string approved_by;
  std::int64_t used_s = 0;
};
struct KnownActs {
  u128 cell = 0;
  bool needed = false;
  std::vector<KnownAct> acts;
  std::vector<mesh::Glass> glasses;  ///< In force.
};
/// Errors: of the call; data_loss if the server sends what is no proposal, or another hash.
Result<KnownActs> ask_acts(Client& client);

}  // namespace meridian::app
