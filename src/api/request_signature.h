// What callers sign of their requests: looked at before anything is done for them.
//
// A signature comes beside a request, in gRPC's metadata or a header of HTTP, and is by the key of
// the caller's own certificate over the text of what was asked (docs/formats/signature.md). What is
// not good is refused, and counted: meridian_request_signatures_total{outcome}, and by caller in
// the door's refusals, which become records. Who signs nothing is asked nothing. Thread-safe.
// Cost: one verification (crypto/p256.h) and the text of the commands, O(commands); a certificate
// that was not seen before costs more (mesh/svid.h). Measured by request_signature_bench.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/access.h"
#include "base/result.h"
#include "base/u128.h"
#include "cell/local_cell.h"
#include "door/signed_text.h"
#include "io/clock.h"
#include "mesh/jws.h"
#include "metrics/registry.h"

namespace meridian::api {

struct Backend;

/// gRPC's metadata; HTTP's header is `Meridian-Signature`.
inline constexpr std::string_view signature_key = "meridian-signature";

class RequestSignatures {
 public:
  /// Certificates remembered; more are forgotten, all together, and judged again.
  static constexpr std::size_t signers_max = 1'024;

  /// All outlive it.
  RequestSignatures(u128 cell, door::Door& door, io::Clock& clock, metrics::Registry& metrics);

  /// What is to be kept of `given`, which is not empty. `callers`: null in the clear. Errors:
  /// failed_precondition in the clear; invalid_argument for another form, or what cannot be signed;
  /// permission_denied for a signature that is wrong, somebody else's, or not of now.
  Result<std::string> check(const Asker& asker, const Callers* callers, std::string_view given,
                            const Result<std::vector<door::SignedCommand>>& commands);

 private:
  enum class Outcome : std::uint8_t {
    good,
    in_the_clear,
    malformed,
    unsupported,
    untrusted,
    of_another,
    not_of_now,
    wrong
  };
  static constexpr std::size_t outcome_count = 8;
  struct Refused {
    Outcome outcome;
    Error error;
  };
  template <typename Value>
  using OrRefused = tl::expected<Value, Refused>;
  struct Signer {
    mesh::Certificate leaf;
    mesh::PeerIdentity identity;
  };
  using SignerRef = std::shared_ptr<const Signer>;

  OrRefused<std::string> judge(const Asker& asker, const Callers* callers, std::string_view given,
                               const Result<std::vector<door::SignedCommand>>& commands);
  OrRefused<SignerRef> find_signer(const std::string& header, const mesh::Credentials& credentials);

  const u128 cell_;
  door::Door& door_;
  io::Clock& clock_;
  std::array<metrics::Counter*, outcome_count> outcomes_{};
  std::mutex mutex_;                                       // guards the rest
  std::map<std::string, SignerRef, std::less<>> signers_;  ///< By the header of the JWS.
};

/// Both check the signature, if there is one, and submit.
void submit_packed(Backend& backend, const Asker& asker, std::string_view signature,
                   ledger::CommandKind kind, Bytes commands, replica::Replica::Answered answered);
void submit_drafts(Backend& backend, const Asker& asker, std::string_view signature,
                   std::vector<door::CommandDraft> drafts, replica::Replica::Answered answered);

}  // namespace meridian::api
