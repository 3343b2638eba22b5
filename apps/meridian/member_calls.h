// Calls about the members of a cell, for `meridian node`: who they are, and changes of them, none
// of which is repeated once it may have been made.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "output.h"

namespace meridian::app {

/// As the leader sees them. Errors: unavailable if none answers within a few seconds.
Result<v1::MembersReply> members_of_leader(Client& client);
/// The same, or without a leader as whoever answers sees them.
Result<v1::MembersReply> members_seen(Client& client);

/// One change. Errors: what the leader refuses it for; deadline_exceeded, naming the command that
/// shows it, if its outcome is unknown.
Status change_members(Client& client, const v1::ChangeMembersRequest& request);

const v1::Member* find_member(const v1::MembersReply& reply, std::uint64_t id);
bool has_left(const v1::MembersReply& reply, std::uint64_t id);
/// Gets the log as it grows and lacks no more than a learner may that gets a vote.
bool may_vote(const v1::Member& learner);
/// "copying the state, lacks 12000 entries": for who waits.
std::string progress_of(const v1::Member& learner);
/// What starts the process of a replica that joins.
std::string join_command(const v1::MembersReply& reply, std::uint64_t id, const std::string& region,
                         const std::string& peer_address);

/// {"cell", "leader", "changing", "members": [...], "ids_left"}, as the HTTP interface has it.
OrderedJson json_of(const v1::MembersReply& reply);
std::string table_of(const v1::MembersReply& reply);

/// Asks every half second, and tells `progress` on stderr when it changed, until `step` gives a
/// reply or an error. Without a leader it goes on asking. Errors: deadline_exceeded after
/// `patience`.
using WaitStep = std::function<Result<std::optional<v1::MembersReply>>(const v1::MembersReply&,
                                                                       std::string& progress)>;
Result<v1::MembersReply> wait_members(Client& client, io::Duration patience, const WaitStep& step);
/// Until no change is under way.
Result<v1::MembersReply> wait_complete(Client& client, io::Duration patience);

}  // namespace meridian::app
