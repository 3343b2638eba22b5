// The door of a node that holds its own keys. Drafts become commands on the door's executor.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "door/door.h"
#include "door/owed_records.h"
#include "door/payload_sealer.h"
#include "door/refusal_counts.h"
#include "door/request_maker.h"
#include "storage/cell_key_table.h"
#include "storage/key_table.h"

namespace meridian::door::internal {

/// One of the two: of a replica that is alone, or of one of several.
struct SubjectKeys {
  std::unique_ptr<storage::KeyTable> own;
  std::unique_ptr<storage::CellKeyTable> shared;

  storage::SubjectKeyring& ring() const {
    if (shared != nullptr) return *shared;
    return *own;
  }
};

class SealingDoor final : public Door {
 public:
  SealingDoor(const Io& io, u128 cell, SubjectKeys keys, OwedRecords owed)
      : io_(io), cell_(cell), keys_(std::move(keys)), owed_(std::move(owed)) {}
  ~SealingDoor() override {
    *alive_ = false;
    io_.executor.drain();
  }

  /// Takes its keys from the key store. Before anything is asked, or on the executor.
  Status take_keys();
  Status ready() const override;
  void take_cell_key(crypto::Secret key, std::function<void(Error)> failed) override;
  void use_schemas(std::shared_ptr<const Schemas> schemas) override {
    const std::lock_guard lock(schemas_mutex_);
    schemas_ = std::move(schemas);
  }
  Result<std::unique_ptr<ledger::Request>> prepare_packed(u128 actor, ledger::CommandKind kind,
                                                          Bytes commands) override;
  void prepare(u128 actor, std::vector<CommandDraft> commands, bool atomic,
               Prepared prepared) override;
  void prepare_for_leader(u128 actor, std::vector<CommandDraft> commands, Prepared hand_over,
                          Prepared prepared) override {
    queue({actor, std::move(commands), false, 0, std::move(prepared), nullptr, 0,
           std::move(hand_over)});
  }
  void open_events(std::vector<SealedEvent> events, Opened opened) override;
  void forget(u128 actor, std::string subject, std::function<void(Result<Erased>)> done) override;
  void keep(u128 actor, KeepingDraft draft, std::function<void(Result<Erased>)> done) override;
  void erase_due(std::function<void(Result<std::vector<Erased>>)> done) override;
  void turn_epoch(io::Duration age, std::function<void(Result<EpochTurn>)> done) override;
  void owed_erasures(std::function<void(Result<std::vector<Erased>>)> done) override;
  void count_denial(u128 actor, mesh::Action action) override {
    refusals_.count_denial(actor, action, io_.clock.now().time);
  }
  void count_bad_signature(u128 actor) override {
    refusals_.count_bad_signature(actor, io_.clock.now().time);
  }
  void confirm_recorded(u128 actor, std::vector<KeepingCommand> commands) override;
  std::unique_ptr<ledger::Request> take_refusals() override { return refusals_.take(); }
  void subject_status(std::string subject,
                      std::function<void(Result<SubjectStatus>)> done) override;
  void keys_left(u128 subject, std::vector<storage::KeyName> through,
                 std::function<void(KeysLeft)> done) override;
  void keeping(std::function<void(KeepingList)> done) override;

  u128 stream_id(std::string_view name) const override { return id("stream", name); }
  u128 category_id(std::string_view name) const override { return id("category", name); }
  u128 type_id(std::string_view name) const override { return id("type", name); }
  u128 actor_id(std::string_view name) const override { return id("actor", name); }
  u128 subject_id(std::string_view name) const override {
    return name.empty() ? 0 : id("subject", name);
  }
  u128 signature_id(const crypto::Digest& digest) const override {
    return id("signature", to_hex(digest));
  }

  storage::CellKeyTable* shared_keys() override { return keys_.shared.get(); }
  void on_missing_keys(Missing missing) override { missing_ = std::move(missing); }
  void drop_keys() override {
    if (sealer_) sealer_->drop_key();
  }

 private:
  u128 id(std::string_view label, std::string_view name) const {
    return is_ready_ ? ledger::opaque_id(*index_key_, label, name) : 0;
  }

  /// What is being prepared: sealed again if a key was missing.
  struct Draft {
    u128 actor;
    std::vector<CommandDraft> commands;
    bool atomic;
    std::uint64_t bytes;
    Prepared prepared;
    std::shared_ptr<const Schemas> schemas;
    int attempts = 0;
    Prepared hand_over{};  ///< Set: another replica leads.
  };
  void queue(Draft draft);
  bool seal_for_leader(const std::shared_ptr<Draft>& draft);
  void await(const std::shared_ptr<Draft>& draft, const MissingKeys& missing);
  void seal(const std::shared_ptr<Draft>& draft);
  void seal_shared(const std::shared_ptr<Draft>& draft);
  void answer(const Draft& draft, Result<std::unique_ptr<ledger::Request>> request);
  Result<std::unique_ptr<ledger::Request>> make(const Draft& draft) {
    return RequestMaker(*this, *draft.schemas, *sealer_)
        .make(draft.actor, draft.commands, draft.atomic);
  }
  std::shared_ptr<const Schemas> schemas() const {
    const std::lock_guard lock(schemas_mutex_);
    return schemas_;
  }
  /// After what may have unwrapped a key: it is overwritten in time, also if nobody asks any more.
  void watch_keys();
  Result<Erased> erase(u128 actor, u128 subject);
  Result<Erased> carry_out(u128 actor, std::vector<KeepingCommand> commands);
  Result<Erased> carry_out_owed(u128 actor, std::vector<KeepingCommand> commands);
  void count_refusal(u128 actor, const Error& error) {
    refusals_.count(actor, error, io_.clock.now().time);
  }

  Io io_;
  u128 cell_;
  std::optional<crypto::HmacKey> index_key_;  ///< Set before is_ready_, and never again.
  std::atomic<bool> is_ready_{false};
  std::atomic<std::uint64_t> queued_bytes_{0};
  mutable std::mutex schemas_mutex_;
  std::shared_ptr<const Schemas> schemas_ = std::make_shared<const Schemas>();

  // door executor
  SubjectKeys keys_;
  Missing missing_;
  std::optional<PayloadSealer> sealer_;  ///< From is_ready_ on.
  bool is_watching_ = false;
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
  OwedRecords owed_;

  RefusalCounts refusals_;
};

}  // namespace meridian::door::internal
