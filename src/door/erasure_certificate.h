// What a person, or an authority, gets in hand when somebody is forgotten: what was destroyed, what
// is kept until when and why, with the receipts of the records that say so. Text; opaque ids only,
// no names; verifiable offline, for ever (docs/formats/erasure_certificate.md).
//
// What records prove is checked against them; what they do not hold (dates and laws of what is
// kept, which replicas have turned) is the word of who made it, and verify() says which is which.
// Pure values. Limit: certificate_size_max.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "proof/policy.h"

namespace meridian::door {

inline constexpr std::size_t certificate_size_max = 64 << 20;
inline constexpr std::size_t certificate_receipts_max = 8'190;

struct ErasureCertificate {
  struct Erased {
    std::uint8_t retention = 0;
    std::string period;
    auto operator<=>(const Erased&) const = default;
  };
  /// Texts are empty if there is nothing to say.
  struct KeptKey {
    std::uint8_t retention = 0;
    std::string period, until, hold, class_name, basis, reference;
    bool operator==(const KeptKey&) const = default;
  };
  u128 subject = 0;
  std::uint32_t keys_destroyed = 0;  ///< Those that seal, and K_commit if it went.
  std::uint32_t epoch = 0;           ///< Whose key-encryption key was destroyed; 0: none was.
  std::vector<Erased> erased;
  std::vector<KeptKey> kept;
  std::vector<std::uint64_t> confirmed, unconfirmed;  ///< Replicas.
  std::vector<std::string> receipts;
  bool operator==(const ErasureCertificate&) const = default;
};

/// Asserts that texts are printable ASCII, as those of keys are.
std::string encode_certificate(const ErasureCertificate& certificate);
/// Errors: invalid_argument naming the line: it is not the one encoding of a certificate.
Result<ErasureCertificate> decode_certificate(std::string_view text);

struct ProvenErasure {
  std::vector<std::uint64_t> records;
  bool is_all = false;       ///< Nothing is kept.
  proof::Evidence evidence;  ///< Of the weakest of its receipts.
};
/// Errors: permission_denied if the policy is not satisfied; data_loss if a receipt does not hold,
/// or the records say something else than the certificate.
Result<ProvenErasure> verify_certificate(const ErasureCertificate& certificate,
                                         const proof::Policy& policy);

}  // namespace meridian::door
