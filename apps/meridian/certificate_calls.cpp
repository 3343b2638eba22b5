#include "certificate_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/printable.h"
#include "ledger/describe.h"
#include "output.h"
#include "proof/receipt.h"
#include "subject_words.h"

namespace meridian::app {
namespace {

constexpr io::Duration tell_period = io::seconds(5);
constexpr io::Duration attempt_pause = io::milliseconds(200);
constexpr int attempts_max = 10;

/// Tells how far long work is, now and then.
class Told {
 public:
  explicit Told(Client& client) : client_(client), at_(client.clock().monotonic()) {}
  void tell(std::uint64_t done, std::uint64_t all, std::string_view what) {
    const io::MonotonicTime now = client_.clock().monotonic();
    if (now - at_ < tell_period) return;
    at_ = now;
    fmt::print(stderr, "{} of {} {}\n", done, all, what);
  }

 private:
  Client& client_;
  io::MonotonicTime at_;
};

struct Scanned {
  std::vector<v1::Erasure> erasures;
  v1::ErasuresReply last;  ///< With what is left as of its end.
};

/// From the position of the request on, which is set to where to go on from.
Status scan(Client& client, v1::ErasuresRequest& request, Scanned& scanned) {
  Told told(client);
  do {
    scanned.last = TRY(client.call(*client.subjects, &v1::Subjects::Stub::Erasures, request));
    for (const v1::Erasure& one : scanned.last.erasures()) {
      if (one.kind() == ledger::kind_name(ledger::CommandKind::expire_class) &&
          one.classes_size() != 1)
        return fail(Code::internal, "the server tells of an expiry of no class, or of several");
      scanned.erasures.push_back(one);
    }
    if (!scanned.last.end() && scanned.last.next() <= request.position())
      return fail(Code::internal, "the server does not go on");
    request.set_position(scanned.last.next());
    told.tell(scanned.last.next(), scanned.last.records(), "records");
  } while (!scanned.last.end());
  return {};
}

/// As far as it is needed to choose by.
door::ErasureRecord record_of(const v1::Erasure& erasure) {
  constexpr std::array kinds{
      ledger::CommandKind::erase_subject, ledger::CommandKind::erase_key,
      ledger::CommandKind::expire_class,  ledger::CommandKind::forget_subject,
      ledger::CommandKind::place_hold,    ledger::CommandKind::release_hold};
  door::ErasureRecord record{.record = erasure.record_index(), .version = erasure.version()};
  for (const ledger::CommandKind kind : kinds)
    if (ledger::kind_name(kind) == erasure.kind()) record.kind = kind;
  for (const std::uint32_t retention : erasure.classes())
    record.classes.push_back(static_cast<std::uint8_t>(retention));
  record.hold = to_u128(erasure.hold_id());
  return record;
}

/// Those that belong into the certificate of a person, and the turns of their epochs.
std::set<std::uint64_t> records_of_person(const std::vector<v1::Erasure>& erasures) {
  door::ExpiryChoice choice;
  for (const v1::Erasure& one : erasures) choice.add(record_of(one), one.is_clear());
  const std::vector<std::uint64_t> expiries = choice.records();
  std::set<std::uint64_t> records;
  for (const v1::Erasure& one : erasures) {
    const door::ErasureRecord record = record_of(one);
    const bool is_expiry = record.kind == ledger::CommandKind::expire_class;
    const bool is_wish = record.kind == ledger::CommandKind::forget_subject;
    if (!is_wish && !record.destroys()) continue;
    if (is_expiry && !std::ranges::binary_search(expiries, record.record)) continue;
    records.insert(record.record);
    if (one.has_turn_record()) records.insert(one.turn_record());
  }
  return records;
}

/// Their receipts, and what they say.
Status prove(Client& client, const std::set<std::uint64_t>& records,
             door::ErasureCertificate& certificate) {
  if (records.size() > door::certificate_receipts_max)
    return fail(Code::out_of_range,
                fmt::format("{} records say so, and a certificate holds {} receipts at most",
                            records.size(), door::certificate_receipts_max));
  Told told(client);
  std::vector<door::ErasureRecord> said;
  for (const std::uint64_t record : records) {
    v1::ReceiptRequest request;
    request.set_record_index(record);
    const std::string text =
        TRY(client.call(*client.proofs, &v1::Proofs::Stub::Receipt, request)).receipt();
    const proof::Receipt receipt = TRY(proof::parse_receipt(text));
    const ledger::Header header = TRY(ledger::Header::decode(receipt.header));
    const std::optional<door::ErasureRecord> one = door::erasure_record_of(header);
    if (!one || one->record != record)
      return fail(Code::internal,
                  fmt::format("the server's receipt of record {} is of another", record));
    said.push_back(*one);
    certificate.receipts.push_back(text);
    told.tell(said.size(), records.size(), "receipts");
  }
  door::set_said(said, certificate);
  certificate.made = ledger::iso_time(static_cast<std::uint64_t>(client.clock().now().time));
  return {};
}

/// A certificate is ASCII, whatever a server says.
template <typename Keys>
Status set_kept(const Keys& keys, door::ErasureCertificate& certificate) {
  for (const v1::SubjectKey& key : keys) {
    const door::CertifiedKey& one = certificate.kept.emplace_back(certified(key));
    for (const std::string* text :
         {&one.period, &one.until, &one.class_name, &one.basis, &one.reference})
      if (!is_printable(*text))
        return fail(Code::internal, "the server names a key in a text that is not printable ASCII");
  }
  return {};
}

Status set_scanned(const Scanned& scanned, door::ErasureCertificate& certificate) {
  certificate.next = scanned.last.records();
  TRY(set_kept(scanned.last.kept(), certificate));
  for (const v1::ReplicaEpoch& one : scanned.last.replicas())
    certificate.replicas.push_back({one.replica(), one.epoch()});
  return {};
}

/// As far as it was looked for.
Result<door::ErasureCertificate> make_certificate(Client& client, const Scanned& scanned) {
  const std::set<std::uint64_t> records = records_of_person(scanned.erasures);
  if (records.empty())
    return fail(Code::not_found,
                "no record says that anything of this subject was destroyed, so there is nothing "
                "to certify; `meridian subject status` tells what there is of it");
  door::ErasureCertificate certificate{.of = to_u128(scanned.last.subject_id())};
  TRY(set_scanned(scanned, certificate));
  TRY(prove(client, records, certificate));
  return certificate;
}

}  // namespace

Result<door::ErasureCertificate> certificate_of(Client& client, const std::string& subject) {
  v1::ErasuresRequest request;
  request.set_subject(subject);
  Scanned scanned;
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    if (attempt != 0) pause(attempt_pause);
    TRY(scan(client, request, scanned));
    Result<door::ErasureCertificate> certificate = make_certificate(client, scanned);
    // What was destroyed since the scan began is gone, and its record was not there yet.
    if (!certificate || door::check_kept(*certificate)) return certificate;
  }
  return fail(Code::unavailable,
              "what is kept of the subject does not agree with the records yet: ask again");
}

