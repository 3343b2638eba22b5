#include "cell/policy_keeper.h"

#include <mutex>
#include <utility>

#include "cell/internal/folded_stream.h"

namespace meridian::cell {
namespace {

using internal::FoldedStream;

class Keeper final : public PolicyKeeper {
 public:
  explicit Keeper(Parts parts)
      : clock_(parts.clock),
        first_(std::move(parts.first_policy)),
        in_force_(std::move(parts.in_force)),
        history_(parts.cell_id),
        stream_(std::make_shared<FoldedStream>(FoldedStream::Parts{
            parts.cell, parts.clock, parts.entropy, parts.executor,
            std::string(mesh::policy_stream),
            [this](std::string_view type, std::string_view json, std::int64_t time_s) {
              return history_.apply(type, json, time_s);
            },
            [this] { changed(); }, [this] { seen(); }, std::move(parts.notice)})) {
    publish();
    stream_->begin();
  }
  ~Keeper() override { stream_->stop(); }

  void stop() override { stream_->stop(); }

  View view() const override {
    const std::lock_guard lock(mutex_);
    View view = view_;
    const auto now = static_cast<std::int64_t>(clock_.now().time) / 1'000'000'000;
    std::erase_if(view.open, [&](const auto& one) { return now >= one.ends_s; });
    return view;
  }

  void refresh(std::function<void()> then) override { stream_->refresh(std::move(then)); }
  void propose(u128 actor, mesh::SignedText statement, std::string policy, Done done) override {
    add(actor, {mesh::policy_proposed_type, mesh::proposed_json(statement, policy)},
        std::move(done));
  }
  void approve(u128 actor, crypto::Digest proposal, mesh::SignedText approval, Done done) override {
    add(actor, {mesh::policy_approved_type, mesh::approved_json(proposal, approval)},
        std::move(done));
  }

 private:
  void changed() {
    publish();
    if (history_.policy() != told_) in_force_(told_ = history_.policy());
  }
  /// All that is there: if that is nothing, the first policy is in force.
  void seen() {
    if (!std::exchange(is_seen_, true) && !history_.policy()) in_force_(first_);
  }
  void publish() {
    const std::lock_guard lock(mutex_);
    view_.is_on_record = history_.policy() != nullptr;
    view_.policy = view_.is_on_record ? history_.policy() : first_;
    view_.version = history_.version();
    view_.open = history_.open(0);
  }
  void add(u128 actor, FoldedStream::Body body, Done done) {
    stream_->hand_in(
        actor,
        [this,
         body = std::move(body)](std::int64_t now_s) -> Result<std::vector<FoldedStream::Body>> {
          mesh::PolicyHistory copy = history_;
          std::vector<FoldedStream::Body> bodies;
          if (!copy.policy() && first_) {
            bodies.push_back({mesh::first_policy_type, mesh::first_policy_json(*first_)});
            TRY(copy.apply(bodies[0].type, bodies[0].json, 0));
          }
          TRY(copy.apply(body.type, body.json, now_s));
          bodies.push_back(body);
          return bodies;
        },
        std::move(done));
  }

  io::Clock& clock_;
  const std::shared_ptr<const mesh::Policy> first_;
  const std::function<void(std::shared_ptr<const mesh::Policy>)> in_force_;
  // The executor's:
  mesh::PolicyHistory history_;
  std::shared_ptr<const mesh::Policy> told_;
  bool is_seen_ = false;      ///< It was read to its end.
  mutable std::mutex mutex_;  // guards the view
  View view_;
  const std::shared_ptr<FoldedStream> stream_;
};

}  // namespace

std::unique_ptr<PolicyKeeper> PolicyKeeper::start(Parts parts) {
  return std::make_unique<Keeper>(std::move(parts));
}

}  // namespace meridian::cell
