#include "mesh/internal/certificate_builder.h"

#include <openssl/err.h>

#include <utility>

#include "mesh/internal/openssl.h"

namespace meridian::mesh::internal {
namespace {

using NameHandle = std::unique_ptr<GENERAL_NAME, Free<GENERAL_NAME_free>>;
using ConstraintsHandle = std::unique_ptr<NAME_CONSTRAINTS, Free<NAME_CONSTRAINTS_free>>;
using ObjectId = std::unique_ptr<ASN1_OBJECT, Free<ASN1_OBJECT_free>>;
using OctetString = std::unique_ptr<ASN1_OCTET_STRING, Free<ASN1_OCTET_STRING_free>>;
using SubtreeHandle = std::unique_ptr<GENERAL_SUBTREE, Free<GENERAL_SUBTREE_free>>;

Error failed(std::string_view what) { return openssl_failure(Code::internal, what); }

/// Fills a GENERAL_NAME whose value is a string of bytes: these four types are.
bool fill(GENERAL_NAME& out, const GeneralName& name) {
  bool is_ip = name.type == GeneralName::Type::ip;
  ASN1_STRING* value = ASN1_STRING_type_new(is_ip ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  if (value == nullptr) return false;
  if (ASN1_STRING_set(value, name.value.data(), static_cast<int>(name.value.size())) != 1) {
    ASN1_STRING_free(value);
    return false;
  }
  int type = GEN_URI;
  switch (name.type) {
    case GeneralName::Type::uri: type = GEN_URI; break;
    case GeneralName::Type::dns: type = GEN_DNS; break;
    case GeneralName::Type::email: type = GEN_EMAIL; break;
    case GeneralName::Type::ip: type = GEN_IPADD; break;
  }
  GENERAL_NAME_set0_value(&out, type, value);
  return true;
}

bool add_subtrees(STACK_OF(GENERAL_SUBTREE) * *list, const std::vector<GeneralName>& names) {
  if (names.empty()) return true;
  *list = sk_GENERAL_SUBTREE_new_null();
  if (*list == nullptr) return false;
  for (const GeneralName& name : names) {
    SubtreeHandle subtree(GENERAL_SUBTREE_new());
    if (subtree == nullptr || !fill(*subtree->base, name)) return false;
    if (sk_GENERAL_SUBTREE_push(*list, subtree.get()) == 0) return false;
    (void)subtree.release();
  }
  return true;
}

bool add_alternative_names(X509* certificate, const CertificateSpec& spec) {
  if (spec.alternative_names.empty()) return true;
  Names names(GENERAL_NAMES_new());
  if (names == nullptr) return false;
  for (const GeneralName& name : spec.alternative_names) {
    NameHandle entry(GENERAL_NAME_new());
    if (entry == nullptr || !fill(*entry, name)) return false;
    if (sk_GENERAL_NAME_push(names.get(), entry.get()) == 0) return false;
    (void)entry.release();
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(),
                           spec.alternative_names_critical ? 1 : 0, X509V3_ADD_DEFAULT) == 1;
}

bool add_name_constraints(X509* certificate, const CertificateSpec& spec) {
  if (!spec.name_constraints.has_value()) return true;
  ConstraintsHandle constraints(NAME_CONSTRAINTS_new());
  return constraints != nullptr &&
         add_subtrees(&constraints->permittedSubtrees, spec.name_constraints->permitted) &&
         add_subtrees(&constraints->excludedSubtrees, spec.name_constraints->excluded) &&
         X509_add1_ext_i2d(certificate, NID_name_constraints, constraints.get(), 1,
                           X509V3_ADD_DEFAULT) == 1;
}

bool add_extension(X509* certificate, X509V3_CTX& context, int nid, const std::string& value) {
  if (value.empty()) return true;
  Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_private(X509* certificate, const std::vector<PrivateExtension>& extensions) {
  for (const PrivateExtension& one : extensions) {
    const ObjectId id(OBJ_txt2obj(one.oid.c_str(), 1));
    const OctetString value(ASN1_OCTET_STRING_new());
    if (id == nullptr || value == nullptr ||
        ASN1_OCTET_STRING_set(value.get(), one.value.data(), static_cast<int>(one.value.size())) !=
            1)
      return false;
    const Extension made(X509_EXTENSION_create_by_OBJ(nullptr, id.get(), 0, value.get()));
    if (made == nullptr || X509_add_ext(certificate, made.get(), -1) != 1) return false;
  }
  return true;
}

bool add_extensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  bool has_authority = issuer != certificate;
  return add_extension(certificate, context, NID_basic_constraints, spec.basic_constraints) &&
         add_extension(certificate, context, NID_key_usage, spec.key_usage) &&
         add_extension(certificate, context, NID_ext_key_usage, spec.extended_key_usage) &&
         add_name_constraints(certificate, spec) && add_alternative_names(certificate, spec) &&
         add_extension(certificate, context, NID_subject_key_identifier,
                       spec.key_identifiers ? "hash" : "") &&
         add_extension(certificate, context, NID_authority_key_identifier,
                       spec.key_identifiers && has_authority ? "keyid:always" : "") &&
         add_private(certificate, spec.private_extensions);
}

bool set_serial(X509* certificate, const std::array<Byte, 16>& serial) {
  Bignum number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_names(X509* certificate, const X509* issuer, const CertificateSpec& spec) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  if (!spec.common_name.empty() &&
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                 as_bytes(spec.common_name).data(),
                                 static_cast<int>(spec.common_name.size()), -1, 0) != 1)
    return false;
  return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1;
}

}  // namespace

Result<Certificate> build_certificate(const CertificateSpec& spec, EVP_PKEY* subject_key,
                                      const Certificate* issuer, EVP_PKEY* issuer_key) {
  X509Handle certificate(X509_new());
  if (certificate == nullptr) return failed("certificate: no memory");
  X509* signer = issuer == nullptr ? certificate.get() : issuer->handle();
  if (X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      !set_serial(certificate.get(), spec.serial))
    return failed("certificate: its serial number cannot be set");
  if (!set_names(certificate.get(), signer, spec))
    return failed("certificate: its subject cannot be set");
  if (ASN1_TIME_adj(X509_getm_notBefore(certificate.get()), spec.not_before, 0, 0) == nullptr ||
      ASN1_TIME_adj(X509_getm_notAfter(certificate.get()), spec.not_after, 0, 0) == nullptr)
    return failed("certificate: its validity cannot be set");
  if (X509_set_pubkey(certificate.get(), subject_key) != 1)
    return failed("certificate: its key cannot be set");
  if (!add_extensions(certificate.get(), signer, spec))
    return failed("certificate: an extension cannot be made");
  if (X509_sign(certificate.get(), issuer_key, EVP_sha256()) <= 0)
    return failed("certificate: it cannot be signed");
  ERR_clear_error();
  return Certificate::from_der(to_der(i2d_X509, certificate.get()));
}

}  // namespace meridian::mesh::internal
