// What clients signed of their requests: fetched, read, and checked offline.
#include <fmt/format.h>

#include <algorithm>

#include "api/convert.h"
#include "door/signed_text.h"
#include "files.h"
#include "ledger/describe.h"
#include "mesh/issuance_journal.h"
#include "mesh/jws.h"
#include "mesh/svid.h"
#include "mesh/trust_bundle.h"
#include "on_run.h"
#include "output.h"
#include "receipt_file.h"
#include "run_with.h"
#include "signed_content.h"

namespace meridian::app {

namespace {

constexpr std::uint64_t evidence_size_max = 1 << 20;
constexpr std::uint64_t journal_size_max = std::uint64_t{1} << 30;

struct GetOptions {
  ClientOptions client;
  std::string transfer, account, event, output, stream, content;
  std::optional<std::uint64_t> record;
};
struct ShowOptions {
  std::string file;
};
struct VerifyOptions {
  std::string file, receipt, policy, journal, content;
  std::optional<std::string> about;
  std::vector<std::string> bundles;
  bool json = false;
};

/// Where an event stands: its record, and its revision.
struct Where {
  std::uint64_t record = 0, revision = 0;
};
Result<Where> find_event(Client& client, const GetOptions& options) {
  if (options.record) {
    v1::RecordRequest request;
    request.set_record_index(*options.record);
    const v1::RecordReply reply =
        TRY(client.call(*client.proofs, &v1::Proofs::Stub::Record, request));
    const ledger::Header header = TRY(ledger::Header::decode(as_bytes(reply.header())));
    const auto* body = std::get_if<ledger::EventBody>(&header.body);
    if (body != nullptr && header.outcome == ledger::Outcome::created)
      return Where{*options.record, body->revision};
  } else if (!options.event.empty()) {
    const u128 id = TRY(parse_id(options.event, "--event"));
    const std::optional<v1::CommandResult> known =
        TRY(client.outcome(v1::OutcomeRequest::EVENT, id));
    if (known && is_created_or_exists(*known))
      return Where{known->record_index(), known->revision()};
  }
  return fail(Code::invalid_argument, "--content: is of events that were appended");
}

/// As whoever may read the event: where everything may be read by its record, else by its stream.
Status get_content(Client& client, const GetOptions& options) {
  const Where where = TRY(find_event(client, options));
  v1::ReadRequest request;
  if (options.stream.empty())
    request.set_all(true);
  else
    request.set_stream(options.stream);
  request.set_position(options.stream.empty() ? where.record : where.revision);
  request.set_limit(1);
  const v1::ReadReply reply = TRY(client.call(*client.streams, &v1::Streams::Stub::Read, request));
  if (reply.events_size() != 1 || reply.events(0).record_index() != where.record)
    return fail(Code::not_found, fmt::format("record {} is not in that stream", where.record));
  TRY(write_output(options.content, format_signed_content(reply.events(0))));
  const bool gone = is_gone(reply.events(0));
  fmt::print(stderr, "meridian: {}: {}\n", options.content,
             gone ? "a part of the event is gone, so what it held cannot be compared with what was "
                    "signed"
                  : "what the event holds, to be read by whoever has the file");
  return {};
}

Result<Exit> run_get(Client& client, const GetOptions& options) {
  v1::ReceiptRequest request;
  if (!options.transfer.empty())
    request.set_transfer_id(api::format_u128(TRY(parse_id(options.transfer, "--transfer"))));
  if (!options.account.empty())
    request.set_account_id(api::format_u128(TRY(parse_id(options.account, "--account"))));
  if (!options.event.empty())
    request.set_event_id(api::format_u128(TRY(parse_id(options.event, "--event"))));
  if (options.record) request.set_record_index(*options.record);
  const v1::SignatureReply reply =
      TRY(client.call(*client.proofs, &v1::Proofs::Stub::Signature, request));
  if (!options.content.empty()) TRY(get_content(client, options));
  if (options.output.empty() || options.output == "-") {
    print_line(reply.jws());
    return Exit::ok;
  }
  TRY(write_output(options.output, reply.jws()));
  print_line(fmt::format("{}: kept in record {}", options.output, reply.record_index()));
  return Exit::ok;
}

/// A line end behind it is the shell's.
Result<std::string> read_jws(const std::string& file) {
  std::string text = TRY(read_input(file, evidence_size_max));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Result<Exit> run_show(const ShowOptions& options) {
  const std::string text = TRY(read_jws(options.file));
  const mesh::SignedJws jws = TRY(mesh::open_jws(text));
  fmt::print("{}", jws.payload);
  print_line(
      fmt::format("signed by the key of {}, serial {}, {} to {}; whether that is whom it "
                  "names is not looked at here",
                  jws.chain[0].describe(), jws.chain[0].serial(),
                  iso_seconds(jws.chain[0].not_before()), iso_seconds(jws.chain[0].not_after())));
  return Exit::ok;
}

struct Bundles {
  mesh::TrustBundles all;
  std::vector<std::string> digests;
};
Result<Bundles> read_bundles(const std::vector<std::string>& files) {
  Bundles bundles;
  for (const std::string& file : files) {
    const std::string note = TRY(read_input(file, evidence_size_max));
    const Result<mesh::AcceptedBundle> bundle = mesh::AcceptedBundle::from_kept(note);
    if (!bundle) return with_context(bundle.error(), file);
    bundles.all = TRY(bundles.all.with(bundle->bundle()));
    bundles.digests.push_back(to_hex(bundle->digest()));
  }
  return bundles;
}

/// That the authority wrote down that it issued the certificate.
Status check_journal(const std::string& file, const mesh::Certificate& leaf,
                     const mesh::PeerIdentity& who) {
  const std::string text = TRY(read_input(file, journal_size_max));
  const std::vector<mesh::JournalEntry> entries =
      TRY(mesh::read_journal(text, who.id.trust_domain));
  const bool is_there = std::ranges::any_of(entries, [&](const mesh::JournalEntry& entry) {
    return entry.issuance.serial == leaf.serial() && entry.issuance.id == who.id &&
           entry.issuance.spki_digest == leaf.spki_digest();
  });
  if (is_there) return {};
  return fail(
      Code::permission_denied,
      fmt::format("the authority of {} did not write down that it issued the certificate with "
                  "serial {}: it may be forged, or the journal is older",
                  who.id.trust_domain, leaf.serial()));
}

/// What is known of what an event holds.
enum class Content : std::uint8_t { none, not_looked_at, same, gone };
std::string_view name(Content content) {
  switch (content) {
    case Content::none: return "in the text";
    case Content::not_looked_at: return "not looked at";
    case Content::same: return "same";
    case Content::gone: return "gone";
  }
  return {};
}

Result<Content> judge_content(const VerifyOptions& options, const door::SignedRequest& request,
                              const ledger::Header& header) {
  if (header.kind != ledger::CommandKind::append_event) return Content::none;
  if (options.content.empty()) return Content::not_looked_at;
  const std::string text = TRY(read_input(options.content, evidence_size_max));
  const Result<SignedContentFile> file = parse_signed_content(text);
  if (!file) return with_context(file.error(), options.content);
  if (file->event_id != ledger::command_id(header))
    return fail(Code::invalid_argument, fmt::format("{}: is of another event, {}", options.content,
                                                    to_decimal(file->event_id)));
  if (file->event.forgotten) return Content::gone;
  const Status same = door::check_signed_content(request, header, file->event);
  if (!same) return with_context(same.error(), options.content);
  if (options.about && door::signed_about(file->event.signature->salt, *options.about) !=
                           file->event.signature->about.front())
    return fail(Code::permission_denied,
                "the client signed that the event is about somebody else than --about names");
  return Content::same;
}

struct Judged {
  JudgedReceipt receipt;
  mesh::SignedJws jws;
  door::SignedRequest request;
  mesh::PeerIdentity who;
  std::vector<std::string> bundles;
  Content content;
};

/// Digest in the header <-> evidence <-> certificate <-> trust bundle, as of the record's time.
Result<Judged> judge(const VerifyOptions& options) {
  JudgedReceipt receipt = TRY(judge_receipt(options.receipt, options.policy));
  const ledger::Header& header = receipt.header;
  if (header.attester != ledger::Attester::client_signature)
    return fail(Code::permission_denied, fmt::format("{}: the client did not sign record {}",
                                                     options.receipt, raw(header.record_index)));
  const std::string text = TRY(read_jws(options.file));
  if (crypto::sha256(as_bytes(text)) != header.signature_digest)
    return fail(Code::permission_denied,
                fmt::format("{} is not what record {} names: its SHA-256 is another", options.file,
                            raw(header.record_index)));
  mesh::SignedJws jws = TRY(mesh::open_jws(text));
  door::SignedRequest request = TRY(door::parse_signed_text(jws.payload));
  Bundles bundles = TRY(read_bundles(options.bundles));
  const auto recorded_s = static_cast<std::int64_t>(header.time / 1'000'000'000);
  tl::expected<mesh::PeerIdentity, mesh::Refusal> who =
      mesh::check_peer(jws.chain, bundles.all, {}, recorded_s, {});
  if (!who) return fail(Code::permission_denied, who.error().message);
  if (mesh::format_spiffe_id(who->id) != request.by)
    return fail(Code::permission_denied,
                fmt::format("the text says that {} signs, and the certificate is of {}", request.by,
                            mesh::format_spiffe_id(who->id)));
  TRY(door::check_signed_record(request, header));
  const Content content = TRY(judge_content(options, request, header));
  if (!options.journal.empty()) TRY(check_journal(options.journal, jws.chain[0], *who));
  return Judged{std::move(receipt),         std::move(jws), std::move(request), *std::move(who),
                std::move(bundles.digests), content};
}

/// Of the commands of the request, the one that the record is of.
std::string line_of(const Judged& judged) {
  const door::SignedCommand* command =
      door::find_signed_command(judged.request, judged.receipt.header);
  return command != nullptr ? door::format_signed_command(*command) : std::string();
}

Result<Exit> run_verify(const VerifyOptions& options) {
  const Result<Judged> judged = judge(options);
  if (!judged) return judged.error();
  const ledger::Header& header = judged->receipt.header;
  const mesh::Certificate& leaf = judged->jws.chain[0];
  if (options.json) {
    OrderedJson out;
    out["valid"] = true;
    out["by"] = judged->request.by;
    out["at"] = judged->request.at_s;
    out["record_index"] = std::to_string(raw(header.record_index));
    out["time"] = ledger::iso_time(header.time);
    out["command"] = line_of(*judged);
    out["content"] = name(judged->content);
    out["commands"] = judged->request.commands.size();
    out["serial"] = leaf.serial();
    out["bundles"] = judged->bundles;
    out["in_journal"] = !options.journal.empty();
    out["level"] = proof::level_name(judged->receipt.evidence);
    print_json(out);
    return Exit::ok;
  }
  print_line(fmt::format("valid: {} signed this at {}", judged->request.by,
                         iso_seconds(judged->request.at_s)));
  print_line("  " + line_of(*judged));
  if (judged->content == Content::same)
    print_line(fmt::format("what {} holds is what was signed", options.content));
  if (judged->content == Content::gone)
    print_line(
        "what the event held can no longer be checked: a person in it was forgotten, or it was not "
        "for who asked,\nand the salt went with that. the signature is good: this event was "
        "signed");
  if (judged->content == Content::not_looked_at)
    print_line("not looked at: what the event holds (--content, by `evidence get --content`)");
  print_line(fmt::format("as one of {} commands; it is record {}, of {}, {}",
                         judged->request.commands.size(), raw(header.record_index),
                         ledger::iso_time(header.time), outcome_name(header.kind, header.outcome)));
  if (judged->who.evidence)
    print_line(fmt::format("who had signed in at {}{}", judged->who.evidence->issuer,
                           judged->who.evidence->is_mfa ? ", with a second factor" : ""));
  print_line(fmt::format("by its certificate with serial {}, good from {} to {}", leaf.serial(),
                         iso_seconds(leaf.not_before()), iso_seconds(leaf.not_after())));
  print_line(fmt::format("which holds for whoever trusts the policy and {} {}",
                         judged->bundles.size() == 1 ? "the bundle" : "the bundles",
                         fmt::join(judged->bundles, ", ")));
  if (options.journal.empty())
    print_line("not looked at: whether the authority wrote down that it issued it (--journal)");
  return Exit::ok;
}

}  // namespace

void add_evidence(CLI::App& app, Invocation& invocation) {
  CLI::App& evidence =
      *app.add_subcommand("evidence", "What clients signed: get it, show it, verify it offline");
  evidence.require_subcommand(1);

  auto get = std::make_shared<GetOptions>();
  CLI::App& getting = *evidence.add_subcommand("get", "Fetch what the client signed of a record");
  CLI::Option_group& which = *getting.add_option_group("which", "The record, one of");
  which.add_option("--transfer", get->transfer, "The one that made this transfer")->check(check_id);
  which.add_option("--account", get->account, "The one that made this account")->check(check_id);
  which.add_option("--event", get->event, "The one that appended this event")->check(check_id);
  which.add_option("--record", get->record, "By its index");
  which.require_option(1);
  getting.add_option("-o,--output", get->output, "File to write; stdout if not given");
  getting.add_option(
      "--content", get->content,
      "Of an event: another file, for what it holds and the salt it was signed with");
  getting.add_option("--stream", get->stream,
                     "Its stream, for who may not read all: needed by --content then");
  add_purpose_option(getting, get->client);
  getting.footer(
      "Examples:\n"
      "  meridian evidence get --transfer 77 -o paid.jws\n"
      "  meridian evidence get --event 78 -o visit.jws --content visit.json --stream patient-17");
  on_call(getting, invocation, get, run_get);

  auto show = std::make_shared<ShowOptions>();
  CLI::App& showing = *evidence.add_subcommand("show", "Print the text that was signed");
  showing.add_option("FILE", show->file, "As `get` wrote it")->required();
  on_run(showing, invocation, show, run_show);

  auto verify = std::make_shared<VerifyOptions>();
  CLI::App& verifying =
      *evidence.add_subcommand("verify", "Check who signed what a receipt proves, offline");
  verifying.add_option("FILE", verify->file, "As `get` wrote it")->required();
  verifying.add_option("--receipt", verify->receipt, "Of the record (`receipt get`)")->required();
  verifying.add_option("--policy", verify->policy, "Whom you trust (C2SP tlog-policy)")->required();
  verifying
      .add_option("--bundle", verify->bundles,
                  "Trust bundle of the signer's region, of the time of the record (bundles/, "
                  "bundles/earlier/ of an identity)")
      ->required();
  verifying.add_option("--journal", verify->journal, "Issuance journal of that region's authority");
  CLI::Option* content = verifying.add_option(
      "--content", verify->content, "Of an event: what it holds, as `get --content` wrote it");
  verifying
      .add_option("--about", verify->about, "A person: whether it is about them, as it was signed")
      ->needs(content);
  verifying.add_flag("--json", verify->json, "Print JSON");
  verifying.footer(
      "Needs no server. Checks that the record's header names this signature, that the key of its\n"
      "certificate made it, that the certificate was good when the record was made and chains to "
      "the\n"
      "bundle, and that what was signed is this record's command to this cell. Exit code 1: it is "
      "not\n"
      "so; 4: the receipt was changed.\n\n"
      "Example:\n"
      "  meridian evidence verify paid.jws --receipt paid.tlog-proof --policy ledger.policy \\\n"
      "    --bundle bundles/eu-west.bank.example.note");
  on_run(verifying, invocation, verify, run_verify);
}

}  // namespace meridian::app
