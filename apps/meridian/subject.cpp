#include <fmt/format.h>

#include "act_calls.h"
#include "api/act_request.h"
#include "api/convert.h"
#include "certificate_calls.h"
#include "certificate_commands.h"
#include "files.h"
#include "ledger/describe.h"
#include "output.h"
#include "run_with.h"
#include "subject_words.h"

namespace meridian::app {

namespace {

struct Options {
  ClientOptions client;
  std::string subject, certificate;
  bool json = false;
};
struct ExportOptions {
  ClientOptions client;
  std::string subject, out;
  bool json = false;
};

Status write_certificate(Client& client, const v1::ForgetReply& reply, const std::string& path) {
  const door::ErasureCertificate certificate = TRY(certificate_of(client, reply));
  return write_output(path, door::encode_certificate(certificate));
}

std::string what_is_destroyed(const v1::ForgetReply& reply, const std::string& id) {
  if (reply.keys_destroyed() == 0) return fmt::format("no key of subject {} is destroyed yet", id);
  return fmt::format(
      "{} keys of subject {} are destroyed, of retention classes {}, with the key of epoch {}",
      reply.keys_destroyed(), id, numbers(reply.classes_erased()), reply.epoch());
}

void show(const v1::ForgetReply& reply, const std::string& id) {
  print_line(fmt::format("{}: {}; record {} says so",
                         reply.kept().empty() ? "forgotten" : "to be forgotten",
                         what_is_destroyed(reply, id), reply.record_index()));
  if (!reply.kept().empty()) {
    print_line("erased now:");
    for (const v1::SubjectKey& key : reply.erased()) print_line("  " + words(key));
    if (reply.erased().empty()) print_line("  nothing");
    print_line("kept:");
    for (const v1::SubjectKey& key : reply.kept()) print_line("  " + words(key));
  }
  if (reply.destroyed_on_size() > 0)
    print_line(fmt::format("destroyed on replicas {}; not yet on: {}{}",
                           numbers(reply.destroyed_on()), numbers(reply.not_yet_on()),
                           reply.not_yet_on_size() > 0
                               ? " (before anything else once they run again; of one that "
                                 "never will, destroy the disk)"
                               : ""));
}

/// The proposal names the opaque id, which the cell knows.
Status ensure_forgetting_approved(Client& client, const v1::SubjectRequest& request) {
  const Result<v1::SubjectStatusReply> status =
      client.call(*client.subjects, &v1::Subjects::Stub::Status, request);
  if (!status && status.error().code == Code::permission_denied) return {};
  if (!status) return status.error();
  return ensure_approved(client, api::forgetting_of(to_u128(status->subject_id())));
}

Result<Exit> run_forget(Client& client, const Options& options) {
  v1::SubjectRequest request;
  request.set_subject(options.subject);
  TRY(ensure_forgetting_approved(client, request));
  const v1::ForgetReply reply =
      TRY(client.call(*client.subjects, &v1::Subjects::Stub::Forget, request));
  const std::string id = ledger::opaque_hex(to_u128(reply.subject_id()));
  if (options.json) {
    OrderedJson out;
    out["subject_id"] = id;
    out["keys_destroyed"] = reply.keys_destroyed();
    out["epoch"] = reply.epoch();
    out["classes_erased"] = reply.classes_erased();
    out["record_index"] = std::to_string(reply.record_index());
    out["records"] = reply.records();
    out["erased"] = OrderedJson::array();
    for (const v1::SubjectKey& key : reply.erased()) out["erased"].push_back(json_of(key));
    out["kept"] = OrderedJson::array();
    for (const v1::SubjectKey& key : reply.kept()) out["kept"].push_back(json_of(key));
    if (reply.destroyed_on_size() > 0) {
      out["destroyed_on"] = reply.destroyed_on();
      out["not_yet_on"] = reply.not_yet_on();
    }
    print_json(out);
  } else {
    show(reply, id);
  }
  if (options.certificate.empty()) return Exit::ok;
  if (Status written = write_certificate(client, reply, options.certificate); !written)
    return with_context(written.error(),
                        "the subject is forgotten, but the certificate is not written: get one "
                        "with `meridian subject certificate`");
  if (!options.json) print_line("certificate: " + options.certificate);
  return Exit::ok;
}

Result<Exit> run_status(Client& client, const Options& options) {
  v1::SubjectRequest request;
  request.set_subject(options.subject);
  const v1::SubjectStatusReply reply =
      TRY(client.call(*client.subjects, &v1::Subjects::Stub::Status, request));
  const std::string id = ledger::opaque_hex(to_u128(reply.subject_id()));
  if (options.json) {
    OrderedJson out;
    out["subject_id"] = id;
    out["known"] = reply.known();
    out["forgotten"] = reply.forgotten();
    out["classes"] = reply.classes();
    if (!reply.forget_since().empty()) out["forget_since"] = reply.forget_since();
    out["keys"] = OrderedJson::array();
    for (const v1::SubjectKey& key : reply.keys()) out["keys"].push_back(json_of(key));
    out["holds"] = OrderedJson::array();
    for (const v1::Hold& hold : reply.holds()) out["holds"].push_back(json_of(hold));
    print_json(out);
    return Exit::ok;
  }
  std::string state = "not known";
  if (reply.known()) state = "known";
  if (!reply.forget_since().empty()) state = "to be forgotten since " + reply.forget_since();
  if (reply.forgotten()) state = "forgotten";
  print_line(fmt::format("subject {}: {}; keys for retention classes: {}", id, state,
                         numbers(reply.classes())));
  for (const v1::SubjectKey& key : reply.keys()) print_line("  " + words(key));
  for (const v1::Hold& hold : reply.holds())
    print_line(
        fmt::format("  hold {} on {}: {}", ledger::opaque_hex(to_u128(hold.hold_id())),
                    hold.classes().empty() ? "all classes" : "classes " + numbers(hold.classes()),
                    hold.reference()));
  return Exit::ok;
}

Result<Exit> run_export(Client& client, const ExportOptions& options) {
  std::string lines;
  std::uint64_t events = 0;
  v1::ExportRequest request;
  request.set_subject(options.subject);
  const io::MonotonicTime begin = client.clock().monotonic();
  io::MonotonicTime told = begin;
  v1::ExportReply reply;
  do {
    reply = TRY(client.call(*client.subjects, &v1::Subjects::Stub::Export, request));
    for (const v1::RecordedEvent& event : reply.events()) lines += json_of(event).dump() + "\n";
    events += static_cast<std::uint64_t>(reply.events_size());
    if (!reply.end() && reply.next() <= request.position())
      return fail(Code::internal, "the server does not go on");
    request.set_position(reply.next());
    const io::MonotonicTime now = client.clock().monotonic();
    if (now - told < io::seconds(5)) continue;
    told = now;
    fmt::print(stderr, "{} of {} records, {} events\n", reply.next(), reply.records(), events);
  } while (!reply.end());
  TRY(write_output(options.out, lines));
  if (options.json)
    print_json({{"file", options.out},
                {"events", std::to_string(events)},
                {"records", std::to_string(reply.records())}});
  else
    print_line(fmt::format("{}: {} events about the subject, of {} records", options.out, events,
                           reply.records()));
  return Exit::ok;
}

}  // namespace

void add_subject(CLI::App& app, Invocation& invocation) {
  CLI::App& subject = *app.add_subcommand(
      "subject", "Forget a person; ask what is kept of one, and take it all out");
  subject.require_subcommand(1);

  auto forget = std::make_shared<Options>();
  CLI::App& forgetting = *subject.add_subcommand(
      "forget", "Destroy every key of a person that need not be kept, for ever");
  forgetting.add_option("NAME", forget->subject, "As it was given with the events")->required();
  forgetting.add_option("--certificate", forget->certificate,
                        "Write what was done, with proofs and without names, to this file");
  forgetting.add_flag("--json", forget->json, "Print JSON");
  forgetting.footer(
      "Cannot be undone. What was sealed for the subject is unreadable at once, in every copy and\n"
      "backup too; balances, the log and all receipts stay valid. What a retention class or a "
      "hold\n"
      "keeps goes by itself as soon as it may, and nothing new is sealed. The payee of an "
      "imported\n"
      "journal transaction is the subject of its text. What goes later is in `subject "
      "certificate`.\n\n"
      "Example: meridian subject forget 'Dr. Example' --certificate example.certificate");
  add_approval_options(forgetting, forget->client);
  on_call(forgetting, invocation, forget, run_forget);

  auto status = std::make_shared<Options>();
  CLI::App& asking =
      *subject.add_subcommand("status", "Tell which keys of a person exist, and why");
  asking.add_option("NAME", status->subject, "As it was given with the events")->required();
  asking.add_flag("--json", status->json, "Print JSON");
  on_call(asking, invocation, status, run_status);

  auto exported = std::make_shared<ExportOptions>();
  CLI::App& exporting =
      *subject.add_subcommand("export", "Write every event about a person to a file");
  exporting.add_option("NAME", exported->subject, "As it was given with the events")->required();
  exporting.add_option("-o,--out", exported->out, "File to write: one JSON object a line")
      ->required();
  exporting.add_flag("--json", exported->json, "Print the counts as JSON");
  exporting.footer(
      "Looks at every record, so it takes its time; writes go on. An event is about a person if\n"
      "one of its compartments is sealed for it; what the event holds of others is left out, and\n"
      "parts_withheld counts it.\n\n"
      "Example: meridian subject export 'Dr. Example' --out example.jsonl");
  add_purpose_option(exporting, exported->client);
  on_call(exporting, invocation, exported, run_export);

  add_subject_certificate(subject, invocation);
  add_verify_certificate(subject, invocation);
}

}  // namespace meridian::app
