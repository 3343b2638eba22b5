// Links between replicas by what a process holds: Credentials as an io::LinkSecurity.
//
// A peer must be a node of this process's own cell, named by the CA of this process's trust domain
// or of one that it is told of: a CA that is trusted to name callers must not be able to put a
// replica into a cell of another region. A peer is reviewed against what the Credentials hold then.
// A link is made again when our certificate was renewed, and at half of what was left of the
// peer's, so one that renews at half of a certificate's life is never cut off.
// Thread-safe. Cost: judge() 200 us, review() 1 us.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/link_security.h"
#include "mesh/credentials.h"

namespace meridian::mesh {

/// `trust_domains` beside the own one: those of the regions this cell spans. `credentials` outlives
/// what is made, whose context() fails until their own certificate names a node.
std::shared_ptr<io::LinkSecurity> make_link_security(const Credentials& credentials,
                                                     std::vector<std::string> trust_domains = {});

}  // namespace meridian::mesh
