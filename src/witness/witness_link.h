// How a log reaches one of its witnesses.
//
// Over HTTP in production (api/witness_link_http.h), directly in tests.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proof/note.h"

namespace meridian::witness {

class WitnessLink {
 public:
  /// Nothing is called back once it has returned.
  virtual ~WitnessLink() = default;

  struct Reply {
    unsigned status = 0;  ///< Of HTTP.
    std::string body;
  };
  /// Sends one request to cosign; the next one only after `done`. `done` is called once, on any
  /// thread, within the link's own timeout. Errors: unavailable, with why no answer came.
  virtual void add_checkpoint(std::string body, std::function<void(Result<Reply>)> done) = 0;
};

/// Where a witness answers, and the key by which its cosignatures are known.
struct WitnessAddress {
  std::string url;
  proof::VerifierKey key;
};
/// "http://host:port/prefix=VKEY". Errors: invalid_argument naming what is wrong.
Result<WitnessAddress> parse_witness_address(std::string_view text);

}  // namespace meridian::witness
