// sent -> judged -> (asked for) -> ended; out of time: ended as unknown, or not done if nothing
// arrived anywhere.
#include "write.h"

#include <cstring>

#include "signing.h"
#include "statuses.h"
#include "system.h"
#include "verdicts.h"
#include "wire.h"

namespace meridian::client {
namespace {

constexpr std::size_t flags_offset = 118;  // of accounts and of transfers: docs/formats/entry.md
constexpr std::uint16_t linked_flag = account_flags::linked;
static_assert(offsetof(Account, flags) == flags_offset &&
              offsetof(Transfer, flags) == flags_offset);
static_assert(account_flags::linked == transfer_flags::linked);

bool is_linked(const Packed& command) {
  std::uint16_t flags = 0;
  std::memcpy(&flags, command.data() + flags_offset, sizeof flags);
  return (flags & linked_flag) != 0;
}

Position to_position(const v1::Position& position) {
  return {position.record_index(), position.entry_index(), position.term()};
}

/// What one reply said, command by command.
struct Told {
  std::vector<std::uint32_t> statuses;
  std::vector<CommandEnd> ends;  // with what a created command has; state is judged later
  Position position;
};

/// nullopt if the reply does not fit the request.
std::optional<Told> read_reply(const v1::PackedReply& reply, std::size_t count) {
  constexpr std::size_t pair_size = 8;
  if (reply.count() != count || reply.exceptions().size() % pair_size != 0) return std::nullopt;
  Told told;
  told.position = to_position(reply.position());
  told.statuses.assign(count, status_created);
  for (std::size_t at = 0; at < reply.exceptions().size(); at += pair_size) {
    std::uint32_t pair[2];
    std::memcpy(pair, reply.exceptions().data() + at, pair_size);
    if (pair[0] >= count) return std::nullopt;
    told.statuses[pair[0]] = pair[1];
  }
  told.ends.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (told.statuses[i] != status_created) continue;
    told.ends[i].timestamp = reply.first_timestamp() + i;
    told.ends[i].record_index = told.position.record_index + i;
  }
  return told;
}

std::optional<Told> read_reply(const v1::CreateReply& reply, std::size_t count) {
  if (static_cast<std::size_t>(reply.results_size()) != count) return std::nullopt;
  Told told;
  told.position = to_position(reply.position());
  for (const v1::CommandResult& result : reply.results()) {
    told.statuses.push_back(result.status());
    CommandEnd& end = told.ends.emplace_back();
    if (result.status() != status_created) continue;
    end.timestamp = result.timestamp();
    end.revision = result.revision();
    end.record_index = result.record_index();
  }
  return told;
}

class Write : public std::enable_shared_from_this<Write> {
 public:
  Write(std::shared_ptr<Calls> calls, Asked batch, Time end, Callback<WriteResult> then)
      : calls_(std::move(calls)), batch_(std::move(batch)), end_(end), then_(std::move(then)) {}

  template <typename Reply, typename Request, typename Send>
  void run(Request request, Send send) {
    calls_->gate->enter(end_, [self = shared_from_this(), request = std::move(request),
                               send](Gate::Entry entry) mutable {
      if (entry != Gate::Entry::admitted)
        return self->then_(all_of(self->batch_, State::not_done, to_error(entry)));
      self->calls_->call<Reply>(
          {.end = self->end_}, std::move(request), send,
          [self](const CallEnd& end, const Reply& reply) { self->answered(end, reply); });
    });
  }

 private:
  template <typename Reply>
  void answered(const CallEnd& end, const Reply& reply) {
    ended_ = end.ended;
    if (!end.ok())
      return finish(all_of(batch_, end.may_have_arrived ? State::unknown : State::not_done,
                           to_error(end.status)));
    std::optional<Told> told = read_reply(reply, batch_.ids.size());
    if (!told)
      return finish(all_of(batch_, State::unknown,
                           {Code::internal,
                            "the server's reply does not fit the request: it has "
                            "another count of results"}));
    judge_all(std::move(*told), end.may_have_arrived);
  }

