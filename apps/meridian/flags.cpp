#include "flags.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <string_view>

namespace meridian::app {

namespace {

// By their bits (ledger/command.h); a bit without a name is reserved.
constexpr std::array<std::string_view, 16> account_names{"linked",
                                                         "debits_must_not_exceed_credits",
                                                         "credits_must_not_exceed_debits",
                                                         "history",
                                                         "imported",
                                                         "closed",
                                                         {},
                                                         {},
                                                         {},
                                                         {},
                                                         {},
                                                         {},
                                                         {},
                                                         {},
                                                         {},
                                                         "requires_signature"};
constexpr std::array<std::string_view, 9> transfer_names{
    "linked",          "pending",          "post_pending_transfer", "void_pending_transfer",
    "balancing_debit", "balancing_credit", "closing_debit",         "closing_credit",
    "imported"};

std::string join(std::span<const std::string_view> names) {
  std::string out;
  for (const std::string_view name : names)
    if (!name.empty()) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

Result<std::uint32_t> parse(const std::vector<std::string>& given,
                            std::span<const std::string_view> names) {
  std::uint32_t flags = 0;
  for (const std::string& text : given) {
    std::size_t bit = 0;
    while (bit < names.size() && names[bit] != text) ++bit;
    if (bit == names.size() || text.empty())
      return fail(Code::invalid_argument,
                  fmt::format("--flag: there is no flag '{}'. there are {}", text, join(names)));
    flags |= std::uint32_t{1} << bit;
  }
  return flags;
}

}  // namespace

Result<std::uint32_t> parse_account_flags(const std::vector<std::string>& names) {
  return parse(names, account_names);
}
Result<std::uint32_t> parse_transfer_flags(const std::vector<std::string>& names) {
  return parse(names, transfer_names);
}

std::string flag_words(std::uint32_t transfer_flags) {
  std::string out;
  for (std::size_t bit = 0; bit < transfer_names.size(); ++bit)
    if ((transfer_flags >> bit & 1) != 0)
      out += (out.empty() ? "" : " ") + std::string(transfer_names[bit]);
  return out;
}

std::string flag_help(bool of_accounts) {
  return "One of " + (of_accounts ? join(account_names) : join(transfer_names)) + "; repeatable";
}

}  // namespace meridian::app
