// Each call is counted against the bound of its kind, goes to the desk's executor, and ends there.
// Calls of Trust that found nothing new stay in a list of that executor until the desk says that
// something changed, their time is over, or their caller went away. Sign-ins have an executor of
// their own: they may wait for an identity provider.
#include "api/authority_server.h"

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <atomic>
#include <map>
#include <utility>

#include "api/internal/grpc_credentials.h"
#include "api/internal/grpc_listener.h"
#include "api/internal/unary_call.h"
#include "io/end_executor.h"
#include "meridian/v1/authority.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;

constexpr std::size_t held_max = mesh::trust_domains_max;

/// A bound on calls under way.
class Places {
 public:
  explicit Places(std::size_t count) : free_(static_cast<std::int64_t>(count)) {}
  bool take() {
    if (free_.fetch_sub(1) > 0) return true;
    give_back();
    return false;
  }
  void give_back() { free_.fetch_add(1); }

 private:
  std::atomic<std::int64_t> free_;
};

/// Of calls that somebody may break off; gRPC deletes it through OnDone.
class Call final : public Reactor {
 public:
  explicit Call(std::function<void()> gone = nullptr) : gone_(std::move(gone)) {}
  void OnCancel() override {
    if (gone_) gone_();
  }
  void OnDone() override { delete this; }

 private:
  std::function<void()> gone_;
};

std::vector<HeldTrust> parse_held(
    const google::protobuf::RepeatedPtrField<v1::HeldTrust>& messages) {
  std::vector<HeldTrust> held;
  for (const v1::HeldTrust& one : messages)
    held.push_back({one.trust_domain(), one.bundle_sequence(), one.deny_list_number()});
  return held;
}

void fill(const TrustNotes& notes, v1::TrustNotes& out) {
  const auto add = [](const std::vector<TrustNote>& from, auto& to) {
    for (const TrustNote& note : from) {
      v1::TrustNote& one = *to.Add();
      one.set_trust_domain(note.trust_domain);
      one.set_note(note.note);
    }
  };
  add(notes.bundles, *out.mutable_bundles());
  add(notes.deny_lists, *out.mutable_deny_lists());
}

mesh::WantedPeer wanted_here() { return {.side = mesh::WantedPeer::Side::client}; }

class Server final : public AuthorityServer, private v1::Authority::CallbackService {
 public:
  Server(Parts parts, ListenAddress address)
      : parts_(std::move(parts)), address_(std::move(address)) {}
  ~Server() override { stop(io::seconds(0)); }

