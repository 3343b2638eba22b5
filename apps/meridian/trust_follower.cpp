#include "trust_follower.h"

#include <fmt/format.h>
#include "io/end_executor.h"

#include <utility>

namespace meridian::app {

std::shared_ptr<api::AuthorityClient> AuthorityLine::to(const std::string& address) {
  auto client = std::make_shared<api::AuthorityClient>(address);
  const std::lock_guard lock(mutex_);
  if (is_stopped_) client->cancel();
  current_ = client;
  return client;
}

void AuthorityLine::stop() {
  const std::lock_guard lock(mutex_);
  is_stopped_ = true;
  if (current_) current_->cancel();
}

TrustFollower::TrustFollower(Setting setting) : setting_(std::move(setting)) {
  executor_->post([this] { follow(); });
}

TrustFollower::~TrustFollower() {
  line_.stop();
  io::end_executor(executor_);
}

/// True if it may be asked again at once.
bool TrustFollower::ask(const std::string& address) {
  const std::vector<api::HeldTrust> held = setting_.held();
  const std::shared_ptr<api::AuthorityClient> client = line_.to(address);
  const Result<api::TrustNotes> notes =
      client->wait_for_trust(setting_.credentials, setting_.trust_domain, held);
  if (notes) {
    if (!std::exchange(was_reached_, true))
      setting_.notice(fmt::format("the authority at {} answers again", address));
    return setting_.take(*notes);
  }
  if (std::exchange(was_reached_, false))
    setting_.notice(
        fmt::format("no bundles and deny lists from {}: {}", address, notes.error().message));
  // Perhaps its certificate is of a CA that is newer than the bundle here. The bundle that names
  // it is believed for its signatures, whoever answers.
  const Result<api::TrustNotes> bundles = client->fetch_bundles(held);
  if (bundles && !bundles->is_empty()) setting_.take(*bundles);
  return false;
}

void TrustFollower::follow() {
  const std::vector<std::string> addresses = setting_.addresses();
  bool is_answered = false;
  if (!addresses.empty()) {
    is_answered = ask(addresses[next_address_ % addresses.size()]);
    if (!is_answered) ++next_address_;
  }
  if (is_answered)
    executor_->post([this] { follow(); });
  else
    executor_->post_after(pause, [this] { follow(); });
}

}  // namespace meridian::app
