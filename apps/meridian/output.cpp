#include "output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "api/convert.h"
#include "api/convert_json.h"
#include "crypto/base64.h"
#include "ledger/describe.h"

namespace meridian::app {

namespace {

/// Characters of UTF-8 text: what a column is wide.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

OrderedJson content_json(const std::string& content, const std::string& content_type) {
  if (content_type == "application/json") {
    OrderedJson parsed = OrderedJson::parse(content, nullptr, false);
    if (!parsed.is_discarded()) return parsed;
  }
  return content;
}

bool is_utf8(std::string_view text) {
  const OrderedJson value = std::string(text);
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::ignore).size() ==
         value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace).size();
}

void put_content(OrderedJson& out, const char* name, const std::string& content,
                 const std::string& content_type) {
  if (is_utf8(content)) {
    out[name] = content_json(content, content_type);
  } else {
    out[std::string(name) + "_base64"] = crypto::to_base64(as_bytes(content));
  }
}

}  // namespace

void print_line(std::string_view text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
}
void print_json(const OrderedJson& value) {
  print_line(value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
}

u128 to_u128(std::string_view bytes) { return api::parse_u128(bytes, "").value_or(0); }

OrderedJson json_of(const v1::CommandResult& result) {
  OrderedJson out;
  out["status"] = result.name();
  out["timestamp"] = std::to_string(result.timestamp());
  if (result.revision() != ~std::uint64_t{0}) out["revision"] = std::to_string(result.revision());
  out["record_index"] = std::to_string(result.record_index());
  return out;
}

Result<OrderedJson> json_of(const v1::Account& account) {
  return api::account_json(TRY(api::parse_account(account, "account")));
}
Result<OrderedJson> json_of(const v1::Transfer& transfer) {
  return api::transfer_json(TRY(api::parse_transfer(transfer, "transfer")));
}

OrderedJson json_of(const v1::RecordedEvent& event) {
  OrderedJson out;
  out["record_index"] = std::to_string(event.record_index());
  out["revision"] = std::to_string(event.revision());
  out["time"] = ledger::iso_time(event.time());
  out["event_id"] = to_decimal(to_u128(event.event_id()));
  if (event.forgotten() || event.withheld()) {
    out[event.forgotten() ? "forgotten" : "withheld"] = true;
    out["stream_id"] = to_hex(as_bytes(event.stream_id()));
    return out;
  }
  out["stream"] = event.stream();
  out["type"] = event.type();
  out["content_type"] = event.content_type();
  if (!event.metadata().empty()) put_content(out, "metadata", event.metadata(), "");
  put_content(out, "data", event.data(), event.content_type());
  if (event.parts_forgotten() != 0) out["parts_forgotten"] = event.parts_forgotten();
  if (event.parts_withheld() != 0) out["parts_withheld"] = event.parts_withheld();
  return out;
}

std::string iso_seconds(std::int64_t seconds) {
  return ledger::iso_time(static_cast<std::uint64_t>(seconds) * 1'000'000'000);
}

std::string format_table(const std::vector<std::vector<std::string>>& rows,
                         const std::vector<std::size_t>& right) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - width_of(row[i]), ' ');
      const bool is_right = std::find(right.begin(), right.end(), i) != right.end();
      if (i > 0) line += "  ";
      line += is_right ? blanks + row[i] : row[i] + blanks;
    }
    while (line.ends_with(' ')) line.pop_back();
    out += line + '\n';
  }
  return out;
}

}  // namespace meridian::app
