// How a write of unknown outcome ended.
//
//   found? -> all: done
//     '-> some are missing -> settled? -> no: still unknown
//                                '-> yes: fence -> found? -> yes: done, no: not done
//
// The fence is a command of our own through the same log: once it is answered, everything that a
// leader took before is applied or lost for good. What no server has taken by then is bounded by
// ClientOptions::settle.
#include "wire.h"
#include "write.h"

namespace meridian::client {
namespace {

class Resolution : public std::enable_shared_from_this<Resolution> {
 public:
  Resolution(std::shared_ptr<Calls> calls, const Unknown& unknown, Time end,
             Callback<WriteResult> then)
      : calls_(std::move(calls)),
        all_{.kind = unknown.kind, .ids = unknown.ids, .packed = unknown.commands},
        sent_last_(unknown.sent_last),
        end_(end),
        then_(std::move(then)) {
    result_.commands.resize(all_.ids.size());
    for (std::size_t i = 0; i < all_.ids.size(); ++i) {
      result_.commands[i].id = all_.ids[i];
      missing_.push_back(i);
    }
  }

  void run() {
    calls_->gate->enter(end_, [self = shared_from_this()](Gate::Entry entry) {
      if (entry == Gate::Entry::admitted) return self->look(false);
      self->result_.error = to_error(entry);
      self->tell();
    });
  }

 private:
  void look(bool is_fenced) {
    Asked asked{.kind = all_.kind, .ids = {}, .packed = {}};
    for (const std::size_t i : missing_) {
      asked.ids.push_back(all_.ids[i]);
      if (!all_.packed.empty()) asked.packed.push_back(all_.packed[i]);
    }
    find(calls_, std::move(asked), end_,
         [self = shared_from_this(), is_fenced](const FindEnd& end) {
           self->found(end, is_fenced);
         });
  }

  void found(const FindEnd& end, bool is_fenced) {
    if (end.error) return fail(*end.error);
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < missing_.size(); ++i) {
      CommandEnd& command = result_.commands[missing_[i]];
      const std::optional<Found>& found = end.found[i];
      if (!found) {
        missing.push_back(missing_[i]);
        if (is_fenced) command.state = State::not_done;
      } else if (found->is_same) {
        mark_found(command, *found);
      } else {
        command.state = State::refused;
        command.name = "exists_with_different_fields";
      }
    }
    missing_ = std::move(missing);
    if (missing_.empty() || is_fenced) return finish();
    if (now() < sent_last_ + calls_->options.settle)
      return fail({Code::unavailable,
                   "an attempt may still be on its way: ask again after ClientOptions::settle"});
    fence();
  }

  void fence() {
    Transfer nothing;  // without accounts: refused for what it is, which leaves no trace of its id
    nothing.id = calls_->make_id();
    v1::PackedRequest request;
    request.set_commands(&nothing, sizeof nothing);
    calls_->call<v1::PackedReply>(
        {.end = end_}, std::move(request),
        [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
          to.transfers->async()->CreatePacked(context, question, reply, std::move(answered));
        },
        [self = shared_from_this()](const CallEnd& end, const auto&) {
          if (!end.ok()) return self->fail(to_error(end.status));
          self->look(true);
        });
  }

  void fail(Error error) {
    result_.error = std::move(error);
    finish();
  }

  void finish() {
    const std::shared_ptr<Calls> calls = calls_;
    tell();
    calls->gate->leave();
  }

  void tell() {
    result_.unknown = collect_unknown(all_, result_, sent_last_);
    const Callback<WriteResult> then = std::move(then_);
    then(std::move(result_));
  }

  const std::shared_ptr<Calls> calls_;
  const Asked all_;
  const Time sent_last_;
  const Time end_;
  Callback<WriteResult> then_;
  WriteResult result_;
  std::vector<std::size_t> missing_;
};

}  // namespace

void resolve_unknown(const std::shared_ptr<Calls>& calls, const Unknown& unknown, Time end,
                     Callback<WriteResult> then) {
  std::make_shared<Resolution>(calls, unknown, end, std::move(then))->run();
}

}  // namespace meridian::client