  meridian::Status start() {
    grpc::ServerBuilder builder;
    grpc::ResourceQuota quota("authority");
    quota.Resize(memory_bytes_max);
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(receive_bytes_max);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.SetMaxSendMessageSize(-1);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, metadata_bytes_max);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, streams_per_connection_max);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, ms(handshake_timeout));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, ms(connection_idle_max));
    const auto credentials = TRY(internal::make_open_grpc_credentials(parts_.credentials));
    listener_ =
        TRY(internal::GrpcListener::open(address_, {handshake_timeout}, port_, parts_.calls));
    listener_->add_to(builder, credentials);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (!server_) return fail(Code::internal, "gRPC did not start: its log says why");
    listener_->start();
    executor_->post([this] { tick(); });
    return {};
  }

  const ListenAddress& address() const override { return listener_->address(); }

  void stop(io::Duration patience) override {
    if (!server_) return;
    listener_->stop();
    executor_->post([this] {
      is_stopped_ = true;
      answer_waiting([](Waiting&, std::uint64_t) { return true; });
    });
    server_->Shutdown(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_nanos(static_cast<std::int64_t>(patience), GPR_TIMESPAN)));
    server_->Wait();
    io::end_executor(signer_);
    io::end_executor(executor_);
    server_.reset();
  }

 private:
  struct Waiting {
    std::vector<HeldTrust> held;
    v1::TrustReply* reply;
    Reactor* reactor;
    io::MonotonicTime until;
  };

  static int ms(io::Duration duration) {
    return static_cast<int>(static_cast<std::int64_t>(duration) / 1'000'000);
  }

  Reactor* Bundles(Context*, const v1::BundlesRequest* request, v1::BundlesReply* reply) override {
    auto* call = new Call;
    if (!may_begin(bundles_, request->held_size(), *call)) return call;
    executor_->post([this, call, reply, held = parse_held(request->held())] {
      TrustNotes notes = parts_.desk.newer(held);
      notes.deny_lists.clear();  // who is denied is for members to know
      fill(notes, *reply->mutable_notes());
      end(bundles_, *call, {});
    });
    return call;
  }

  Reactor* Join(Context*, const v1::JoinRequest* request, v1::IssuedReply* reply) override {
    auto* call = new Call;
    Result<mesh::SpiffeId> id = mesh::parse_spiffe_id(request->id());
    if (!id) return refuse(*call, id.error());
    if (!may_begin(joins_, 0, *call)) return call;
    executor_->post([this, call, reply,
                     ask = AuthorityDesk::JoinAsk{request->token(), *std::move(id),
                                                  to_buffer(as_bytes(request->csr()))}] {
      end(joins_, *call, answer(parts_.desk.join(ask), *reply));
    });
    return call;
  }

  Reactor* SignInTerms(Context*, const v1::SignInTermsRequest*,
                       v1::SignInTermsReply* reply) override {
    auto* call = new Call;
    if (!parts_.desk.sign_in_terms) return refuse(*call, nobody_signs_in());
    const api::SignInTerms& terms = *parts_.desk.sign_in_terms;
    reply->set_issuer(terms.issuer);
    reply->set_client_id(terms.client_id);
    for (const std::string& one : terms.scopes) reply->add_scopes(one);
    for (const std::string& one : terms.acr_values) reply->add_acr_values(one);
    reply->set_ca_pem(terms.ca_pem);
    parts_.calls.ok();
    call->Finish({});
    return call;
  }

  Reactor* SignIn(Context*, const v1::SignInRequest* request, v1::IssuedReply* reply) override {
    auto* call = new Call;
    if (!parts_.desk.sign_in) return refuse(*call, nobody_signs_in());
    if (!may_begin(sign_ins_, 0, *call)) return call;
    signer_->post([this, call, reply,
                   ask = AuthorityDesk::SignInAsk{request->id_token(),
                                                  to_buffer(as_bytes(request->nonce_random())),
                                                  to_buffer(as_bytes(request->csr()))}] {
      end(sign_ins_, *call, answer(parts_.desk.sign_in(ask), *reply));
    });
    return call;
  }

  Reactor* Renew(Context* context, const v1::RenewRequest* request,
                 v1::IssuedReply* reply) override {
    auto* call = new Call;
    Result<mesh::PeerIdentity> caller = caller_of(*context);
    if (!caller) return refuse_stranger(*call, caller.error());
    if (!may_begin(renewals_, 0, *call)) return call;
    executor_->post([this, call, reply, caller = *std::move(caller),
                     csr = to_buffer(as_bytes(request->csr()))] {
      // It may have waited, and been denied meanwhile.
      const meridian::Status still = parts_.credentials.check(caller);
      end(renewals_, *call, still ? answer(parts_.desk.renew(caller, csr), *reply) : still);
    });
    return call;
  }

  Reactor* Trust(Context* context, const v1::TrustRequest* request,
                 v1::TrustReply* reply) override {
    const std::uint64_t number = next_waiting_.fetch_add(1);
    auto* call = new Call([this, number] {
      executor_->post([this, number] {
        answer_waiting([number](Waiting&, std::uint64_t one) { return one == number; });
      });
    });
    const Result<mesh::PeerIdentity> caller = caller_of(*context);
    if (!caller) return refuse_stranger(*call, caller.error());
    if (!may_begin(trust_, request->held_size(), *call)) return call;
    executor_->post([this, call, reply, number, held = parse_held(request->held()),
                     is_gone = [context] { return context->IsCancelled(); }] {
      fill(parts_.desk.newer(held), *reply->mutable_notes());
      const bool has_news =
          reply->notes().bundles_size() > 0 || reply->notes().deny_lists_size() > 0;
      if (has_news || is_stopped_ || is_gone()) return end(trust_, *call, {});
      waiting_.emplace(number,
                       Waiting{held, reply, call, parts_.clock.monotonic() + trust_patience});
    });
    return call;
  }

  Result<mesh::PeerIdentity> caller_of(const Context& context) {
    Result<mesh::PeerIdentity> caller =
        internal::judge_shown(context, parts_.credentials, wanted_here());
    if (caller && port_.has_strangers()) port_.met(context.peer());
    return caller;
  }

  static Error nobody_signs_in() {
    return fail(
        Code::failed_precondition,
        "nobody signs in at this authority: it has no identity provider (`meridian ca serve "
        "--oidc FILE`)");
  }

  static meridian::Status answer(const Result<mesh::CertificateChain>& issued,
                                 v1::IssuedReply& reply) {
    if (!issued) return issued.error();
    for (const mesh::Certificate& certificate : *issued)
      reply.add_chain(std::string(as_text(certificate.der())));
    return {};
  }

  /// False: it was refused, and ends.
  bool may_begin(Places& places, int held_count, Call& call) {
    if (static_cast<std::size_t>(held_count) > held_max) {
      refuse(call, fail(Code::invalid_argument, "more trust domains than there can be"));
      return false;
    }
    if (places.take()) return true;
    refuse(call, fail(Code::resource_exhausted,
                      "the authority has as many calls under way as it takes; nothing was done: "
                      "come again in a second"));
    return false;
  }
  Reactor* refuse(Call& call, const Error& error) {
    parts_.calls.failed(error.code);
    call.Finish(internal::to_status(error));
    return &call;
  }
  Reactor* refuse_stranger(Call& call, const Error& error) {
    parts_.calls.failed(error.code);
    call.Finish({grpc::StatusCode::UNAUTHENTICATED, error.message});
    return &call;
  }
  /// The place is free before the caller knows, who may come again at once.
  void end(Places& places, Reactor& call, const meridian::Status& done) {
    places.give_back();
    if (!done) {
      parts_.calls.failed(done.error().code);
      return call.Finish(internal::to_status(done.error()));
    }
    parts_.calls.ok();
    call.Finish({});
  }

  template <typename Which>
  void answer_waiting(Which which) {
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      if (!which(at->second, at->first)) {
        ++at;
        continue;
      }
      end(trust_, *at->second.reactor, {});
      at = waiting_.erase(at);
    }
  }

  void tick() {
    const bool has_changed = parts_.desk.tick();
    const io::MonotonicTime now = parts_.clock.monotonic();
    answer_waiting([&](Waiting& one, std::uint64_t) {
      if (has_changed) fill(parts_.desk.newer(one.held), *one.reply->mutable_notes());
      return now >= one.until || one.reply->notes().bundles_size() > 0 ||
             one.reply->notes().deny_lists_size() > 0;
    });
    executor_->post_after(tick_period, [this] { tick(); });
  }

  Parts parts_;
  const ListenAddress address_;  ///< That was asked for.
  PortWatch port_;
  std::unique_ptr<internal::GrpcListener> listener_;
  Places joins_{joins_max}, sign_ins_{joins_max}, bundles_{joins_max}, renewals_{renewals_max},
      trust_{waiting_max};
  std::atomic<std::uint64_t> next_waiting_{1};
  std::map<std::uint64_t, Waiting> waiting_;  // of the executor, as the next
  bool is_stopped_ = false;
  std::unique_ptr<io::Executor> executor_ = io::os_executor("authority");
  std::unique_ptr<io::Executor> signer_ = io::os_executor("sign-in");
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<AuthorityServer>> AuthorityServer::start(Parts parts,
                                                                const ListenAddress& address) {
  auto server = std::make_unique<Server>(std::move(parts), address);
  TRY(server->start());
  return std::unique_ptr<AuthorityServer>(std::move(server));
}

}  // namespace meridian::api
