#include "trust_directory.h"

#include <fmt/format.h>

#include <algorithm>

#include "mesh/signed_deny_list.h"

namespace meridian::app {

namespace {

constexpr std::uint64_t note_size_max = std::uint64_t{4} << 20;
constexpr std::string_view note_suffix = ".note";
constexpr std::string_view earlier_path = "bundles/earlier";

std::string earlier_note_path(std::string_view domain, std::uint64_t sequence) {
  return fmt::format("{}/{}.{}{}", earlier_path, domain, sequence, note_suffix);
}

Result<std::vector<std::pair<std::string, std::string>>> read_notes(io::Disk& disk,
                                                                    std::string_view directory) {
  std::vector<std::pair<std::string, std::string>> notes;
  if (!TRY(disk.exists(directory))) return notes;
  for (std::string name : TRY(disk.list(directory))) {
    if (!name.ends_with(note_suffix)) continue;  // also of one that is being replaced
    name.resize(name.size() - note_suffix.size());
    const Buffer bytes = TRY(io::read_file(disk, note_path(directory, name), note_size_max));
    notes.emplace_back(std::move(name), as_text(bytes));
  }
  return notes;
}

Status write_notes(io::Disk& disk, std::string_view directory,
                   const std::vector<std::pair<std::string, std::string>>& notes) {
  TRY(disk.make_directory(directory));
  for (const auto& [name, note] : notes)
    TRY(io::replace_file(disk, note_path(directory, name), as_bytes(note)));
  return {};
}

}  // namespace

std::string note_path(std::string_view directory, std::string_view trust_domain) {
  return fmt::format("{}/{}{}", directory, trust_domain, note_suffix);
}

Result<TrustFiles> read_trust(io::Disk& disk) {
  TrustFiles files;
  files.bundles = TRY(read_notes(disk, bundles_path));
  files.denied = TRY(read_notes(disk, denied_path));
  return files;
}

Status write_trust(io::Disk& disk, const TrustFiles& files) {
  TRY(write_notes(disk, bundles_path, files.bundles));
  return write_notes(disk, denied_path, files.denied);
}

Status write_next_bundle(io::Disk& disk, const mesh::AcceptedBundle& held,
                         const mesh::AcceptedBundle& next) {
  const std::string& domain = held.document().trust_domain;
  TRY(disk.make_directory(earlier_path));
  TRY(io::replace_file(disk, earlier_note_path(domain, held.document().sequence),
                       as_bytes(held.note())));
  return io::replace_file(disk, note_path(bundles_path, domain), as_bytes(next.note()));
}

const mesh::AcceptedBundle* TrustDirectory::find(const std::string& trust_domain) const {
  const auto found = bundles_.find(trust_domain);
  return found == bundles_.end() ? nullptr : &found->second;
}

std::uint64_t TrustDirectory::deny_number(const std::string& domain) const {
  const mesh::DenyLists lists = credentials_.deny_lists();
  const mesh::DenyList* list = lists.find(domain);
  return list == nullptr ? 0 : list->number();
}

std::vector<api::HeldTrust> TrustDirectory::held() const {
  std::vector<api::HeldTrust> all;
  for (const auto& [domain, bundle] : bundles_)
    all.push_back({domain, bundle.document().sequence, deny_number(domain)});
  return all;
}

Result<std::string> TrustDirectory::read_earlier(const std::string& domain,
                                                 std::uint64_t sequence) const {
  const Buffer bytes =
      TRY(io::read_file(disk_, earlier_note_path(domain, sequence), note_size_max));
  return std::string(as_text(bytes));
}

api::TrustNotes TrustDirectory::newer(const std::vector<api::HeldTrust>& held) const {
  api::TrustNotes notes;
  for (const auto& [domain, bundle] : bundles_) {
    const auto theirs = std::ranges::find(held, domain, &api::HeldTrust::trust_domain);
    if (theirs == held.end() && !held.empty()) continue;
    const std::uint64_t newest = bundle.document().sequence;
    const std::uint64_t from = theirs == held.end() ? 0 : theirs->bundle_sequence;
    for (std::uint64_t number = from + 1; from > 0 && number < newest; ++number) {
      Result<std::string> note = read_earlier(domain, number);
      if (!note) break;  // who asks is told of the gap by what comes next
      notes.bundles.push_back({domain, *std::move(note)});
    }
    if (from < newest) notes.bundles.push_back({domain, bundle.note()});
    const auto denied = denied_.find(domain);
    const std::uint64_t known = theirs == held.end() ? 0 : theirs->deny_list_number;
    if (denied != denied_.end() && deny_number(domain) > known)
      notes.deny_lists.push_back({domain, denied->second});
  }
  return notes;
}

Status TrustDirectory::put_on(const std::string& domain, mesh::AcceptedBundle bundle) {
  if (bundle.document().trust_domain != domain)
    return fail(Code::invalid_argument, fmt::format("it is of {}", bundle.document().trust_domain));
  credentials_.replace_bundles(TRY(credentials_.bundles().with(bundle.bundle())));
  bundles_.insert_or_assign(domain, std::move(bundle));
  return {};
}

/// Whoever put it there may have put others there before, faster than this process looks.
Status TrustDirectory::take_bundle_file(const std::string& domain, const std::string& note) {
  const auto at = bundles_.find(domain);
  if (at == bundles_.end()) return put_on(domain, TRY(mesh::AcceptedBundle::from_kept(note)));
  if (at->second.note() == note) return {};  // written by this process
  const mesh::AcceptedBundle newest = TRY(mesh::AcceptedBundle::from_kept(note));
  mesh::AcceptedBundle bundle = at->second;
  while (bundle.document().sequence + 1 < newest.document().sequence) {
    Result<std::string> between = read_earlier(domain, bundle.document().sequence + 1);
    if (!between) break;  // and the next line says what is missing
    bundle = TRY(bundle.next(*between));
  }
  bundle = TRY(bundle.next(note));
  return put_on(domain, std::move(bundle));
}

Status TrustDirectory::take_denied(const std::string& domain, const std::string& note) {
  const auto bundle = bundles_.find(domain);
  if (bundle == bundles_.end())
    return fail(Code::failed_precondition, "there is no bundle of that trust domain");
  mesh::DenyList list =
      TRY(mesh::verify_deny_list(note, domain, bundle->second.document().announcers));
  TRY(credentials_.replace_deny_list(std::move(list)));
  denied_.insert_or_assign(domain, note);
  return {};
}

template <typename Take>
void TrustDirectory::take_if_changed(const std::string& path, const std::string& text, Take take,
                                     std::vector<Change>& changes) {
  const crypto::Digest digest = crypto::sha256(as_bytes(text));
  const auto [seen, is_new] = seen_.try_emplace(path);
  if (!is_new && seen->second == digest) return;
  seen->second = digest;
  changes.push_back({disk_.display(path), take()});
}

std::vector<TrustDirectory::Change> TrustDirectory::refresh() {
  std::vector<Change> changes;
  const Result<TrustFiles> trust = read_trust(disk_);
  if (!trust) return {{disk_.display(bundles_path), trust.error()}};
  for (const auto& [domain, note] : trust->bundles)
    take_if_changed(
        note_path(bundles_path, domain), note,
        [&, &domain = domain, &note = note] { return take_bundle_file(domain, note); }, changes);
  for (const auto& [domain, note] : trust->denied)
    take_if_changed(
        note_path(denied_path, domain), note,
        [&, &domain = domain, &note = note] { return take_denied(domain, note); }, changes);
  return changes;
}

Status TrustDirectory::take_sent_bundle(const api::TrustNote& sent) {
  const auto held = bundles_.find(sent.trust_domain);
  if (held == bundles_.end())
    return fail(Code::permission_denied,
                "there is no bundle of that trust domain here: copy one, if its peers are welcome");
  const mesh::AcceptedBundle before = held->second;
  mesh::AcceptedBundle next = TRY(before.next(sent.note));
  seen_.insert_or_assign(note_path(bundles_path, sent.trust_domain),
                         crypto::sha256(as_bytes(sent.note)));
  TRY(put_on(sent.trust_domain, next));
  return write_next_bundle(disk_, before, next);
}

Status TrustDirectory::take_sent_denied(const api::TrustNote& sent) {
  TRY(take_denied(sent.trust_domain, sent.note));
  seen_.insert_or_assign(note_path(denied_path, sent.trust_domain),
                         crypto::sha256(as_bytes(sent.note)));
  return write_notes(disk_, denied_path, {{sent.trust_domain, sent.note}});
}

std::vector<TrustDirectory::Change> TrustDirectory::take(const api::TrustNotes& notes) {
  std::vector<Change> changes;
  for (const api::TrustNote& sent : notes.bundles)
    changes.push_back(
        {disk_.display(note_path(bundles_path, sent.trust_domain)), take_sent_bundle(sent)});
  for (const api::TrustNote& sent : notes.deny_lists)
    changes.push_back(
        {disk_.display(note_path(denied_path, sent.trust_domain)), take_sent_denied(sent)});
  return changes;
}

}  // namespace meridian::app
