#include "proof/receipt.h"

#include <gtest/gtest.h>

#include <array>

#include "crypto/base64.h"
#include "proof/merkle_tree.h"
#include "proof/statement.h"

namespace meridian::proof {
namespace {

const Signer& log_key() {
  static const Signer key("example.com/log", KeyType::ed25519, std::array<Byte, 32>{1});
  return key;
}

Buffer header_of(std::uint64_t number) {
  return to_buffer(as_bytes("header " + std::to_string(number)));
}

Receipt receipt_of(std::uint64_t index, std::uint64_t size) {
  MerkleTree tree;
  for (std::uint64_t i = 0; i < size; ++i) tree.append(leaf_hash(header_of(i)));
  ProofPath path = *tree.prove_inclusion(LeafIndex{index}, TreeSize{size});
  return {header_of(index), LeafIndex{index}, path, *sign_checkpoint(tree.head(), log_key())};
}

TEST(Receipt, text_is_read_back_and_leads_to_the_checkpoint) {
  for (std::uint64_t size : {1, 2, 3, 5, 8, 20}) {
    for (std::uint64_t index = 0; index < size; ++index) {
      Receipt receipt = receipt_of(index, size);
      std::string text = format_receipt(receipt);
      Result<Receipt> parsed = parse_receipt(text);
      ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
      EXPECT_EQ(*parsed, receipt);
      Result<Checkpoint> checkpoint = verify_in_checkpoint(*parsed);
      ASSERT_TRUE(checkpoint.has_value());
      EXPECT_EQ(raw(checkpoint->head.size), size);
    }
  }
}

TEST(Receipt, has_the_lines_of_the_specification) {
  std::string text = format_receipt(receipt_of(1, 2));
  EXPECT_TRUE(text.starts_with("c2sp.org/tlog-proof@v1\nextra aGVhZGVyIDE=\nindex 1\n" +
                               crypto::to_base64(leaf_hash(header_of(0))) +
                               "\n\nexample.com/log\n2\n"))
      << text;
}

TEST(Receipt, every_flipped_bit_is_refused_or_breaks_a_signature) {
  Receipt receipt = receipt_of(3, 7);
  std::string text = format_receipt(receipt);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int place = 0; place < 8; ++place) {
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ (1 << place));
      Result<Receipt> parsed = parse_receipt(changed);
      if (!parsed.has_value() || !verify_in_checkpoint(*parsed).has_value()) continue;
      bool trusted = false;
      for (const NoteSignature& signature : parsed->checkpoint.signatures) {
        trusted = trusted || check_signature(parsed->checkpoint.text, signature,
                                             log_key().verifier()) == SignatureCheck::good;
      }
      EXPECT_FALSE(trusted) << "byte " << at << " bit " << place << ":\n" << changed;
    }
  }
}

TEST(Receipt, truncated_and_malformed_texts_are_refused) {
  std::string text = format_receipt(receipt_of(3, 7));
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse_receipt(text.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(parse_receipt(text + "\n").has_value());
  EXPECT_FALSE(parse_receipt("\n" + text).has_value());
  EXPECT_FALSE(parse_receipt(text + std::string(receipt_size_max, 'x')).has_value());
  auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return parse_receipt(changed);
  };
  EXPECT_TRUE(with("index 3", "index 3").has_value());
  for (const char* index : {"index 03", "index", "index ", "index -3", "Index 3", "index 3 ",
                            "index 1099511627776", "index 99999999999999999999"}) {
    EXPECT_FALSE(with("index 3", index).has_value()) << index;
  }
  EXPECT_FALSE(with("extra aGVhZGVyIDM=", "extra ").has_value());
  EXPECT_FALSE(with("extra aGVhZGVyIDM=\n", "").has_value());
  std::string long_path;
  for (int i = 0; i < 42; ++i) long_path += crypto::to_base64(empty_root()) + "\n";
  EXPECT_FALSE(with("index 3\n", "index 3\n" + long_path).has_value());
}

TEST(Receipt, index_outside_of_the_checkpoint_is_data_loss) {
  Receipt receipt = receipt_of(3, 7);
  receipt.index = LeafIndex{7};
  EXPECT_EQ(verify_in_checkpoint(receipt).error().code, Code::data_loss);
  receipt.index = LeafIndex{2};
  EXPECT_EQ(verify_in_checkpoint(receipt).error().code, Code::data_loss);
}

CommitStatement statement_of() {
  return {"example.com/log", LeafIndex{100}, 8190, 3, 17, leaf_hash({})};
}

TEST(Statement, is_signed_and_read_back) {
  Note note = *sign_statement(statement_of(), log_key());
  EXPECT_TRUE(
      note.text.starts_with("example.com/log commit\nrecords 100 8190\nterm 3\nentry 17\n"));
  Result<Note> parsed = parse_note(format_note(note));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(*verify_statement(*parsed, log_key().verifier()), statement_of());
}

TEST(Statement, can_never_be_taken_for_a_checkpoint_or_the_other_way) {
  EXPECT_FALSE(parse_checkpoint(format_statement(statement_of())).has_value());
  Note checkpoint = *sign_checkpoint({TreeSize{7}, empty_root()}, log_key());
  EXPECT_FALSE(verify_statement(checkpoint, log_key().verifier()).has_value());
}

TEST(Statement, of_another_key_or_changed_is_refused) {
  Signer other("example.com/log", KeyType::ed25519, std::array<Byte, 32>{2});
  Note note = *sign_statement(statement_of(), log_key());
  EXPECT_EQ(verify_statement(note, other.verifier()).error().code, Code::permission_denied);
  note.text.replace(note.text.find("8190"), 4, "8191");
  EXPECT_EQ(verify_statement(note, log_key().verifier()).error().code, Code::data_loss);
  Signer cosigner("example.com/log", KeyType::cosignature, std::array<Byte, 32>{2});
  EXPECT_EQ(verify_statement(note, cosigner.verifier()).error().code, Code::invalid_argument);
}

TEST(Statement, malformed_texts_are_refused) {
  std::string text = format_statement(statement_of());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse_statement(text.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(parse_statement(text + "more\n").has_value());
  for (auto [from, to] : {std::pair{" commit", " Commit"},
                          {"100 8190", "100 0"},
                          {"100 8190", "100"},
                          {"100 8190", "1099511627776 1"},
                          {"100 8190", "0 1099511627777"},
                          {"term 3", "term 03"},
                          {"entry", "enter"},
                          {"records 100", "records  100"}}) {
    std::string changed = text;
    changed.replace(changed.find(from), std::string_view(from).size(), to);
    EXPECT_FALSE(parse_statement(changed).has_value()) << changed;
  }
}

}  // namespace
}  // namespace meridian::proof
