// Feature levels of the cell, by GET, and activating one by POST.
#include <utility>

#include "api/act_request.h"
#include "api/convert_upgrade.h"
#include "api/internal/http_routes.h"
#include "api/second_person.h"

namespace meridian::api::internal {
namespace {

using Call = HttpApi::CallRef;
using mesh::Action;

void get_upgrade(Backend& backend, const Call& call) {
  backend.cell.replica().levels([call](const replica::LevelReport& report) {
    call->reply_json(upgrade_json(report).dump());
  });
}

void post_upgrade(Backend& backend, const Call& call) {
  const Result<std::uint32_t> level = parse_activate_json(call->request.body);
  if (!level) return call->refuse(level.error());
  begin_act(backend, call->asker, activation_of(*level),
            [&backend, call, level = *level](const Status& may) {
              if (!may) return call->refuse(may.error());
              backend.cell.replica().activate_level(level, [call](const Status& done) {
                if (!done) return call->refuse(done.error());
                call->reply_json("{}");
              });
            });
}

}  // namespace

void add_upgrade_routes(std::vector<HttpApi::Route>& routes) {
  routes.push_back({HttpMethod::get, "v1/upgrade", Action::upgrade_read, get_upgrade});
  routes.push_back({HttpMethod::post, "v1/upgrade", Action::upgrade_activate, post_upgrade});
}

}  // namespace meridian::api::internal
