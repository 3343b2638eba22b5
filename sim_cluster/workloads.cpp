#include "sim_cluster/workloads.h"

#include <algorithm>
#include <array>

#include "sim_cluster/commands.h"

namespace meridian::sim_cluster {

namespace {

constexpr std::uint64_t hot = 1;
constexpr std::uint64_t amount_max = 100;
constexpr std::size_t pendings_kept = 40;

u128 new_id(ClientMemory& memory, NewRequest& into) {
  into.ids.push_back(++memory.next_id);
  return memory.next_id;
}

NewRequest begin() {
  NewRequest out;
  out.request->actor = 9;
  return out;
}

u128 any_account(const ClientMemory& memory, sim::Random& random) {
  return 1 + random.below(memory.accounts);
}

void any_transfer(ClientMemory& memory, sim::Random& random, NewRequest& out, double hotness) {
  // Now and then from an account to itself: refused, and recorded as that.
  const u128 debit = random.chance(hotness) ? hot : any_account(memory, random);
  const u128 credit = any_account(memory, random);
  add_transfer(*out.request, new_id(memory, out), debit, credit, 1 + random.below(amount_max));
}

void any_two_phase(ClientMemory& memory, sim::Random& random, NewRequest& out) {
  if (memory.pendings.empty() || random.chance(0.5)) {
    const u128 id = new_id(memory, out);
    add_pending(*out.request, id, any_account(memory, random), any_account(memory, random),
                1 + random.below(amount_max));
    memory.pendings.push_back(id);
    if (memory.pendings.size() > pendings_kept) memory.pendings.erase(memory.pendings.begin());
    return;
  }
  // Also one that was posted, voided or expired already.
  const u128 pending = memory.pendings[random.below(memory.pendings.size())];
  const u128 id = new_id(memory, out);
  if (random.chance(0.3))
    add_void(*out.request, id, pending);
  else
    add_post(*out.request, id, pending);
}

void any_event(ClientMemory& memory, sim::Random& random, NewRequest& out) {
  const u128 stream = 50 + random.below(3);
  const u128 id = new_id(memory, out);
  const std::uint64_t size = random.below(40);
  // Two clients that expect the same revision: at most one of them is right.
  std::uint64_t& sent = memory.revisions[stream];
  if (random.chance(0.5)) {
    add_event(*out.request, id, stream, size);
  } else if (sent == 0) {
    add_event(*out.request, id, stream, size, ledger::Expected::none, 0);
  } else {
    add_event(*out.request, id, stream, size, ledger::Expected::exact,
              sent - 1 - random.below(std::min<std::uint64_t>(sent, 2)));
  }
  ++sent;
}

NewRequest transfers(ClientMemory& memory, sim::Random& random) {
  NewRequest out = begin();
  for (std::uint64_t left = 1 + random.below(8); left > 0; --left)
    any_transfer(memory, random, out, 0);
  return out;
}

NewRequest hot_account(ClientMemory& memory, sim::Random& random) {
  NewRequest out = begin();
  for (std::uint64_t left = 1 + random.below(4); left > 0; --left)
    any_transfer(memory, random, out, 0.9);
  return out;
}

NewRequest two_phase(ClientMemory& memory, sim::Random& random) {
  NewRequest out = begin();
  for (std::uint64_t left = 1 + random.below(4); left > 0; --left)
    any_two_phase(memory, random, out);
  return out;
}

NewRequest streams(ClientMemory& memory, sim::Random& random) {
  NewRequest out = begin();
  for (std::uint64_t left = 1 + random.below(3); left > 0; --left) any_event(memory, random, out);
  return out;
}

NewRequest one_transfer(ClientMemory& memory, sim::Random& random) {
  NewRequest out = begin();
  any_transfer(memory, random, out, 0.5);
  return out;
}

NewRequest mix(ClientMemory& memory, sim::Random& random) {
  NewRequest out = begin();
  for (std::uint64_t left = 1 + random.below(6); left > 0; --left) {
    switch (random.below(6)) {
      case 0: any_event(memory, random, out); break;
      case 1: any_two_phase(memory, random, out); break;
      default: any_transfer(memory, random, out, 0.5); break;
    }
  }
  return out;
}

constexpr std::array all{
    Workload{"transfers", transfers},       Workload{"hot_account", hot_account},
    Workload{"two_phase", two_phase},       Workload{"streams", streams},
    Workload{"retries", one_transfer, 0.5}, Workload{"mix", mix, 0.1},
};

}  // namespace

std::span<const Workload> workloads() { return all; }

const Workload* find_workload(std::string_view name) {
  const auto found = std::ranges::find(all, name, &Workload::name);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace meridian::sim_cluster
