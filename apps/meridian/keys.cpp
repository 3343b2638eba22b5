// `meridian keys`: which keys a node has, and turning them over (docs/security/keys.md). On a
// running node over its API, or on the data directory of one that is stopped: that needs no right
// that its owner does not have already.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "act_calls.h"
#include "commands.h"
#include "crypto/ed25519.h"
#include "data_directory.h"
#include "key_access.h"
#include "key_bundle.h"
#include "key_calls.h"
#include "key_rotation.h"
#include "on_run.h"
#include "output.h"
#include "storage/storage_rotation.h"

namespace meridian::app {

namespace {

struct ListOptions : KeyAccess {
  std::string directory;  ///< Empty: a running node is asked.
  KeyCallOptions call;
  bool json = false;
};

struct RotateOptions : RotationOptions {
  KeyCallOptions call;
};

struct Row {
  storage::KeyStore::Listing key;
  bool is_newest = false;
  std::string public_key{};              ///< Of the newest that signs.
  std::optional<std::uint64_t> files{};  ///< Of `storage`: sealed under it.
};

Result<std::vector<Row>> collect(const DataDirectory& data) {
  const auto use = TRY(storage::find_storage_key_use(*data.disk));
  std::vector<Row> rows;
  for (storage::KeyStore::Listing& key : data.keys->list()) {
    if (!rows.empty() && rows.back().key.name == key.name) rows.back().is_newest = false;
    Row row{std::move(key), true};
    if (row.key.name == "storage") {
      const auto used = use.find(row.key.version);
      row.files = used == use.end() ? 0 : used->second;
    }
    rows.push_back(std::move(row));
  }
  for (Row& row : rows) {
    if (!row.is_newest || row.key.kind != storage::KeyKind::ed25519) continue;
    row.public_key = to_hex(TRY(data.keys->signer(row.key.name))->public_key());
  }
  return rows;
}

std::string place_of(const DataDirectory& data, const Row& row) {
  return row.key.is_in_token ? data.keys->token_display() : "keys/store";
}

OrderedJson json_of(const DataDirectory& data, const std::vector<Row>& rows) {
  OrderedJson out = OrderedJson::array();
  for (const Row& row : rows) {
    const KeyMeaning meaning = meaning_of_key(row.key.name);
    OrderedJson one{{"name", row.key.name},
                    {"version", static_cast<std::uint32_t>(row.key.version)},
                    {"kind", meaning.kind},
                    {"state", row.is_newest ? "in use" : "old"},
                    {"made", format_time(row.key.created_ns)},
                    {"place", place_of(data, row)},
                    {"opens", meaning.opens}};
    if (!row.public_key.empty()) one["public_key"] = row.public_key;
    if (row.files) one["files"] = *row.files;
    out.push_back(std::move(one));
  }
  return out;
}

void print(const DataDirectory& data, const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> table{
      {"KEY", "VERSION", "STATE", "KIND", "MADE", "PLACE", "FOR"}};
  for (const Row& row : rows) {
    const KeyMeaning meaning = meaning_of_key(row.key.name);
    std::string opens(meaning.opens);
    if (row.files) opens += fmt::format(" ({} files)", *row.files);
    table.push_back({row.key.name, std::to_string(static_cast<std::uint32_t>(row.key.version)),
                     row.is_newest ? "in use" : "old", std::string(meaning.kind),
                     format_time(row.key.created_ns), place_of(data, row), std::move(opens)});
  }
  fmt::print("{}", format_table(table, {1}));
}

Result<Exit> list(const ListOptions& options) {
  if (options.directory.empty()) {
    KeyCallOptions call = options.call;
    call.json = options.json;
    return list_keys_online(call);
  }
  const DataDirectory data = TRY(open_keys_to_look(options.directory, options));
  const std::vector<Row> rows = TRY(collect(data));
  if (options.json) {
    print_json({{"keys", json_of(data, rows)}});
  } else {
    print(data, rows);
  }
  return Exit::ok;
}

Result<Exit> rotate(const RotateOptions& options) {
  if (options.directory.empty()) {
    KeyCallOptions call = options.call;
    call.name = options.name;
    call.json = options.json;
    return rotate_key_online(call);
  }
  const RotatedKey done = TRY(rotate_key(options));
  if (options.json) {
    OrderedJson destroyed = OrderedJson::array();
    for (const std::uint32_t version : done.destroyed) destroyed.push_back(version);
    print_json({{"name", options.name},
                {"version", done.version},
                {"wrapped_anew", done.wrapped},
                {"destroyed", destroyed}});
    return Exit::ok;
  }
  print_line(fmt::format("{}: version {} is in use", options.name, done.version));
  print_line(fmt::format("{} {} wrapped anew", done.wrapped, done.what));
  for (const std::uint32_t version : done.destroyed)
    print_line(fmt::format("version {} is destroyed", version));
  return Exit::ok;
}

void add_list(CLI::App& keys, Invocation& invocation) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& command = *keys.add_subcommand("list", "Every key of a node; never a secret");
  command.add_option("--data", options->directory,
                     "A data directory, instead of asking a server; it may be served");
  add_client_options(command, options->call.client);
  add_key_access(command, *options,
                 "File whose content opens the keys (not needed after serve --dev)");
  command.add_flag("--json", options->json, "Print JSON");
  command.footer(
      "Changes nothing. A server lists its own: of several replicas each has others. With --data "
      "also for\nthe directory of a witness or of a certificate authority.\n\n"
      "Example: meridian keys list --server 127.0.0.1:7401\n"
      "         meridian keys list --data ./ledger --json");
  on_run(command, invocation, options, list);
}

void add_rotate(CLI::App& keys, Invocation& invocation) {
  auto options = std::make_shared<RotateOptions>();
  CLI::App& command =
      *keys.add_subcommand("rotate", "Put a new key in the place of one, and destroy the old one");
  command
      .add_option("KEY", options->name,
                  "storage, epoch or residency; what others need is said below")
      ->required();
  command.add_option("--data", options->directory,
                     "A data directory that is not being served, instead of asking a server");
  command
      .add_option("--replica", options->call.replica, "storage: of which replica (else of each)")
      ->check(CLI::PositiveNumber)
      ->type_name("ID");
  command
      .add_option("--jurisdiction", options->call.jurisdiction,
                  "residency: whose key (`meridian residency list`)")
      ->type_name("NAME");
  command.add_flag("--wait", options->call.waits,
                   "storage: until the server's old one is destroyed; residency: until the next "
                   "one is in use; within --timeout");
  add_client_options(command, options->call.client);
  add_approval_options(command, options->call.client);
  add_key_access(command, *options,
                 "File whose content opens the keys (not needed after serve --dev)");
  command
      .add_option("--approval", options->approval,
                  "With --data: what two people signed, if the node served people who are known")
      ->type_name("FILE");
  command.add_flag("--json", options->json, "Print JSON");
  command.footer(
      "storage   The random key of each file is wrapped under the new one; no record is written\n"
      "          again, so it takes as long as there are files, not bytes. Then the old one is\n"
      "          destroyed. A server does it in the background while it serves; interrupted, it "
      "goes on\n"
      "          at the next start. Each replica has its own: the leader asks them all, or one.\n"
      "epoch     The keys of persons are wrapped under the new one, and the old one is destroyed "
      "on every\n"
      "          replica, so that old copies of the key table open nothing. It turns by itself "
      "once a day,\n"
      "          and whenever somebody is forgotten. With --data: of a node that is alone.\n"
      "residency A next key of a jurisdiction is made by replicas in its regions, and is in use "
      "once two\n"
      "          regions hold it; until then the one before is. What was sealed before stays under "
      "that\n"
      "          one, which is destroyed with the last key of a person that needs it. So whoever "
      "stole a\n"
      "          key opens nothing that is sealed from then on.\n"
      "log, cosign, exchange   are who a replica is; `meridian node replace` puts one with keys "
      "of\n"
      "          its own in its place.\n"
      "cell, payload, commit, index   give the records their names and commitments, which are for\n"
      "          ever: they are never turned over.\n\n"
      "Example: meridian keys rotate storage --server 127.0.0.1:7401,127.0.0.1:7402\n"
      "         meridian keys rotate storage --data ./ledger\n"
      "         meridian keys rotate residency --jurisdiction eu --wait");
  on_run(command, invocation, options, rotate);
}

}  // namespace

void add_keys(CLI::App& app, Invocation& invocation) {
  CLI::App& keys = *app.add_subcommand("keys", "Which keys a node has, and turning them over");
  keys.require_subcommand(1);
  add_list(keys, invocation);
  add_rotate(keys, invocation);
}

}  // namespace meridian::app
