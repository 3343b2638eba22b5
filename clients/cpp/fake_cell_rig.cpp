#include <algorithm>

#include "fake_cell_rig.h"

namespace meridian::client {
namespace {

constexpr std::uint32_t transient = 54;  // exceeds_credits: its id is never used again

}  // namespace

void FakeCell::deliver(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (on_their_way_.empty()) {
      delivered_.wait(lock, stop, [this] { return !on_their_way_.empty(); });
      continue;
    }
    const auto first = on_their_way_.begin();
    if (first->first > std::chrono::steady_clock::now()) {
      delivered_.wait_until(lock, stop, first->first, [] { return false; });
      continue;
    }
    apply_taken();
    first->second();
    on_their_way_.erase(first);
    delivered_.notify_all();
  }
}

std::uint32_t FakeCell::judge(const Transfer& transfer) const {
  if (const auto at = transfers_.find(transfer.id); at != transfers_.end())
    return is_same(transfer, at->second) ? status_exists(Kind::transfer) : 39;
  if (failed_.contains(transfer.id)) return 68;
  if (transfer.debit_account_id == 0) return 8;
  return verdict(transfer);
}

void FakeCell::apply(const v1::PackedRequest& request, v1::PackedReply& reply) {
  std::vector<Transfer> all(request.commands().size() / sizeof(Transfer));
  std::memcpy(static_cast<void*>(all.data()), request.commands().data(),
              all.size() * sizeof(Transfer));
  std::vector<std::uint32_t> statuses(all.size(), status_created);
  reply.set_first_timestamp(time_);
  reply.set_count(static_cast<std::uint32_t>(all.size()));
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin + 1;
    while (end < all.size() && (all[end - 1].flags & transfer_flags::linked) != 0) ++end;
    bool is_broken = false;
    for (std::size_t i = begin; i < end && !is_broken; ++i) {
      statuses[i] = judge(all[i]);
      is_broken = statuses[i] != status_created;
      if (statuses[i] == transient) failed_.insert(all[i].id);
      if (!is_broken) continue;
      for (std::size_t j = begin; j < end; ++j)
        if (j != i) statuses[j] = status_linked_event_failed;
    }
    for (std::size_t i = begin; i < end && !is_broken; ++i) {
      all[i].timestamp = time_ + i;
      transfers_.emplace(all[i].id, all[i]);
    }
    begin = end;
  }
  time_ += all.size();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (statuses[i] == status_created) continue;
    const std::uint32_t pair[] = {static_cast<std::uint32_t>(i), statuses[i]};
    reply.mutable_exceptions()->append(reinterpret_cast<const char*>(pair), sizeof pair);
  }
}

void FakeCell::apply(const v1::AppendRequest& request, v1::CreateReply& reply) {
  for (const v1::NewEvent& event : request.events()) {
    v1::CommandResult& result = *reply.add_results();
    const u128 id = parse_u128(event.event_id());
    const bool has_wrong_revision =
        event.expected() == v1::EXPECTED_REVISION_EXACT && event.revision() + 1 != events_.size();
    if (events_.contains(id)) {
      result.set_status(status_exists(Kind::event));
    } else if (has_wrong_revision) {
      result.set_status(17);
    } else {
      const Record record{.status = status_created,
                          .name = "created",
                          .timestamp = time_++,
                          .revision = events_.size(),
                          .record_index = time_};
      events_.emplace(id, record);
      result.set_status(record.status);
      result.set_timestamp(record.timestamp);
      result.set_revision(record.revision);
      result.set_record_index(record.record_index);
    }
  }
}

void FakeCell::look(const v1::LookupRequest& request, v1::LookupTransfersReply& reply) const {
  for (const std::string& id : request.ids()) {
    const auto at = transfers_.find(parse_u128(id));
    if (at == transfers_.end()) continue;
    v1::Transfer& kept = *reply.add_transfers();
    kept.set_id(format_u128(at->second.id));
    kept.set_debit_account_id(format_u128(at->second.debit_account_id));
    kept.set_credit_account_id(format_u128(at->second.credit_account_id));
    kept.set_amount(format_u128(at->second.amount));
    kept.set_ledger(at->second.ledger);
    kept.set_code(at->second.code);
    kept.set_flags(at->second.flags);
    kept.set_timestamp(at->second.timestamp);
  }
}

void FakeCell::look(const v1::OutcomeRequest& request, v1::OutcomeReply& reply) const {
  const auto at = events_.find(parse_u128(request.id()));
  reply.set_known(at != events_.end());
  if (!reply.known()) return;
  reply.mutable_result()->set_status(at->second.status);
  reply.mutable_result()->set_name(at->second.name);
  reply.mutable_result()->set_timestamp(at->second.timestamp);
  reply.mutable_result()->set_revision(at->second.revision);
  reply.mutable_result()->set_record_index(at->second.record_index);
}

