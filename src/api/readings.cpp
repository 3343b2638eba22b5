#include "api/readings.h"

#include <algorithm>
#include <map>

namespace meridian::api {

Status check_given_purpose(std::string_view purpose) {
  return purpose.empty() ? Status() : cell::check_purpose(purpose);
}

Status owe_reading(Backend& backend, const Asker& asker, const std::string& purpose,
                   const std::vector<cell::ReadEvent>& events, u128 subject) {
  if (asker.caller() == nullptr && backend.callers == nullptr) return {};
  std::map<u128, cell::Reading> by_stream;
  for (const cell::ReadEvent& one : events) {
    const auto* body = std::get_if<ledger::EventBody>(&one.header.body);
    if (!one.event.is_personal || body == nullptr) continue;
    const std::uint64_t index = raw(one.header.record_index);
    cell::Reading& reading = by_stream[subject != 0 ? 0 : body->stream];
    if (reading.count == 0) {
      reading.stream = subject != 0 ? 0 : body->stream;
      reading.first = index;
    }
    ++reading.count;
    reading.first = std::min(reading.first, index);
    reading.last = std::max(reading.last, index);
  }
  if (by_stream.empty()) return {};
  if (purpose.empty() && asker.needs_purpose())
    return fail(Code::permission_denied,
                "denied: this is personal data, and you do not say what you read it for "
                "(--purpose TEXT, gRPC metadata meridian-purpose, HTTP header Meridian-Purpose)");
  if (backend.readings == nullptr || asker.actor() == 0)
    return fail(Code::unavailable, "this replica cannot record readings of personal data now");
  for (auto& [stream, reading] : by_stream) {
    reading.actor = asker.actor();
    reading.purpose = purpose;
    reading.subject = subject;
    TRY(backend.readings->owe(std::move(reading)));
  }
  return {};
}

}  // namespace meridian::api
