#include "door/keeping_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/assert.h"
#include "base/bits.h"
#include "base/printable.h"
#include "door/personal_text.h"

namespace meridian::door {
namespace {

using ledger::CommandKind;
using ledger::load_command;

Error forgotten(std::string_view what) {
  return fail(Code::failed_precondition,
              fmt::format("the subject was forgotten: there is nothing to {}", what));
}

constexpr std::uint32_t days_max = 2'932'897;  ///< Since 1970: up to 9999-12-31.

/// Records are for ever and travel everywhere.
Status check_text(std::string_view field, std::string_view text, std::size_t size_max) {
  if (text.empty() || text.size() > size_max || !is_printable(text))
    return fail(Code::invalid_argument,
                fmt::format("{}: 1 to {} printable ASCII characters are needed", field, size_max));
  if (const auto found = find_personal(text))
    return fail(Code::invalid_argument,
                fmt::format("{}: looks like {}; personal data must be in payloads, this is kept in "
                            "clear for ever",
                            field, name(found->kind)));
  return {};
}

/// The number of the jurisdiction in which the class is to be from now on.
Result<std::uint8_t> place_of(const storage::SubjectKeyring& table, const RetentionDraft& draft) {
  const std::uint8_t retention = draft.retention.retention;
  const storage::Jurisdiction* home = table.keeping().home_of(retention);
  const std::uint8_t now = home == nullptr ? std::uint8_t{0} : home->number;
  if (draft.residency.empty()) return now;
  const storage::Jurisdiction* wanted = table.keeping().residency().find(draft.residency);
  if (wanted == nullptr)
    return fail(Code::not_found,
                fmt::format("there is no jurisdiction '{}': define it first (meridian residency "
                            "set)",
                            draft.residency));
  if (now == wanted->number) return now;
  if (now != 0)
    return fail(Code::failed_precondition,
                fmt::format("class {} lives in the jurisdiction {}: it stays there, use another "
                            "class",
                            retention, to_text(*home)));
  if (table.has_keys(retention))
    return fail(Code::failed_precondition,
                fmt::format("class {} has keys of persons already, which every replica opens: use "
                            "another class",
                            retention));
  return wanted->number;
}

Result<KeepingCommand> make(const storage::SubjectKeyring& table, const RetentionDraft& given) {
  const storage::RetentionClass& draft = given.retention;
  const std::string_view name = storage::text_of(draft.name);
  const std::string_view basis = storage::text_of(draft.basis);
  TRY(check_text("name", name, storage::class_name_size));
  TRY(check_text("legal basis", basis, storage::class_basis_size));
  TRY(storage::check_class(draft));
  const storage::RetentionClass* known = table.keeping().find(draft.retention);
  if (known != nullptr && known->is_by_month != draft.is_by_month)
    return fail(Code::failed_precondition,
                fmt::format("the keys of class {} are by {}: that stays as it was first defined; "
                            "use another class",
                            draft.retention, known->is_by_month ? "month" : "year"));
  ledger::SetRetention command{};
  command.retention = draft.retention;
  command.is_by_month = draft.is_by_month ? 1 : 0;
  command.residency = TRY(place_of(table, given));
  command.keep_months = draft.keep.months;
  command.keep_days = draft.keep.days;
  command.erase_months = draft.erase.months;
  command.erase_days = draft.erase.days;
  command.defined =
      static_cast<std::uint32_t>(raw(known != nullptr ? known->defined : table.today()));
  command.name = draft.name;
  command.basis = draft.basis;
  return keeping_command(CommandKind::set_retention, command);
}

/// One for each region.
Result<std::vector<KeepingCommand>> make(const storage::SubjectKeyring& table,
                                         const ResidencyDraft& draft) {
  TRY(check_text("name", draft.name, storage::jurisdiction_name_size));
  for (const std::string& region : draft.regions)
    TRY(check_text("region", region, storage::region_name_size));
  const std::set<std::string> regions(draft.regions.begin(), draft.regions.end());
  if (regions.size() < 2 || regions.size() != draft.regions.size())
    return fail(Code::invalid_argument,
                "a jurisdiction has two regions or more, each named once: what lives there is "
                "acknowledged when it is in two of them");
  const storage::Residency& residency = table.keeping().residency();
  const storage::Jurisdiction* known = residency.find(draft.name);
  std::uint8_t number = 1;
  if (known != nullptr) {
    number = known->number;
    for (const std::string& region : known->regions)
      if (!regions.contains(region))
        return fail(Code::failed_precondition,
                    fmt::format("the jurisdiction {} keeps its regions, as replicas there hold its "
                                "key: define another one, without {}",
                                to_text(*known), region));
  } else {
    while (residency.find(number) != nullptr) ++number;
    if (number > storage::jurisdictions_max)
      return fail(Code::resource_exhausted, "no further jurisdiction can be defined");
  }
  std::vector<KeepingCommand> commands;
  for (const std::string& region : draft.regions) {
    ledger::SetResidency command{};
    command.jurisdiction = number;
    command.name = storage::text_field<storage::jurisdiction_name_size>(draft.name);
    command.region = storage::text_field<storage::region_name_size>(region);
    commands.push_back(keeping_command(CommandKind::set_residency, command));
  }
  return commands;
}

Result<KeepingCommand> make(const storage::SubjectKeyring& table, const ResidencyTurnDraft& draft) {
  const storage::Jurisdiction* known = table.keeping().residency().find(draft.name);
  if (known == nullptr) {
    std::vector<std::string_view> names;
    for (const auto& [number, one] : table.keeping().residency().all()) names.push_back(one.name);
    return fail(Code::not_found,
                names.empty()
                    ? fmt::format("there is no jurisdiction '{}': none is defined", draft.name)
                    : fmt::format("there is no jurisdiction '{}': there are {}", draft.name,
                                  fmt::join(names, ", ")));
  }
  if (!known->has_key())
    return fail(Code::failed_precondition,
                fmt::format("the jurisdiction {} has no key yet: its first one is being made",
                            to_text(*known)));
  if (known->is_turning)
    return fail(Code::failed_precondition,
                fmt::format("the key of the jurisdiction {} is being turned over already: the next "
                            "one is in use once replicas in two of its regions hold it",
                            to_text(*known)));
  if (known->next_turn() > storage::residency_turns_max)
    return fail(Code::resource_exhausted,
                fmt::format("the key of the jurisdiction {} was turned over {} times, which is all "
                            "that there are numbers for: define another jurisdiction",
                            to_text(*known), storage::residency_turns_max));
  ledger::TurnResidency command{};
  command.jurisdiction = known->number;
  command.turn = known->next_turn();
  return keeping_command(CommandKind::turn_residency, command);
}

Result<KeepingCommand> make(const storage::SubjectKeyring& table, const HoldDraft& draft,
                            u128 fresh) {
  ASSERT(fresh != 0);
  TRY(check_text("reference", draft.reference, storage::hold_reference_size));
  if (table.is_forgotten(draft.subject)) return forgotten("hold");
  ledger::PlaceHold command{};
  command.subject = draft.subject;
  command.hold = fresh;
  command.reference = storage::text_field<storage::hold_reference_size>(draft.reference);
  if (draft.classes.empty()) command.classes.fill(0xFF);
  for (const std::uint8_t retention : draft.classes) add_bit(command.classes, retention);
  command.classes[31] &= 0x3F;  // 254 and 255 are no classes
  return keeping_command(CommandKind::place_hold, command);
}

Result<KeepingCommand> make(const storage::SubjectKeyring& table, const ReleaseDraft& draft) {
  for (const storage::Hold& hold : table.keeping().holds())
    if (hold.id == draft.hold) {
      ledger::ReleaseHold command{};
      command.subject = hold.subject;
      command.hold = hold.id;
      return keeping_command(CommandKind::release_hold, command);
    }
  return fail(Code::not_found, "there is no such hold: it was released, or never placed");
}

}  // namespace

u128 subject_of(const KeepingCommand& command) {
  if (command.kind == ledger::CommandKind::set_retention ||
      command.kind == ledger::CommandKind::expire_class ||
      command.kind == ledger::CommandKind::set_residency ||
      command.kind == ledger::CommandKind::turn_residency)
    return 0;
  static_assert(
      offsetof(ledger::EraseSubject, subject) == 0 &&
      offsetof(ledger::ForgetSubject, subject) == 0 && offsetof(ledger::EraseKey, subject) == 0 &&
      offsetof(ledger::PlaceHold, subject) == 0 && offsetof(ledger::ReleaseHold, subject) == 0);
  return load_le<u128>(command.bytes.data());
}

bool is_of_forgetting(const KeepingCommand& command) {
  return command.kind == ledger::CommandKind::erase_subject ||
         command.kind == ledger::CommandKind::forget_subject ||
         command.kind == ledger::CommandKind::erase_key;
}

std::optional<storage::KeyRow> change_of(CommandKind kind, const Byte* bytes) {
  if (kind == CommandKind::erase_subject)
    return storage::forgotten_mark(load_command<ledger::EraseSubject>(bytes).subject);
  if (kind == CommandKind::set_retention) {
    const auto command = load_command<ledger::SetRetention>(bytes);
    if (command.retention >= storage::forgotten_row || command.defined >= days_max)
      return std::nullopt;
    return storage::row_of(
        storage::RetentionClass{.retention = command.retention,
                                .is_by_month = command.is_by_month != 0,
                                .residency = command.residency,
                                .keep = {command.keep_months, command.keep_days},
                                .erase = {command.erase_months, command.erase_days},
                                .defined = storage::Day{static_cast<std::int32_t>(command.defined)},
                                .name = command.name,
                                .basis = command.basis});
  }
  if (kind == CommandKind::place_hold) {
    const auto command = load_command<ledger::PlaceHold>(bytes);
    return storage::row_of(storage::Hold{.id = command.hold,
                                         .subject = command.subject,
                                         .classes = command.classes,
                                         .reference = command.reference});
  }
  if (kind == CommandKind::release_hold) {
    const auto command = load_command<ledger::ReleaseHold>(bytes);
    return storage::release_row(command.subject, command.hold);
  }
  if (kind == CommandKind::forget_subject) {
    const auto command = load_command<ledger::ForgetSubject>(bytes);
    if (command.day >= days_max) return std::nullopt;
    return storage::wish_row(command.subject, storage::Day{static_cast<std::int32_t>(command.day)});
  }
  if (kind == CommandKind::erase_key) {
    const auto command = load_command<ledger::EraseKey>(bytes);
    if (command.retention >= storage::forgotten_row || command.version == 0) return std::nullopt;
    return storage::gone_row(command.subject, {command.retention, command.version});
  }
  if (kind == CommandKind::expire_class) {
    const auto command = load_command<ledger::ExpireClass>(bytes);
    if (command.retention >= storage::forgotten_row) return std::nullopt;
    return storage::expired_row(command.retention, command.through);
  }
  if (kind == CommandKind::set_residency) {
    const auto command = load_command<ledger::SetResidency>(bytes);
    const std::string_view name = storage::text_of(command.name);
    const std::string_view region = storage::text_of(command.region);
    if (command.jurisdiction == 0 || name.empty() || region.empty()) return std::nullopt;
    return storage::jurisdiction_row(command.jurisdiction, name, region);
  }
  if (kind == CommandKind::residency_key) {
    const auto command = load_command<ledger::ResidencyKey>(bytes);
    if (command.jurisdiction == 0 || command.check == 0 ||
        command.turn > storage::residency_turns_max)
      return std::nullopt;
    return storage::residency_key_row(command.jurisdiction, command.turn, command.check);
  }
  if (kind == CommandKind::turn_residency) {
    const auto command = load_command<ledger::TurnResidency>(bytes);
    if (command.jurisdiction == 0 || command.turn == 0 ||
        command.turn > storage::residency_turns_max)
      return std::nullopt;
    return storage::residency_turn_row(command.jurisdiction, command.turn);
  }
  return std::nullopt;
}

Result<std::vector<KeepingCommand>> make_commands(const storage::SubjectKeyring& table,
                                                  const KeepingDraft& draft, u128 fresh) {
  const auto one = [](Result<KeepingCommand> made) -> Result<std::vector<KeepingCommand>> {
    if (!made) return made.error();
    return std::vector{*made};
  };
  if (const auto* retention = std::get_if<RetentionDraft>(&draft))
    return one(make(table, *retention));
  if (const auto* residency = std::get_if<ResidencyDraft>(&draft)) return make(table, *residency);
  if (const auto* turn = std::get_if<ResidencyTurnDraft>(&draft)) return one(make(table, *turn));
  if (const auto* hold = std::get_if<HoldDraft>(&draft)) return one(make(table, *hold, fresh));
  return one(make(table, std::get<ReleaseDraft>(draft)));
}

Status check_kept(const storage::SubjectKeyring& table, const KeepingDraft& draft) {
  const storage::Residency& all = table.keeping().residency();
  const auto came_first = [](std::string_view what) {
    return fail(Code::failed_precondition,
                fmt::format("{} was recorded just before, so that this has no effect: look at what "
                            "there is (meridian residency list)",
                            what));
  };
  if (const auto* residency = std::get_if<ResidencyDraft>(&draft)) {
    const storage::Jurisdiction* known = all.find(residency->name);
    if (known == nullptr || !std::ranges::all_of(residency->regions, [&](const auto& region) {
          return known->has(region);
        }))
      return came_first("another jurisdiction");
  }
  if (const auto* retention = std::get_if<RetentionDraft>(&draft)) {
    if (retention->residency.empty()) return {};
    const storage::RetentionClass* known = table.keeping().find(retention->retention.retention);
    const storage::Jurisdiction* wanted = all.find(retention->residency);
    if (known == nullptr || wanted == nullptr || known->residency != wanted->number)
      return came_first("a key, or another jurisdiction, of the class");
  }
  return {};
}

std::vector<Kept> describe_kept(const storage::SubjectKeyring& table, u128 subject,
                                const std::vector<storage::KeptKey>& kept) {
  std::vector<Kept> described;
  for (const storage::KeptKey& one : kept) {
    Kept& out = described.emplace_back(Kept{one.key, one.until, {}, {}, one.hold, {}});
    if (const auto* retention = table.keeping().find(one.key.retention)) {
      out.class_name = storage::text_of(retention->name);
      out.basis = storage::text_of(retention->basis);
    }
    if (const auto* hold = table.keeping().hold_on(subject, one.key.retention))
      out.reference = storage::text_of(hold->reference);
  }
  return described;
}

std::vector<std::uint8_t> classes_of(const std::vector<storage::KeyName>& keys) {
  std::vector<std::uint8_t> classes;
  for (const storage::KeyName& key : keys) classes.push_back(key.retention);
  std::ranges::sort(classes);
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  return classes;
}

Forgetting forget(const storage::SubjectKeyring& table, u128 subject, std::uint32_t epoch) {
  const storage::ForgetPlan plan = table.plan(subject);
  Forgetting made;
  made.erased = plan.now;
  made.kept = describe_kept(table, subject, plan.kept);
  made.keys_destroyed = static_cast<std::uint32_t>(plan.now.size());
  if (!plan.now.empty()) made.epoch = epoch;
  if (plan.kept.empty()) {
    if (!plan.now.empty()) ++made.keys_destroyed;  // K_commit
    ledger::EraseSubject command{};
    command.subject = subject;
    command.keys_destroyed = made.keys_destroyed;
    command.epoch = made.epoch;
    for (const storage::KeyName& key : plan.now) add_bit(command.classes, key.retention);
    made.commands.push_back(keeping_command(CommandKind::erase_subject, command));
    return made;
  }
  ledger::ForgetSubject wish{};
  wish.subject = subject;
  wish.day = static_cast<std::uint32_t>(raw(table.state(subject).wish.value_or(table.today())));
  wish.keys_kept = static_cast<std::uint32_t>(plan.kept.size());
  made.commands.push_back(keeping_command(CommandKind::forget_subject, wish));
  for (const storage::KeyName& key : plan.now) {
    ledger::EraseKey command{};
    command.subject = subject;
    command.retention = key.retention;
    command.version = key.version;
    command.epoch = epoch;
    made.commands.push_back(keeping_command(CommandKind::erase_key, command));
  }
  return made;
}

KeepingCommand expiry(const storage::DueKeys::Expired& due, std::uint32_t epoch) {
  ledger::ExpireClass command{};
  command.retention = due.retention;
  command.through = due.through;
  command.epoch = epoch;
  command.keys_destroyed = due.keys;
  return keeping_command(CommandKind::expire_class, command);
}

}  // namespace meridian::door
