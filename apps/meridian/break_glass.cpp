// `meridian break-glass`: keys for an emergency, and the text that some of them sign
// (mesh/break_glass.h).
//
//   keygen, once for each keeper --public keys--> the policy
//   propose --file--> sign, at each keeper --file--> use, by the one whom it is for
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>

#include "base/uuid.h"
#include "commands.h"
#include "files.h"
#include "group_flags.h"
#include "ids.h"
#include "leader_call.h"
#include "mesh/break_glass.h"
#include "on_run.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {
namespace {

constexpr std::uint64_t file_size_max = 64 << 10;
constexpr std::string_view unknown_outcome =
    "it is unknown whether it is in force: see with `meridian status`, then repeat the command if "
    "it is not";

struct KeyOptions {
  std::string name, out;
};
struct ProposeOptions {
  std::string cell, to, reason, out;
  std::vector<std::string> actions;
  std::uint32_t valid_s = 3'600;
};
struct SignOptions {
  std::string key, file;
};
struct UseOptions {
  ClientOptions client;
  std::string file;
  bool json = false;
};

Result<Exit> run_keygen(const KeyOptions& options) {
  if (!proof::is_key_name(options.name))
    return fail(Code::invalid_argument, "--name: a name without spaces and plus signs");
  std::array<Byte, 32> seed{};
  io::os_entropy()->fill(seed);
  const crypto::Secret secret = proof::format_skey(options.name, proof::KeyType::ed25519, seed);
  const proof::Signer signer(options.name, proof::KeyType::ed25519, seed);
  crypto::cleanse(seed);
  std::string text(as_text(secret.bytes()));
  text += '\n';
  Status written = write_output(options.out, text);
  crypto::cleanse({reinterpret_cast<Byte*>(text.data()), text.size()});
  TRY(std::move(written));
  print_line(proof::format_vkey(signer.verifier()));
  fmt::print(
      stderr,
      "that line belongs into the policy, below break-glass: keys. {} belongs on no server\n",
      options.out);
  return Exit::ok;
}

Result<Exit> run_propose(const ProposeOptions& options) {
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  mesh::Glass glass;
  glass.cell = TRY(parse_cell(options.cell));
  for (const std::string& name : options.actions) {
    const std::optional<mesh::Action> action = mesh::action_named(name);
    if (!action || !mesh::can_be_given(*action))
      return fail(Code::invalid_argument,
                  fmt::format("--action {}: a glass gives acts of a cell (`meridian policy "
                              "actions`), but for changing the policy",
                              name));
    glass.actions.set(mesh::index_of(*action));
  }
  glass.to = options.to;
  glass.from_s = static_cast<std::int64_t>(clock->now().time) / 1'000'000'000;
  glass.until_s = glass.from_s + options.valid_s;
  glass.reason = options.reason;
  glass.nonce = time_ordered_id(*clock, *io::os_entropy());
  const std::string text = mesh::format_glass(glass);
  TRY(mesh::parse_glass(text));
  TRY(write_output(options.out, text));
  fmt::print("{}", text);
  fmt::print(stderr, "each keeper reads and signs it: meridian break-glass sign --key FILE {}\n",
             options.out);
  return Exit::ok;
}

/// A text that nobody signed yet, or a note.
Result<proof::Note> read_note(const std::string& text) {
  if (mesh::parse_glass(text)) return proof::Note{text, {}};
  proof::Note note = TRY(proof::parse_note(text));
  TRY(mesh::parse_glass(note.text));
  return note;
}

Result<Exit> run_sign(const SignOptions& options) {
  std::string key_text = TRY(read_input(options.key, file_size_max));
  Result<proof::Signer> signer =
      proof::parse_skey(std::string_view(key_text).substr(0, key_text.find('\n')));
  crypto::cleanse({reinterpret_cast<Byte*>(key_text.data()), key_text.size()});
  if (!signer) return with_context(signer.error(), options.key);
  const std::string text = TRY(read_input(options.file, file_size_max));
  Result<proof::Note> note = read_note(text);
  if (!note) return with_context(note.error(), options.file);
  for (const proof::NoteSignature& one : note->signatures)
    if (proof::check_signature(note->text, one, signer->verifier()) !=
        proof::SignatureCheck::other_key)
      return fail(Code::failed_precondition,
                  fmt::format("{} signed it already", signer->verifier().name));
  note->signatures.push_back(TRY(proof::sign_note(note->text, *signer)));
  TRY(write_output(options.file, proof::format_note(*note)));
  fmt::print("{}", note->text);
  fmt::print(stderr, "{} signed it, as number {}\n", signer->verifier().name,
             note->signatures.size());
  return Exit::ok;
}

Result<Exit> run_use(Client& client, const UseOptions& options) {
  const std::string note = TRY(read_input(options.file, file_size_max));
  const Result<mesh::SignedGlass> glass = mesh::read_glass(note);
  if (!glass) return with_context(glass.error(), options.file);
  v1::BreakGlassRequest request;
  request.set_note(note);
  TRY(call_leader(client, client.deadline(), Repeat::only_undone, unknown_outcome,
                  &v1::Acts::Stub::BreakGlass, request));
  if (options.json)
    print_json({{"glass", to_hex(glass->hash)}, {"until", iso_seconds(glass->glass.until_s)}});
  else
    print_line(
        fmt::format("the glass is broken: until {} {} may do what it names without a second "
                    "person. each act is on record, and everybody is told",
                    iso_seconds(glass->glass.until_s), glass->glass.to));
  return Exit::ok;
}

void add_keygen(CLI::App& glass, Invocation& invocation) {
  auto options = std::make_shared<KeyOptions>();
  CLI::App& keygen = *glass.add_subcommand("keygen", "Make a key for one who may break the glass");
  keygen.add_option("--name", options->name, "Of the key, as the policy will show it")->required();
  keygen.add_option("--out", options->out, "Where the private key goes")
      ->required()
      ->type_name("FILE");
  keygen.footer(
      "The public key is printed. The private one belongs into a safe, each into another.\n\n"
      "Example: meridian break-glass keygen --name vault-a --out vault-a.key");
  on_run(keygen, invocation, options, run_keygen);
}

void add_proposal(CLI::App& glass, Invocation& invocation) {
  auto options = std::make_shared<ProposeOptions>();
  CLI::App& propose = *glass.add_subcommand("propose", "Write what is to be signed");
  propose.add_option("--cell", options->cell, "In which cell")->required()->type_name("UUID");
  propose.add_option("--action", options->actions, "What may be done; may be repeated")
      ->required()
      ->type_name("ACTION");
  propose.add_option("--to", options->to, "The person who may")->required()->type_name("SPIFFE-ID");
  propose.add_option("--reason", options->reason, "Why, 3 to 200 characters; stays on record")
      ->required();
  propose.add_option("--valid", options->valid_s, "How long, from now on")
      ->capture_default_str()
      ->check(CLI::Range(1, static_cast<int>(mesh::glass_lifetime_s_max)))
      ->type_name("SECONDS");
  propose.add_option("--out", options->out, "Where it goes")->required()->type_name("FILE");
  propose.footer(
      "Example: meridian break-glass propose --cell 5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11 --action "
      "members.change\n           --to spiffe://eu-west.bank.example/person/ada --reason 'grace "
      "does "
      "not answer' --out glass.txt");
  on_run(propose, invocation, options, run_propose);

  auto signing = std::make_shared<SignOptions>();
  CLI::App& sign = *glass.add_subcommand("sign", "Sign it with one of the keys");
  sign.add_option("--key", signing->key, "The private key")->required()->type_name("FILE");
  sign.add_option("file", signing->file, "What is signed; the signature is added to it")
      ->required()
      ->type_name("FILE");
  sign.footer("Example: meridian break-glass sign --key vault-a.key glass.txt");
  on_run(sign, invocation, signing, run_sign);
}

}  // namespace

void add_break_glass(CLI::App& app, Invocation& invocation) {
  CLI::App& glass = *app.add_subcommand(
      "break-glass", "Rights for an emergency, signed offline by those who keep the keys");
  glass.require_subcommand(1);
  glass.footer(
      "The policy names the keys and how many of them sign. What they sign names a cell, acts, a "
      "person and an\nend. Until then that person does those acts without a second one "
      "(docs/security/policy.md).");
  add_keygen(glass, invocation);
  add_proposal(glass, invocation);

  auto options = std::make_shared<UseOptions>();
  CLI::App& use = *glass.add_subcommand("use", "Break the glass, as the person whom it is for");
  use.add_option("file", options->file, "What was signed")->required()->type_name("FILE");
  use.add_flag("--json", options->json, "Print JSON");
  use.footer("Example: meridian break-glass use glass.txt --identity ./ada");
  on_call(use, invocation, options, run_use);
}

}  // namespace meridian::app
