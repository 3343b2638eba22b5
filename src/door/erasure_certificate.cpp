// certificate = "meridian-erasure-certificate 1\n" line* "receipts" TAB count "\n"
//               ("receipt" TAB size "\n" receipt "\n")*
// line        = name (TAB field)* "\n", in the order of encode_certificate
#include "door/erasure_certificate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "base/assert.h"
#include "base/bits.h"
#include "ledger/describe.h"
#include "ledger/header.h"
#include "proof/receipt.h"
#include "storage/keeping.h"

namespace meridian::door {
namespace {

constexpr std::string_view first_line = "meridian-erasure-certificate 1";
constexpr std::string_view claim =
    "no key under our control opens what was sealed under the keys that are named erased";

bool is_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

class Writer {
 public:
  template <typename... Field>
  void line(std::string_view name, const Field&... fields) {
    out += name;
    (field(fmt::format("{}", fields)), ...);
    out += '\n';
  }
  std::string out;

 private:
  void field(const std::string& text) {
    ASSERT(is_text(text));
    out += '\t';
    out += text;
  }
};

/// Lines of named fields, one after the other.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool is_next(std::string_view name) const {
    return rest_.substr(0, rest_.find_first_of("\t\n")) == name;
  }
  Result<std::vector<std::string>> line(std::string_view name, std::size_t fields) {
    ++line_;
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos || !is_next(name))
      return wrong(fmt::format("'{}' is expected", name));
    std::string_view now = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    std::vector<std::string> found;
    while (true) {
      const std::size_t tab = now.find('\t');
      found.emplace_back(now.substr(0, tab));
      if (tab == std::string_view::npos) break;
      now.remove_prefix(tab + 1);
    }
    found.erase(found.begin());
    if (found.size() != fields) return wrong(fmt::format("'{}' has {} fields", name, fields));
    if (!std::ranges::all_of(found, is_text)) return wrong("printable ASCII is expected");
    return found;
  }
  template <typename Number>
  Result<Number> number(const std::string& text) const {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() ||
        fmt::format("{}", value) != text)
      return wrong(fmt::format("'{}' is no number that fits", text));
    return value;
  }
  Result<std::string> bytes(std::size_t size) {
    if (rest_.size() < size + 1 || rest_[size] != '\n') return wrong("the receipt is cut off");
    std::string found(rest_.substr(0, size));
    line_ += static_cast<std::size_t>(std::ranges::count(found, '\n')) + 1;
    rest_.remove_prefix(size + 1);
    return found;
  }
  bool is_done() const { return rest_.empty(); }
  Error wrong(std::string_view what) const {
    return fail(Code::invalid_argument, fmt::format("line {}: {}", line_, what));
  }

 private:
  std::string_view rest_;
  std::size_t line_ = 0;
};

Result<u128> parse_opaque(const Reader& reader, const std::string& text) {
  Buffer bytes;
  if (text.size() != 32 || !from_hex(text, bytes))
    return reader.wrong("32 hexadecimal digits are expected");
  const u128 id = load_le<u128>(bytes.data());
  if (ledger::opaque_hex(id) != text) return reader.wrong("lower-case digits are expected");
  return id;
}

}  // namespace

std::string encode_certificate(const ErasureCertificate& certificate) {
  Writer writer;
  writer.line(first_line);
  writer.line("claim", claim);
  writer.line("subject", ledger::opaque_hex(certificate.subject));
  writer.line("destroyed", certificate.keys_destroyed, certificate.epoch);
  for (const auto& one : certificate.erased) writer.line("erased", one.retention, one.period);
  for (const auto& one : certificate.kept)
    writer.line("kept", one.retention, one.period, one.until, one.hold, one.class_name, one.basis,
                one.reference);
  for (const std::uint64_t id : certificate.confirmed) writer.line("confirmed", id);
  for (const std::uint64_t id : certificate.unconfirmed) writer.line("unconfirmed", id);
  writer.line("receipts", certificate.receipts.size());
  for (const std::string& receipt : certificate.receipts) {
    writer.line("receipt", receipt.size());
    writer.out += receipt;
    writer.out += '\n';
  }
  return std::move(writer.out);
}

Result<ErasureCertificate> decode_certificate(std::string_view text) {
  if (text.size() > certificate_size_max)
    return fail(Code::invalid_argument, "too large for a certificate");
  ErasureCertificate certificate;
  Reader reader(text);
  TRY(reader.line(first_line, 0));
  const auto claimed = TRY(reader.line("claim", 1));
  if (claimed[0] != claim) return reader.wrong("the claim is another");
  const auto subject = TRY(reader.line("subject", 1));
  certificate.subject = TRY(parse_opaque(reader, subject[0]));
  const auto destroyed = TRY(reader.line("destroyed", 2));
  certificate.keys_destroyed = TRY(reader.number<std::uint32_t>(destroyed[0]));
  certificate.epoch = TRY(reader.number<std::uint32_t>(destroyed[1]));
  while (reader.is_next("erased")) {
    const auto fields = TRY(reader.line("erased", 2));
    const std::uint8_t retention = TRY(reader.number<std::uint8_t>(fields[0]));
    certificate.erased.push_back({retention, fields[1]});
  }
  while (reader.is_next("kept")) {
    const auto fields = TRY(reader.line("kept", 7));
    const std::uint8_t retention = TRY(reader.number<std::uint8_t>(fields[0]));
    certificate.kept.push_back(
        {retention, fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]});
  }
  for (auto [name, ids] : {std::pair("confirmed", &certificate.confirmed),
                           std::pair("unconfirmed", &certificate.unconfirmed)})
    while (reader.is_next(name)) {
      const auto fields = TRY(reader.line(name, 1));
      ids->push_back(TRY(reader.number<std::uint64_t>(fields[0])));
    }
  const auto counted = TRY(reader.line("receipts", 1));
  const std::size_t count = TRY(reader.number<std::size_t>(counted[0]));
  if (count > certificate_receipts_max) return reader.wrong("too many receipts");
  for (std::size_t i = 0; i < count; ++i) {
    const auto sized = TRY(reader.line("receipt", 1));
    const std::size_t size = TRY(reader.number<std::size_t>(sized[0]));
    if (size > proof::receipt_size_max) return reader.wrong("too large for a receipt");
    certificate.receipts.push_back(TRY(reader.bytes(size)));
  }
  if (!reader.is_done()) return reader.wrong("something stands behind the last receipt");
  return certificate;
}

