// What heads of a replica's log are signed under, and the names of its keys.
#pragma once

#include <string>

#include "replica/replica.h"

namespace meridian::replica {

/// "<deployment>/<cell uuid>/<generation>": also the name of the log's key.
std::string origin_of(const ReplicaConfig& config);
/// The name of this replica's cosigner key.
std::string cosigner_name_of(const ReplicaConfig& config);

}  // namespace meridian::replica
