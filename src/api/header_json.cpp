#include "api/header_json.h"

#include "ledger/describe.h"

namespace meridian::api {

Result<std::string> header_json_text(Bytes header) {
  Result<ledger::Header> decoded = ledger::Header::decode(header);
  if (!decoded) return fail(Code::data_loss, "stored header: " + decoded.error().message);
  return ledger::to_json(*decoded);
}

}  // namespace meridian::api
