#include <fmt/format.h>

#include "ledger/describe.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct Options {
  ClientOptions client;
  std::string subject;
  bool json = false;
};

template <typename Numbers>
std::string list(const Numbers& numbers) {
  std::string out;
  for (const auto number : numbers) out += (out.empty() ? "" : ", ") + std::to_string(number);
  return out.empty() ? "none" : out;
}

Result<Exit> run_forget(Client& client, const Options& options) {
  v1::SubjectRequest request;
  request.set_subject(options.subject);
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
    if (reply.destroyed_on_size() > 0) {
      out["destroyed_on"] = reply.destroyed_on();
      out["not_yet_on"] = reply.not_yet_on();
    }
    print_json(out);
    return Exit::ok;
  }
  print_line(
      fmt::format("forgotten: {} keys of subject {} destroyed, with the key of epoch {}; "
                  "retention classes erased: {}; record {} says so",
                  reply.keys_destroyed(), id, reply.epoch(), list(reply.classes_erased()),
                  reply.record_index()));
  if (reply.destroyed_on_size() > 0)
    print_line(fmt::format("destroyed on replicas {}; not yet on: {}{}", list(reply.destroyed_on()),
                           list(reply.not_yet_on()),
                           reply.not_yet_on_size() > 0
                               ? " (before anything else once they run again; of one that never "
                                 "will, destroy the disk)"
                               : ""));
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
    print_json(out);
    return Exit::ok;
  }
  const std::string_view state = reply.forgotten() ? "forgotten"
                                 : reply.known()   ? "known"
                                                   : "not known";
  print_line(fmt::format("subject {}: {}; keys for retention classes: {}", id, state,
                         list(reply.classes())));
  return Exit::ok;
}

}  // namespace

void add_subject(CLI::App& app, Invocation& invocation) {
  CLI::App& subject = *app.add_subcommand("subject", "Forget a person; ask what is kept of one");
  subject.require_subcommand(1);

  auto forget = std::make_shared<Options>();
  CLI::App& forgetting =
      *subject.add_subcommand("forget", "Destroy every key of a person, for ever");
  forgetting.add_option("NAME", forget->subject, "As it was given with the events")->required();
  forgetting.add_flag("--json", forget->json, "Print JSON");
  forgetting.footer(
      "Cannot be undone. What was sealed for the subject is unreadable at once, in every copy and\n"
      "backup too; balances, the log and all receipts stay valid. The payee of an imported "
      "journal\n"
      "transaction is the subject of its text.\n\n"
      "Example: meridian subject forget 'Dr. Example'");
  on_call(forgetting, invocation, forget, run_forget);

  auto status = std::make_shared<Options>();
  CLI::App& asking = *subject.add_subcommand("status", "Tell whether keys of a person exist");
  asking.add_option("NAME", status->subject, "As it was given with the events")->required();
  asking.add_flag("--json", status->json, "Print JSON");
  on_call(asking, invocation, status, run_status);
}

}  // namespace meridian::app
