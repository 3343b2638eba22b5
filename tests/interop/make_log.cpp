// make_log DIR SIZE: writes a signed log of SIZE sample records in the C2SP layout, with receipts,
// policy, verifier key, commit statement and frontier, for verifiers that share no code with us.
//
// Goes the product's way: a Frontier fed in uneven batches, proofs from tiles. The keys come from
// fixed seeds, so equal arguments give equal bytes: SIZE 9 makes docs/formats/golden/proof.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "proof/policy.h"
#include "proof/receipt.h"
#include "proof/statement.h"
#include "proof/tile.h"
#include "sample_header.h"

namespace meridian::interop {
namespace {

using namespace meridian::proof;

constexpr std::string_view origin = "interop.example/00000000-0000-0007-0000-000000000007/1";
constexpr std::uint64_t size_max = 1'000'000;

Signer signer_of(std::string_view name, KeyType type, Byte seed) {
  std::array<Byte, 32> bytes;
  bytes.fill(seed);
  return Signer(std::string(name), type, bytes);
}

struct Keys {
  Signer log = signer_of(origin, KeyType::ed25519, 1);
  Signer us = signer_of("replica-us.interop.example", KeyType::cosignature, 2);
  Signer eu = signer_of("replica-eu.interop.example", KeyType::cosignature, 3);
  Signer witness = signer_of("witness.example/w1", KeyType::cosignature, 4);
};

class LogTiles : public TileReader {
 public:
  Result<Hashes> read(std::size_t level, std::uint64_t first, std::size_t count) override {
    const Hashes& hashes = completed.levels[level];
    if (first > hashes.size() || count > hashes.size() - first) {
      return fail(Code::out_of_range, fmt::format("no tile {} at {}", level, first));
    }
    auto begin = hashes.begin() + static_cast<std::ptrdiff_t>(first);
    return Hashes(begin, begin + static_cast<std::ptrdiff_t>(count));
  }

  TileHashes completed;
};

struct Log {
  std::vector<Buffer> headers;
  LogTiles tiles;
  Frontier frontier;
};

Log build(std::uint64_t size) {
  Log log;
  Hashes leaves;
  for (std::uint64_t index = 0; index < size; ++index) {
    log.headers.push_back(sample_header(index));
    leaves.push_back(leaf_hash(log.headers.back()));
  }
  std::uint64_t batch = 1;
  for (std::uint64_t done = 0; done < size; done += batch) {
    batch = std::min(batch * 3 % 1009 + 1, size - done);
    log.frontier.append(std::span(leaves).subspan(done, batch), log.tiles.completed);
  }
  return log;
}

Status write(const std::filesystem::path& path, Bytes bytes) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return fail(Code::internal, fmt::format("cannot write {}", path.string()));
  return {};
}

Status write_tiles(const std::filesystem::path& dir, Log& log) {
  for (const TileId& tile : tiles_of(log.frontier.size())) {
    std::uint64_t first = tile.index * tile_width;
    Buffer bytes;
    if (tile.kind == TileKind::hashes) {
      bytes = encode_hash_tile(TRY(log.tiles.read(tile.level, first, tile.width)));
    } else {
      for (std::uint64_t i = first; i < first + tile.width; ++i)
        append_entry(bytes, log.headers[i]);
    }
    TRY(write(dir / tile_path(tile), bytes));
  }
  return {};
}

Policy policy_of(const Keys& keys) {
  Policy policy;
  policy.logs.push_back({keys.log.verifier(), {}});
  auto add = [&](const char* name, const Signer& key, CosignerRole role, const char* place) {
    policy.witnesses.push_back({name, key.verifier(), {}, role, place});
  };
  add("us", keys.us, CosignerRole::replica, "us-east");
  add("eu", keys.eu, CosignerRole::replica, "eu-west");
  add("auditor", keys.witness, CosignerRole::outside, "Example-Audit");
  policy.groups.push_back({"everyone", 3, {"us", "eu", "auditor"}});
  policy.quorum = "everyone";
  return policy;
}

Status write_log(const std::filesystem::path& dir, std::uint64_t size) {
  Log log = build(size);
  Keys keys;
  Note checkpoint = *sign_checkpoint(log.frontier.head(), keys.log);
  std::uint64_t time = 1'700'000'000;
  for (const Signer* key : {&keys.us, &keys.eu, &keys.witness}) {
    checkpoint.signatures.push_back(*cosign(checkpoint.text, *key, PosixTime{++time}));
  }
  TRY(write_tiles(dir, log));
  TRY(write(dir / "checkpoint", as_bytes(format_note(checkpoint))));
  TRY(write(dir / "policy", as_bytes(format_policy(policy_of(keys)))));
  TRY(write(dir / "log.vkey", as_bytes(format_vkey(keys.log.verifier()) + "\n")));
  TRY(write(dir / "frontier", log.frontier.encode()));
  crypto::Sha256 outcomes;  // bytes 4 and 5 of a header are its outcome
  for (const Buffer& header : log.headers) outcomes.update(Bytes(header).subspan(4, 2));
  CommitStatement statement{std::string(origin), LeafIndex{0}, size, 3, 1, outcomes.finish()};
  TRY(write(dir / "statement", as_bytes(format_note(*sign_statement(statement, keys.log)))));

  std::set<std::uint64_t> indexes = {0,      1,      2,      3,      4,      5,        6,       7,
                                     254,    255,    256,    257,    510,    511,      512,     513,
                                     65'279, 65'280, 65'534, 65'535, 65'536, size / 2, size - 1};
  for (std::uint64_t index : indexes) {
    if (index >= size) continue;
    ProofPath path = TRY(prove_inclusion(LeafIndex{index}, TreeSize{size}, log.tiles));
    Receipt receipt{log.headers[index], LeafIndex{index}, path, checkpoint};
    TRY(write(dir / "receipts" / fmt::format("{}.tlog-proof", index),
              as_bytes(format_receipt(receipt))));
  }
  return {};
}

}  // namespace
}  // namespace meridian::interop

int main(int count, char** arguments) {
  std::uint64_t size = count == 3 ? std::strtoull(arguments[2], nullptr, 10) : 0;
  if (size == 0 || size > meridian::interop::size_max) {
    fmt::print(stderr, "usage: make_log DIR SIZE (1..{})\n", meridian::interop::size_max);
    return 2;
  }
  meridian::Status written = meridian::interop::write_log(arguments[1], size);
  if (!written.has_value()) {
    fmt::print(stderr, "make_log: {}\n", written.error().message);
    return 1;
  }
  return 0;
}
