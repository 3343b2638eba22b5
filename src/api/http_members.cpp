// Who takes part in the cell, by GET, and changes of it by POST.
#include <utility>

#include "api/act_request.h"
#include "api/convert_members.h"
#include "api/internal/http_routes.h"
#include "api/second_person.h"

namespace meridian::api::internal {
namespace {

using Call = HttpApi::CallRef;
using mesh::Action;

/// This replica's own view: `leader` says who knows more.
void get_members(Backend& backend, const Call& call) {
  backend.cell.replica().report(
      [call, cell = backend.cell_id](const replica::Replica::Report& report) {
        if (!report.group) return call->refuse(no_group());
        call->reply_json(members_json(*report.group, cell).dump());
      });
}

void post_members(Backend& backend, const Call& call) {
  Result<std::vector<replica::MemberStep>> steps = parse_steps_json(call->request.body);
  if (!steps) return call->refuse(steps.error());
  mesh::ActRequest act = change_of_members(*steps);  // before they are moved
  begin_act(backend, call->asker, std::move(act),
            [&backend, call, steps = std::move(*steps)](const Status& may) mutable {
              if (!may) return call->refuse(may.error());
              backend.cell.replica().change_members(std::move(steps), [call](const Status& done) {
                if (!done) return call->refuse(done.error());
                call->reply_json("{}");
              });
            });
}

}  // namespace

void add_member_routes(std::vector<HttpApi::Route>& routes) {
  routes.push_back({HttpMethod::get, "v1/members", Action::members_read, get_members});
  routes.push_back({HttpMethod::post, "v1/members", Action::members_change, post_members});
}

}  // namespace meridian::api::internal
