#include "replica/cosign_message.h"

#include <gtest/gtest.h>

namespace meridian::replica {
namespace {

std::vector<CosignQuestion> questions() {
  CosignQuestion question;
  question.number = 7;
  question.origin = "meridian/cell/1";
  question.keys.log.fill(1);
  question.keys.cosigner.fill(2);
  question.keys.exchange.fill(3);
  std::vector<CosignQuestion> all;
  for (std::uint8_t kind = 1; kind <= 5; ++kind) {
    question.kind = static_cast<CosignQuestion::Kind>(kind);
    question.head = {};
    question.range = {};
    if (kind <= 2 || kind == 5) question.head = {proof::TreeSize{5}, proof::leaf_hash({})};
    if (kind == 3) question.range = {1, 256, 256};
    all.push_back(question);
  }
  return all;
}

std::vector<CosignAnswer> answers() {
  std::vector<CosignAnswer> all(6);
  for (std::uint8_t kind = 1; kind <= 6; ++kind) {
    all[kind - 1u].kind = static_cast<CosignAnswer::Kind>(kind);
    all[kind - 1u].number = 9;
    all[kind - 1u].keys.log.fill(kind);
  }
  all[0].head = all[1].head = all[5].head = {proof::TreeSize{5}, proof::leaf_hash({})};
  all[0].cosignature = Buffer(CosignAnswer::cosignature_size, Byte{3});
  all[2].hashes = {proof::leaf_hash({}), proof::empty_root()};
  all[4].why = "it has 3 hashes of level 1";
  return all;
}

TEST(CosignMessage, every_kind_reads_back) {
  for (const CosignQuestion& question : questions()) {
    const auto read = CosignQuestion::decode(question.encode());
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(*read, question);
  }
  for (const CosignAnswer& answer : answers()) {
    const auto read = CosignAnswer::decode(answer.encode());
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(*read, answer);
  }
}

TEST(CosignMessage, what_is_cut_short_or_too_long_is_refused) {
  for (const CosignQuestion& question : questions()) {
    Buffer bytes = question.encode();
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(CosignQuestion::decode(Bytes(bytes).first(size)).has_value()) << size;
    bytes.push_back(0);
    EXPECT_FALSE(CosignQuestion::decode(bytes).has_value());
  }
  const Buffer cosigned = answers()[0].encode();
  for (std::size_t size = 0; size < cosigned.size(); ++size)
    EXPECT_FALSE(CosignAnswer::decode(Bytes(cosigned).first(size)).has_value()) << size;
}

TEST(CosignMessage, a_range_outside_one_tile_and_a_tree_of_no_record_are_refused) {
  CosignQuestion question = questions()[2];
  Buffer bytes = question.encode();
  bytes[bytes.size() - 10] = 1;  // first: not a multiple of 256
  EXPECT_FALSE(CosignQuestion::decode(bytes).has_value());
  question = questions()[0];
  bytes = question.encode();
  bytes[bytes.size() - 40] = 0;
  EXPECT_FALSE(CosignQuestion::decode(bytes).has_value());
}

}  // namespace
}  // namespace meridian::replica
