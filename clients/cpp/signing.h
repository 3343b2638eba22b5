// Requests signed with the key of the identity that sends them (docs/formats/signature.md).
//
// Written from that document alone, as other languages would: the ledger's own code is not used.
// Thread-safe. Cost: one signature, and O(commands).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "find.h"
#include "meridian/client.h"

namespace meridian::client {

inline constexpr const char* signature_key = "meridian-signature";

/// Goes beside an event that is signed, and is sealed with it.
using Salt = std::array<unsigned char, 32>;
/// Of the system; it has to be one that nobody can guess.
Salt make_salt();

/// What is the same in every text of a request, whenever it is signed.
struct SignedLines {
  int version = 1;
  std::size_t count = 0;
  std::string text;
};
/// Errors: invalid_argument if they are too many or too large.
Result<SignedLines> signed_lines(Kind kind, const std::vector<Packed>& commands);
/// Each with its salt. Errors: the same; or data that is said to be JSON and is none that can be
/// signed.
Result<SignedLines> signed_lines(const std::vector<NewEvent>& events,
                                 const std::vector<Salt>& salts);

/// The text that is signed. Errors: invalid_argument if `cell` is no UUID, which may lack its
/// hyphens.
Result<std::string> signed_text(const std::string& cell, const std::string& by, std::int64_t at_s,
                                const SignedLines& lines);

class Signer {
 public:
  /// Of what programs show to the cell. Errors: invalid_argument.
  static Result<std::shared_ptr<const Signer>> create(const TlsOptions& tls);

  /// What goes along with the request, in gRPC's metadata. Errors: those of signed_text().
  Result<std::string> sign(const std::string& cell, std::int64_t at_s,
                           const SignedLines& lines) const;
  const std::string& id() const { return id_; }

 private:
  struct Key;
  Signer() = default;

  std::shared_ptr<const Key> key_;
  std::string id_;      ///< "spiffe://…"
  std::string header_;  ///< Of the JWS, as it is written.
};

}  // namespace meridian::client
