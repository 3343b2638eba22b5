// Requests signed with the key of the identity that sends them (docs/formats/signature.md).
//
// Written from that document alone, as other languages would: the ledger's own code is not used.
// Thread-safe. Cost: one signature, and O(commands).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "find.h"
#include "meridian/client.h"

namespace meridian::client {

inline constexpr const char* signature_key = "meridian-signature";

/// The text that is signed. Errors: invalid_argument if it is too large, or `cell` is no UUID,
/// which may lack its hyphens.
Result<std::string> signed_text(const std::string& cell, const std::string& by, std::int64_t at_s,
                                Kind kind, const std::vector<Packed>& commands);

class Signer {
 public:
  /// Of what programs show to the cell. Errors: invalid_argument.
  static Result<std::shared_ptr<const Signer>> create(const TlsOptions& tls);

  /// What goes along with the request, in gRPC's metadata. Errors: those of signed_text().
  Result<std::string> sign(const std::string& cell, std::int64_t at_s, Kind kind,
                           const std::vector<Packed>& commands) const;
  const std::string& id() const { return id_; }

 private:
  struct Key;
  Signer() = default;

  std::shared_ptr<const Key> key_;
  std::string id_;      ///< "spiffe://…"
  std::string header_;  ///< Of the JWS, as it is written.
};

}  // namespace meridian::client
