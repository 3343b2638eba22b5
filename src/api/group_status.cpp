#include "api/group_status.h"

namespace meridian::api {

std::string_view name(consensus::Role role) {
  switch (role) {
    case consensus::Role::follower: return "follower";
    case consensus::Role::pre_candidate: return "pre_candidate";
    case consensus::Role::candidate: return "candidate";
    case consensus::Role::leader: return "leader";
  }
  return {};
}

std::string_view name(consensus::PeerProgress::State state) {
  switch (state) {
    case consensus::PeerProgress::State::probe: return "probe";
    case consensus::PeerProgress::State::replicate: return "replicate";
    case consensus::PeerProgress::State::snapshot: return "snapshot";
  }
  return {};
}

}  // namespace meridian::api
