// Planted bugs: each breaks one rule that durability, order or proofs stand on, and a test shows
// that the simulator notices (sim_cluster/canary_test.cpp). For tests only: all false elsewhere.
#pragma once

#include <cstdint>

namespace meridian::replica {

struct Canary {
  /// A replica answers its leader, and a vote is cast, before what it promises is durable (M1).
  bool acknowledge_before_sync = false;
  /// A leader proposes although entries of earlier terms are not in its state yet.
  bool skip_term_check = false;
  /// Whoever names a known id is let in, also with an emptied disk (M2, L8).
  bool admit_any_disk = false;
  /// A copied state counts before the records under it are durable (M6).
  bool step_before_data = false;
  /// Some ids are forgotten once their command is applied.
  bool drop_ids = false;
  /// What is only appended is applied, answered and signed as if it were committed (A1).
  bool sign_before_commit = false;
  /// The state of this replica (an id) has another digest than it should.
  std::uint64_t wrong_state_on = 0;
  /// An entry with a transfer of this amount cannot be applied; 0: every entry can.
  std::uint64_t poison_amount = 0;
  /// It fails an assertion, not with an error.
  bool poison_asserts = false;
};

}  // namespace meridian::replica
