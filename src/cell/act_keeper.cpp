#include "cell/act_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "cell/internal/folded_stream.h"

namespace meridian::cell {
namespace {

using internal::FoldedStream;
using Bodies = std::vector<FoldedStream::Body>;

class Keeper final : public ActKeeper {
 public:
  explicit Keeper(Parts parts)
      : notice_(parts.notice),
        tell_glasses_(std::move(parts.glasses)),
        history_(parts.cell_id),
        glasses_(parts.cell_id),
        stream_(std::make_shared<FoldedStream>(FoldedStream::Parts{
            parts.cell, parts.clock, parts.entropy, parts.executor, std::string(mesh::acts_stream),
            [this](std::string_view type, std::string_view json, std::int64_t time_s) {
              return is_of_glass(type) ? glasses_.apply(type, json, time_s)
                                       : history_.apply(type, json, time_s);
            },
            [this] { publish(); }, [this] { tell_glasses_(glasses_.in_force(stream_->now_s())); },
            std::move(parts.notice)})) {
    stream_->begin();
  }
  ~Keeper() override { stream_->stop(); }

  void stop() override { stream_->stop(); }

  std::vector<mesh::ActHistory::Act> acts() const override {
    const std::lock_guard lock(mutex_);
    std::vector<mesh::ActHistory::Act> acts = acts_;
    std::erase_if(
        acts, [now = stream_->now_s()](const auto& one) { return now >= one.statement.ends_s; });
    return acts;
  }
  void refresh(std::function<void()> then) override { stream_->refresh(std::move(then)); }

  void propose(u128 actor, mesh::SignedText statement, Done done) override {
    add(actor, {mesh::act_proposed_type, mesh::act_proposed_json(statement)}, std::move(done));
  }
  void approve(u128 actor, crypto::Digest act, mesh::SignedText approval, May may,
               Done done) override {
    const FoldedStream::Body body{mesh::act_approved_type, mesh::act_approved_json(act, approval)};
    stream_->hand_in(
        actor,
        [this, act, may = std::move(may), body](std::int64_t now_s) -> Result<Bodies> {
          for (const mesh::ActHistory::Act& one : history_.acts(now_s))
            if (one.hash == act) TRY(may(one));
          return judged(body, now_s);
        },
        std::move(done));
  }
  void use(u128 actor, std::string by, mesh::ActRequest what, May may, Done done) override {
    auto found = std::make_shared<mesh::ActHistory::Act>();
    stream_->hand_in(
        actor,
        [this, found, by = std::move(by), what = std::move(what),
         may = std::move(may)](std::int64_t now_s) -> Result<Bodies> {
          *found = TRY(history_.usable(by, what, now_s));
          TRY(may(*found));
          return judged({mesh::act_used_type, mesh::act_used_json(found->hash)}, now_s);
        },
        [this, found, done = std::move(done)](const Status& used) {
          if (used) {
            const mesh::ActStatement& act = found->statement;
            notice_(fmt::format("{} does {} {}, approved by {} (proposal {})", act.by,
                                mesh::info(act.what.action).name, act.what.request,
                                found->approved_by, to_hex(found->hash)));
          }
          done(used);
        });
  }
  void break_glass(u128 actor, mesh::SignedGlass glass, Done done) override {
    const std::string words =
        fmt::format("ALARM: the glass is broken, until {} s since 1970, for {}: {}",
                    glass.glass.until_s, glass.glass.to, glass.glass.reason);
    add(actor, {mesh::glass_used_type, mesh::glass_used_json(glass.note)},
        [this, words, done = std::move(done)](const Status& used) {
          if (used) {
            notice_(words);
            tell_glasses_(glasses_.in_force(stream_->now_s()));
          }
          done(used);
        });
  }
  void use_glass(u128 actor, crypto::Digest glass, std::string by, mesh::ActRequest what,
                 Done done) override {
    const std::string words =
        fmt::format("ALARM: {} does {} {} without a second person (break-glass {})", by,
                    mesh::info(what.action).name, what.request, to_hex(glass));
    add(actor, {mesh::glass_act_type, mesh::glass_act_json(glass, what)},
        [this, words, done = std::move(done)](const Status& recorded) {
          if (recorded) notice_(words);
          done(recorded);
        });
  }

 private:
  static bool is_of_glass(std::string_view type) { return type.starts_with("glass."); }

  Result<Bodies> judged(const FoldedStream::Body& body, std::int64_t now_s) const {
    if (is_of_glass(body.type)) {
      mesh::GlassHistory copy = glasses_;
      TRY(copy.apply(body.type, body.json, now_s));
    } else {
      mesh::ActHistory copy = history_;
      TRY(copy.apply(body.type, body.json, now_s));
    }
    return Bodies{body};
  }
  void add(u128 actor, FoldedStream::Body body, Done done) {
    stream_->hand_in(
        actor, [this, body = std::move(body)](std::int64_t now_s) { return judged(body, now_s); },
        std::move(done));
  }
  void publish() {
    const std::lock_guard lock(mutex_);
    acts_ = history_.acts(0);
  }

  const std::function<void(const std::string&)> notice_;
  const std::function<void(const std::vector<mesh::SignedGlass>&)> tell_glasses_;
  // The executor's:
  mesh::ActHistory history_;
  mesh::GlassHistory glasses_;
  mutable std::mutex mutex_;  // guards the next
  std::vector<mesh::ActHistory::Act> acts_;
  const std::shared_ptr<FoldedStream> stream_;
};

}  // namespace

std::unique_ptr<ActKeeper> ActKeeper::start(Parts parts) {
  return std::make_unique<Keeper>(std::move(parts));
}

}  // namespace meridian::cell
