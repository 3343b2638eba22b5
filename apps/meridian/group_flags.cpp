#include "group_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>

#include "api/listen_address.h"
#include "base/uuid.h"
#include "crypto/sha256.h"
#include "replica/group_state.h"

namespace meridian::app {

namespace {

/// What a sync of the log may take on a busy disk; measured ones are far shorter.
constexpr io::Duration sync_assumed = io::milliseconds(5);
constexpr double delay_ms_max = 10'000;

Error bad_flag(std::string_view flag, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("{}: {}", flag, why));
}

io::Duration from_ms(double ms) { return io::Duration{static_cast<std::int64_t>(ms * 1e6)}; }

Result<double> parse_ms(std::string_view text) {
  double ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error != std::errc() || end != text.data() + text.size() || !(ms >= 0 && ms <= delay_ms_max))
    return bad_flag("--link-delay", fmt::format("'{}' is no time of 0 to {} ms. write MS for all "
                                                "links, or REGION=MS for those to one region",
                                                text, delay_ms_max));
  return ms;
}

bool is_region_of(const std::vector<replica::MemberInfo>& founders, const std::string& region) {
  return std::any_of(founders.begin(), founders.end(),
                     [&](const replica::MemberInfo& one) { return one.region == region; });
}

/// One-way delay of a link by the region it goes to.
struct LinkDelays {
  double all_ms = 0;
  std::map<std::string, double, std::less<>> to_region_ms;

  double to(const std::string& region) const {
    const auto found = to_region_ms.find(region);
    return found == to_region_ms.end() ? all_ms : found->second;
  }
};

Result<LinkDelays> parse_delays(const std::vector<std::string>& texts,
                                const std::vector<replica::MemberInfo>& founders) {
  LinkDelays delays;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
      delays.all_ms = TRY(parse_ms(text));
      continue;
    }
    const std::string region = text.substr(0, equals);
    if (!is_region_of(founders, region))
      return bad_flag("--link-delay", fmt::format("no replica given is in region '{}'", region));
    delays.to_region_ms[region] = TRY(parse_ms(std::string_view(text).substr(equals + 1)));
  }
  return delays;
}

Result<std::vector<replica::MemberInfo>> parse_members(const std::vector<std::string>& texts,
                                                       std::string_view flag) {
  std::vector<replica::MemberInfo> members;
  for (const std::string& text : texts) {
    replica::MemberInfo member = TRY(parse_member(text, flag));
    for (const replica::MemberInfo& other : members) {
      if (other.id == member.id)
        return bad_flag(flag, fmt::format("two replicas have the id {}", member.id));
      if (other.address == member.address)
        return bad_flag(flag, fmt::format("replicas {} and {} have one address, {}", other.id,
                                          member.id, member.address));
    }
    members.push_back(std::move(member));
  }
  return members;
}

/// A founder finds itself in the list.
Status take_founder(const GroupFlags& flags, GroupSettings& settings) {
  replica::GroupConfig& config = settings.config;
  config.founders = TRY(parse_members(flags.founders, "--founder"));
  const auto self = std::find_if(config.founders.begin(), config.founders.end(),
                                 [&](const auto& one) { return one.id == config.id; });
  if (self == config.founders.end())
    return bad_flag("--founder",
                    fmt::format("none of the {} founders given is replica {}, which this node is. "
                                "name them all, the same on each node. to join a cell that runs "
                                "already, give --join",
                                config.founders.size(), config.id));
  config.region = flags.region.empty() ? self->region : flags.region;
  if (config.region != self->region)
    return bad_flag("--region", fmt::format("'{}', but --founder says that replica {} is in '{}'",
                                            config.region, config.id, self->region));
  config.listen = flags.peer_listen.empty() ? self->address : flags.peer_listen;
  return {};
}

/// One that joins is in nobody's list yet.
Status take_joiner(const GroupFlags& flags, GroupSettings& settings) {
  replica::GroupConfig& config = settings.config;
  config.joins = true;
  config.founders = TRY(parse_members(flags.joins, "--join"));
  for (const replica::MemberInfo& member : config.founders)
    if (member.id == config.id)
      return bad_flag("--join",
                      fmt::format("replica {} is this node itself. name members of the cell "
                                  "that run already (`meridian node list`)",
                                  member.id));
  if (flags.region.empty())
    return bad_flag("--join", "needs --region NAME, the region of this replica");
  if (flags.peer_listen.empty())
    return bad_flag("--join", "needs --peer-listen HOST:PORT, where its peers reach this replica");
  config.region = flags.region;
  config.listen = flags.peer_listen;
  return {};
}

