// Certificates of erasure from what a server says: which records there are, their receipts, and
// what no record holds. Long work tells how far it is, on stderr.
#pragma once

#include <cstdint>
#include <string>

#include "client.h"
#include "door/erasure_certificate.h"

namespace meridian::app {

/// Of all that was destroyed so far. Errors: not_found if no record says so; those of the calls.
Result<door::ErasureCertificate> certificate_of(Client& client, const std::string& subject);
Result<door::ErasureCertificate> certificate_of(Client& client, door::RetentionNumber retention);
/// Of what this did.
Result<door::ErasureCertificate> certificate_of(Client& client, const v1::ForgetReply& reply);

}  // namespace meridian::app
