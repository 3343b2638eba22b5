#include "api/key_calls.h"

#include <fmt/format.h>

#include <utility>

#include "api/act_request.h"
#include "api/second_person.h"

namespace meridian::api {
namespace {

Error no_keys() { return {Code::unavailable, "this process does not turn keys over"}; }

void rotate_storage(Backend& backend, const KeyRotation& what,
                    std::function<void(Result<Rotated>)> done) {
  if (backend.cell.replica().is_alone())
    return backend.storage_turner->begin(
        [done = std::move(done)](const Result<storage::KeyVersion>& begun) {
          if (!begun) return done(begun.error());
          done(Rotated{.version = static_cast<std::uint32_t>(*begun)});
        });
  backend.cell.ask_storage_turn(what.replica,
                                [done = std::move(done)](Result<std::vector<std::uint64_t>> asked) {
                                  if (!asked) return done(asked.error());
                                  done(Rotated{.asked = std::move(*asked)});
                                });
}

void rotate_epoch(Backend& backend, u128 actor, std::function<void(Result<Rotated>)> done) {
  backend.cell.turn_epoch(actor, [done = std::move(done)](Result<cell::EpochAnswer> turned) {
    if (!turned) return done(turned.error());
    done(Rotated{.version = turned->epoch,
                 .destroyed_on = std::move(turned->destroyed_on),
                 .not_yet_on = std::move(turned->not_yet_on)});
  });
}

void rotate_residency(Backend& backend, u128 actor, const KeyRotation& what,
                      std::function<void(Result<Rotated>)> done) {
  backend.cell.keep(actor, door::ResidencyTurnDraft{what.jurisdiction},
                    [done = std::move(done)](const Result<cell::KeepAnswer>& kept) {
                      if (!kept) return done(kept.error());
                      done(Rotated{.version = kept->turn, .record = raw(kept->record)});
                    });
}

/// Before an approval is used up for nothing.
Status check_leads(Backend& backend) {
  replica::Replica& replica = backend.cell.replica();
  if (replica.is_alone() || replica.leadership().is_ours) return {};
  return fail(Code::unavailable, fmt::format("replica {} leads the cell: nothing was done",
                                             replica.leadership().leader));
}

}  // namespace

void list_keys(Backend& backend, std::function<void(Result<v1::NodeKeysReply>)> done) {
  if (backend.storage_turner == nullptr) return done(no_keys());
  backend.storage_turner->report([&backend, done = std::move(done)](Result<KeyReport> report) {
    if (!report) return done(report.error());
    v1::NodeKeysReply reply;
    fill(*report, backend.replica_id, reply);
    backend.cell.keeping([done, reply = std::move(reply)](const door::KeepingList& list) {
      v1::NodeKeysReply all = reply;
      fill(list.places, all);
      done(std::move(all));
    });
  });
}

void rotate_key(Backend& backend, const Asker& asker, const KeyRotation& what,
                std::function<void(Result<Rotated>)> done) {
  if (backend.storage_turner == nullptr) return done(no_keys());
  if (Status leads = check_leads(backend); !leads) return done(leads.error());
  begin_act(backend, asker, rotation_of(what),
            [&backend, actor = asker.actor(), what, done = std::move(done)](const Status& may) {
              if (!may) return done(may.error());
              if (what.key == "storage") return rotate_storage(backend, what, done);
              if (what.key == "residency") return rotate_residency(backend, actor, what, done);
              rotate_epoch(backend, actor, done);
            });
}

}  // namespace meridian::api