  void judge_all(Told told, bool may_have_arrived) {
    std::vector<bool> linked(batch_.ids.size());
    for (std::size_t i = 0; i < batch_.packed.size(); ++i) linked[i] = is_linked(batch_.packed[i]);
    const std::vector<Verdict> verdicts =
        judge(batch_.kind, told.statuses, linked, may_have_arrived);
    result_.position = told.position;
    result_.commands = std::move(told.ends);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      CommandEnd& end = result_.commands[i];
      end.id = batch_.ids[i];
      end.state = verdicts[i].state;
      end.existed = verdicts[i].existed;
      end.status = told.statuses[i];
      end.name = status_name(batch_.kind, end.status);
      if (verdicts[i].ask) asked_.push_back(i);
    }
    ask();
  }

  void ask() {
    if (asked_.empty()) return finish(std::move(result_));
    Asked asked{.kind = batch_.kind, .ids = {}, .packed = {}};
    for (const std::size_t i : asked_) {
      asked.ids.push_back(batch_.ids[i]);
      if (!batch_.packed.empty()) asked.packed.push_back(batch_.packed[i]);
    }
    find(calls_, std::move(asked), end_,
         [self = shared_from_this()](const FindEnd& end) { self->told(end); });
  }

  void told(const FindEnd& end) {
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      CommandEnd& command = result_.commands[asked_[i]];
      if (!end.error && end.found[i] && end.found[i]->is_same) mark_found(command, *end.found[i]);
      // The ledger said `exists`: done, if without the record's own data. Of a chain's others
      // nothing is certain without an answer.
      else if (end.error && command.state != State::done)
        command.state = State::unknown;
    }
    if (end.error) result_.error = end.error;
    finish(std::move(result_));
  }

  void finish(WriteResult result) {
    result.unknown = collect_unknown(batch_, result, ended_);
    if (result.unknown.empty() && !result.commands.empty() &&
        result.commands[0].state != State::not_done)
      result.error.reset();
    else if (!result.error)
      result.error = Error{Code::deadline_exceeded,
                           "an attempt whose answer was lost may still arrive after this refusal: "
                           "ask for the outcome later"};
    const Callback<WriteResult> then = std::move(then_);
    then(std::move(result));
    calls_->gate->leave();
  }

  const std::shared_ptr<Calls> calls_;
  const Asked batch_;
  const Time end_;
  Callback<WriteResult> then_;
  WriteResult result_;
  std::vector<std::size_t> asked_;
  Time ended_{};
};

}  // namespace

WriteResult all_of(const Asked& batch, State state, Error why) {
  WriteResult result;
  for (const u128 id : batch.ids) {
    CommandEnd& end = result.commands.emplace_back();
    end.id = id;
    end.state = state;
  }
  result.error = std::move(why);
  return result;
}

void mark_found(CommandEnd& end, const Found& found) {
  end.state = State::done;
  end.existed = true;
  end.timestamp = found.timestamp;
  end.revision = found.revision;
  end.record_index = found.record_index;
}

Unknown collect_unknown(const Asked& batch, const WriteResult& result, Time ended) {
  Unknown unknown;
  unknown.kind = batch.kind;
  unknown.sent_last = ended;
  for (std::size_t i = 0; i < batch.ids.size(); ++i) {
    if (result.commands[i].state != State::unknown) continue;
    unknown.ids.push_back(batch.ids[i]);
    if (!batch.packed.empty()) unknown.commands.push_back(batch.packed[i]);
  }
  return unknown;
}

