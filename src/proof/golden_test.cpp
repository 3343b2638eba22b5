// The golden files of docs/formats/proof.md: made once by tests/interop/make_log, never to change.
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>

#include "proof/merkle_tree.h"
#include "proof/policy.h"
#include "proof/receipt.h"
#include "proof/statement.h"
#include "proof/tile.h"

namespace meridian::proof {
namespace {

constexpr std::string_view origin = "interop.example/00000000-0000-0007-0000-000000000007/1";

std::string golden(const std::string& name) {
  std::ifstream in(std::string(MERIDIAN_SOURCE_DIR "/docs/formats/golden/proof/") + name,
                   std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

Signer signer_of(std::string_view name, KeyType type, Byte seed) {
  std::array<Byte, 32> bytes;
  bytes.fill(seed);
  return Signer(std::string(name), type, bytes);
}
Signer log_key() { return signer_of(origin, KeyType::ed25519, 1); }

std::vector<Buffer> golden_headers() {
  std::string bundle = golden("tile/entries/000.p/9");
  std::vector<Buffer> headers;
  std::vector<Bytes> entries = *decode_entry_bundle(as_bytes(bundle), 9);
  for (Bytes entry : entries) headers.push_back(to_buffer(entry));
  return headers;
}

TEST(Golden, keys_checkpoint_and_cosignatures_are_made_again_byte_for_byte) {
  EXPECT_EQ(golden("log.vkey"), format_vkey(log_key().verifier()) + "\n");
  MerkleTree tree;
  for (const Buffer& header : golden_headers()) tree.append(leaf_hash(header));
  Note note = *sign_checkpoint(tree.head(), log_key());
  Signer us = signer_of("replica-us.interop.example", KeyType::cosignature, 2);
  Signer eu = signer_of("replica-eu.interop.example", KeyType::cosignature, 3);
  Signer witness = signer_of("witness.example/w1", KeyType::cosignature, 4);
  note.signatures.push_back(*cosign(note.text, us, PosixTime{1'700'000'001}));
  note.signatures.push_back(*cosign(note.text, eu, PosixTime{1'700'000'002}));
  note.signatures.push_back(*cosign(note.text, witness, PosixTime{1'700'000'003}));
  EXPECT_EQ(format_note(note), golden("checkpoint"));
}

TEST(Golden, tiles_and_frontier_are_made_again_byte_for_byte) {
  std::vector<Buffer> headers = golden_headers();
  Hashes leaves;
  Buffer bundle;
  for (const Buffer& header : headers) {
    leaves.push_back(leaf_hash(header));
    append_entry(bundle, header);
  }
  TileHashes completed;
  Frontier frontier;
  frontier.append(leaves, completed);
  EXPECT_EQ(as_text(bundle), golden("tile/entries/000.p/9"));
  EXPECT_EQ(as_text(encode_hash_tile(completed.levels[0])), golden("tile/0/000.p/9"));
  EXPECT_EQ(as_text(frontier.encode()), golden("frontier"));
}

TEST(Golden, receipts_are_read_evaluated_and_written_byte_for_byte) {
  Result<Policy> policy = parse_policy(golden("policy"));
  ASSERT_TRUE(policy.has_value()) << policy.error().message;
  EXPECT_EQ(format_policy(*policy), golden("policy"));
  std::vector<Buffer> headers = golden_headers();
  for (std::uint64_t index = 0; index < 9; ++index) {
    std::string text = golden("receipts/" + std::to_string(index) + ".tlog-proof");
    Result<Receipt> receipt = parse_receipt(text);
    ASSERT_TRUE(receipt.has_value()) << receipt.error().message;
    EXPECT_EQ(raw(receipt->index), index);
    EXPECT_EQ(receipt->header, headers[index]);
    EXPECT_EQ(format_receipt(*receipt), text);
    Result<Evidence> evidence = evaluate(*receipt, *policy);
    ASSERT_TRUE(evidence.has_value()) << evidence.error().message;
    EXPECT_EQ(level_name(*evidence), "global+witnessed");
    EXPECT_EQ(evidence->cosignatures.size(), 3U);
  }
}

TEST(Golden, statement_is_made_again_byte_for_byte) {
  crypto::Sha256 outcomes;
  for (const Buffer& header : golden_headers()) outcomes.update(Bytes(header).subspan(4, 2));
  CommitStatement statement{std::string(origin), LeafIndex{0}, 9, 3, 1, outcomes.finish()};
  EXPECT_EQ(format_note(*sign_statement(statement, log_key())), golden("statement"));
}

}  // namespace
}  // namespace meridian::proof
