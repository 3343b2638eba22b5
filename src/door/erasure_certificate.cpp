// certificate = "meridian-erasure-certificate " ("1" | "2") "\n" line* "receipts" TAB count "\n"
//               ("receipt" TAB size "\n" receipt "\n")*
// line        = name (TAB field)* "\n", in the order of write()
#include "door/erasure_certificate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/assert.h"
#include "base/printable.h"
#include "ledger/describe.h"
#include "proof/receipt.h"

namespace meridian::door {
namespace {

constexpr std::string_view first_line_of_1 = "meridian-erasure-certificate 1";
constexpr std::string_view claim_of_1 =
    "no key under our control opens what was sealed under the keys that are named erased";
constexpr std::string_view first_line_of_2 = "meridian-erasure-certificate 2";
constexpr std::string_view claim_of_2 =
    "no key under our control opens what was sealed under the keys that are named destroyed";

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
    ASSERT(is_printable(text));
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
    if (!std::ranges::all_of(found, is_printable)) return wrong("printable ASCII is expected");
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

/// "1,3"; empty if there are none.
std::string text_of(const std::vector<std::uint8_t>& classes) {
  return fmt::format("{}", fmt::join(classes, ","));
}

Result<std::vector<std::uint8_t>> parse_classes(const Reader& reader, const std::string& text) {
  std::vector<std::uint8_t> classes;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    classes.push_back(TRY(reader.number<std::uint8_t>(text.substr(at, end - at))));
    at = end + 1;
  }
  if (text_of(classes) != text) return reader.wrong("a list of classes is expected");
  return classes;
}

// --- what both versions have ---

void write_kept(Writer& writer, const std::vector<CertifiedKey>& kept) {
  for (const CertifiedKey& one : kept)
    writer.line("kept", one.retention, one.period, one.until, one.hold, one.class_name, one.basis,
                one.reference);
}

Result<std::vector<CertifiedKey>> read_kept(Reader& reader) {
  std::vector<CertifiedKey> kept;
  while (reader.is_next("kept")) {
    const auto fields = TRY(reader.line("kept", 7));
    const std::uint8_t retention = TRY(reader.number<std::uint8_t>(fields[0]));
    kept.push_back({retention, fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]});
  }
  return kept;
}

void write_receipts(Writer& writer, const std::vector<std::string>& receipts) {
  writer.line("receipts", receipts.size());
  for (const std::string& receipt : receipts) {
    writer.line("receipt", receipt.size());
    writer.out += receipt;
    writer.out += '\n';
  }
}

Result<std::vector<std::string>> read_receipts(Reader& reader) {
  const auto counted = TRY(reader.line("receipts", 1));
  const std::size_t count = TRY(reader.number<std::size_t>(counted[0]));
  if (count > certificate_receipts_max) return reader.wrong("too many receipts");
  std::vector<std::string> receipts;
  for (std::size_t i = 0; i < count; ++i) {
    const auto sized = TRY(reader.line("receipt", 1));
    const std::size_t size = TRY(reader.number<std::size_t>(sized[0]));
    if (size > proof::receipt_size_max) return reader.wrong("too large for a receipt");
    receipts.push_back(TRY(reader.bytes(size)));
  }
  if (!reader.is_done()) return reader.wrong("something stands behind the last receipt");
  return receipts;
}

Status read_head(Reader& reader, std::string_view first_line, std::string_view claim) {
  TRY(reader.line(first_line, 0));
  const auto claimed = TRY(reader.line("claim", 1));
  if (claimed[0] != claim) return reader.wrong("the claim is another");
  return {};
}

Result<u128> read_subject(Reader& reader) {
  const auto subject = TRY(reader.line("subject", 1));
  return parse_opaque(reader, subject[0]);
}

// --- version 1 ---

void write(Writer& writer, const ForgettingCertificate& certificate) {
  writer.line(first_line_of_1);
  writer.line("claim", claim_of_1);
  writer.line("subject", ledger::opaque_hex(certificate.subject));
  writer.line("destroyed", certificate.keys_destroyed, certificate.epoch);
  for (const auto& one : certificate.erased) writer.line("erased", one.retention, one.period);
  write_kept(writer, certificate.kept);
  for (const std::uint64_t id : certificate.confirmed) writer.line("confirmed", id);
  for (const std::uint64_t id : certificate.unconfirmed) writer.line("unconfirmed", id);
  write_receipts(writer, certificate.receipts);
}

Result<Certificate> read_of_1(Reader& reader) {
  ForgettingCertificate certificate;
  TRY(read_head(reader, first_line_of_1, claim_of_1));
  certificate.subject = TRY(read_subject(reader));
  const auto destroyed = TRY(reader.line("destroyed", 2));
  certificate.keys_destroyed = TRY(reader.number<std::uint32_t>(destroyed[0]));
  certificate.epoch = TRY(reader.number<std::uint32_t>(destroyed[1]));
  while (reader.is_next("erased")) {
    const auto fields = TRY(reader.line("erased", 2));
    const std::uint8_t retention = TRY(reader.number<std::uint8_t>(fields[0]));
    certificate.erased.push_back({retention, fields[1]});
  }
  certificate.kept = TRY(read_kept(reader));
  for (auto [name, ids] : {std::pair("confirmed", &certificate.confirmed),
                           std::pair("unconfirmed", &certificate.unconfirmed)})
    while (reader.is_next(name)) {
      const auto fields = TRY(reader.line(name, 1));
      ids->push_back(TRY(reader.number<std::uint64_t>(fields[0])));
    }
  certificate.receipts = TRY(read_receipts(reader));
  return Certificate(std::move(certificate));
}

