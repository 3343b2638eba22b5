#include "storage/keeping.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/assert.h"
#include "base/printable.h"

namespace meridian::storage {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::uint32_t months_of_a_version = 13;

sys_days days_of(Day day) { return sys_days(std::chrono::days(raw(day))); }
year_month_day date_of(Day day) { return year_month_day(days_of(day)); }
Day day_of(sys_days days) {
  return Day{static_cast<std::int32_t>(days.time_since_epoch().count())};
}
Day first_of(int year, unsigned month) {
  return day_of(sys_days(std::chrono::year(year) / std::chrono::month(month) / 1));
}

bool is_text(std::string_view text, std::size_t field) {
  return !text.empty() && text.size() <= field && is_printable(text);
}

}  // namespace

Day day_of(io::WallTime time) {
  constexpr std::uint64_t day_ns = 86'400'000'000'000;
  return Day{static_cast<std::int32_t>(static_cast<std::uint64_t>(time) / day_ns)};
}

std::string to_text(Day day) {
  const year_month_day date = date_of(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

Day operator+(Day day, Span span) {
  year_month_day date = date_of(day) + std::chrono::months(span.months);
  if (!date.ok()) date = date.year() / date.month() / std::chrono::last;  // 31 January and a month
  return day_of(sys_days(date) + std::chrono::days(span.days));
}

std::string to_text(Span span) {
  std::string text;
  if (span.months != 0)
    text = span.months % 12 == 0 ? fmt::format("{}y", span.months / 12)
                                 : fmt::format("{}m", span.months);
  if (span.days != 0 || text.empty()) text += fmt::format("{}d", span.days);
  return text;
}

Result<Span> parse_span(std::string_view text) {
  const auto wrong = [text] {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is no length of time: write 10y, 18m, 30d or 1y6m15d", text));
  };
  std::uint32_t months = 0, days = 0;
  std::string_view rest = text;
  if (rest.empty()) return wrong();
  while (!rest.empty()) {
    std::uint32_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (error != std::errc{} || rest.empty() || count > 65'535) return wrong();
    switch (rest.front()) {
      case 'y': months += 12 * count; break;
      case 'm': months += count; break;
      case 'd': days += count; break;
      default: return wrong();
    }
    rest.remove_prefix(1);
    if (months > 12 * 200 || days > 65'535) return wrong();
  }
  return Span{static_cast<std::uint16_t>(months), static_cast<std::uint16_t>(days)};
}

// --- periods ---

std::uint32_t period_version(bool is_by_month, Day day) {
  const year_month_day date = date_of(day);
  return months_of_a_version * static_cast<std::uint32_t>(static_cast<int>(date.year())) +
         (is_by_month ? static_cast<unsigned>(date.month()) : 0);
}

Period period_of(std::uint32_t version, const RetentionClass& retention) {
  if (!is_dated(version)) return {retention.defined, retention.defined};
  version = without_turn(version);
  const int year = static_cast<int>(version / months_of_a_version);
  const unsigned month = version % months_of_a_version;
  const Day begin = first_of(year, std::max(month, 1U));
  return {begin, begin + Span{static_cast<std::uint16_t>(month == 0 ? 12 : 1), 0}};
}

std::string period_text(std::uint32_t version) {
  const std::uint32_t period = without_turn(version);
  const std::uint32_t year = period / months_of_a_version, month = period % months_of_a_version;
  std::string text = "undated";
  if (is_dated(version))
    text = month == 0 ? fmt::format("{:04}", year) : fmt::format("{:04}-{:02}", year, month);
  return turn_of(version) == 0 ? text : fmt::format("{}, turn {}", text, turn_of(version));
}

Day kept_until(std::uint32_t version, const RetentionClass& retention) {
  return period_of(version, retention).end + retention.keep;
}

std::optional<Day> due_on(std::uint32_t version, const RetentionClass& retention) {
  if (retention.erase.is_zero()) return std::nullopt;
  return period_of(version, retention).begin + retention.erase;
}

Status check_class(const RetentionClass& retention) {
  if (retention.retention > 253)
    return fail(Code::invalid_argument,
                fmt::format("class {} is reserved: use 0 to 253", retention.retention));
  if (!is_text(text_of(retention.name), class_name_size))
    return fail(Code::invalid_argument, "name: 1 to 24 printable ASCII characters are needed");
  if (!is_text(text_of(retention.basis), class_basis_size))
    return fail(Code::invalid_argument,
                "legal basis: 1 to 44 printable ASCII characters are needed");
  if (retention.erase.is_zero()) return {};
  // Every month of a leap cycle: lengths of months and years differ.
  for (int year = 2001; year <= 2028; ++year)
    for (unsigned month = 1; month <= (retention.is_by_month ? 12U : 1U); ++month) {
      const std::uint32_t version = period_version(retention.is_by_month, first_of(year, month));
      if (*due_on(version, retention) < kept_until(version, retention))
        return fail(
            Code::invalid_argument,
            fmt::format("erase_at_latest {} counts from the beginning of a {}, keep_at_least {} "
                        "from its end: what is sealed in {} would have to be kept until {} and "
                        "gone by {}",
                        to_text(retention.erase), retention.is_by_month ? "month" : "year",
                        to_text(retention.keep), period_text(version),
                        to_text(kept_until(version, retention)),
                        to_text(*due_on(version, retention))));
    }
  return {};
}

// --- what stands beside the keys ---

bool Keeping::define(RetentionClass retention, bool has_keys) {
  const RetentionClass* known = find(retention.retention);
  if (known != nullptr && known->residency != 0)
    retention.residency = known->residency;
  else if (has_keys || residency_.find(retention.residency) == nullptr)
    retention.residency = 0;
  const auto [at, is_new] = classes_.try_emplace(retention.retention, retention);
  if (is_new) return true;
  retention.defined = at->second.defined;
  retention.is_by_month = at->second.is_by_month;
  const bool is_changed = at->second != retention;
  at->second = retention;
  return is_changed;
}

bool Keeping::expire(std::uint8_t retention, std::uint32_t through) {
  std::uint32_t& expired = expired_[retention];
  if (through <= expired) return false;
  expired = through;
  return true;
}

bool Keeping::place(const Hold& hold) {
  std::vector<Hold>& there = holds_[hold.subject];
  const auto at = std::ranges::lower_bound(there, hold.id, {}, &Hold::id);
  if (at == there.end() || at->id != hold.id) {
    there.insert(at, hold);
    return true;
  }
  const bool is_changed = *at != hold;
  *at = hold;
  return is_changed;
}

bool Keeping::release(u128 subject, u128 id) {
  const auto found = holds_.find(subject);
  if (found == holds_.end()) return false;
  const bool is_changed =
      std::erase_if(found->second, [id](const Hold& hold) { return hold.id == id; }) != 0;
  if (found->second.empty()) holds_.erase(found);
  return is_changed;
}

const RetentionClass* Keeping::find(std::uint8_t retention) const {
  const auto found = classes_.find(retention);
  return found == classes_.end() ? nullptr : &found->second;
}

const Jurisdiction* Keeping::home_of(std::uint8_t retention) const {
  const RetentionClass* known = find(retention);
  return known == nullptr ? nullptr : residency_.find(known->residency);
}

std::vector<Hold> Keeping::holds() const {
  std::vector<Hold> all;
  for (const auto& [subject, holds] : holds_) all.insert(all.end(), holds.begin(), holds.end());
  std::ranges::sort(all, [](const Hold& a, const Hold& b) {
    return a.subject != b.subject ? a.subject < b.subject : a.id < b.id;
  });
  return all;
}

const std::vector<Hold>& Keeping::holds(u128 subject) const {
  static const std::vector<Hold> none;
  const auto found = holds_.find(subject);
  return found == holds_.end() ? none : found->second;
}

const Hold* Keeping::hold_on(u128 subject, std::uint8_t retention) const {
  for (const Hold& hold : holds(subject))
    if (hold.covers(retention)) return &hold;
  return nullptr;
}

std::uint32_t Keeping::version_now(std::uint8_t retention, Day today) const {
  const RetentionClass* known = find(retention);
  return known == nullptr
             ? undated_version
             : with_turn(period_version(known->is_by_month, today), turn_now(retention));
}

std::uint32_t Keeping::turn_now(std::uint8_t retention) const {
  const Jurisdiction* home = home_of(retention);
  return home == nullptr ? 0 : home->turn();
}

bool Keeping::is_through(std::uint8_t retention, std::uint32_t version,
                         std::uint32_t through) const {
  if (is_dated(version)) return without_turn(version) <= through;
  const RetentionClass* known = find(retention);
  return known != nullptr && period_version(true, known->defined) <= through;
}

bool Keeping::is_expired(std::uint8_t retention, std::uint32_t version) const {
  const auto found = expired_.find(retention);
  return found != expired_.end() && is_through(retention, version, found->second);
}

std::optional<std::uint32_t> Keeping::due_through(std::uint8_t retention, Day today) const {
  const RetentionClass* known = find(retention);
  if (known == nullptr || known->erase.is_zero()) return std::nullopt;
  // The last month whose beginning is so long ago: a year begins with its first.
  const std::uint32_t now = period_version(true, today);
  for (std::uint32_t version = now; is_dated(version); --version)
    if (version % months_of_a_version != 0 && *due_on(version, *known) <= today) return version;
  return std::nullopt;
}

}  // namespace meridian::storage