Result<door::ErasureCertificate> certificate_of(Client& client, door::RetentionNumber retention) {
  v1::ErasuresRequest request;
  request.set_retention(raw(retention));
  Scanned scanned;
  TRY(scan(client, request, scanned));
  std::set<std::uint64_t> records;
  for (const v1::Erasure& one : scanned.erasures) {
    records.insert(one.record_index());
    if (one.has_turn_record()) records.insert(one.turn_record());
  }
  if (records.empty())
    return fail(Code::not_found,
                fmt::format("no record says that anything of class {} was destroyed because its "
                            "latest day had passed, so there is nothing to certify; `meridian "
                            "retention list` tells when that is",
                            raw(retention)));
  door::ErasureCertificate certificate{.of = retention};
  TRY(set_scanned(scanned, certificate));
  TRY(prove(client, records, certificate));
  return certificate;
}

Result<door::ErasureCertificate> certificate_of(Client& client, const v1::ForgetReply& reply) {
  if (reply.records() == 0 || reply.records() > door::certificate_receipts_max)
    return fail(Code::internal,
                fmt::format("the server names {} records that say so", reply.records()));
  std::set<std::uint64_t> records;
  for (std::uint32_t i = 0; i < reply.records(); ++i) records.insert(reply.record_index() + i);
  if (reply.has_turn_record() && reply.epoch() != 0) records.insert(reply.turn_record());
  door::ErasureCertificate certificate{.of = to_u128(reply.subject_id())};
  certificate.first = reply.record_index();
  certificate.next = *records.rbegin() + 1;
  TRY(set_kept(reply.kept(), certificate));
  if (reply.epoch() != 0) {
    for (const std::uint64_t id : reply.destroyed_on())
      certificate.replicas.push_back({id, reply.epoch() + 1});
    for (const std::uint64_t id : reply.not_yet_on()) certificate.replicas.push_back({id, 0});
  }
  TRY(prove(client, records, certificate));
  return certificate;
}

}  // namespace meridian::app
