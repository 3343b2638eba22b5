// Any bytes are a policy or a refusal; what is a policy answers every question both ways alike.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "mesh/policy.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view id = "spiffe://eu-west.bank.example/service/payments";

void check(std::string_view yaml) {
  const Result<std::shared_ptr<const Policy>> policy = Policy::parse(yaml);
  if (!policy) {
    ASSERT(policy.error().code == Code::invalid_argument);
    ASSERT(!policy.error().message.empty());
    return;
  }
  const Rights rights = (*policy)->rights_of(id, 1);
  for (std::size_t i = 0; i < action_count; ++i) {
    const Action action = action_at(i);
    Question question{id, 1, action, std::nullopt, std::nullopt};
    bool is_allowed = rights.allow(action);
    if (info(action).scope == Scope::ledger) {
      question.ledger = 700;
      is_allowed = rights.allow(action, 700);
    } else if (info(action).scope == Scope::stream) {
      question.stream = "payments-1";
      is_allowed = rights.allow(action, "payments-1");
    }
    ASSERT((*policy)->explain(question).is_allowed == is_allowed);
  }
}

}  // namespace
}  // namespace meridian::mesh

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  meridian::mesh::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
