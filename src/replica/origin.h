// The names that follow from a replica's configuration: its log's, its keys', its directory's.
#pragma once

#include <string>

#include "replica/replica.h"
#include "storage/replica_identity.h"

namespace meridian::replica {

/// "<deployment>/<cell uuid>/<generation>": also the name of the log's key.
std::string origin_of(const ReplicaConfig& config);
/// The name of this replica's cosigner key.
std::string cosigner_name_of(const ReplicaConfig& config);
/// What the directory of one of a group belongs to. Asserts that there is a group.
storage::ReplicaName replica_name_of(const ReplicaConfig& config);

}  // namespace meridian::replica
