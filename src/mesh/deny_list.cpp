#include "mesh/deny_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "mesh/internal/line_text.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view wildcard = "/*";

bool is_id_of(std::string_view trust_domain, std::string_view text) {
  if (text.ends_with(wildcard)) text.remove_suffix(wildcard.size());
  Result<SpiffeId> id = parse_spiffe_id(text);
  return id.has_value() && id->trust_domain == trust_domain;
}

bool is_line(std::string_view text) {
  return text.size() <= deny_reason_size_max && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

}  // namespace

struct DenyList::List {
  std::string trust_domain;
  std::uint64_t number = 0;
  std::vector<DenyEntry> entries;
};

Result<DenyList> DenyList::make(std::string_view trust_domain, std::uint64_t number,
                                std::vector<DenyEntry> entries) {
  if (!is_trust_domain(trust_domain))
    return fail(Code::invalid_argument, "deny list: not a trust domain");
  if (entries.size() > deny_entries_max)
    return fail(Code::resource_exhausted, fmt::format("deny list: {} entries, at most {} fit",
                                                      entries.size(), deny_entries_max));
  std::ranges::sort(entries, {}, &DenyEntry::subject);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const DenyEntry& entry = entries[i];
    if (!internal::is_serial(entry.subject) && !is_id_of(trust_domain, entry.subject))
      return fail(Code::invalid_argument,
                  fmt::format("deny list: an entry is neither a serial number in lower-case "
                              "hexadecimal nor an id of {}",
                              trust_domain));
    if (!is_line(entry.reason))
      return fail(Code::invalid_argument,
                  fmt::format("deny list: the reason of {} is not one line of at most {} bytes",
                              entry.subject, deny_reason_size_max));
    if (i > 0 && entries[i - 1].subject == entry.subject)
      return fail(Code::invalid_argument,
                  fmt::format("deny list: {} is there twice", entry.subject));
  }
  return DenyList(
      std::make_shared<const List>(List{std::string(trust_domain), number, std::move(entries)}));
}

const std::string& DenyList::trust_domain() const { return list_->trust_domain; }
std::uint64_t DenyList::number() const { return list_->number; }
const std::vector<DenyEntry>& DenyList::entries() const { return list_->entries; }

const DenyEntry* DenyList::find(std::string_view serial, const SpiffeId& id) const {
  const std::vector<DenyEntry>& entries = list_->entries;
  if (entries.empty()) return nullptr;
  auto entry_of = [&](std::string_view subject) -> const DenyEntry* {
    auto at = std::ranges::lower_bound(entries, subject, {}, &DenyEntry::subject);
    return at != entries.end() && at->subject == subject ? &*at : nullptr;
  };
  if (const DenyEntry* entry = entry_of(serial)) return entry;
  std::string text = format_spiffe_id(id);
  if (const DenyEntry* entry = entry_of(text)) return entry;
  std::size_t slashes_min = std::string_view("spiffe://").size();
  for (std::size_t slash = text.rfind('/'); slash != std::string::npos && slash >= slashes_min;
       slash = text.rfind('/', slash - 1)) {
    if (const DenyEntry* entry = entry_of(text.substr(0, slash) + std::string(wildcard)))
      return entry;
  }
  return nullptr;
}

bool DenyList::operator==(const DenyList& other) const {
  return list_->trust_domain == other.list_->trust_domain && list_->number == other.list_->number &&
         list_->entries == other.list_->entries;
}

DenyLists::DenyLists() : lists_(std::make_shared<const Map>()) {}

Result<DenyLists> DenyLists::with(DenyList list) const {
  const DenyList* held = find(list.trust_domain());
  if (held != nullptr && list.number() < held->number())
    return fail(Code::failed_precondition,
                fmt::format("deny list of {}: number {} is older than {}, which is held",
                            list.trust_domain(), list.number(), held->number()));
  auto changed = std::make_shared<Map>(*lists_);
  std::string trust_domain = list.trust_domain();
  changed->insert_or_assign(std::move(trust_domain), std::move(list));
  return DenyLists(std::shared_ptr<const Map>(std::move(changed)));
}

const DenyList* DenyLists::find(std::string_view trust_domain) const {
  auto found = lists_->find(trust_domain);
  return found == lists_->end() ? nullptr : &found->second;
}

const DenyEntry* DenyLists::find(std::string_view serial, const SpiffeId& id) const {
  const DenyList* list = find(id.trust_domain);
  return list == nullptr ? nullptr : list->find(serial, id);
}

}  // namespace meridian::mesh