namespace {

/// What the records say, added up.
struct Told {
  std::uint32_t keys_destroyed = 0;
  std::optional<std::uint32_t> keys_kept;  ///< By a wish.
  bool is_all = false;
  std::set<std::uint32_t> epochs;
  std::set<std::uint8_t> classes;                 ///< Of a whole erasure.
  std::set<ErasureCertificate::Erased> erased{};  ///< Of single keys.
};

Error differs(std::string_view what) {
  return fail(Code::data_loss,
              fmt::format("the records do not say what the certificate does: {}", what));
}

Status tell(const ledger::Header& header, u128 subject, Told& told) {
  const auto* body = std::get_if<ledger::SystemBody>(&header.body);
  if (body == nullptr || header.outcome != ledger::Outcome::created)
    return differs(fmt::format("record {} is of another kind", raw(header.record_index)));
  const Byte* command = body->command.data();
  u128 of = 0;
  if (header.kind == ledger::CommandKind::erase_subject) {
    const auto all = ledger::load_command<ledger::EraseSubject>(command);
    of = all.subject;
    told.is_all = true;
    told.keys_destroyed += all.keys_destroyed;
    if (all.epoch != 0) told.epochs.insert(all.epoch);
    for (std::uint32_t retention = 0; retention < 256; ++retention)
      if (has_bit(all.classes, retention))
        told.classes.insert(static_cast<std::uint8_t>(retention));
  } else if (header.kind == ledger::CommandKind::forget_subject) {
    const auto wish = ledger::load_command<ledger::ForgetSubject>(command);
    of = wish.subject;
    told.keys_kept = wish.keys_kept;
  } else if (header.kind == ledger::CommandKind::erase_key) {
    const auto one = ledger::load_command<ledger::EraseKey>(command);
    of = one.subject;
    ++told.keys_destroyed;
    told.epochs.insert(one.epoch);
    told.erased.insert({one.retention, storage::period_text(one.version)});
  } else {
    return differs(fmt::format("record {} is of another kind", raw(header.record_index)));
  }
  if (of != subject)
    return differs(fmt::format("record {} is about another person", raw(header.record_index)));
  return {};
}

Status compare(const ErasureCertificate& certificate, const Told& told) {
  if (told.is_all == told.keys_kept.has_value())
    return differs("either everything is erased, or something is kept");
  if (told.keys_destroyed != certificate.keys_destroyed) return differs("keys destroyed");
  const std::set<std::uint32_t> epochs =
      certificate.epoch == 0 ? std::set<std::uint32_t>{} : std::set{certificate.epoch};
  if (told.epochs != epochs) return differs("the epoch");
  if (told.keys_kept.value_or(0) != certificate.kept.size()) return differs("keys kept");
  const std::set<ErasureCertificate::Erased> erased(certificate.erased.begin(),
                                                    certificate.erased.end());
  if (told.is_all) {
    std::set<std::uint8_t> classes;
    for (const auto& one : erased) classes.insert(one.retention);
    if (classes != told.classes) return differs("classes erased");
  } else if (erased != told.erased) {
    return differs("keys erased");
  }
  return {};
}

int strength(const proof::Evidence& evidence) {
  return (evidence.global ? 1 : 0) + (evidence.witnessed ? 2 : 0);
}

}  // namespace

Result<ProvenErasure> verify_certificate(const ErasureCertificate& certificate,
                                         const proof::Policy& policy) {
  ProvenErasure proven;
  Told told;
  if (certificate.receipts.empty()) return differs("there is no receipt");
  for (const std::string& text : certificate.receipts) {
    const Result<proof::Receipt> receipt = proof::parse_receipt(text);
    if (!receipt)
      return fail(Code::data_loss, "a receipt is malformed: " + receipt.error().message);
    proof::Evidence evidence = TRY(proof::evaluate(*receipt, policy));
    const Result<ledger::Header> header = ledger::Header::decode(receipt->header);
    if (!header) return fail(Code::data_loss, "a record is malformed: " + header.error().message);
    if (raw(header->record_index) != raw(receipt->index))
      return fail(Code::data_loss, "a record has another place than its receipt says");
    if (std::ranges::find(proven.records, raw(header->record_index)) != proven.records.end())
      return differs("a receipt stands twice");
    TRY(tell(*header, certificate.subject, told));
    if (!proven.records.empty() && evidence.checkpoint.origin != proven.evidence.checkpoint.origin)
      return differs("its records are of several logs");
    if (proven.records.empty() || strength(evidence) < strength(proven.evidence))
      proven.evidence = std::move(evidence);
    proven.records.push_back(raw(header->record_index));
  }
  TRY(compare(certificate, told));
  proven.is_all = told.is_all;
  return proven;
}

}  // namespace meridian::door
