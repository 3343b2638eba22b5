#include "replica/member_news.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::replica {

namespace {

constexpr std::size_t address_size_max = 255;

Error malformed(std::string_view what) {
  return {Code::invalid_argument,
          fmt::format("what a replica says of the members is malformed: {}", what)};
}

io::Parts one_part(Buffer bytes) { return {std::make_shared<const Buffer>(std::move(bytes))}; }

}  // namespace

Standing standing_in(const GroupState& group, std::uint64_t id) {
  if (group.find(id) == nullptr) return Standing::outsider;
  if (!group.membership.has(id)) return Standing::removed;
  return group.membership.votes(id) ? Standing::voter : Standing::learner;
}

std::string describe(Standing standing, const MemberInfo& self) {
  switch (standing) {
    case Standing::outsider:
      return fmt::format("replica {} is no member of the cell yet: waiting to be added", self.id);
    case Standing::learner:
      return fmt::format(
          "replica {} is a member that gets the log and does not vote; once it has "
          "all, `meridian node promote {}` gives it a vote",
          self.id, self.id);
    case Standing::voter: return fmt::format("replica {} is a member that votes", self.id);
    case Standing::removed:
      return fmt::format(
          "replica {} was removed from its cell, which goes on without it. its id is "
          "never used again, and its directory is of no use to the cell",
          self.id);
    case Standing::other_disk:
      return fmt::format(
          "the cell knows replica {} with another disk than this one, which was emptied or "
          "exchanged: it would vote away what the other acknowledged. start this node with an "
          "empty "
          "directory under a new id (`meridian serve --join`, see its --help), then run `meridian "
          "node replace {} NEW={}@HOST:PORT`",
          self.id, self.id, self.region);
  }
  return {};
}

Buffer encode_members_request(std::string_view address) {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(PeerTag::members_request));
  address = address.substr(0, address_size_max);
  out.u8(static_cast<std::uint8_t>(address.size()));
  out.bytes(as_bytes(address));
  return bytes;
}

Result<std::string> decode_members_request(Bytes bytes) {
  ByteReader in(bytes);
  in.u8();
  std::string address(as_text(in.take(in.u8())));
  if (!in.done() || address.empty()) return malformed("request");
  return address;
}

Buffer encode_members_answer(const MembersAnswer& answer) {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(PeerTag::members_answer));
  out.u64(answer.leader);
  out.id(answer.storage);
  out.bytes(encode_group_state(answer.group));
  return bytes;
}

Result<MembersAnswer> decode_members_answer(Bytes bytes) {
  constexpr std::size_t head_size = 1 + 8 + 16;
  if (bytes.size() < head_size) return malformed("answer");
  ByteReader in(bytes.first(head_size));
  in.u8();
  MembersAnswer answer;
  answer.leader = in.u64();
  answer.storage = in.id();
  answer.group = TRY(decode_group_state(bytes.subspan(head_size)));
  return answer;
}

void meet(const GroupState& group, Peers& peers) {
  for (const MemberInfo& member : group.members)
    if (group.membership.has(member.id) && !peers.find(member.id)) peers.set(member);
}

MemberNews::MemberNews(Parts parts, std::function<void(Standing)> told)
    : parts_(std::move(parts)), told_(std::move(told)) {
  parts_.peers.on(PeerTag::members_request,
                  [this](std::uint64_t by, const io::Parts& question) { asked(by, question); });
  parts_.peers.on(PeerTag::members_answer,
                  [this](std::uint64_t from, const io::Parts& message) { receive(from, message); });
  parts_.peers.on_stranger([this](std::uint64_t id) { answer(id); });
  parts_.peers.on_link_up([this](std::uint64_t peer) {
    if (takes_part()) answer(peer);
  });
}

void MemberNews::start() {
  parts_.raft.post([this, alive = lifetime_.token()] {
    if (!*alive) return;
    look();
    ask();
  });
}

void MemberNews::look() {
  const GroupState& group = parts_.group();
  const MemberInfo* self = group.find(parts_.self.id);
  const bool is_other = self != nullptr && self->storage != 0 && self->storage != parts_.storage;
  stand(is_other ? Standing::other_disk : standing_in(group, parts_.self.id));
  // Links that were made before this one was a member began with no answer.
  if (!takes_part()) return;
  for (const std::uint64_t id : parts_.peers.known()) answer(id);
}

bool MemberNews::takes_part() const {
  return standing_ == Standing::learner || standing_ == Standing::voter;
}

/// Another disk stays another disk, whatever the log that it still gets may say.
void MemberNews::stand(Standing standing) {
  if (is_known_ && (standing == standing_ || standing_ == Standing::other_disk)) return;
  is_known_ = true;
  standing_ = standing;
  if (is_out(standing)) parts_.notice(describe(standing, parts_.self));
  told_(standing);
}

void MemberNews::ask() {
  if (standing_ != Standing::outsider) return;
  question_all();
  parts_.raft.post_after(ask_period, [this, alive = lifetime_.token()] {
    if (*alive) ask();
  });
}

void MemberNews::question_all() {
  const io::Parts question = one_part(encode_members_request(parts_.self.address));
  for (const std::uint64_t id : parts_.peers.known())
    parts_.peers.send(id, io::Channel::control, question);
}

void MemberNews::asked(std::uint64_t by, const io::Parts& question) {
  const Result<std::string> address = decode_members_request(*question[0]);
  if (!address) return;
  parts_.peers.set_guest(by, *address);
  if (standing_ != Standing::outsider) answer(by);
}

void MemberNews::answer(std::uint64_t to) {
  parts_.peers.send(
      to, io::Channel::control,
      one_part(encode_members_answer(
          {parts_.leader(), parts_.peers.storage_of(to).value_or(0), parts_.group()})));
}

void MemberNews::receive(std::uint64_t from, const io::Parts& parts) {
  const Result<MembersAnswer> answer = decode_members_answer(*parts[0]);
  if (!answer) return;
  if (answer->storage != 0 && answer->storage != parts_.storage)
    return disowned(from, answer->group);
  if (answer->group.has_left(parts_.self.id)) return stand(Standing::removed);
  // After a restart a member does not know what of its log is committed, so not who joined by that:
  // if that is who leads now, it would never hear it.
  meet(answer->group, parts_.peers);
  if (standing_ == Standing::outsider) learn(*answer);
}

/// Those that refuse our hello answer it (on_stranger).
void MemberNews::disowned(std::uint64_t by, const GroupState& group) {
  disowned_by_.insert(by);
  std::size_t others = 0;
  for (const MemberInfo& member : group.members) {
    if (member.id == parts_.self.id || !group.membership.has(member.id)) continue;
    parts_.peers.set(member);
    ++others;
  }
  if (disowned_by_.size() * 2 > others) return stand(Standing::other_disk);
  question_all();
}

/// Who leads may be none of those that it was told of.
void MemberNews::learn(const MembersAnswer& answer) {
  for (const MemberInfo& member : answer.group.members)
    if (answer.group.membership.has(member.id)) parts_.peers.set(member);
  if (answer.group.find(parts_.self.id) != nullptr || std::exchange(wait_told_, true)) return;
  const std::string server = parts_.peers.client_address_of(answer.leader);
  parts_.notice(fmt::format("{}. to add it: meridian node add {}={}@{} --server {}",
                            describe(Standing::outsider, parts_.self), parts_.self.id,
                            parts_.self.region, parts_.self.address,
                            server.empty() ? "ANY_MEMBER" : server));
}

}  // namespace meridian::replica
