#include "replica/cell_policy.h"

#include <fmt/format.h>

namespace meridian::replica {

Result<proof::Policy> make_policy(const std::vector<Replica::VoterKeys>& voters) {
  const bool is_alone = voters.size() == 1 && voters.front().region.empty();
  proof::Policy policy;
  proof::PolicyGroup quorum{"voters", voters.size() / 2 + 1, {}};
  for (const Replica::VoterKeys& voter : voters) {
    proof::PolicyLog log;
    log.key = TRY(proof::parse_vkey(voter.log_vkey));
    policy.logs.push_back(std::move(log));
    proof::PolicyWitness witness;
    witness.name = is_alone ? "replica" : fmt::format("replica-{}", voter.id);
    witness.key = TRY(proof::parse_vkey(voter.cosigner_vkey));
    witness.role = proof::CosignerRole::replica;
    witness.place = is_alone ? "local" : voter.region;
    if (witness.place.empty() || witness.place.find_first_of(" \t\r\n") != std::string::npos)
      return fail(
          Code::invalid_argument,
          fmt::format("the region of replica {} cannot stand in a policy: it has a space or "
                      "is not known",
                      voter.id));
    quorum.members.push_back(witness.name);
    policy.witnesses.push_back(std::move(witness));
  }
  policy.quorum = is_alone ? "replica" : quorum.name;
  if (!is_alone) policy.groups.push_back(std::move(quorum));
  return policy;
}

}  // namespace meridian::replica
