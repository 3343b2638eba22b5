// Certificates of erasure: had of a server, and checked offline.
#include <fmt/format.h>

#include <algorithm>

#include "certificate_calls.h"
#include "certificate_commands.h"
#include "files.h"
#include "ledger/describe.h"
#include "on_run.h"
#include "output.h"
#include "run_with.h"
#include "subject_words.h"

namespace meridian::app {
namespace {

struct SubjectOptions {
  ClientOptions client;
  std::string subject, output;
  bool json = false;
};
struct ClassOptions {
  ClientOptions client;
  std::uint32_t retention = 0;
  std::string output;
  bool json = false;
};
struct VerifyOptions {
  std::string file, policy;
  bool json = false;
};

std::string whom(const door::ErasureCertificate& certificate) {
  if (certificate.is_of_class())
    return fmt::format("retention class {}", raw(std::get<door::RetentionNumber>(certificate.of)));
  return "subject " + ledger::opaque_hex(std::get<u128>(certificate.of));
}

// --- had of a server ---

Result<Exit> write(const door::ErasureCertificate& certificate, const std::string& output,
                   bool json) {
  TRY(write_output(output, door::encode_certificate(certificate)));
  if (json) {
    OrderedJson out{{"file", output}};
    if (certificate.is_of_class())
      out["retention"] = raw(std::get<door::RetentionNumber>(certificate.of));
    else
      out["subject_id"] = ledger::opaque_hex(std::get<u128>(certificate.of));
    out["destroyed"] = certificate.destroyed.size();
    if (!certificate.is_of_class()) out["kept"] = certificate.kept.size();
    out["receipts"] = certificate.receipts.size();
    out["records"] = std::to_string(certificate.next);
    print_json(out);
    return Exit::ok;
  }
  print_line(fmt::format(
      "{}: {} records say what was destroyed of {}, with {} receipts{}", output,
      certificate.destroyed.size(), whom(certificate), certificate.receipts.size(),
      certificate.is_of_class() ? std::string()
                                : fmt::format("; {} keys are kept", certificate.kept.size())));
  return Exit::ok;
}

Result<Exit> run_subject(Client& client, const SubjectOptions& options) {
  return write(TRY(certificate_of(client, options.subject)), options.output, options.json);
}

Result<Exit> run_class(Client& client, const ClassOptions& options) {
  const door::RetentionNumber retention{static_cast<std::uint8_t>(options.retention)};
  return write(TRY(certificate_of(client, retention)), options.output, options.json);
}

// --- checked: what both versions show ---

void print_kept(const std::vector<door::CertifiedKey>& kept) {
  for (const door::CertifiedKey& one : kept)
    print_line(fmt::format(
        "  kept: class {}, {}{}{}", one.retention, one.period,
        one.until.empty() ? std::string()
                          : fmt::format(", until {}: {}, {}", one.until, one.class_name, one.basis),
        one.hold.empty() ? std::string() : ", held: " + one.reference));
}

void print_unconfirmed(const std::vector<std::uint64_t>& replicas) {
  if (replicas.empty()) return;
  print_line(
      fmt::format("Replicas {} had not destroyed the epoch's key when this was written. "
                  "They do before anything else once they run; what they hold meanwhile "
                  "is sealed, and nobody can ask them.",
                  numbers(replicas)));
}

void add_evidence(const door::ProvenErasure& proven, OrderedJson& out) {
  out["records"] = proven.records;
  out["level"] = proof::level_name(proven.evidence);
  out["origin"] = proven.evidence.checkpoint.origin;
}

// --- version 1 ---

void show_json(const door::ForgettingCertificate& certificate, const door::ProvenErasure& proven) {
  OrderedJson out{{"valid", true}, {"subject_id", ledger::opaque_hex(certificate.subject)}};
  out["keys_destroyed"] = certificate.keys_destroyed;
  out["epoch"] = certificate.epoch;
  out["is_all"] = proven.is_all;
  out["kept"] = certificate.kept.size();
  add_evidence(proven, out);
  out["not_yet_on"] = certificate.unconfirmed;
  print_json(out);
}

void show(const door::ForgettingCertificate& certificate, const door::ProvenErasure& proven) {
  print_line(fmt::format(
      "Records {} prove: {} keys of subject {} are destroyed{}; {}.", numbers(proven.records),
      certificate.keys_destroyed, ledger::opaque_hex(certificate.subject),
      certificate.epoch == 0 ? std::string()
                             : fmt::format(", with the key of epoch {}", certificate.epoch),
      proven.is_all ? std::string("nothing of it is kept")
                    : fmt::format("{} are kept yet", certificate.kept.size())));
  for (const auto& one : certificate.erased)
    print_line(fmt::format("  erased: class {}, {}", one.retention, one.period));
  if (!certificate.kept.empty()) print_line("The server says, and no record proves, why:");
  print_kept(certificate.kept);
  print_unconfirmed(certificate.unconfirmed);
}

// --- version 2 ---

bool is_expiry(const door::ErasureCertificate::Destroyed& one) {
  return one.by == ledger::kind_name(ledger::CommandKind::expire_class);
}

std::vector<std::uint64_t> ids_of(const std::vector<door::ErasureCertificate::Replica>& replicas) {
  std::vector<std::uint64_t> ids;
  for (const auto& one : replicas) ids.push_back(one.id);
  return ids;
}

OrderedJson json_of(const door::ErasureCertificate::Destroyed& one) {
  OrderedJson out{{"record_index", std::to_string(one.record)},
                  {"time", one.time},
                  {"by", one.by},
                  {"classes", one.classes}};
  if (!one.period.empty()) out["period"] = one.period;
  out["keys_destroyed"] = one.keys;
  out["epoch"] = one.epoch;
  if (one.turn) out["turn_record"] = std::to_string(*one.turn);
  return out;
}

void show_json(const door::ErasureCertificate& certificate, const door::ProvenErasure& proven) {
  OrderedJson out{{"valid", true}};
  if (certificate.is_of_class()) {
    out["retention"] = raw(std::get<door::RetentionNumber>(certificate.of));
  } else {
    out["subject_id"] = ledger::opaque_hex(std::get<u128>(certificate.of));
    out["is_all"] = proven.is_all;
    out["kept"] = certificate.kept.size();
  }
  out["made"] = certificate.made;
  out["first_record"] = std::to_string(certificate.first);
  out["next_record"] = std::to_string(certificate.next);
  out["wishes"] = OrderedJson::array();
  for (const auto& one : certificate.wishes)
    out["wishes"].push_back({{"record_index", std::to_string(one.record)},
                             {"time", one.time},
                             {"forget_since", one.day},
                             {"keys_kept", one.keys_kept}});
  out["destroyed"] = OrderedJson::array();
  for (const auto& one : certificate.destroyed) out["destroyed"].push_back(json_of(one));
  add_evidence(proven, out);
  out["not_yet_on"] = ids_of(certificate.unconfirmed());
  print_json(out);
}

/// "class 3, 2026: 1 keys destroyed, with the key of epoch 4"
std::string words(const door::ErasureCertificate::Destroyed& one) {
  std::string out;
  if (is_expiry(one))
    out = fmt::format("of every person that was not held: class {} up to {}", numbers(one.classes),
                      one.period);
  else if (one.period.empty())
    out = "all that was left: classes " + numbers(one.classes);
  else
    out = fmt::format("class {}, {}", numbers(one.classes), one.period);
  out += fmt::format(": {} keys destroyed", one.keys);
  if (one.epoch != 0) out += fmt::format(", with the key of epoch {}", one.epoch);
  out += fmt::format(" (record {}", one.record);
  if (one.turn) out += fmt::format("; of the epoch, record {}", *one.turn);
  return out + ")";
}

void print_said(const door::ErasureCertificate& certificate) {
  print_line(fmt::format("The server says, and no record proves, as of {}, records {} to {}:",
                         certificate.made, certificate.first, certificate.next));
  if (certificate.is_of_class())
    return print_line("  no other record of it is among those that were looked at");
  if (certificate.kept.empty()) print_line("  nothing is kept of the person");
  print_kept(certificate.kept);
  if (std::ranges::any_of(certificate.destroyed, is_expiry))
    print_line(
        "  the person was not held when a class expired, and no key of it up to that period is "
        "left; whether there was one, nobody says");
}

void show(const door::ErasureCertificate& certificate, const door::ProvenErasure& proven) {
  print_line(fmt::format("Records {} prove, of {}:", numbers(proven.records), whom(certificate)));
  for (const auto& one : certificate.wishes)
    print_line(fmt::format("  {}: to be forgotten since {}, {} keys kept then (record {})",
                           one.time, one.day, one.keys_kept, one.record));
  for (const auto& one : certificate.destroyed)
    print_line(fmt::format("  {}: {}", one.time, words(one)));
  if (proven.is_all) print_line("  nothing of it is kept");
  print_said(certificate);
  print_unconfirmed(ids_of(certificate.unconfirmed()));
}

Result<Exit> run_verify(const VerifyOptions& options) {
  const std::string text = TRY(read_input(options.file, door::certificate_size_max));
  const std::string policy_text = TRY(read_input(options.policy, proof::policy_size_max));
  const Result<proof::Policy> policy = proof::parse_policy(policy_text);
  if (!policy) return with_context(policy.error(), options.policy);
  const Result<door::Certificate> certificate = door::decode_certificate(text);
  if (!certificate) {
    report(with_context(certificate.error(), options.file));
    return Exit::damaged;
  }
  const Result<door::ProvenErasure> proven = door::verify_certificate(*certificate, *policy);
  if (!proven) {
    report(with_context(proven.error(), options.file));
    return proven.error().code == Code::permission_denied ? Exit::refused : Exit::damaged;
  }
  if (options.json) {
    std::visit([&](const auto& one) { show_json(one, *proven); }, *certificate);
    return Exit::ok;
  }
  print_line("valid");
  std::visit([&](const auto& one) { show(one, *proven); }, *certificate);
  print_line(proof::describe(proven->evidence));
  return Exit::ok;
}

template <typename Options>
void add_output(CLI::App& command, Options& options) {
  command.add_option("-o,--output", options.output, "File to write")->required();
  command.add_flag("--json", options.json, "Print the counts as JSON");
}

}  // namespace

void add_subject_certificate(CLI::App& subject, Invocation& invocation) {
  auto options = std::make_shared<SubjectOptions>();
  CLI::App& command = *subject.add_subcommand(
      "certificate", "Write what was destroyed of a person so far, with proofs");
  command.add_option("NAME", options->subject, "As it was given with the events")->required();
  add_output(command, *options);
  command.footer(
      "Whatever destroyed it: forgetting, the day until which it was kept, or the latest day of a\n"
      "class; whenever it was, so that a certificate can be had again. It says what is kept yet "
      "and\n"
      "why, and where a key is not destroyed yet, as of now. It holds no name. Looks at every\n"
      "record, so it takes its time; writes go on.\n\n"
      "Example: meridian subject certificate 'Dr. Example' --output example.certificate");
  on_call(command, invocation, options, run_subject);
}

void add_class_certificate(CLI::App& retention, Invocation& invocation) {
  auto options = std::make_shared<ClassOptions>();
  CLI::App& command = *retention.add_subcommand(
      "certificate", "Write what was destroyed of a class as its latest day had passed");
  command.add_option("CLASS", options->retention, "Its number")
      ->required()
      ->check(CLI::Range(0, 253));
  add_output(command, *options);
  command.footer(
      "Of every person, but for those that were held: through which period, how many keys, and\n"
      "when, with proofs. Looks at every record, so it takes its time; writes go on.\n\n"
      "Example: meridian retention certificate 9 --output access_logs.certificate\n"
      "         meridian subject verify-certificate access_logs.certificate --policy "
      "ledger.policy");
  on_call(command, invocation, options, run_class);
}

void add_verify_certificate(CLI::App& subject, Invocation& invocation) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App& command = *subject.add_subcommand(
      "verify-certificate", "Check a certificate of erasure, of a person or a class, offline");
  command.add_option("FILE", options->file, "The certificate")->required();
  command.add_option("--policy", options->policy, "Whom you trust (C2SP tlog-policy)")->required();
  command.add_flag("--json", options->json, "Print JSON");
  command.footer(
      "Needs no server. Exit code 1: not enough trusted signatures; 4: the certificate was "
      "changed\n"
      "or says something else than its records.\n\n"
      "Example: meridian subject verify-certificate example.certificate --policy ledger.policy");
  on_run(command, invocation, options, run_verify);
}

}  // namespace meridian::app
