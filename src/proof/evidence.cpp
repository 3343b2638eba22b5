// Evaluation of a receipt under a policy (policy.h): signatures first, then quorum, then levels.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/assert.h"
#include "crypto/base64.h"
#include "proof/internal/text.h"
#include "proof/policy.h"

namespace meridian::proof {

namespace {

Error bad_signature(const VerifierKey& key) {
  return fail(Code::data_loss,
              fmt::format("the signature of {} (key {:08x}) does not verify: the checkpoint or the "
                          "signature was changed",
                          quoted(key.name), key.id()));
}

/// "2026-11-22T10:20:30Z", or seconds where a calendar ends.
std::string when(PosixTime time) {
  constexpr std::uint64_t year_10000 = 253'402'300'800;
  if (raw(time) >= year_10000) return fmt::format("{} s after 1970", raw(time));
  const std::chrono::sys_seconds moment{std::chrono::seconds{raw(time)}};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{moment - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

bool claims(const NoteSignature& signature, const VerifierKey& key) {
  return signature.name == key.name && signature.key_id == key.id();
}

/// Finds the log's own signature. Errors as evaluate().
Status check_log(const Note& note, const Policy& policy, Evidence& evidence) {
  const std::string& origin = evidence.checkpoint.origin;
  std::uint64_t size = raw(evidence.checkpoint.head.size);
  bool signed_by_log = false;
  bool known_origin = false;
  for (const PolicyLog& log : policy.logs) {
    known_origin = known_origin || log.key.name == origin;
    for (const NoteSignature& signature : note.signatures) {
      SignatureCheck check = check_signature(note.text, signature, log.key);
      if (check == SignatureCheck::bad) return bad_signature(log.key);
      if (check != SignatureCheck::good || log.key.name != origin) continue;
      if (size < raw(log.size_from) || size > raw(log.size_until)) {
        evidence.not_counted.push_back(
            fmt::format("log key {:08x} is valid for sizes {}..{}, not for {}", log.key.id(),
                        raw(log.size_from), raw(log.size_until), size));
      } else if (!signed_by_log) {
        signed_by_log = true;
        evidence.log_key_id = log.key.id();
      }
    }
  }
  if (signed_by_log) return {};
  std::string why = !known_origin ? fmt::format("the policy lists no log {}", quoted(origin))
                    : evidence.not_counted.empty()
                        ? fmt::format(
                              "no key that the policy lists for the log {} signed the "
                              "checkpoint",
                              quoted(origin))
                        : evidence.not_counted.front();
  return fail(Code::permission_denied, std::move(why));
}

Status check_witnesses(const Note& note, const Policy& policy, Evidence& evidence) {
  for (const PolicyWitness& witness : policy.witnesses) {
    bool counted = false;
    for (const NoteSignature& signature : note.signatures) {
      CosignatureCheck check = check_cosignature(note.text, signature, witness.key);
      if (check.check == SignatureCheck::bad) return bad_signature(witness.key);
      if (check.check != SignatureCheck::good) continue;
      if (raw(check.time) < raw(witness.time_from) || raw(check.time) > raw(witness.time_until)) {
        evidence.not_counted.push_back(fmt::format(
            "the key of witness {} is valid for times {}..{}, not for {}", quoted(witness.name),
            raw(witness.time_from), raw(witness.time_until), raw(check.time)));
      } else if (!counted) {
        counted = true;
        evidence.cosignatures.push_back({witness.name, witness.role, witness.place, check.time});
      }
    }
  }
  return {};
}

Status check_quorum(const Policy& policy, const Evidence& evidence) {
  if (policy.quorum == "none") return {};
  std::set<std::string, std::less<>> satisfied;
  for (const CountedCosignature& cosignature : evidence.cosignatures) {
    satisfied.insert(cosignature.witness);
  }
  // A group names only groups before it, so one pass in order is enough.
  for (const PolicyGroup& group : policy.groups) {
    auto count = std::ranges::count_if(
        group.members, [&](const std::string& member) { return satisfied.contains(member); });
    if (static_cast<std::size_t>(count) >= group.threshold) satisfied.insert(group.name);
  }
  if (satisfied.contains(policy.quorum)) return {};
  std::string missing;
  for (const PolicyWitness& witness : policy.witnesses) {
    if (!satisfied.contains(witness.name)) missing += " " + quoted(witness.name);
  }
  return fail(Code::permission_denied,
              fmt::format("the quorum {} is not reached; no counted cosignature by{}",
                          quoted(policy.quorum), missing));
}

std::set<std::string> places_of(const Evidence& evidence, CosignerRole role) {
  std::set<std::string> places;
  for (const CountedCosignature& cosignature : evidence.cosignatures) {
    if (cosignature.role == role) places.insert(cosignature.place);
  }
  return places;
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string who(const CountedCosignature& cosignature) {
  switch (cosignature.role) {
    case CosignerRole::replica: return fmt::format("replica in {}", cosignature.place);
    case CosignerRole::outside: return fmt::format("outside witness, {}", cosignature.place);
    case CosignerRole::unknown: break;
  }
  return "role not stated in the policy";
}

}  // namespace

Result<Evidence> evaluate(const Note& checkpoint, const Policy& policy) {
  Evidence evidence;
  evidence.checkpoint = TRY(parse_checkpoint(checkpoint.text));
  TRY(check_log(checkpoint, policy, evidence));
  TRY(check_witnesses(checkpoint, policy, evidence));
  TRY(check_quorum(policy, evidence));
  for (const NoteSignature& signature : checkpoint.signatures) {
    bool known =
        std::ranges::any_of(policy.logs,
                            [&](const PolicyLog& log) { return claims(signature, log.key); }) ||
        std::ranges::any_of(policy.witnesses, [&](const PolicyWitness& witness) {
          return claims(signature, witness.key);
        });
    if (!known) ++evidence.unknown_signatures;
  }
  evidence.global = places_of(evidence, CosignerRole::replica).size() >= 2;
  evidence.witnessed = !places_of(evidence, CosignerRole::outside).empty();
  return evidence;
}

Result<Evidence> evaluate(const Receipt& receipt, const Policy& policy) {
  TRY(verify_in_checkpoint(receipt));
  return evaluate(receipt.checkpoint, policy);
}

std::string_view level_name(const Evidence& evidence) {
  if (evidence.global) return evidence.witnessed ? "global+witnessed" : "global";
  return evidence.witnessed ? "witnessed" : "local";
}

std::string describe(const Evidence& evidence) {
  const Checkpoint& checkpoint = evidence.checkpoint;
  std::string text = fmt::format(
      "log         {}\nrecords     {}\nroot        {}\nlog key     {:08x}, signature verified\n",
      checkpoint.origin, raw(checkpoint.head.size), crypto::to_base64(checkpoint.head.root),
      evidence.log_key_id);
  for (const CountedCosignature& cosignature : evidence.cosignatures) {
    text += fmt::format("cosigned    {} ({}), {}\n", cosignature.witness, who(cosignature),
                        when(cosignature.time));
  }
  for (const std::string& why : evidence.not_counted) text += "not counted " + why + "\n";
  if (evidence.unknown_signatures > 0) {
    text += fmt::format("ignored     {} signatures of keys that the policy does not name\n",
                        evidence.unknown_signatures);
  }
  text += fmt::format("level       {}\n", level_name(evidence));
  text +=
      "The log is tamper-evident: with this checkpoint, any later change of a record under it "
      "shows.\n";
  if (evidence.global) {
    text += fmt::format("Replicas in {} signed: the loss of one region does not lose the record.\n",
                        joined(places_of(evidence, CosignerRole::replica)));
  }
  if (evidence.witnessed) {
    text += fmt::format(
        "An outside witness ({}) signed: the operator alone cannot show another history.\n",
        joined(places_of(evidence, CosignerRole::outside)));
  } else {
    text +=
        "No outside witness signed: this is evidence only against those who lack the "
        "replicas' keys. Whoever holds them could show somebody else another history.\n";
  }
  return text;
}

}  // namespace meridian::proof
