#include "ca_desk.h"

#include <fmt/format.h>

#include <utility>

#include "io/unix_time.h"
#include "mesh/join_token.h"

namespace meridian::app {

namespace {

constexpr std::string_view serving_path = "serving";

metrics::Counter& issued(metrics::Registry& metrics, const char* grounds) {
  return metrics.counter("meridian_ca_issued_total", "Certificates issued, by what right",
                         {{"grounds", grounds}});
}

}  // namespace

CaDesk::CaDesk(Options options, CaDirectory ca, metrics::Registry& metrics)
    : options_(std::move(options)),
      ca_(std::move(ca)),
      credentials_(*ca_.node.clock, metrics),
      trust_(*ca_.node.disk, credentials_),
      schedule_(*ca_.node.clock, *ca_.node.entropy),
      joined_(issued(metrics, "token")),
      renewed_(issued(metrics, "renewal")),
      signed_in_(issued(metrics, "sign_in")),
      refused_(
          metrics.counter("meridian_ca_refused_total", "Requests that nothing was issued for")) {
  if (options_.sign_in)
    verifier_.emplace(options_.sign_in->settings, options_.sign_in->ca_pem, options_.sign_in->fetch,
                      *ca_.node.clock);
}

Result<std::unique_ptr<CaDesk>> CaDesk::open(Options options, metrics::Registry& metrics) {
  CaDirectory ca = TRY(open_ca(options.ca));
  std::unique_ptr<CaDesk> desk(new CaDesk(std::move(options), std::move(ca), metrics));
  Result<std::unique_ptr<io::DiskLock>> serving = desk->disk().lock(serving_path);
  if (!serving && serving.error().code == Code::failed_precondition)
    return fail(Code::failed_precondition,
                fmt::format("{} is served by another process already", desk->disk().display("")));
  desk->serving_ = TRY(std::move(serving));
  for (const TrustDirectory::Change& change : desk->trust_.refresh())
    if (!change.taken) return with_context(change.taken.error(), change.file);
  desk->ca_.node.lock.reset();  // from now on in turns
  TRY(desk->renew_own());
  return desk;
}

/// With the lock, and what others changed taken up.
template <typename Body>
auto CaDesk::in_turn(Body body) -> decltype(body()) {
  const Result<std::unique_ptr<io::DiskLock>> turn = take_turn(disk(), ca_patience);
  if (!turn)
    return fail(Code::unavailable,
                "a command has used the authority's directory for seconds; come again");
  TRY(refresh_ca(ca_));
  return body();
}

mesh::CertificateChain CaDesk::chain_of(mesh::Certificate leaf) const {
  return {std::move(leaf), ca_.authority->certificate()};
}

Status CaDesk::renew_own() {
  const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  const Buffer csr = TRY(mesh::make_csr(key, ""));
  const Result<mesh::Certificate> leaf = in_turn([&] {
    return mesh::issue_own_on_record(*ca_.authority, *ca_.journal, csr, options_.lifetime_seconds,
                                     clock());
  });
  if (!leaf) return leaf.error();
  TRY(credentials_.replace_own(chain_of(*leaf), key));
  own_authority_ = ca_.authority->certificate().fingerprint();
  schedule_.hold(*leaf);
  return {};
}

Result<cell::JournalPart> CaDesk::journal_after(std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  return app::journal_after(ca_, count);
}

Result<mesh::CertificateChain> CaDesk::join(const api::AuthorityDesk::JoinAsk& ask) {
  const auto issue = [&]() -> Result<mesh::Certificate> {
    TRY(mesh::check_csr(ask.csr));  // before the token is used up
    if (const mesh::DenyEntry* entry = ca_.denied->find("", ask.id))
      return fail(
          Code::permission_denied,
          fmt::format("{} is on the deny list: {}", mesh::format_spiffe_id(ask.id), entry->reason));
    mesh::JoinTokens tokens =
        TRY(mesh::JoinTokens::open(disk(), std::string(tokens_path), clock()));
    const crypto::Digest token = TRY(tokens.redeem(ask.token, ask.id));
    return mesh::issue_on_record(*ca_.authority, *ca_.journal, ask.csr, ask.id,
                                 options_.lifetime_seconds,
                                 {mesh::IssuanceGrounds::Kind::token, to_hex(token)}, clock());
  };
  const std::lock_guard lock(mutex_);
  Result<mesh::Certificate> leaf = in_turn(issue);
  (leaf ? joined_ : refused_).increment();
  if (!leaf) {
    options_.notice(
        fmt::format("{} did not join: {}", mesh::format_spiffe_id(ask.id), leaf.error().message));
    return leaf.error();
  }
  options_.notice(
      fmt::format("{} joined: serial {}", mesh::format_spiffe_id(ask.id), leaf->serial()));
  return chain_of(*std::move(leaf));
}

Result<mesh::Certificate> CaDesk::issue_to(const oidc::SignedIn& who,
                                           const api::AuthorityDesk::SignInAsk& ask) {
  const mesh::SpiffeId id{trust_domain(), "/person/" + who.name};
  if (const mesh::DenyEntry* entry = ca_.denied->find("", id))
    return fail(Code::permission_denied, fmt::format("{} is on the deny list: {}",
                                                     mesh::format_spiffe_id(id), entry->reason));
  const mesh::SignInGrounds grounds{who.subject, oidc::token_digest(ask.id_token),
                                    who.evidence.issuer};
  TRY(used_tokens_.take_up(*ca_.journal, io::unix_seconds(clock())));
  if (used_tokens_.contains(grounds.token))
    return fail(Code::permission_denied, "ID token: it was used before: sign in again");
  return mesh::issue_on_record(
      *ca_.authority, *ca_.journal, ask.csr, id, verifier_->settings().lifetime_seconds,
      {mesh::IssuanceGrounds::Kind::sign_in, mesh::sign_in_text(grounds)}, clock(), who.evidence);
}

Result<mesh::CertificateChain> CaDesk::sign_in(const api::AuthorityDesk::SignInAsk& ask) {
  const auto verify = [&]() -> Result<oidc::SignedIn> {
    const crypto::Digest key = TRY(mesh::check_csr(ask.csr));
    if (ask.nonce_random.size() != oidc::nonce_random_size)
      return fail(Code::invalid_argument, "what makes the nonce has 32 bytes");
    const std::lock_guard lock(verifier_mutex_);
    return verifier_->verify(ask.id_token, oidc::sign_in_nonce(key, ask.nonce_random));
  };
  const Result<oidc::SignedIn> who = verify();
  const std::lock_guard lock(mutex_);
  Result<mesh::Certificate> leaf =
      who ? in_turn([&] { return issue_to(*who, ask); }) : Result<mesh::Certificate>(who.error());
  (leaf ? signed_in_ : refused_).increment();
  if (!leaf) {
    options_.notice(
        fmt::format("{} did not sign in: {}", who ? who->name : "somebody", leaf.error().message));
    return leaf.error();
  }
  options_.notice(fmt::format("{} signed in{}: serial {}", leaf->describe(),
                              who->evidence.is_mfa ? " with a second factor" : "", leaf->serial()));
  return chain_of(*std::move(leaf));
}

Result<mesh::CertificateChain> CaDesk::renew(const mesh::PeerIdentity& caller, Bytes csr) {
  const std::string who = mesh::format_spiffe_id(caller.id);
  const auto issue = [&]() -> Result<mesh::Certificate> {
    if (mesh::kind_of(caller.id) == mesh::IdKind::person)
      return fail(Code::permission_denied,
                  fmt::format("{} is a person, who signs in again instead of renewing", who));
    if (const mesh::DenyEntry* entry = ca_.denied->find(caller.serial, caller.id))
      return fail(Code::permission_denied,
                  fmt::format("{} is on the deny list: {}", who, entry->reason));
    return mesh::issue_on_record(*ca_.authority, *ca_.journal, csr, caller.id,
                                 options_.lifetime_seconds,
                                 {mesh::IssuanceGrounds::Kind::renewal, caller.serial}, clock());
  };
  const std::lock_guard lock(mutex_);
  Result<mesh::Certificate> leaf = in_turn(issue);
  (leaf ? renewed_ : refused_).increment();
  if (!leaf) {
    options_.notice(fmt::format("{} was not renewed: {}", who, leaf.error().message));
    return leaf.error();
  }
  return chain_of(*std::move(leaf));
}

api::AuthorityDesk CaDesk::calls() {
  api::AuthorityDesk desk{
      [this](const api::AuthorityDesk::JoinAsk& ask) { return join(ask); },
      [this](const mesh::PeerIdentity& caller, Bytes csr) { return renew(caller, csr); },
      [this](const std::vector<api::HeldTrust>& held) { return newer(held); },
      [this] { return tick(); }};
  if (verifier_) {
    const oidc::Settings& settings = verifier_->settings();
    desk.sign_in_terms = {settings.issuer, settings.client_id, settings.scopes,
                          settings.mfa_classes, verifier_->ca_pem()};
    desk.sign_in = [this](const api::AuthorityDesk::SignInAsk& ask) { return sign_in(ask); };
  }
  return desk;
}

bool CaDesk::tell(const std::vector<TrustDirectory::Change>& changes) const {
  bool is_all_taken = true;
  for (const TrustDirectory::Change& change : changes) {
    options_.notice(change.taken
                        ? change.file + ": taken up"
                        : change.file + " stays as it was: " + change.taken.error().message);
    is_all_taken = is_all_taken && change.taken.has_value();
  }
  return is_all_taken;
}

api::TrustNotes CaDesk::newer(const std::vector<api::HeldTrust>& held) const {
  const std::lock_guard lock(mutex_);
  return trust_.newer(held);
}

api::HeldTrust CaDesk::held_of(const std::string& trust_domain) const {
  const std::lock_guard lock(mutex_);
  for (const api::HeldTrust& one : trust_.held())
    if (one.trust_domain == trust_domain) return one;
  return {trust_domain};
}

bool CaDesk::take(const std::string& trust_domain, const api::TrustNotes& notes) {
  api::TrustNotes own = notes;
  const auto is_other = [&](const api::TrustNote& note) {
    return note.trust_domain != trust_domain;
  };
  std::erase_if(own.bundles, is_other);
  std::erase_if(own.deny_lists, is_other);
  const std::lock_guard lock(mutex_);
  has_taken_ = has_taken_ || !own.is_empty();
  return tell(trust_.take(own));
}

bool CaDesk::look() {
  const io::MonotonicTime now = clock().monotonic();
  if (looked_at_ != io::MonotonicTime{0} && now < looked_at_ + look_every) return false;
  looked_at_ = now;
  const std::vector<TrustDirectory::Change> changes = trust_.refresh();
  tell(changes);
  const Result<bool> is_other = has_ca_changed(ca_);
  if (is_other && *is_other) {
    if (const Status seen = in_turn([] { return Status(); }); !seen)
      options_.notice("the authority's directory was not read: " + seen.error().message);
  }
  return !changes.empty();
}

bool CaDesk::tick() {
  const std::lock_guard lock(mutex_);
  const bool has_changed = look();
  const bool is_other_ca = own_authority_ != ca_.authority->certificate().fingerprint() &&
                           clock().monotonic() >= switch_again_at_;
  if (is_other_ca) options_.notice("another CA issues: " + ca_.authority->certificate().describe());
  if (schedule_.is_due() || is_other_ca) {
    if (const Status renewed = renew_own(); !renewed) {
      schedule_.fail();
      switch_again_at_ = clock().monotonic() + io::seconds(1);
      options_.notice("the authority did not renew its own certificate: " +
                      renewed.error().message);
    }
  }
  return std::exchange(has_taken_, false) || has_changed;
}

}  // namespace meridian::app