Result<std::string> client_address(const std::string& advertised, const std::string& grpc) {
  if (!advertised.empty()) return advertised;
  const api::ListenAddress address = TRY(api::parse_listen_address(grpc));
  if (address.port == 0)
    return bad_flag("--grpc",
                    "other replicas send clients here, so that the port must be known: "
                    "name one, or say with --advertise where clients come in");
  return api::format_listen_address(address);
}

/// Where peers are listened to, as api/ decides it for clients: loopback with --dev.
Status check_peer_listen(const std::string& text, bool is_dev) {
  const Result<api::ListenAddress> address = api::parse_listen_address(text);
  if (!address) return with_context(address.error(), "--peer-listen");
  if (Status may = api::check_may_listen(*address, is_dev); !may)
    return with_context(may.error(), "--peer-listen");
  if (address->port == 0)
    return bad_flag("--peer-listen", "its peers must know the port: 0 cannot be used");
  return {};
}

Status refuse_without_id(const GroupFlags& flags) {
  const std::pair<bool, std::string_view> given[] = {{!flags.region.empty(), "--region"},
                                                     {!flags.peer_listen.empty(), "--peer-listen"},
                                                     {!flags.founders.empty(), "--founder"},
                                                     {!flags.advertise.empty(), "--advertise"},
                                                     {!flags.link_delays.empty(), "--link-delay"},
                                                     {flags.round_trip_ms >= 0, "--round-trip"},
                                                     {flags.copy_log_mib >= 0, "--copy-log"},
                                                     {!flags.home.empty(), "--home"},
                                                     {!flags.joins.empty(), "--join"}};
  for (const auto& [is_given, name] : given)
    if (is_given)
      return bad_flag(name, "goes with --replica-id N, which says which replica this node is");
  return {};
}

}  // namespace

void add_group_flags(CLI::App& command, GroupFlags& flags) {
  const auto group = [](CLI::Option* option) { option->group("One of several replicas"); };
  group(command
            .add_option("--replica-id", flags.replica_id,
                        "Which replica of the cell this node is, for ever: 1, 2, ...")
            ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 62))
            ->type_name("N"));
  group(command
            .add_option("--founder", flags.founders,
                        "A replica that begins the cell, repeated for each, this one included; "
                        "HOST:PORT is where its peers reach it")
            ->allow_extra_args(false)
            ->type_name("ID=REGION@HOST:PORT"));
  group(command
            .add_option("--join", flags.joins,
                        "A member of a cell that runs already, which this replica is to join; "
                        "repeated, and needed at the first start only. It copies the state once it "
                        "is added (`meridian node add`, or `node replace`)")
            ->allow_extra_args(false)
            ->type_name("ID=REGION@HOST:PORT"));
  group(command
            .add_option("--region", flags.region,
                        "Region of this replica (else what its --founder says)")
            ->type_name("NAME"));
  group(
      command
          .add_option("--home", flags.home,
                      "Region that should lead while it is healthy: a leader elsewhere hands over "
                      "to it after 10 s (else leadership stays where it is); the same on all")
          ->type_name("NAME"));
  group(command
            .add_option("--peer-listen", flags.peer_listen,
                        "Where to listen for its peers (else what its --founder says)")
            ->type_name("HOST:PORT"));
  group(command
            .add_option("--advertise", flags.advertise,
                        "Where clients reach this replica's gRPC port: others send them there when "
                        "it leads (else --grpc)")
            ->type_name("HOST:PORT"));
  group(command
            .add_option("--cell", flags.cell,
                        "Id of the cell, the same on all its replicas (else drawn from the "
                        "founders' list); `meridian node list` shows it")
            ->type_name("UUID"));
  group(command
            .add_option("--round-trip", flags.round_trip_ms,
                        "The longest round trip between two replicas in ms: sets how soon a silent "
                        "leader is replaced (else twice the longest --link-delay)")
            ->check(CLI::Range(0.0, delay_ms_max))
            ->type_name("MS"));
  group(command
            .add_option("--copy-log", flags.copy_log_mib,
                        "Log in MiB that a leader keeps at most for replicas that copy its state "
                        "(16384), so that they need not copy again; never more than half of what "
                        "is free on the disk")
            ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
            ->type_name("MIB"));
  group(command
            .add_option("--link-delay", flags.link_delays,
                        "Hold back every message to peers (of a region) this long, as if they were "
                        "far away: for tests")
            ->allow_extra_args(false)
            ->type_name("[REGION=]MS"));
}

