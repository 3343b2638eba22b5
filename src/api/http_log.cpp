// Receipts, records and keys, and the log as C2SP tlog-tiles has it (https://c2sp.org/tlog-tiles).
#include <fmt/format.h>

#include <utility>

#include "api/convert_json.h"
#include "api/header_json.h"
#include "api/internal/http_routes.h"
#include "api/proof_texts.h"
#include "proof/tile.h"

namespace meridian::api::internal {
namespace {

using Call = HttpApi::CallRef;
using mesh::Action;
using Json = nlohmann::ordered_json;

constexpr std::string_view text_utf8 = "text/plain; charset=utf-8";
/// A tile of one width never changes, whether that is the full one or not.
constexpr std::string_view for_ever = "public, max-age=31536000, immutable";

struct ReceiptQuery {
  RecordName name;
  std::uint32_t witnesses = 0;
};

Result<ReceiptQuery> receipt_query(const HttpApi::Call& call) {
  using ledger::CommandKind;
  QueryFields fields(call.target);
  ReceiptQuery query;
  RecordName& name = query.name;
  int given = 0;
  auto by_id = [&](std::string_view key, CommandKind kind) {
    if (!fields.has(key)) return;
    ++given;
    name = RecordOf{kind, fields.id(key)};
  };
  by_id("transfer", CommandKind::create_transfer);
  by_id("event", CommandKind::append_event);
  by_id("account", CommandKind::create_account);
  if (fields.has("record")) {
    ++given;
    name = ledger::RecordIndex{fields.number("record")};
  }
  if (fields.has("witnesses")) {
    query.witnesses =
        static_cast<std::uint32_t>(fields.number("witnesses", witness::witnesses_max));
  }
  TRY(fields.finish());
  if (given != 1) {
    return fail(Code::invalid_argument,
                "give exactly one of the parameters transfer, event, account, record");
  }
  return query;
}

void get_receipt(Backend& backend, const Call& call) {
  Result<ReceiptQuery> query = receipt_query(*call);
  if (!query) return call->refuse(query.error());
  make_receipt(backend, query->name, query->witnesses, [call](Result<std::string> text) {
    if (!text) return call->refuse(text.error());
    call->reply({.content_type = std::string(text_utf8), .body = std::move(*text)});
  });
}

void get_signature(Backend& backend, const Call& call) {
  Result<ReceiptQuery> query = receipt_query(*call);
  if (!query) return call->refuse(query.error());
  find_signature(backend, query->name, [call](const Result<cell::LocalCell::KeptSignature>& kept) {
    if (!kept) return call->refuse(kept.error());
    call->reply_json(
        Json{{"jws", kept->jws}, {"record_index", std::to_string(raw(kept->record))}}.dump());
  });
}

void get_record(Backend& backend, const Call& call) {
  Result<std::uint64_t> index = parse_segment_number(call->arguments[0], "record");
  if (!index) return call->refuse(index.error());
  backend.work.post([&backend, call, index = *index] {
    Result<Buffer> header = backend.cell.replica().header(ledger::RecordIndex{index});
    if (!header) return call->refuse(header.error());
    Result<std::string> json = header_json_text(*header);
    if (!json) return call->refuse(json.error());
    json->pop_back();
    *json += fmt::format(R"(,"header":"{}"}})", to_hex(*header));
    call->reply_json(std::move(*json));
  });
}

void get_keys(Backend& backend, const Call& call) {
  Result<KeyTexts> texts = key_texts(backend.cell.replica());
  if (!texts) return call->refuse(texts.error());
  call->reply_json(Json{
      {"origin", texts->origin},
      {"log_vkey", texts->log_vkey},
      {"cosigner_vkey", texts->cosigner_vkey},
      {"policy",
       texts->policy}}.dump());
}

void get_witnesses(Backend& backend, const Call& call) {
  report_witnesses(backend, [call](const std::vector<witness::WitnessReport>& reports) {
    Json rows = Json::array();
    for (const witness::WitnessReport& report : reports) {
      rows.push_back({{"name", report.name},
                      {"url", report.url},
                      {"state", witness::name(report.state)},
                      {"cosigned_size", std::to_string(report.cosigned_size)},
                      {"lag_records", std::to_string(report.lag_records)},
                      {"problem", report.problem}});
    }
    call->reply_json(Json{{"witnesses", std::move(rows)}}.dump());
  });
}

void get_checkpoint(Backend& backend, const Call& call) {
  make_checkpoint(backend, [call](Result<std::string> note) {
    if (!note) return call->refuse(note.error());
    call->reply({.content_type = std::string(text_utf8),
                 .body = std::move(*note),
                 .cache_control = "no-cache"});
  });
}

Result<std::string> tile_bytes(replica::Replica& replica, const proof::TileId& tile) {
  Buffer bytes;
  std::uint64_t first = tile.index * proof::tile_width;
  if (tile.kind == proof::TileKind::hashes) {
    bytes = proof::encode_hash_tile(TRY(replica.tiles().read(tile.level, first, tile.width)));
  } else {
    TRY(replica.scan(ledger::RecordIndex{first}, tile.width,
                     [&](ledger::RecordIndex, Bytes header) {
                       proof::append_entry(bytes, header);
                       return true;
                     }));
  }
  return std::string(as_text(bytes));
}

}  // namespace

void serve_tile(Backend& backend, const Call& call) {
  backend.work.post([&backend, call] {
    auto missing = [&](std::string why) { call->refuse(fail(Code::not_found, std::move(why))); };
    Result<proof::TileId> tile =
        proof::parse_tile_path(std::string_view(call->target.path).substr(sizeof("/log/") - 1));
    if (!tile) return missing("no tile has this name: " + tile.error().message);
    if (!call->target.query.empty()) return missing("a tile has no parameters");
    replica::Replica& replica = backend.cell.replica();
    std::uint64_t size = replica.visible_records();
    std::uint16_t width = proof::tile_width_at(tile->level, tile->index, proof::TreeSize{size});
    if (tile->width > width) {
      return missing(
          fmt::format("beyond the tree of {} records: this tile has {} now", size, width));
    }
    Result<std::string> bytes = tile_bytes(replica, *tile);
    if (!bytes) return call->refuse(bytes.error());
    call->reply({.content_type = "application/octet-stream",
                 .body = std::move(*bytes),
                 .cache_control = std::string(for_ever)});
  });
}

void add_proof_routes(std::vector<HttpApi::Route>& routes) {
  routes.push_back({HttpMethod::get, "v1/receipts", Action::proofs_read, get_receipt, true});
  routes.push_back({HttpMethod::get, "v1/signatures", Action::records_read, get_signature, true});
  routes.push_back({HttpMethod::get, "v1/records/*", Action::records_read, get_record, true});
  routes.push_back({HttpMethod::get, "v1/keys", Action::proofs_read, get_keys});
  routes.push_back({HttpMethod::get, "v1/witnesses", Action::proofs_read, get_witnesses});
  routes.push_back({HttpMethod::get, "log/checkpoint", Action::proofs_read, get_checkpoint, true});
}

}  // namespace meridian::api::internal
