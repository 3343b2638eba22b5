//   looking --events--> apply all, looking again        --nothing new--> waiting --200 ms-->
//   looking handed in --> look --> judge on a copy --> append behind the last record seen --> look
//   --> done
//                  ^---------- another record came first: again, a few times ---------'
#include "cell/policy_keeper.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <mutex>
#include <utility>

namespace meridian::cell {
namespace {

constexpr std::uint32_t page = 16;
constexpr int tries_max = 5;

std::int64_t seconds(std::uint64_t ns) { return static_cast<std::int64_t>(ns / 1'000'000'000); }

class Keeper final : public PolicyKeeper, public std::enable_shared_from_this<Keeper> {
 public:
  explicit Keeper(Parts parts) : parts_(std::move(parts)), history_(parts_.cell_id) { publish(); }

  /// After a restart a replica does not know yet what of its log is committed: by what it has it
  /// would go by a policy that others replaced.
  void begin() {
    if (parts_.cell.replica().is_alone()) return look_later(io::Duration{0});
    parts_.cell.replica().catch_up([weak = weak_from_this()](const Status& current) {
      const auto self = weak.lock();
      if (!self) return;
      if (current) return self->look_later(io::Duration{0});
      self->parts_.executor.post_after(look_every, [weak] {
        const auto again = weak.lock();
        if (again && !again->stopped_) again->begin();
      });
    });
  }

  void stop() override {
    stopped_ = true;
    parts_.executor.drain();
  }

  View view() const override {
    const std::lock_guard lock(mutex_);
    View view = view_;
    const std::int64_t now = seconds(static_cast<std::uint64_t>(parts_.clock.now().time));
    std::erase_if(view.open, [&](const auto& one) { return now >= one.ends_s; });
    return view;
  }

  void refresh(std::function<void()> then) override {
    post([then = std::move(then)](Keeper& keeper) { keeper.look([then](Keeper&) { then(); }); });
  }
  void propose(u128 actor, mesh::SignedText statement, std::string policy, Done done) override {
    hand_in({actor, mesh::policy_proposed_type, mesh::proposed_json(statement, policy),
             std::move(done)});
  }
  void approve(u128 actor, crypto::Digest proposal, mesh::SignedText approval, Done done) override {
    hand_in({actor, mesh::policy_approved_type, mesh::approved_json(proposal, approval),
             std::move(done)});
  }

 private:
  struct Wish {
    u128 actor;
    std::string_view type;
    std::string json;
    Done done;
    int tries = 0;
  };

  void post(std::function<void(Keeper&)> task) {
    parts_.executor.post([weak = weak_from_this(), task = std::move(task)] {
      const auto self = weak.lock();
      if (self && !self->stopped_) task(*self);
    });
  }
  void look_later(io::Duration delay) {
    parts_.executor.post_after(delay, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || self->stopped_) return;
      self->look([](Keeper& keeper) { keeper.look_later(look_every); });
    });
  }
  /// Applies what is there and not seen yet, then calls `then`.
  void look(std::function<void(Keeper&)> then) {
    ReadQuery query;
    query.source = ReadQuery::Source::stream;
    query.name = mesh::policy_stream;
    query.position = next_;
    query.limit = page;
    parts_.cell.read_events(
        query, [weak = weak_from_this(), then = std::move(then)](Result<ReadPage> read) mutable {
          const auto self = weak.lock();
          if (!self) return;
          self->post([read = std::move(read), then = std::move(then)](Keeper& keeper) {
            if (read && keeper.apply(*read)) return keeper.look(then);
            if (read || read.error().code == Code::not_found) keeper.seen();
            then(keeper);
          });
        });
  }
  /// True if there may be more.
  bool apply(const ReadPage& read) {
    const std::shared_ptr<const mesh::Policy> before = history_.policy();
    bool is_new = false;
    for (const ReadEvent& one : read.events) {
      const auto* body = std::get_if<ledger::EventBody>(&one.header.body);
      if (body == nullptr || body->revision != next_) continue;  // another look was faster
      ++next_;
      is_new = true;
      const Status done =
          history_.apply(one.event.type, as_text(one.event.data), seconds(one.header.time));
      if (!done)
        parts_.notice(fmt::format("record {} ({}) changes nothing about the policy: {}",
                                  raw(one.header.record_index), one.event.type,
                                  done.error().message));
    }
    if (!is_new) return false;
    publish();
    if (history_.policy() != before) parts_.in_force(history_.policy());
    return !read.end;
  }
  /// All that is there: if that is nothing, the first policy is in force.
  void seen() {
    if (!std::exchange(is_seen_, true) && !history_.policy()) parts_.in_force(parts_.first_policy);
  }
  void publish() {
    const std::lock_guard lock(mutex_);
    view_.is_on_record = history_.policy() != nullptr;
    view_.policy = view_.is_on_record ? history_.policy() : parts_.first_policy;
    view_.version = history_.version();
    view_.open = history_.open(0);
  }

  void hand_in(Wish wish) {
    post([wish = std::make_shared<Wish>(std::move(wish))](Keeper& keeper) {
      keeper.try_to_add(wish);
    });
  }
  /// A replica that is behind would judge by what was.
  void try_to_add(const std::shared_ptr<Wish>& wish) {
    auto go_on = [weak = weak_from_this(), wish](const Status& current) {
      const auto self = weak.lock();
      if (!self) return;
      self->post([wish, current](Keeper& keeper) {
        if (!current) return wish->done(current);
        keeper.look([wish](Keeper& up_to_date) { up_to_date.add(wish); });
      });
    };
    if (parts_.cell.replica().is_alone()) return go_on({});
    parts_.cell.replica().catch_up(std::move(go_on));
  }
  void add(const std::shared_ptr<Wish>& wish) {
    mesh::PolicyHistory copy = history_;
    std::vector<door::CommandDraft> drafts;
    if (!copy.policy() && parts_.first_policy) {
      std::string json = mesh::first_policy_json(*parts_.first_policy);
      if (Status sound = copy.apply(mesh::first_policy_type, json, 0); !sound)
        return wish->done(sound);
      door::EventDraft first = draft(mesh::first_policy_type, json);
      expect_nothing_new(first);
      first.linked = true;
      drafts.emplace_back(std::move(first));
    }
    const std::int64_t now = seconds(static_cast<std::uint64_t>(parts_.clock.now().time));
    if (Status sound = copy.apply(wish->type, wish->json, now); !sound) return wish->done(sound);
    door::EventDraft event = draft(wish->type, wish->json);
    if (drafts.empty()) expect_nothing_new(event);
    drafts.emplace_back(std::move(event));
    parts_.cell.submit(wish->actor, std::move(drafts),
                       [weak = weak_from_this(), wish](Result<replica::Answer> answer) {
                         const auto self = weak.lock();
                         if (!self) return;
                         self->post([wish, answer = std::move(answer)](Keeper& keeper) {
                           keeper.added(wish, answer);
                         });
                       });
  }
  void added(const std::shared_ptr<Wish>& wish, const Result<replica::Answer>& answer) {
    if (!answer) return wish->done(answer.error());
    if (answer->results.back().outcome == ledger::Outcome::created)
      return wait_for(wish, answer->results.back().revision);
    if (++wish->tries < tries_max) return try_to_add(wish);
    wish->done(fail(Code::unavailable, "the policy is being changed by others; ask again"));
  }
  /// It is stored a moment after it was answered.
  void wait_for(const std::shared_ptr<Wish>& wish, std::uint64_t revision) {
    look([wish, revision](Keeper& keeper) {
      if (keeper.next_ > revision) return wish->done({});
      keeper.parts_.executor.post_after(io::milliseconds(10),
                                        [weak = keeper.weak_from_this(), wish, revision] {
                                          const auto self = weak.lock();
                                          if (self && !self->stopped_)
                                            self->wait_for(wish, revision);
                                        });
    });
  }

  door::EventDraft draft(std::string_view type, const std::string& json) {
    door::EventDraft event;
    std::array<Byte, 16> id{};
    parts_.entropy.fill(id);
    event.event_id = load_le<u128>(id.data());
    event.stream = mesh::policy_stream;
    event.type = type;
    event.is_of_cell = true;
    event.data = to_buffer(as_bytes(json));
    return event;
  }
  void expect_nothing_new(door::EventDraft& event) const {
    event.expected = next_ == 0 ? ledger::Expected::none : ledger::Expected::exact;
    event.expected_revision = next_ == 0 ? 0 : next_ - 1;
  }

  const Parts parts_;
  std::atomic<bool> stopped_ = false;
  // The executor's:
  mesh::PolicyHistory history_;
  std::uint64_t next_ = 0;    ///< Revision of the stream.
  bool is_seen_ = false;      ///< It was read to its end.
  mutable std::mutex mutex_;  // guards the view
  View view_;
};

/// What the others hold: the keeper itself lives on while a callback of it is under way.
class Handle final : public PolicyKeeper {
 public:
  explicit Handle(std::shared_ptr<Keeper> keeper) : keeper_(std::move(keeper)) {}
  ~Handle() override { keeper_->stop(); }
  void stop() override { keeper_->stop(); }
  View view() const override { return keeper_->view(); }
  void refresh(std::function<void()> then) override { keeper_->refresh(std::move(then)); }
  void propose(u128 actor, mesh::SignedText statement, std::string policy, Done done) override {
    keeper_->propose(actor, std::move(statement), std::move(policy), std::move(done));
  }
  void approve(u128 actor, crypto::Digest proposal, mesh::SignedText approval, Done done) override {
    keeper_->approve(actor, proposal, std::move(approval), std::move(done));
  }

 private:
  std::shared_ptr<Keeper> keeper_;
};

}  // namespace

std::unique_ptr<PolicyKeeper> PolicyKeeper::start(Parts parts) {
  auto keeper = std::make_shared<Keeper>(std::move(parts));
  keeper->begin();
  return std::make_unique<Handle>(std::move(keeper));
}

}  // namespace meridian::cell