// --- version 2 ---

void write(Writer& writer, const ErasureCertificate& certificate) {
  ASSERT(!certificate.is_of_class() || certificate.kept.empty());
  writer.line(first_line_of_2);
  writer.line("claim", claim_of_2);
  if (certificate.is_of_class())
    writer.line("class", raw(std::get<RetentionNumber>(certificate.of)));
  else
    writer.line("subject", ledger::opaque_hex(std::get<u128>(certificate.of)));
  writer.line("made", certificate.made);
  writer.line("records", certificate.first, certificate.next);
  for (const auto& one : certificate.wishes)
    writer.line("wish", one.record, one.time, one.day, one.keys_kept);
  for (const auto& one : certificate.destroyed)
    writer.line("destroyed", one.record, one.time, one.by, text_of(one.classes), one.period,
                one.keys, one.epoch, one.turn ? fmt::format("{}", *one.turn) : std::string());
  write_kept(writer, certificate.kept);
  for (const auto& one : certificate.replicas) writer.line("replica", one.id, one.epoch);
  write_receipts(writer, certificate.receipts);
}

Result<ErasedOf> read_of(Reader& reader) {
  if (!reader.is_next("class")) return ErasedOf(TRY(read_subject(reader)));
  const auto fields = TRY(reader.line("class", 1));
  return ErasedOf(RetentionNumber{TRY(reader.number<std::uint8_t>(fields[0]))});
}

Result<ErasureCertificate::Wish> read_wish(Reader& reader) {
  const auto fields = TRY(reader.line("wish", 4));
  ErasureCertificate::Wish wish{.time = fields[1], .day = fields[2]};
  wish.record = TRY(reader.number<std::uint64_t>(fields[0]));
  wish.keys_kept = TRY(reader.number<std::uint32_t>(fields[3]));
  return wish;
}

Result<ErasureCertificate::Destroyed> read_destroyed(Reader& reader) {
  const auto fields = TRY(reader.line("destroyed", 8));
  ErasureCertificate::Destroyed one{.time = fields[1], .by = fields[2], .period = fields[4]};
  one.record = TRY(reader.number<std::uint64_t>(fields[0]));
  one.classes = TRY(parse_classes(reader, fields[3]));
  one.keys = TRY(reader.number<std::uint32_t>(fields[5]));
  one.epoch = TRY(reader.number<std::uint32_t>(fields[6]));
  if (!fields[7].empty()) one.turn = TRY(reader.number<std::uint64_t>(fields[7]));
  return one;
}

Result<ErasureCertificate::Replica> read_replica(Reader& reader) {
  const auto fields = TRY(reader.line("replica", 2));
  ErasureCertificate::Replica one;
  one.id = TRY(reader.number<std::uint64_t>(fields[0]));
  one.epoch = TRY(reader.number<std::uint32_t>(fields[1]));
  return one;
}

Result<Certificate> read_of_2(Reader& reader) {
  ErasureCertificate certificate;
  TRY(read_head(reader, first_line_of_2, claim_of_2));
  certificate.of = TRY(read_of(reader));
  const auto made = TRY(reader.line("made", 1));
  certificate.made = made[0];
  const auto records = TRY(reader.line("records", 2));
  certificate.first = TRY(reader.number<std::uint64_t>(records[0]));
  certificate.next = TRY(reader.number<std::uint64_t>(records[1]));
  while (reader.is_next("wish")) certificate.wishes.push_back(TRY(read_wish(reader)));
  while (reader.is_next("destroyed")) certificate.destroyed.push_back(TRY(read_destroyed(reader)));
  certificate.kept = TRY(read_kept(reader));
  if (certificate.is_of_class() && !certificate.kept.empty())
    return reader.wrong("nothing is named kept of a class");
  while (reader.is_next("replica")) certificate.replicas.push_back(TRY(read_replica(reader)));
  certificate.receipts = TRY(read_receipts(reader));
  return Certificate(std::move(certificate));
}

}  // namespace

std::string encode_certificate(const Certificate& certificate) {
  Writer writer;
  std::visit([&](const auto& one) { write(writer, one); }, certificate);
  return std::move(writer.out);
}

Result<Certificate> decode_certificate(std::string_view text) {
  if (text.size() > certificate_size_max)
    return fail(Code::invalid_argument, "too large for a certificate");
  Reader reader(text);
  if (reader.is_next(first_line_of_1)) return read_of_1(reader);
  if (reader.is_next(first_line_of_2)) return read_of_2(reader);
  return fail(Code::invalid_argument, "line 1: a certificate of version 1 or 2 is expected");
}

}  // namespace meridian::door
