#include "find.h"

#include <bit>
#include <map>

#include "statuses.h"
#include "wire.h"

namespace meridian::client {
namespace {

using Then = std::function<void(FindEnd)>;

template <typename Record, typename Messages, typename Convert>
FindEnd match(const Asked& asked, const Messages& messages, Convert convert) {
  std::map<u128, Record> kept;
  for (const auto& message : messages) {
    const Record record = convert(message);
    kept.emplace(record.id, record);
  }
  FindEnd end;
  end.found.resize(asked.ids.size());
  for (std::size_t i = 0; i < asked.ids.size(); ++i) {
    const auto at = kept.find(asked.ids[i]);
    if (at == kept.end()) continue;
    const bool same =
        asked.packed.empty() || is_same(std::bit_cast<Record>(asked.packed[i]), at->second);
    Found& found = end.found[i].emplace();
    found.is_same = same;
    found.timestamp = at->second.timestamp;
  }
  return end;
}

void find_accounts(const std::shared_ptr<Calls>& calls, Asked asked, Time end, Then then) {
  v1::LookupRequest request = lookup_request(asked.ids);
  calls->call<v1::LookupAccountsReply>(
      {.end = end}, std::move(request),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.accounts->async()->Lookup(context, question, reply, std::move(answered));
      },
      [asked = std::move(asked), then = std::move(then)](const CallEnd& call, auto& reply) {
        if (!call.ok()) return then({.found = {}, .error = to_error(call.status)});
        then(match<Account>(asked, reply.accounts(), to_account));
      });
}

void find_transfers(const std::shared_ptr<Calls>& calls, Asked asked, Time end, Then then) {
  v1::LookupRequest request = lookup_request(asked.ids);
  calls->call<v1::LookupTransfersReply>(
      {.end = end}, std::move(request),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.transfers->async()->Lookup(context, question, reply, std::move(answered));
      },
      [asked = std::move(asked), then = std::move(then)](const CallEnd& call, auto& reply) {
        if (!call.ok()) return then({.found = {}, .error = to_error(call.status)});
        then(match<Transfer>(asked, reply.transfers(), to_transfer));
      });
}

void find_events(const std::shared_ptr<Calls>& calls, Asked asked, Time end, FindEnd so_far,
                 Then then) {
  const std::size_t next = so_far.found.size();
  if (next == asked.ids.size()) return then(std::move(so_far));
  v1::OutcomeRequest request = outcome_request(Kind::event, asked.ids[next]);
  calls->call<v1::OutcomeReply>(
      {.end = end}, std::move(request),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.transactions->async()->Outcome(context, question, reply, std::move(answered));
      },
      [calls, asked = std::move(asked), end, so_far = std::move(so_far), then = std::move(then)](
          const CallEnd& call, auto& reply) mutable {
        if (!call.ok()) return then({.found = {}, .error = to_error(call.status)});
        std::optional<Found>& found = so_far.found.emplace_back();
        const Record record = to_record(reply.result());
        if (reply.known() && record.status == status_created)
          found = Found{.is_same = true,
                        .timestamp = record.timestamp,
                        .revision = record.revision,
                        .record_index = record.record_index};
        find_events(calls, std::move(asked), end, std::move(so_far), std::move(then));
      });
}

}  // namespace

void find(const std::shared_ptr<Calls>& calls, Asked asked, Time end, Then then) {
  if (asked.ids.empty()) return then({});
  switch (asked.kind) {
    case Kind::account: return find_accounts(calls, std::move(asked), end, std::move(then));
    case Kind::transfer: return find_transfers(calls, std::move(asked), end, std::move(then));
    case Kind::event: return find_events(calls, std::move(asked), end, {}, std::move(then));
  }
}

}  // namespace meridian::client
