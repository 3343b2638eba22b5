#include "signing.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "canonical_json.h"
#include "system.h"

namespace meridian::client {
namespace {

using Bytes = std::span<const unsigned char>;
using Digest = std::array<unsigned char, 32>;

constexpr std::size_t text_size_max = 256 * 1024;
constexpr std::size_t commands_max = 8189;
constexpr std::size_t certificates_max = 4;
constexpr int half = 32;  // of a signature: r, s

template <auto free>
struct Free {
  template <typename Handle>
  void operator()(Handle* handle) const {
    free(handle);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using Digesting = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;

/// The fields of a command, in the order of its bytes.
constexpr std::array<std::size_t, 13> sizes{16, 16, 16, 16, 16, 16, 8, 4, 4, 4, 2, 2, 8};
using FieldNames = std::array<std::string_view, sizes.size()>;
constexpr FieldNames account_names{"id",
                                   "debits_pending",
                                   "debits_posted",
                                   "credits_pending",
                                   "credits_posted",
                                   "user_data_128",
                                   "user_data_64",
                                   "user_data_32",
                                   "reserved",
                                   "ledger",
                                   "code",
                                   "flags",
                                   "timestamp"};
constexpr FieldNames transfer_names{"id",
                                    "debit_account_id",
                                    "credit_account_id",
                                    "amount",
                                    "pending_id",
                                    "user_data_128",
                                    "user_data_64",
                                    "user_data_32",
                                    "timeout",
                                    "ledger",
                                    "code",
                                    "flags",
                                    "timestamp"};

std::string decimal(u128 value) {
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

/// In the one way in which it is signed; nothing if it is none.
std::optional<std::string> uuid_of(const std::string& text) {
  std::string digits;
  for (const char c : text)
    if (c != '-') digits += static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
  if (digits.size() != 32 || digits.find_first_not_of("0123456789abcdef") != digits.npos)
    return std::nullopt;
  for (const std::size_t at : {8, 13, 18, 23}) digits.insert(at, 1, '-');
  return digits;
}

Error wrong(std::string message) { return {Code::invalid_argument, std::move(message)}; }

std::string base64(Bytes bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                  static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

std::string base64url(Bytes bytes) {
  std::string text = base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}
std::string base64url(std::string_view text) {
  return base64url(Bytes(reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

Bio reading(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

/// Leaf first.
std::vector<Certificate> read_chain(const std::string& pem) {
  std::vector<Certificate> chain;
  const Bio text = reading(pem);
  while (chain.size() < certificates_max) {
    Certificate one(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    chain.push_back(std::move(one));
  }
  return chain;
}

std::optional<std::string> id_of(const X509* leaf) {
  const Names names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  if (!names || sk_GENERAL_NAME_num(names.get()) != 1) return std::nullopt;
  const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), 0);
  if (name->type != GEN_URI) return std::nullopt;
  const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                     static_cast<std::size_t>(ASN1_STRING_length(uri)));
}

std::string header_of(const std::vector<Certificate>& chain) {
  std::string listed;
  for (const Certificate& one : chain) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(one.get(), &der);
    if (size <= 0) continue;
    listed +=
        (listed.empty() ? "\"" : ",\"") + base64(Bytes(der, static_cast<std::size_t>(size))) + '"';
    OPENSSL_free(der);
  }
  return base64url(R"({"alg":"ES256","typ":"meridian-request","x5c":[)" + listed + "]}");
}

void append_number(std::string& out, std::string_view name, u128 value) {
  if (value != 0) out.append(" ").append(name).append("=").append(decimal(value));
}

std::string hex(Bytes bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes)
    text.append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  return text;
}

void append_field(std::string& out, std::string_view field) {
  for (int shift = 0; shift < 32; shift += 8)
    out += static_cast<char>(field.size() >> shift & 0xff);
  out += field;
}

Digest hmac(const Salt& salt, const std::string& message) {
  Digest digest{};
  HMAC(EVP_sha256(), salt.data(), static_cast<int>(salt.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
       nullptr);
  return digest;
}

/// Under the salt, as all of it may tell of a person.
Result<Digest> content_of(const NewEvent& event, const Salt& salt) {
  constexpr std::string_view json_type = "application/json";
  const std::string_view type = event.content_type.empty() ? json_type : event.content_type;
  std::string data = event.data;
  if (type == json_type) {
    Result<std::string> canonical = canonical_json(event.data);
    if (!canonical)
      return wrong("event " + decimal(event.id) + " cannot be signed: data " +
                   canonical.error().message);
    data = *std::move(canonical);
  }
  std::string bytes = "meridian/signed-event/1";
  append_field(bytes, event.stream);
  append_field(bytes, event.type);
  append_field(bytes, type);
  append_field(bytes, event.metadata);
  append_field(bytes, data);
  const Digest about =
      event.subject.empty() ? Digest{} : hmac(salt, "meridian/signed-about/1" + event.subject);
  bytes.append(reinterpret_cast<const char*>(about.data()), about.size());
  return hmac(salt, bytes);
}

Result<SignedLines> checked(SignedLines lines) {
  constexpr std::size_t head_size_max = 4'096;  // what signed_text() puts before them
  if (lines.text.size() + head_size_max > text_size_max || lines.count > commands_max)
    return wrong(
        "a signed call holds 256 KiB of text, about a thousand commands: send it in parts");
  return lines;
}

}  // namespace

struct Signer::Key {
  std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>> handle;
};

Salt make_salt() {
  Salt salt{};
  fill_from_system(std::as_writable_bytes(std::span(salt)));
  return salt;
}

Result<SignedLines> signed_lines(Kind kind, const std::vector<Packed>& commands) {
  const FieldNames& names = kind == Kind::account ? account_names : transfer_names;
  SignedLines lines{1, commands.size(), {}};
  for (const Packed& command : commands) {
    lines.text += kind == Kind::account ? "account" : "transfer";
    const std::byte* at = command.data();
    for (std::size_t i = 0; i < sizes.size(); at += sizes[i++]) {
      u128 value = 0;
      std::memcpy(&value, at, sizes[i]);
      append_number(lines.text, names[i], value);
    }
    lines.text += '\n';
  }
  return checked(std::move(lines));
}

Result<SignedLines> signed_lines(const std::vector<NewEvent>& events,
                                 const std::vector<Salt>& salts) {
  SignedLines lines{2, events.size(), {}};
  for (std::size_t i = 0; i < events.size(); ++i) {
    const NewEvent& event = events[i];
    const Result<Digest> content = content_of(event, salts[i]);
    if (!content) return content.error();
    lines.text += "event";
    append_number(lines.text, "id", event.id);
    append_number(lines.text, "expected", static_cast<u128>(event.expected));
    if (event.expected == Expected::exact) append_number(lines.text, "revision", event.revision);
    append_number(lines.text, "retention", event.retention);
    append_number(lines.text, "classification", event.classification);
    lines.text.append(" content=").append(hex(Bytes(*content))).append(1, '\n');
  }
  return checked(std::move(lines));
}

Result<std::string> signed_text(const std::string& cell, const std::string& by, std::int64_t at_s,
                                const SignedLines& lines) {
  const std::optional<std::string> uuid = uuid_of(cell);
  if (!uuid) return wrong("ClientOptions::cell: '" + cell + "' is no UUID");
  return "meridian-request " + std::to_string(lines.version) + "\ncell " + *uuid + "\nby " + by +
         "\nat " + std::to_string(at_s) + "\ncommands " + std::to_string(lines.count) + "\n" +
         lines.text;
}

Result<std::shared_ptr<const Signer>> Signer::create(const TlsOptions& tls) {
  std::shared_ptr<Signer> signer(new Signer());
  const std::vector<Certificate> chain = read_chain(tls.certificate_chain);
  if (chain.empty()) return wrong("tls.certificate_chain: holds no certificate that can be read");
  const std::optional<std::string> id = id_of(chain[0].get());
  if (!id) return wrong("tls.certificate_chain: its first certificate names no one SPIFFE id");
  const Bio text = reading(tls.private_key);
  auto key = std::make_shared<Key>();
  key->handle.reset(PEM_read_bio_PrivateKey(text.get(), nullptr, nullptr, nullptr));
  if (!key->handle || X509_check_private_key(chain[0].get(), key->handle.get()) != 1)
    return wrong("tls.private_key: is not the key of the certificate");
  signer->key_ = std::move(key);
  signer->id_ = *id;
  signer->header_ = header_of(chain);
  return std::shared_ptr<const Signer>(std::move(signer));
}

Result<std::string> Signer::sign(const std::string& cell, std::int64_t at_s,
                                 const SignedLines& lines) const {
  const Result<std::string> text = signed_text(cell, id_, at_s, lines);
  if (!text) return text.error();
  const std::string input = header_ + '.' + base64url(*text);
  const Digesting context(EVP_MD_CTX_new());
  std::array<unsigned char, 80> der{};  // a sequence of two integers of 33 bytes at most
  std::size_t size = der.size();
  const bool is_signed =
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_->handle.get()) == 1 &&
      EVP_DigestSign(context.get(), der.data(), &size,
                     reinterpret_cast<const unsigned char*>(input.data()), input.size()) == 1;
  const unsigned char* at = der.data();
  const Signature parsed(is_signed ? d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size))
                                   : nullptr);
  std::array<unsigned char, 2 * half> raw{};
  if (!parsed || BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), raw.data(), half) != half ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), raw.data() + half, half) != half)
    return wrong("tls.private_key: cannot sign; it has to be one on P-256");
  return std::to_string(at_s) + ' ' + header_ + ".." + base64url(Bytes(raw));
}

}  // namespace meridian::client
