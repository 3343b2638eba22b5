// Keys of the replica that is asked, by GET, and turning one over by POST.
#include <utility>

#include "api/internal/http_routes.h"
#include "api/key_calls.h"

namespace meridian::api::internal {
namespace {

using Call = HttpApi::CallRef;
using mesh::Action;

void get_keys(Backend& backend, const Call& call) {
  list_keys(backend, [call](const Result<v1::NodeKeysReply>& keys) {
    if (!keys) return call->refuse(keys.error());
    call->reply_json(keys_json(*keys).dump());
  });
}

void post_keys(Backend& backend, const Call& call) {
  const Result<KeyRotation> what = parse_rotation_json(call->request.body);
  if (!what) return call->refuse(what.error());
  rotate_key(backend, call->asker, *what, [call](const Result<Rotated>& rotated) {
    if (!rotated) return call->refuse(rotated.error());
    call->reply_json(rotated_json(*rotated).dump());
  });
}

}  // namespace

void add_key_routes(std::vector<HttpApi::Route>& routes) {
  routes.push_back({HttpMethod::get, "v1/node/keys", Action::keys_read, get_keys});
  routes.push_back({HttpMethod::post, "v1/node/keys", Action::keys_rotate, post_keys});
}

}  // namespace meridian::api::internal
