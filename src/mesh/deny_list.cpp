#include "mesh/deny_list.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::mesh {
namespace {

constexpr std::string_view wildcard = "/*";

bool is_serial(std::string_view text) {
  // 20 bytes is RFC 5280's bound; a serial number of ours has 16.
  return !text.empty() && text.size() % 2 == 0 && text.size() <= 40 &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_id(std::string_view text) {
  if (text.ends_with(wildcard)) text.remove_suffix(wildcard.size());
  return parse_spiffe_id(text).has_value();
}

bool is_line(std::string_view text) {
  return text.size() <= deny_reason_size_max && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

}  // namespace

struct DenyList::List {
  std::uint64_t number = 0;
  std::vector<DenyEntry> entries;
};

DenyList::DenyList() : list_(std::make_shared<const List>()) {}

Result<DenyList> DenyList::make(std::uint64_t number, std::vector<DenyEntry> entries) {
  if (entries.size() > deny_entries_max)
    return fail(Code::resource_exhausted, fmt::format("deny list: {} entries, at most {} fit",
                                                      entries.size(), deny_entries_max));
  std::ranges::sort(entries, {}, &DenyEntry::subject);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const DenyEntry& entry = entries[i];
    if (!is_serial(entry.subject) && !is_id(entry.subject))
      return fail(Code::invalid_argument,
                  "deny list: an entry is neither a serial number in lower-case hexadecimal nor a "
                  "SPIFFE id");
    if (!is_line(entry.reason))
      return fail(Code::invalid_argument,
                  fmt::format("deny list: the reason of {} is not one line of at most {} bytes",
                              entry.subject, deny_reason_size_max));
    if (i > 0 && entries[i - 1].subject == entry.subject)
      return fail(Code::invalid_argument,
                  fmt::format("deny list: {} is there twice", entry.subject));
  }
  return DenyList(std::make_shared<const List>(List{number, std::move(entries)}));
}

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
  return list_->number == other.list_->number && list_->entries == other.list_->entries;
}

}  // namespace meridian::mesh
