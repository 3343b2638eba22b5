#include "proof/policy.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "proof/merkle_tree.h"

namespace meridian::proof {
namespace {

Signer signer_of(std::string name, KeyType type, Byte seed) {
  return Signer(std::move(name), type, std::array<Byte, 32>{seed});
}
const Signer& log_key() {
  static const Signer key = signer_of("example.com/log", KeyType::ed25519, 1);
  return key;
}
/// Cosigner number 0..7.
const Signer& cosigner(std::size_t number) {
  static const std::vector<Signer> keys = [] {
    std::vector<Signer> made;
    for (Byte i = 0; i < 8; ++i) {
      made.push_back(signer_of(fmt::format("c{}.example", i), KeyType::cosignature,
                               static_cast<Byte>(10 + i)));
    }
    return made;
  }();
  return keys[number];
}

std::string log_line() { return "log " + format_vkey(log_key().verifier()) + "\n"; }
std::string witness_line(std::size_t number) {
  return fmt::format("witness w{} {}\n", number, format_vkey(cosigner(number).verifier()));
}

Note checkpoint_by(std::initializer_list<std::size_t> cosigners, std::uint64_t size = 7) {
  Note note = *sign_checkpoint({TreeSize{size}, empty_root()}, log_key());
  for (std::size_t number : cosigners) {
    note.signatures.push_back(*cosign(note.text, cosigner(number), PosixTime{1000 + number}));
  }
  return note;
}

/// Two replicas in one region, one in another, two outside witnesses, one without a role.
std::string full_policy(std::string_view quorum) {
  std::string text = "#meridian policy 1\n" + log_line();
  for (std::size_t i = 0; i < 6; ++i) text += witness_line(i);
  return text +
         "#meridian replica w0 us-east\n#meridian replica w1 us-east\n"
         "#meridian replica w2 eu-west\n#meridian outside w3 Auditor-GmbH\n"
         "#meridian outside w4 Court\n"
         "group replicas 2 w0 w1 w2\ngroup outside any w3 w4\n"
         "group everybody all replicas outside\n" +
         fmt::format("quorum {}\n", quorum);
}

Code code_of(const Note& note, std::string_view policy_text) {
  Result<Policy> policy = parse_policy(policy_text);
  EXPECT_TRUE(policy.has_value()) << policy.error().message;
  Result<Evidence> evidence = evaluate(note, *policy);
  EXPECT_FALSE(evidence.has_value());
  return evidence.has_value() ? Code::internal : evidence.error().code;
}

TEST(Policy, levels_are_computed_from_who_signed) {
  Policy policy = *parse_policy(full_policy("none"));
  auto level = [&](std::initializer_list<std::size_t> cosigners) {
    return level_name(*evaluate(checkpoint_by(cosigners), policy));
  };
  EXPECT_EQ(level({}), "local");
  EXPECT_EQ(level({0}), "local");
  EXPECT_EQ(level({0, 1}), "local");  // two replicas, one region
  EXPECT_EQ(level({0, 2}), "global");
  EXPECT_EQ(level({5}), "local");  // no role stated
  EXPECT_EQ(level({3}), "witnessed");
  EXPECT_EQ(level({0, 1, 3}), "witnessed");
  EXPECT_EQ(level({1, 2, 4}), "global+witnessed");
  EXPECT_EQ(level({6, 7}), "local");  // not in the policy at all
  EXPECT_EQ(evaluate(checkpoint_by({6, 7}), policy)->unknown_signatures, 2U);
}

TEST(Policy, description_says_what_is_not_proven) {
  Policy policy = *parse_policy(full_policy("none"));
  std::string local = describe(*evaluate(checkpoint_by({0, 2}), policy));
  EXPECT_NE(local.find("tamper-evident"), std::string::npos);
  EXPECT_NE(local.find("only against those who lack the replicas' keys"), std::string::npos);
  EXPECT_NE(local.find("eu-west, us-east"), std::string::npos);
  std::string witnessed = describe(*evaluate(checkpoint_by({3}), policy));
  EXPECT_NE(witnessed.find("Auditor-GmbH"), std::string::npos);
  EXPECT_EQ(witnessed.find("only against those who lack"), std::string::npos);
}

TEST(Policy, quorum_is_that_of_a_model_for_every_set_of_signers) {
  Policy policy = *parse_policy(full_policy("everybody"));
  for (std::size_t set = 0; set < 64; ++set) {
    Note note = checkpoint_by({});
    auto has = [&](std::size_t number) { return ((set >> number) & 1) != 0; };
    for (std::size_t i = 0; i < 6; ++i) {
      if (has(i)) note.signatures.push_back(*cosign(note.text, cosigner(i), PosixTime{5}));
    }
    bool expected = has(0) + has(1) + has(2) >= 2 && (has(3) || has(4));
    Result<Evidence> evidence = evaluate(note, policy);
    ASSERT_EQ(evidence.has_value(), expected) << set;
    if (!expected) {
      EXPECT_EQ(evidence.error().code, Code::permission_denied);
    }
  }
}

TEST(Policy, a_cosignature_twice_counts_once) {
  std::string text =
      log_line() + witness_line(0) + witness_line(1) + "group g all w0 w1\nquorum g\n";
  EXPECT_EQ(code_of(checkpoint_by({0, 0}), text), Code::permission_denied);
  EXPECT_EQ(evaluate(checkpoint_by({0, 0, 1}), *parse_policy(text))->cosignatures.size(), 2U);
}

TEST(Policy, the_log_itself_must_have_signed) {
  Note note = checkpoint_by({0});
  note.signatures.erase(note.signatures.begin());
  EXPECT_EQ(code_of(note, log_line() + witness_line(0) + "quorum w0\n"), Code::permission_denied);
  EXPECT_EQ(code_of(checkpoint_by({0}), witness_line(0) + "quorum w0\n"), Code::permission_denied);
  // Another log's key on this log's checkpoint is not this log's signature.
  Signer other = signer_of("example.com/other", KeyType::ed25519, 7);
  note.signatures.push_back(*sign_note(note.text, other));
  std::string both = log_line() + "log " + format_vkey(other.verifier()) + "\nquorum none\n";
  EXPECT_EQ(code_of(note, both), Code::permission_denied);
}

TEST(Policy, any_of_a_logs_keys_is_enough) {
  Signer second = signer_of("example.com/log", KeyType::ed25519, 2);
  Note note = *sign_checkpoint({TreeSize{7}, empty_root()}, second);
  std::string text = log_line() + "log " + format_vkey(second.verifier()) + "\nquorum none\n";
  EXPECT_EQ(evaluate(note, *parse_policy(text))->log_key_id, second.verifier().id());
}

TEST(Policy, a_wrong_signature_of_a_known_key_refuses_the_whole) {
  std::string text = log_line() + witness_line(0) + "quorum none\n";
  for (std::size_t line : {0U, 1U}) {
    Note note = checkpoint_by({0});
    note.signatures[line].signature[20] ^= 1;
    EXPECT_EQ(code_of(note, text), Code::data_loss);
  }
}

TEST(Policy, keys_count_only_within_their_validity) {
  std::string keys = "#meridian policy 1\n" + log_line() + witness_line(0);
  std::string id = fmt::format("{:08x}", log_key().verifier().id());
  for (auto [from, until, good] : {std::tuple{"0", "-", true},
                                   {"7", "7", true},
                                   {"8", "-", false},
                                   {"0", "6", false},
                                   {"1", "1099511627776", true}}) {
    std::string text =
        keys + fmt::format("#meridian log-key {} sizes {} {}\nquorum none\n", id, from, until);
    EXPECT_EQ(evaluate(checkpoint_by({}), *parse_policy(text)).has_value(), good) << text;
  }
  for (auto [from, until, good] : {std::tuple{"0", "-", true},
                                   {"1000", "1000", true},
                                   {"1001", "-", false},
                                   {"0", "999", false}}) {
    std::string text =
        keys + fmt::format("#meridian witness-key w0 times {} {}\nquorum w0\n", from, until);
    EXPECT_EQ(evaluate(checkpoint_by({0}), *parse_policy(text)).has_value(), good) << text;
  }
}

TEST(Policy, text_is_read_back_to_an_equal_policy) {
  std::string id = fmt::format("{:08x}", log_key().verifier().id());
  std::string text = full_policy("everybody") + "#meridian log-key " + id +
                     " sizes 5 900\n#meridian witness-key w4 times 0 77\n";
  Policy policy = *parse_policy(text);
  Result<Policy> again = parse_policy(format_policy(policy));
  ASSERT_TRUE(again.has_value()) << again.error().message << format_policy(policy);
  EXPECT_EQ(*again, policy);
  EXPECT_EQ(format_policy(*again), format_policy(policy));
}

TEST(Policy, blanks_comments_and_urls_are_read_as_the_specification_says) {
  std::string text = "# a comment\n  \t# another \xC3\xBC\n\n \t \n  " +
                     format_vkey(log_key().verifier()).insert(0, "log\t") +
                     " https://example.com/ \n" + witness_line(0) + "quorum   w0\t\n#meridiana x\n";
  Result<Policy> policy = parse_policy(text);
  ASSERT_TRUE(policy.has_value()) << policy.error().message;
  EXPECT_EQ(policy->logs[0].url, "https://example.com/");
  EXPECT_EQ(policy->quorum, "w0");
}

TEST(Policy, mistakes_are_named_with_their_line) {
  std::string start = log_line() + witness_line(0) + witness_line(1);  // lines 1 to 3
  std::string vkey = format_vkey(cosigner(2).verifier());
  ASSERT_TRUE(parse_policy(start + "quorum none\n").has_value());
  for (const std::string& line :
       std::vector<std::string>{std::string("quorum w9"),
                                std::string("quorum"),
                                std::string("quorum w0 w1"),
                                std::string("group g"),
                                std::string("group g any"),
                                std::string("group g 0 w0"),
                                std::string("group g 3 w0 w1"),
                                std::string("group g 01 w0"),
                                std::string("group g -1 w0"),
                                std::string("group g any w0 w0"),
                                std::string("group g any none"),
                                std::string("group w0 any w1"),
                                std::string("group none any w1"),
                                std::string("group g any g"),
                                std::string("witness w2"),
                                "witness none " + vkey,
                                "witness w0 " + vkey,
                                "witness w2 " + vkey + " url more",
                                "witness w2 " + format_vkey(cosigner(0).verifier()),
                                "log " + vkey,
                                "witness w2 " + format_vkey(log_key().verifier()),
                                "log " + format_vkey(log_key().verifier()),
                                std::string("log nonsense"),
                                std::string("Quorum none"),
                                std::string("quorum none\r"),
                                std::string("# \x01"),
                                std::string("# \x7F"),
                                std::string("#meridian"),
                                std::string("#meridian replica w0 us"),
                                std::string("#meridian policy 2"),
                                std::string("#meridian policy")}) {
    Result<Policy> policy = parse_policy(start + line + "\nquorum none\n");
    ASSERT_FALSE(policy.has_value()) << line;
    EXPECT_TRUE(policy.error().message.starts_with("policy line 4: ")) << policy.error().message;
  }
  std::string id = fmt::format("{:08x}", log_key().verifier().id());
  for (const std::string& line : std::vector<std::string>{
           std::string("replica w9 us"), std::string("replica w0"), std::string("outside w0 a b"),
           std::string("policy 1"), std::string("role w0 x"), "log-key " + id + " sizes 5 4",
           "log-key " + id + " sizes 5", "log-key 00000000 sizes 0 -",
           "log-key " + id + " times 0 -", std::string("witness-key w9 times 0 -"),
           std::string("witness-key w0 times x -"),
           std::string("witness-key w0 times 0 9223372036854775808")}) {
    std::string text = "#meridian policy 1\n" + start + "#meridian " + line + "\nquorum none\n";
    ASSERT_FALSE(parse_policy(text).has_value()) << line;
  }
  EXPECT_FALSE(parse_policy(start).has_value());                  // no quorum
  EXPECT_FALSE(parse_policy(start + "quorum none").has_value());  // line not ended
  EXPECT_FALSE(parse_policy(start + "quorum none\nquorum none\n").has_value());
  EXPECT_FALSE(
      parse_policy(start + "group a any w0\ngroup b any w0 w1\nquorum none\n").has_value());
}

TEST(Policy, evaluates_a_receipt_only_if_its_path_is_right) {
  MerkleTree tree;
  std::vector<Buffer> headers;
  for (Byte i = 0; i < 20; ++i) {
    headers.push_back({i, 1, 2});
    tree.append(leaf_hash(headers.back()));
  }
  Receipt receipt{headers[4], LeafIndex{4}, *tree.prove_inclusion(LeafIndex{4}, TreeSize{20}),
                  *sign_checkpoint(tree.head(), log_key())};
  Policy policy = *parse_policy(log_line() + "quorum none\n");
  EXPECT_TRUE(evaluate(receipt, policy).has_value());
  receipt.header[0] ^= 1;
  EXPECT_EQ(evaluate(receipt, policy).error().code, Code::data_loss);
}

}  // namespace
}  // namespace meridian::proof
