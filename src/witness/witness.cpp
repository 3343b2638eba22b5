// add_checkpoint, in the order of the specification; each step may end it:
//
//   parse (400) -> origin known? (404) -> signed? (403) -> old <= new? (400) -> old = memory? (409)
//     -> extends the memory? (422) -> memory durable (500) -> checkpoint file -> cosignature (200)
#include "witness/witness.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "crypto/sha256.h"
#include "replica/cosigned_head.h"

namespace meridian::witness {

namespace {

constexpr std::string_view logs_path = "logs";

std::string folder_of(std::string_view origin) {
  return fmt::format("{}/{}", logs_path, origin_hash(origin));
}
std::string checkpoint_path(std::string_view folder) {
  return fmt::format("{}/checkpoint", folder);
}
std::string memory_path(std::string_view folder) { return fmt::format("{}/cosigned", folder); }
std::string fork_path(std::string_view folder) { return fmt::format("{}/fork", folder); }

struct Log {
  std::string origin;
  std::string folder;
  std::vector<proof::VerifierKey> keys;
  std::optional<replica::CosignedHead> memory;
  std::string damage;      ///< Why nothing of it is cosigned; empty if all is well.
  std::string checkpoint;  ///< Cosigned last; empty before the first.
  bool has_fork = false;
  bool refusal_told = false;  ///< Once, until it is cosigned again: strangers may repeat requests.
  metrics::Gauge* size = nullptr;

  proof::TreeHead last() const {
    return memory->last().value_or(proof::TreeHead{proof::TreeSize{0}, proof::empty_root()});
  }
};

bool extends(const proof::TreeHead& old, const proof::TreeHead& head,
             const proof::ProofPath& path) {
  if (raw(head.size) == 0 && head.root != proof::empty_root()) return false;
  if (raw(old.size) == 0) return path.empty();  // the empty tree is a part of every other
  return proof::verify_consistency(old, head, path);
}

class FileWitness final : public Witness {
 public:
  FileWitness(const Io& io, proof::Signer cosigner) : io_(io), cosigner_(std::move(cosigner)) {
    for (const auto& [verdict, name] : verdict_names)
      answers_[verdict] =
          &io_.metrics.counter("meridian_witness_answers_total",
                               "Requests to cosign, by how they ended.", {{"verdict", name}});
  }
  Status open(std::span<const proof::VerifierKey> log_keys);

  Answer add_checkpoint(std::string_view body) override {
    Answer answer = judge(body);
    answers_.at(answer.verdict)->increment();
    return answer;
  }
  Result<std::string> checkpoint(std::string_view hash) const override {
    for (const auto& [origin, log] : logs_)
      if (origin_hash(origin) == hash && !log.checkpoint.empty()) return log.checkpoint;
    return fail(Code::not_found, "nothing was cosigned of a log whose origin has this hash");
  }
  const proof::VerifierKey& key() const override { return cosigner_.verifier(); }

 private:
  static const inline std::map<Verdict, std::string> verdict_names{
      {Verdict::cosigned, "cosigned"},
      {Verdict::malformed, "malformed"},
      {Verdict::not_signed, "not_signed"},
      {Verdict::unknown_log, "unknown_log"},
      {Verdict::other_old_size, "other_old_size"},
      {Verdict::inconsistent, "inconsistent"},
      {Verdict::failed, "failed"}};

  Status add_key(const proof::VerifierKey& key);
  Status recall(Log& log);
  Answer judge(std::string_view body);
  Answer judge_tree(Log& log, const proof::AddCheckpoint& request,
                    const proof::Checkpoint& checkpoint);
  Answer refuse_fork(Log& log, const proof::AddCheckpoint& request, const proof::TreeHead& head);
  Answer cosign(Log& log, const proof::Note& note, const proof::TreeHead& head);
  Answer stop_after(const Error& error);

