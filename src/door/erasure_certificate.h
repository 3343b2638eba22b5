// What a person, or an authority, gets in hand of what was destroyed: what and when, what is kept
// until when and why, with the receipts of the records that say so. Text; opaque ids only, no
// names; verifiable offline, for ever (docs/formats/erasure_certificate.md).
//
// Two versions: of what was destroyed when somebody was forgotten (1; not written any more), and of
// all that was destroyed of a person, or expired of a retention class (2). What records prove is
// checked against them; what they do not hold (dates and laws of what is kept, which replicas have
// turned) is the word of who made it. Pure values. Limits: certificate_size_max,
// certificate_receipts_max.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "door/erasure_records.h"
#include "proof/policy.h"

namespace meridian::door {

inline constexpr std::size_t certificate_size_max = 64 << 20;
inline constexpr std::size_t certificate_receipts_max = 8'190;

/// Texts are empty if there is nothing to say.
struct CertifiedKey {
  std::uint8_t retention = 0;
  std::string period, until, hold, class_name, basis, reference;
  bool operator==(const CertifiedKey&) const = default;
};

/// Version 1.
struct ForgettingCertificate {
  struct Erased {
    std::uint8_t retention = 0;
    std::string period;
    auto operator<=>(const Erased&) const = default;
  };
  u128 subject = 0;
  std::uint32_t keys_destroyed = 0;  ///< Those that seal, and K_commit if it went.
  std::uint32_t epoch = 0;           ///< Whose key-encryption key was destroyed; 0: none was.
  std::vector<Erased> erased{};
  std::vector<CertifiedKey> kept{};
  std::vector<std::uint64_t> confirmed{}, unconfirmed{};  ///< Replicas.
  std::vector<std::string> receipts{};
  bool operator==(const ForgettingCertificate&) const = default;
};

/// Version 2.
struct ErasureCertificate {
  /// A record by which the person is to be forgotten, and what was kept of it then.
  struct Wish {
    std::uint64_t record = 0;
    std::string time{}, day{};
    std::uint32_t keys_kept = 0;
    bool operator==(const Wish&) const = default;
  };
  /// A record by which something was destroyed.
  struct Destroyed {
    std::uint64_t record = 0;
    std::string time{};
    std::string by{};  ///< erase_subject, erase_key or expire_class.
    std::vector<std::uint8_t> classes{};
    std::string period{};  ///< Of the key; through which, of an expiry.
    /// Those that seal, and K_commit if it went; of an expiry: of all persons together.
    std::uint32_t keys = 0;
    std::uint32_t epoch = 0;              ///< Whose key-encryption key was destroyed; 0: none was.
    std::optional<std::uint64_t> turn{};  ///< The record by which it was; none of one alone.
    bool operator==(const Destroyed&) const = default;
  };
  struct Replica {
    std::uint64_t id = 0;
    std::uint32_t epoch = 0;  ///< The keys of all epochs below it are destroyed there.
    bool operator==(const Replica&) const = default;
  };
  ErasedOf of{};
  std::string made{};                 ///< When it was asked for.
  std::uint64_t first = 0, next = 0;  ///< Records below `next` were looked at, from `first` on.
  std::vector<Wish> wishes{};
  std::vector<Destroyed> destroyed{};
  std::vector<CertifiedKey> kept{};
  std::vector<Replica> replicas{};
  std::vector<std::string> receipts{};  ///< Ascending, turns too.
  bool operator==(const ErasureCertificate&) const = default;

  bool is_of_class() const { return std::holds_alternative<RetentionNumber>(of); }
  /// Those that had not destroyed the key of every epoch with a turn when it was made, as far as
  /// was known.
  std::vector<Replica> unconfirmed() const;
};
using Certificate = std::variant<ForgettingCertificate, ErasureCertificate>;

/// Asserts that texts are printable ASCII, as those of keys are.
std::string encode_certificate(const Certificate& certificate);
/// Errors: invalid_argument naming the line: it is not the one encoding of a certificate.
Result<Certificate> decode_certificate(std::string_view text);

/// Wishes and what was destroyed, as these records say it: ascending, turns too.
void set_said(const std::vector<ErasureRecord>& records, ErasureCertificate& certificate);

/// What is kept is the word of who made it, but nothing may be that a record says is gone, nor more
/// than was when the person was to be forgotten last; less is, if a class expired. Errors:
/// data_loss.
Status check_kept(const ErasureCertificate& certificate);

struct ProvenErasure {
  std::vector<std::uint64_t> records;
  bool is_all = false;       ///< Of a person: nothing is kept.
  proof::Evidence evidence;  ///< Of the weakest of its receipts.
};
/// Errors: permission_denied if the policy is not satisfied; data_loss if a receipt does not hold,
/// or the records say something else than the certificate.
Result<ProvenErasure> verify_certificate(const Certificate& certificate,
                                         const proof::Policy& policy);

}  // namespace meridian::door
