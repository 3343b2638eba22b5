// The policy in force and what is proposed, by GET. Who changes it, proposes acts or approves them
// signs: that is gRPC's.
#include <utility>

#include "api/convert_acts.h"
#include "api/convert_policy.h"
#include "api/internal/http_routes.h"
#include "api/method_needs.h"

namespace meridian::api::internal {
namespace {

using Call = HttpApi::CallRef;
using mesh::Action;

void get_policy(Backend& backend, const Call& call) {
  auto answer = [&backend, call] { call->reply_json(policy_json(backend).dump()); };
  if (backend.policies == nullptr) return answer();
  backend.policies->refresh(std::move(answer));
}

void get_acts(Backend& backend, const Call& call) {
  auto answer = [&backend, call] { call->reply_json(acts_json(backend, call->asker).dump()); };
  if (backend.acts == nullptr) return answer();
  backend.acts->refresh(std::move(answer));
}

}  // namespace

void add_policy_routes(std::vector<HttpApi::Route>& routes) {
  routes.push_back({HttpMethod::get, "v1/policy", Action::policy_read, get_policy, true});
  routes.push_back(
      {HttpMethod::get, "v1/acts", *needs_of_method("/meridian.v1.Acts/List"), get_acts, true});
}

}  // namespace meridian::api::internal