  Io io_;
  proof::Signer cosigner_;
  std::map<std::string, Log, std::less<>> logs_;  // by origin
  std::map<Verdict, metrics::Counter*> answers_;
  bool failed_ = false;
};

Status FileWitness::add_key(const proof::VerifierKey& key) {
  if (key.type != proof::KeyType::ed25519)
    return fail(Code::invalid_argument,
                fmt::format("{} is not the key of a log but of a cosigner; `meridian log key` "
                            "prints the one of a ledger",
                            proof::format_vkey(key)));
  if (!logs_.contains(key.name) && logs_.size() == logs_max)
    return fail(Code::invalid_argument, fmt::format("more than {} logs", logs_max));
  Log& log = logs_[key.name];
  if (std::ranges::find(log.keys, key) != log.keys.end()) return {};
  if (log.keys.size() == log_keys_max)
    return fail(Code::invalid_argument,
                fmt::format("more than {} keys of the log {}", log_keys_max, key.name));
  log.origin = key.name;
  log.folder = folder_of(key.name);
  log.keys.push_back(key);
  return {};
}

/// What is certain about the past of `log`; what is not goes into log.damage.
Status FileWitness::recall(Log& log) {
  TRY(io_.disk.make_directory(log.folder));
  TRY(io_.disk.sync_directory(logs_path));
  const bool was_cosigned = TRY(io_.disk.exists(checkpoint_path(log.folder)));
  if (was_cosigned && !TRY(io_.disk.exists(memory_path(log.folder)))) {
    log.damage = io_.disk.display(memory_path(log.folder)) + " is missing";
    return {};
  }
  Result<replica::CosignedHead> memory =
      replica::CosignedHead::open(io_.disk, memory_path(log.folder));
  if (!memory && memory.error().code == Code::data_loss) {
    log.damage = io_.disk.display(memory_path(log.folder)) + " is damaged";
    return {};
  }
  log.memory = TRY(std::move(memory));
  if (log.memory->damage()) io_.notice(*log.memory->damage());
  if (!log.memory->is_certain()) log.damage = *log.memory->damage();
  log.has_fork = TRY(io_.disk.exists(fork_path(log.folder)));
  if (!was_cosigned) return {};
  const Buffer note =
      TRY(io::read_file(io_.disk, checkpoint_path(log.folder), proof::note_size_max));
  log.checkpoint = as_text(note);
  // It is written after the memory, so it is never ahead of it.
  const Result<proof::Note> parsed = proof::parse_note(log.checkpoint);
  const Result<proof::Checkpoint> newest =
      parsed ? proof::parse_checkpoint(parsed->text) : Result<proof::Checkpoint>(parsed.error());
  if (newest && raw(newest->head.size) > raw(log.last().size))
    log.damage = fmt::format("{} says {} records were cosigned, the memory {}",
                             io_.disk.display(checkpoint_path(log.folder)), raw(newest->head.size),
                             raw(log.last().size));
  return {};
}

Status FileWitness::open(std::span<const proof::VerifierKey> log_keys) {
  if (log_keys.empty())
    return fail(Code::invalid_argument, "a witness needs the key of at least one log");
  for (const proof::VerifierKey& key : log_keys) TRY(add_key(key));
  TRY(io_.disk.make_directory(logs_path));
  TRY(io_.disk.sync_directory(""));
  for (auto& [origin, log] : logs_) {
    TRY(recall(log));
    log.size = &io_.metrics.gauge("meridian_witness_log_size",
                                  "Records of the tree of a log that was cosigned last.",
                                  {{"origin", origin}});
    if (log.memory) log.size->set(static_cast<std::int64_t>(raw(log.last().size)));
    if (log.damage.empty()) continue;
    io_.notice(
        fmt::format("nothing of the log {} is cosigned any more, since what was cosigned "
                    "before is not certain: {}. tell those who trust this witness; a new "
                    "key and an empty directory make a new one",
                    origin, log.damage));
  }
  return {};
}

Answer FileWitness::judge(std::string_view body) {
  Result<proof::AddCheckpoint> request = proof::parse_add_checkpoint(body);
  if (!request) return {Verdict::malformed, request.error().message};
  Result<proof::Checkpoint> checkpoint = proof::parse_checkpoint(request->checkpoint.text);
  if (!checkpoint) return {Verdict::malformed, checkpoint.error().message};
  const auto found = logs_.find(checkpoint->origin);
  if (found == logs_.end())
    return {Verdict::unknown_log, "this witness does not know a log of this origin"};
  Log& log = found->second;

  bool is_signed = false;
  for (const proof::VerifierKey& key : log.keys) {
    for (const proof::NoteSignature& line : request->checkpoint.signatures) {
      const proof::SignatureCheck check =
          proof::check_signature(request->checkpoint.text, line, key);
      if (check == proof::SignatureCheck::bad)
        return {Verdict::not_signed,
                fmt::format("the signature of key {:08x} does not verify", key.id())};
      is_signed = is_signed || check == proof::SignatureCheck::good;
    }
  }
  if (!is_signed)
    return {Verdict::not_signed, "no key that this witness trusts for the log signed this"};
  return judge_tree(log, *request, *checkpoint);
}

Answer FileWitness::judge_tree(Log& log, const proof::AddCheckpoint& request,
                               const proof::Checkpoint& checkpoint) {
  const proof::TreeHead& head = checkpoint.head;
  if (raw(request.old_size) > raw(head.size))
    return {Verdict::malformed, "the old size is above the size of the checkpoint"};
  if (failed_ || !log.damage.empty())
    return {Verdict::failed, "this witness is out of order; its operator knows why"};
  const proof::TreeHead last = log.last();
  if (request.old_size != last.size)
    return {Verdict::other_old_size, proof::format_size_line(last.size)};
  if (!extends(last, head, request.path)) return refuse_fork(log, request, head);
  return cosign(log, request.checkpoint, head);
}

/// Two signed roots of one size are a proof that the log forked: anyone can check it, so it is
/// kept. A path that does not verify proves nothing, as anybody can send one.
Answer FileWitness::refuse_fork(Log& log, const proof::AddCheckpoint& request,
                                const proof::TreeHead& head) {
  const proof::TreeHead last = log.last();
  const bool is_fork = head.size == last.size && head.root != last.root;
  if (is_fork && !log.has_fork) {
    const Status kept = io::replace_file(io_.disk, fork_path(log.folder),
                                         as_bytes(proof::format_note(request.checkpoint)));
    if (!kept) return stop_after(kept.error());
    log.has_fork = true;
  }
  if (!log.refusal_told) {
    log.refusal_told = true;
    io_.notice(is_fork ? fmt::format("the log {} signed two trees of {} records: a fork. both are "
                                     "kept, in {} and beside it",
                                     log.origin, raw(head.size),
                                     io_.disk.display(fork_path(log.folder)))
                       : fmt::format("refused a tree of {} records of {}: it was not shown to "
                                     "extend the {} that were cosigned",
                                     raw(head.size), log.origin, raw(last.size)));
  }
  return {Verdict::inconsistent,
          fmt::format("this tree of {} records is not shown to extend the one of {} records that "
                      "was cosigned",
                      raw(head.size), raw(last.size))};
}

Answer FileWitness::cosign(Log& log, const proof::Note& note, const proof::TreeHead& head) {
  const auto now = static_cast<std::uint64_t>(io_.clock.now().time) / 1'000'000'000;
  const Result<proof::NoteSignature> made =
      proof::cosign(note.text, cosigner_, proof::PosixTime{std::max<std::uint64_t>(now, 1)});
  if (!made) return stop_after(made.error());
  const proof::NoteSignature& line = *made;
  // A cosignature of the same tree says nothing new about the past: only its time is new.
  if (log.memory->last() != head) {
    if (Status saved = log.memory->save(head); !saved) return stop_after(saved.error());
  }
  proof::Note kept{note.text, {}};
  for (const proof::NoteSignature& signature : note.signatures)
    for (const proof::VerifierKey& key : log.keys)
      if (signature.name == key.name && signature.key_id == key.id())
        kept.signatures.push_back(signature);
  kept.signatures.push_back(line);
  const std::string text = proof::format_note(kept);
  const bool is_known = log.checkpoint.starts_with(note.text + "\n");
  if (!is_known) {
    const Status written = io::replace_file(io_.disk, checkpoint_path(log.folder), as_bytes(text));
    if (!written) return stop_after(written.error());
  }
  log.checkpoint = text;
  log.refusal_told = false;
  log.size->set(static_cast<std::int64_t>(raw(head.size)));
  return {Verdict::cosigned, proof::format_signature_lines({line})};
}

Answer FileWitness::stop_after(const Error& error) {
  if (!failed_) io_.fatal(with_context(error, "the witness cannot sign, or keep what it cosigned"));
  failed_ = true;
  return {Verdict::failed, "this witness is out of order; its operator knows why"};
}

}  // namespace

std::string origin_hash(std::string_view origin) {
  return to_hex(crypto::sha256(as_bytes(origin)));
}

Result<std::unique_ptr<Witness>> Witness::open(const Io& io, proof::Signer cosigner,
                                               std::span<const proof::VerifierKey> log_keys) {
  ASSERT(cosigner.verifier().type == proof::KeyType::cosignature);
  auto witness = std::make_unique<FileWitness>(io, std::move(cosigner));
  TRY(witness->open(log_keys));
  return std::unique_ptr<Witness>(std::move(witness));
}

Result<std::vector<WitnessedTree>> list_trees(io::Disk& disk) {
  std::vector<WitnessedTree> trees;
  if (!TRY(disk.exists(logs_path))) return trees;
  for (const std::string& name : TRY(disk.list(logs_path))) {
    const std::string folder = fmt::format("{}/{}", logs_path, name);
    if (!TRY(disk.exists(checkpoint_path(folder)))) continue;
    const Buffer bytes = TRY(io::read_file(disk, checkpoint_path(folder), proof::note_size_max));
    Result<proof::Note> note = proof::parse_note(as_text(bytes));
    Result<proof::Checkpoint> checkpoint =
        note ? proof::parse_checkpoint(note->text) : Result<proof::Checkpoint>(note.error());
    if (!checkpoint)
      return fail(Code::data_loss,
                  disk.display(checkpoint_path(folder)) + ": " + checkpoint.error().message);
    trees.push_back(
        {*std::move(checkpoint), std::string(as_text(bytes)), TRY(disk.exists(fork_path(folder)))});
  }
  std::ranges::sort(trees, {}, [](const WitnessedTree& tree) { return tree.checkpoint.origin; });
  return trees;
}

}  // namespace meridian::witness
