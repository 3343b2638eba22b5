#include "key_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "act_calls.h"
#include "api/act_request.h"
#include "api/convert_keys.h"
#include "key_bundle.h"
#include "leader_call.h"
#include "output.h"

namespace meridian::app {
namespace {

constexpr std::array<KeyMeaning, 10> meanings{{
    {"storage", "AES-256, wraps", "the random key of each sealed file of this node"},
    {"cell", "secret, derives", "what all replicas share: payload, commit and index come from it"},
    {"payload", "secret, derives", "payloads that are about nobody"},
    {"commit", "secret, derives", "salts of commitments to payloads that are about nobody"},
    {"index", "HMAC-SHA-256", "opaque ids: names of streams, types and subjects"},
    {"epoch", "AES-256, wraps", "the key table: the keys of persons"},
    {"exchange", "X25519", "what another replica sealed for this one"},
    {"log", "Ed25519", "signs tree heads: this is my log"},
    {"cosign", "Ed25519", "cosigns tree heads"},
    {"ca", "P-256", "signs certificates"},
}};
constexpr io::Duration look_every = io::milliseconds(500);

Result<v1::NodeKeysReply> ask_keys(Client& client) {
  return client.call(*client.keys, &v1::Keys::Stub::List, v1::NodeKeysRequest());
}

std::string made_at(const v1::NodeKey& key) {
  return format_time(static_cast<std::uint64_t>(key.made()));
}

std::string ids_text(const google::protobuf::RepeatedField<std::uint64_t>& ids) {
  return fmt::format("{}", fmt::join(ids, ", "));
}

void print_jurisdictions(const v1::NodeKeysReply& reply) {
  for (const v1::JurisdictionKey& one : reply.jurisdictions()) {
    if (!one.has_key()) {
      print_line(fmt::format("\njurisdiction {}: it has no key yet", one.name()));
      continue;
    }
    print_line(fmt::format(
        "\njurisdiction {}: the key in use is of turn {}{}{}", one.name(), one.turn(),
        one.older_keys() == 0
            ? std::string()
            : fmt::format("; {} older, kept for what was sealed before", one.older_keys()),
        one.turning() ? "; a next one is being made" : ""));
  }
}

void print(const v1::NodeKeysReply& reply) {
  std::vector<std::vector<std::string>> table{
      {"KEY", "VERSION", "STATE", "KIND", "MADE", "PLACE", "FOR"}};
  for (const v1::NodeKey& key : reply.keys()) {
    const KeyMeaning meaning = meaning_of_key(key.name());
    std::string opens(meaning.opens);
    if (key.has_files()) opens += fmt::format(" ({} files)", key.files());
    table.push_back({key.name(), std::to_string(key.version()), key.in_use() ? "in use" : "old",
                     std::string(meaning.kind), made_at(key),
                     key.in_token() ? reply.token() : "keys/store", std::move(opens)});
  }
  fmt::print("{}", format_table(table, {1}));
  if (reply.answered_by() != 0) fmt::print("\nthese are of replica {}\n", reply.answered_by());
  if (reply.turning())
    fmt::print(
        "\nstorage is being turned over: {} files got under the new version so far{}\n",
        reply.files_turned(),
        reply.hindrance().empty() ? "" : "; the old one stays for now: " + reply.hindrance());
  print_jurisdictions(reply);
}

const v1::JurisdictionKey* find_jurisdiction(const v1::NodeKeysReply& reply,
                                             const std::string& name) {
  const auto found =
      std::ranges::find(reply.jurisdictions(), name, [](const auto& one) { return one.name(); });
  return found == reply.jurisdictions().end() ? nullptr : &*found;
}

/// The one version of `storage` that is left.
Result<v1::NodeKeysReply> wait_until_turned(Client& client) {
  const io::MonotonicTime end = client.deadline();
  for (;;) {
    v1::NodeKeysReply reply = TRY(ask_keys(client));
    if (!reply.turning()) return reply;
    if (client.clock().monotonic() >= end)
      return fail(Code::deadline_exceeded,
                  fmt::format("it goes on by itself: {} files got under the new version so far{}. "
                              "`meridian keys list` says how far it is",
                              reply.files_turned(),
                              reply.hindrance().empty() ? "" : " (" + reply.hindrance() + ")"));
    pause(look_every);
  }
}

Status wait_until_in_use(Client& client, const std::string& jurisdiction, std::uint32_t turn) {
  const io::MonotonicTime end = client.deadline();
  for (;;) {
    const v1::NodeKeysReply reply = TRY(ask_keys(client));
    const v1::JurisdictionKey* now = find_jurisdiction(reply, jurisdiction);
    if (now != nullptr && now->has_key() && now->turn() >= turn) return {};
    if (client.clock().monotonic() >= end)
      return fail(Code::deadline_exceeded,
                  "the next key is not in use yet: replicas in two regions of the jurisdiction are "
                  "needed to make it, and it goes on by itself. `meridian residency list` says how "
                  "far it is");
    pause(look_every);
  }
}

Status check_jurisdiction(const v1::NodeKeysReply& now, const std::string& name) {
  const v1::JurisdictionKey* known = find_jurisdiction(now, name);
  if (known == nullptr) {
    std::vector<std::string> names;
    for (const v1::JurisdictionKey& one : now.jurisdictions()) names.push_back(one.name());
    return fail(Code::not_found,
                fmt::format("there is no jurisdiction '{}': {}", name,
                            names.empty() ? std::string("none is defined")
                                          : fmt::format("there are {}", fmt::join(names, ", "))));
  }
  if (!known->has_key())
    return fail(Code::failed_precondition,
                fmt::format("the jurisdiction {} has no key yet: its first one is made once "
                            "replicas in two of its regions are up",
                            name));
  if (known->turning())
    return fail(Code::failed_precondition,
                fmt::format("the key of the jurisdiction {} is being turned over already: "
                            "`meridian residency list` says how far it is",
                            name));
  return {};
}

/// Before an approval is used up for what is refused.
Status check_not_turning(Client& client, const api::KeyRotation& what) {
  if (what.key == "epoch") return {};
  const v1::NodeKeysReply now = TRY(ask_keys(client));
  if (what.key == "residency") return check_jurisdiction(now, what.jurisdiction);
  if (!now.turning()) return {};
  return fail(Code::failed_precondition,
              "storage is being turned over already: `meridian keys list` says how far it is");
}

Result<Exit> tell_residency(Client& client, const KeyCallOptions& options,
                            const v1::RotateKeyReply& reply) {
  if (options.waits) TRY(wait_until_in_use(client, options.jurisdiction, reply.version()));
  if (options.json) {
    OrderedJson json =
        api::rotated_json({.version = reply.version(), .record = reply.record_index()});
    json["in_use"] = options.waits;
    print_json(json);
    return Exit::ok;
  }
  if (options.waits)
    print_line(fmt::format("residency {}: the key of turn {} is in use", options.jurisdiction,
                           reply.version()));
  else
    print_line(
        fmt::format("residency {}: record {} says that a key of turn {} is wanted; it is "
                    "made and in use once replicas in two of its regions hold it, and "
                    "until then the one before is",
                    options.jurisdiction, reply.record_index(), reply.version()));
  print_line(
      "what was sealed before opens with older keys: each is destroyed with the last key of a "
      "person that needs it (`meridian residency list`)");
  return Exit::ok;
}

Result<Exit> rotate(Client& client, const KeyCallOptions& options) {
  v1::RotateKeyRequest request;
  request.set_key(options.name);
  request.set_replica(options.replica);
  request.set_jurisdiction(options.jurisdiction);
  const api::KeyRotation what = TRY(api::parse_rotation(request));
  TRY(check_not_turning(client, what));
  TRY(ensure_approved(client, api::rotation_of(what)));
  const v1::RotateKeyReply reply =
      TRY(call_leader(client, client.deadline(), Repeat::only_undone,
                      "it is unknown whether the key was turned over: see with `meridian keys "
                      "list`, then repeat the command if it was not",
                      &v1::Keys::Stub::Rotate, request));
  if (options.name == "residency") return tell_residency(client, options, reply);
  std::optional<v1::NodeKeysReply> turned;
  if (options.waits && options.name == "storage") turned = TRY(wait_until_turned(client));
  if (options.json) {
    OrderedJson json =
        api::rotated_json({reply.version(),
                           {reply.asked().begin(), reply.asked().end()},
                           {reply.destroyed_on().begin(), reply.destroyed_on().end()},
                           {reply.not_yet_on().begin(), reply.not_yet_on().end()}});
    if (turned) json["files_turned"] = turned->files_turned();
    print_json(json);
    return Exit::ok;
  }
  if (options.name == "storage") {
    if (reply.asked().empty())
      print_line(fmt::format("storage: version {} is in use, new files take it", reply.version()));
    else
      print_line(fmt::format("storage: asked of replicas {}; one that is away is not asked again",
                             ids_text(reply.asked())));
    print_line(turned ? fmt::format("{} files got under it, and the old version is destroyed",
                                    turned->files_turned())
                      : "files get under it in the background: `meridian keys list` says how far");
    return Exit::ok;
  }
  if (reply.destroyed_on().empty() && reply.not_yet_on().empty())
    print_line(
        fmt::format("epoch: version {} is in use, the one before is destroyed", reply.version()));
  else
    print_line(fmt::format("epoch: turned for the {}. time; the key before is destroyed on {}",
                           reply.version(), ids_text(reply.destroyed_on())));
  if (!reply.not_yet_on().empty())
    print_line(fmt::format("not yet on {}: there it is as soon as they go on",
                           ids_text(reply.not_yet_on())));
  return Exit::ok;
}

}  // namespace

KeyMeaning meaning_of_key(std::string_view name) {
  for (const KeyMeaning& one : meanings)
    if (one.name == name) return one;
  if (name.starts_with("residency-"))
    return {name, "secret, mixes",
            "keys of persons that live in a jurisdiction: its number, and the turn"};
  return {name, "secret", "not known to this version"};
}

Result<Exit> list_keys_online(const KeyCallOptions& options) {
  const std::unique_ptr<Client> client = TRY(Client::connect(options.client));
  const v1::NodeKeysReply reply = TRY(ask_keys(*client));
  if (options.json)
    print_json(api::keys_json(reply));
  else
    print(reply);
  return Exit::ok;
}

Result<Exit> rotate_key_online(const KeyCallOptions& options) {
  const std::unique_ptr<Client> client = TRY(Client::connect(options.client));
  return rotate(*client, options);
}

}  // namespace meridian::app
