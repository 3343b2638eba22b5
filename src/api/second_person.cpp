#include "api/second_person.h"

#include <utility>

namespace meridian::api {

bool needs_second_person(const Backend& backend, const Asker& asker) {
  if (asker.caller() == nullptr) return false;
  const std::shared_ptr<const mesh::Policy> policy = backend.access.policy();
  return policy == nullptr || policy->needs_second_person();
}

void begin_act(Backend& backend, const Asker& asker, mesh::ActRequest what,
               std::function<void(Status)> then) {
  if (Status may = asker.check(what.action); !may) return then(may);
  if (!needs_second_person(backend, asker)) return then({});
  if (backend.acts == nullptr)
    return then(fail(Code::permission_denied,
                     "this needs a second person, and this process keeps no records of approvals"));
  if (const auto glass = backend.access.glass_for(asker, what.action))
    return backend.acts->use_glass(asker.actor(), *glass, std::string(asker.id()), std::move(what),
                                   std::move(then));
  backend.acts->use(
      asker.actor(), std::string(asker.id()), std::move(what),
      [&backend](const mesh::ActHistory::Act& act) {
        return backend.access.check_absent(act.approved_by, act.statement.what.action);
      },
      std::move(then));
}

}  // namespace meridian::api