struct FakeServer::Services {
  Services(FakeCell& the_cell, int the_number)
      : cell(the_cell),
        number(the_number),
        transfers(*this),
        streams(*this),
        transactions(*this),
        proofs(*this) {}

  grpc::Status end(grpc::ServerContext* context, Do act) {
    switch (act) {
      case Do::serve:
      case Do::serve_slowly: return grpc::Status::OK;
      case Do::redirect:
        context->AddTrailingMetadata("meridian-leader",
                                     cell.addresses[static_cast<std::size_t>(cell.leader.load())]);
        return {grpc::StatusCode::UNAVAILABLE, "not the leader; nothing was done"};
      case Do::no_room: return {grpc::StatusCode::RESOURCE_EXHAUSTED, "no room"};
      case Do::serve_late:
      case Do::take_late: return {grpc::StatusCode::DEADLINE_EXCEEDED, "out of time"};
      case Do::fail: return {grpc::StatusCode::INTERNAL, "broken"};
      case Do::hang:
        while (!context->IsCancelled()) std::this_thread::sleep_for(milliseconds(1));
        return grpc::Status::CANCELLED;
      case Do::refuse:
      case Do::serve_and_lose:
      case Do::arrive_later: return {grpc::StatusCode::UNAVAILABLE, "connection lost"};
    }
    return grpc::Status::OK;
  }

  template <typename Request, typename Reply>
  grpc::Status write(grpc::ServerContext* context, const Request* request, Reply* reply) {
    ++cell.requests;
    const Do act = cell.script(number, true);
    const auto apply_later = [this, copy = *request] {
      Reply nobody_reads;
      cell.apply(copy, nobody_reads);
    };
    if (act == Do::serve_slowly) std::this_thread::sleep_for(cell.delay);
    if (act == Do::take_late) cell.take(apply_later);
    if (act == Do::arrive_later) cell.send_later(apply_later);
    if (act == Do::serve || act == Do::serve_slowly || act == Do::serve_late ||
        act == Do::serve_and_lose)
      cell.write([&] { cell.apply(*request, *reply); });
    return end(context, act);
  }

  template <typename Look>
  grpc::Status read(grpc::ServerContext* context, Look look) {
    ++cell.requests;
    const auto asked = context->client_metadata().find("meridian-read");
    if (asked != context->client_metadata().end() && asked->second.starts_with("local")) {
      ++cell.local_reads;
      cell.read_wish = {asked->second.data(), asked->second.size()};
      context->AddTrailingMetadata("meridian-position", "records=7 index=3 staleness-ms=40");
    }
    const Do act = cell.script(number, false);
    if (act == Do::serve_slowly) std::this_thread::sleep_for(cell.delay);
    cell.read(look);
    return end(context, act);
  }

  struct Transfers final : v1::Transfers::Service {
    explicit Transfers(Services& the_all) : all(the_all) {}
    grpc::Status CreatePacked(grpc::ServerContext* context, const v1::PackedRequest* request,
                              v1::PackedReply* reply) override {
      return all.write(context, request, reply);
    }
    grpc::Status Lookup(grpc::ServerContext* context, const v1::LookupRequest* request,
                        v1::LookupTransfersReply* reply) override {
      return all.read(context, [&] { all.cell.look(*request, *reply); });
    }
    Services& all;
  };
  struct Streams final : v1::Streams::Service {
    explicit Streams(Services& the_all) : all(the_all) {}
    grpc::Status Append(grpc::ServerContext* context, const v1::AppendRequest* request,
                        v1::CreateReply* reply) override {
      return all.write(context, request, reply);
    }
    Services& all;
  };
  struct Transactions final : v1::Transactions::Service {
    explicit Transactions(Services& the_all) : all(the_all) {}
    grpc::Status Outcome(grpc::ServerContext* context, const v1::OutcomeRequest* request,
                         v1::OutcomeReply* reply) override {
      return all.read(context, [&] { all.cell.look(*request, *reply); });
    }
    Services& all;
  };
  struct Proofs final : v1::Proofs::Service {
    explicit Proofs(Services& the_all) : all(the_all) {}
    grpc::Status Checkpoint(grpc::ServerContext* context, const v1::CheckpointRequest*,
                            v1::CheckpointReply* reply) override {
      return all.read(context, [&] { reply->set_note("note of " + std::to_string(all.number)); });
    }
    Services& all;
  };

  FakeCell& cell;
  const int number;
  Transfers transfers;
  Streams streams;
  Transactions transactions;
  Proofs proofs;
};

FakeServer::FakeServer(FakeCell& cell, int number)
    : services_(std::make_unique<Services>(cell, number)) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&services_->transfers);
  builder.RegisterService(&services_->streams);
  builder.RegisterService(&services_->transactions);
  builder.RegisterService(&services_->proofs);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
  cell.addresses.push_back(address_);
}

FakeServer::~FakeServer() { stop(); }

}  // namespace meridian::client