Result<replica::MemberInfo> parse_member(std::string_view text, std::string_view flag) {
  const std::size_t equals = text.find('=');
  const std::size_t at = text.find('@');
  replica::MemberInfo member;
  if (equals == std::string_view::npos || at == std::string_view::npos || at < equals)
    return bad_flag(flag, fmt::format("'{}' is not written ID=REGION@HOST:PORT, such as "
                                      "1=eu@127.0.0.1:7501",
                                      text));
  const std::string_view id = text.substr(0, equals);
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), member.id);
  if (error != std::errc() || end != id.data() + id.size() || member.id == 0)
    return bad_flag(flag, fmt::format("'{}' in '{}' is no id: 1, 2, ...", id, text));
  member.region = text.substr(equals + 1, at - equals - 1);
  if (member.region.empty()) return bad_flag(flag, fmt::format("'{}' names no region", text));
  const Result<api::ListenAddress> address = api::parse_listen_address(text.substr(at + 1));
  if (!address) return with_context(address.error(), fmt::format("{} {}", flag, text));
  if (address->port == 0) return bad_flag(flag, fmt::format("'{}' names no port", text));
  member.address = api::format_listen_address(*address);
  if (Status sound = replica::check_member(member); !sound)
    return with_context(sound.error(), fmt::format("{} {}", flag, text));
  return member;
}

Result<u128> parse_cell(std::string_view text) {
  const std::optional<u128> cell = parse_uuid(text);
  if (!cell)
    return bad_flag("--cell",
                    fmt::format("'{}' is no UUID, which has 32 hexadecimal digits", text));
  return *cell;
}

u128 derive_cell(std::string_view deployment, std::vector<replica::MemberInfo> founders) {
  std::sort(founders.begin(), founders.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  std::string text = fmt::format("meridian cell\n{}\n", deployment);
  for (const replica::MemberInfo& one : founders)
    text += fmt::format("{}={}@{}\n", one.id, one.region, one.address);
  crypto::Digest digest = crypto::sha256(as_bytes(text));
  digest[6] = static_cast<Byte>((digest[6] & 0x0f) | 0x80);  // a custom UUID, RFC 9562 section 5.8
  digest[8] = static_cast<Byte>((digest[8] & 0x3f) | 0x80);
  return load_le<u128>(digest.data());
}

Result<std::optional<GroupSettings>> parse_group(const GroupFlags& flags,
                                                 std::string_view deployment,
                                                 const std::string& grpc, bool is_dev) {
  if (flags.replica_id == 0) {
    TRY(refuse_without_id(flags));
    return std::optional<GroupSettings>();
  }
  GroupSettings settings;
  replica::GroupConfig& config = settings.config;
  config.id = flags.replica_id;
  if (!flags.joins.empty() && !flags.founders.empty())
    return bad_flag("--join",
                    "is for a cell that runs already, --founder for one that begins: give "
                    "one of them");
  TRY(flags.joins.empty() ? take_founder(flags, settings) : take_joiner(flags, settings));
  if (!flags.home.empty() && flags.home != config.region &&
      !is_region_of(config.founders, flags.home))
    return bad_flag("--home", fmt::format("no replica given is in region '{}'", flags.home));
  config.home = flags.home;
  TRY(check_peer_listen(config.listen, is_dev));
  config.client_address = TRY(client_address(flags.advertise, grpc));
  if (!config.joins) settings.derived_cell = derive_cell(deployment, config.founders);

  const LinkDelays delays = TRY(parse_delays(flags.link_delays, config.founders));
  std::map<io::PeerId, io::Duration> delay_to;
  double delay_ms_longest = 0;
  for (const replica::MemberInfo& peer : config.founders) {
    if (peer.id == config.id) continue;
    delay_ms_longest = std::max(delay_ms_longest, delays.to(peer.region));
    delay_to[io::PeerId{peer.id}] = from_ms(delays.to(peer.region));
  }
  if (delay_ms_longest > 0) {
    settings.network.delay = [delay_to, others = from_ms(delays.all_ms)](io::PeerId to) {
      const auto found = delay_to.find(to);
      return io::LinkDelay{found == delay_to.end() ? others : found->second};
    };
  }
  config.round_trip =
      from_ms(flags.round_trip_ms >= 0 ? flags.round_trip_ms : 2 * delay_ms_longest);
  config.timing = consensus::Timing::measured(config.round_trip, sync_assumed);
  config.sync = sync_assumed;
  if (flags.copy_log_mib >= 0)
    config.copy_log_bytes_max = static_cast<std::uint64_t>(flags.copy_log_mib) << 20;
  return std::optional(std::move(settings));
}

}  // namespace meridian::app