namespace {

/// What an attempt carries; nothing if it is not signed.
using Signing = std::function<std::string()>;

void write_batch(const std::shared_ptr<Calls>& calls, Asked batch, Time end, Signing sign,
                 Callback<WriteResult> then) {
  v1::PackedRequest request;
  request.set_commands(batch.packed.data(), batch.packed.size() * sizeof(Packed));
  const bool is_accounts = batch.kind == Kind::account;
  const auto write = std::make_shared<Write>(calls, std::move(batch), end, std::move(then));
  write->run<v1::PackedReply>(
      std::move(request),
      [is_accounts, sign = std::move(sign)](const Endpoint& to, auto* context, const auto* question,
                                            auto* reply, auto answered) {
        if (sign) context->AddMetadata(signature_key, sign());
        if (is_accounts)
          to.accounts->async()->CreatePacked(context, question, reply, std::move(answered));
        else
          to.transfers->async()->CreatePacked(context, question, reply, std::move(answered));
      });
}

std::int64_t wall_s() { return static_cast<std::int64_t>(wall_ms() / 1'000); }

/// One signature, made again when it has grown old: attempts follow one another.
class Signed {
 public:
  Signed(std::shared_ptr<Calls> calls, SignedLines lines)
      : calls_(std::move(calls)), lines_(std::move(lines)) {}

  Result<std::string> now() {
    constexpr std::int64_t old_s = 120;  // servers take it for 300 s
    const std::int64_t at_s = wall_s();
    if (!text_.empty() && at_s - at_s_ < old_s && at_s >= at_s_) return text_;
    const std::shared_ptr<const Signer> signer = calls_->signer();
    if (signer == nullptr)
      return Error{Code::invalid_argument, "sign: ClientOptions::tls has no key that can sign"};
    if (calls_->options.cell.empty())
      return Error{Code::invalid_argument, "sign: ClientOptions::cell says which cell is meant"};
    Result<std::string> made = signer->sign(calls_->options.cell, at_s, lines_);
    if (!made) return made;
    at_s_ = at_s;
    return text_ = *made;
  }

 private:
  const std::shared_ptr<Calls> calls_;
  const SignedLines lines_;
  std::int64_t at_s_ = 0;
  std::string text_;
};

/// With the first signature made. Errors: those of signing.
Result<Signing> start_signing(std::shared_ptr<Calls> calls, const Result<SignedLines>& lines) {
  if (!lines) return lines.error();
  const auto all = std::make_shared<Signed>(std::move(calls), *lines);
  if (const Result<std::string> first = all->now(); !first) return first.error();
  return Signing([all] {
    const Result<std::string> signature = all->now();
    return signature ? *signature : "not signed";  // which servers refuse
  });
}

}  // namespace

void write_packed(const std::shared_ptr<Calls>& calls, Asked batch, Time end,
                  Callback<WriteResult> then) {
  write_batch(calls, std::move(batch), end, {}, std::move(then));
}

void write_signed(const std::shared_ptr<Calls>& calls, Asked batch, Time end,
                  Callback<WriteResult> then) {
  Result<Signing> sign = start_signing(calls, signed_lines(batch.kind, batch.packed));
  if (!sign) return then(all_of(batch, State::not_done, sign.error()));
  write_batch(calls, std::move(batch), end, *std::move(sign), std::move(then));
}

void write_events(const std::shared_ptr<Calls>& calls, const std::vector<NewEvent>& events,
                  Time end, bool sign, Callback<WriteResult> then) {
  Asked batch{.kind = Kind::event, .ids = {}, .packed = {}};
  v1::AppendRequest request;
  std::vector<Salt> salts;  // once: whatever is sent again is the same
  for (const NewEvent& event : events) {
    batch.ids.push_back(event.id);
    v1::NewEvent& message = *request.add_events();
    fill(event, message);
    if (!sign) continue;
    const Salt& salt = salts.emplace_back(make_salt());
    message.set_signature_salt(salt.data(), salt.size());
  }
  Signing signing;
  if (sign) {
    Result<Signing> started = start_signing(calls, signed_lines(events, salts));
    if (!started) return then(all_of(batch, State::not_done, started.error()));
    signing = *std::move(started);
  }
  const auto write = std::make_shared<Write>(calls, std::move(batch), end, std::move(then));
  write->run<v1::CreateReply>(
      std::move(request),
      [signing = std::move(signing)](const Endpoint& to, auto* context, const auto* question,
                                     auto* reply, auto answered) {
        if (signing) context->AddMetadata(signature_key, signing());
        to.streams->async()->Append(context, question, reply, std::move(answered));
      });
}

}  // namespace meridian::client
