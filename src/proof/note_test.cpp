#include "proof/note.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "crypto/base64.h"
#include "proof/checkpoint.h"
#include "proof/cosignature.h"

namespace meridian::proof {
namespace {

Signer signer_of(std::string name, KeyType type, Byte seed) {
  return Signer(std::move(name), type, std::array<Byte, 32>{seed});
}

// The example of C2SP signed-note.
TEST(Note, the_example_of_the_specification_verifies) {
  Result<VerifierKey> key =
      parse_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
  ASSERT_TRUE(key.has_value());
  std::string bytes =
      "This is an example message.\n\n"
      "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmR"
      "KuwHjG1Yu72IneyaQM=\n";
  Result<Note> note = parse_note(bytes);
  ASSERT_TRUE(note.has_value()) << note.error().message;
  EXPECT_EQ(note->text, "This is an example message.\n");
  EXPECT_EQ(check_signature(note->text, note->signatures[0], *key), SignatureCheck::good);
  EXPECT_EQ(check_signature("another text\n", note->signatures[0], *key), SignatureCheck::bad);
  EXPECT_EQ(format_note(*note), bytes);
}

// The example of golang.org/x/mod/sumdb/note: text, keys and signature.
TEST(Note, keys_and_signature_equal_those_of_the_go_library) {
  const std::string skey =
      "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
  Result<Signer> signer = parse_skey(skey);
  ASSERT_TRUE(signer.has_value()) << signer.error().message;
  EXPECT_EQ(format_vkey(signer->verifier()),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  Note note{
      "If you think cryptography is the answer to your problem,\n"
      "then you don't know what your problem is.\n",
      {}};
  note.signatures.push_back(*sign_note(note.text, *signer));
  EXPECT_EQ(
      format_note(note),
      note.text +
          "\n— PeterNeumann "
          "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6R"
          "yyBwJnAM=\n");
  Buffer seed = *crypto::from_base64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz");
  crypto::Secret again = format_skey("PeterNeumann", KeyType::ed25519, Bytes(seed).subspan(1));
  EXPECT_EQ(as_text(again.bytes()), skey);
}

TEST(Note, keys_are_read_back_and_any_changed_character_is_refused) {
  Signer signer = signer_of("example.com/log/1", KeyType::cosignature, 9);
  std::string text = format_vkey(signer.verifier());
  EXPECT_EQ(*parse_vkey(text), signer.verifier());
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (char other : {'A', '+', ' ', '\n', '0', '\xFF'}) {
      std::string changed = text;
      if (changed[at] == other) continue;
      changed[at] = other;
      EXPECT_FALSE(parse_vkey(changed).has_value()) << changed;
    }
    EXPECT_FALSE(parse_vkey(text.substr(0, at)).has_value());
  }
  EXPECT_FALSE(parse_vkey(text + "=").has_value());
  std::string shouted = text;
  for (char& c : shouted) c = static_cast<char>(std::toupper(c));
  EXPECT_FALSE(parse_vkey(shouted).has_value());
  EXPECT_EQ(parse_vkey("w+00000000+BgAA").error().code, Code::unimplemented);  // ML-DSA-44
}

TEST(Note, key_names_follow_the_specification) {
  for (const char* name : {"a", "example.com/log", "zürich", "\xF0\x9F\x94\x91", "a-b_c.d/e:f"}) {
    EXPECT_TRUE(is_key_name(name)) << name;
  }
  for (std::string_view name :
       {"", "a b", "a+b", "a\n", "a\t", "\xC2\xA0", "a\xE2\x80\x83", "\xE3\x80\x80", "\xC2\x85",
        "\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x80", "\xE1\x9A\x80"}) {
    EXPECT_FALSE(is_key_name(name)) << name;
  }
}

TEST(Note, malformed_notes_are_refused_with_a_reason) {
  std::string line = "— a AAAAAAA=\n";
  ASSERT_TRUE(parse_note("text\n\n" + line).has_value());
  ASSERT_TRUE(parse_note("a\n\nb\n\n" + line).has_value());  // the last empty line separates
  std::string too_long(note_size_max, 'a');
  too_long.append("\n\n").append(line);
  for (const std::string& bytes : std::vector<std::string>{
           std::string(), std::string("\n\n"), "text\n" + line, "text\n\n",
           "text\n\n— a AAAAAAA=", "text\n\n- a AAAAAAA=\n", "text\n\n— a+b AAAAAAA=\n",
           "text\n\n— a AAAAAA==\n", "text\n\n— a AAAAAAB=\n", "text\n\n— a  AAAAAAA=\n",
           "text\n\n—  AAAAAAA=\n", "text\n\n— a AAAAAAA= \n", "te\rxt\n\n" + line,
           "te\xFFxt\n\n" + line, "\x7Ft\n\n", std::string("te\0xt\n\n", 7) + line,
           std::string("text\n\n").append(line).append("more\n"),
           std::string("text\n\n").append(line).append("\n"), too_long}) {
    Result<Note> note = parse_note(bytes);
    ASSERT_FALSE(note.has_value()) << bytes.substr(0, 100);
    EXPECT_EQ(note.error().code, Code::invalid_argument);
    EXPECT_GT(note.error().message.size(), 20U);
  }
  std::string many = "text\n\n";
  for (std::size_t i = 0; i < note_signatures_max; ++i) many += line;
  EXPECT_TRUE(parse_note(many).has_value());
  EXPECT_FALSE(parse_note(many + line).has_value());
}

TEST(Note, private_keys_are_never_quoted_in_errors) {
  for (const char* text : {"PRIVATE+KEY+n+00000000+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
                           "PRIVATE+KEY+n+c74f20a3+AYEKFALVFGy", "AYEKFALVFGyNhPJEMzD1Q"}) {
    Result<Signer> signer = parse_skey(text);
    ASSERT_FALSE(signer.has_value());
    EXPECT_EQ(signer.error().message.find("AYEKF"), std::string::npos);
  }
}

TEST(Checkpoint, text_is_read_back_and_is_that_of_the_specification) {
  Checkpoint checkpoint{"example.com/behind-the-sofa", {TreeSize{20'852'163}, {}}, {}};
  std::ranges::copy(*crypto::from_base64("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="),
                    checkpoint.head.root.begin());
  std::string text =
      "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  EXPECT_EQ(format_checkpoint(checkpoint), text);
  EXPECT_EQ(*parse_checkpoint(text), checkpoint);
  checkpoint.extensions = {"one", "two 2"};
  EXPECT_EQ(*parse_checkpoint(format_checkpoint(checkpoint)), checkpoint);
}

TEST(Checkpoint, malformed_texts_are_refused) {
  std::string root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  ASSERT_TRUE(parse_checkpoint("o\n0\n" + root).has_value());
  for (const std::string& text : std::vector<std::string>{
           std::string(), std::string("o\n"), std::string("o\n1\n"), "\n1\n" + root,
           "o\n01\n" + root, "o\n+1\n" + root, "o\n-1\n" + root, "o\n1 \n" + root, "o\n\n" + root,
           "o\n1099511627777\n" + root, "o\n99999999999999999999\n" + root, "o\n1\nAAAA\n",
           "o\n1\n" + root + "\n", "o\n1\n" + root + "x", "o\n1\n" + root.substr(0, 44),
           "o\n1\n" + root.substr(0, 42) + "J=\n", "o\n1\n" + root + "x\n\n"}) {
    EXPECT_FALSE(parse_checkpoint(text).has_value()) << text;
  }
}

TEST(Cosignature, is_bound_to_text_time_and_key) {
  Signer log = signer_of("example.com/log", KeyType::ed25519, 1);
  Signer witness = signer_of("w.example/1", KeyType::cosignature, 2);
  Note note = *sign_checkpoint({TreeSize{7}, empty_root()}, log);
  NoteSignature line = *cosign(note.text, witness, PosixTime{1'679'315'147});
  EXPECT_EQ(line.signature.size(), 72U);
  EXPECT_EQ(to_hex(Bytes(line.signature).first(8)), "00000000641850cb");
  CosignatureCheck check = check_cosignature(note.text, line, witness.verifier());
  EXPECT_EQ(check.check, SignatureCheck::good);
  EXPECT_EQ(raw(check.time), 1'679'315'147U);
  auto checked = [&](const NoteSignature& signature, const std::string& text) {
    return check_cosignature(text, signature, witness.verifier()).check;
  };
  EXPECT_EQ(checked(line, note.text + "x\n"), SignatureCheck::bad);
  for (std::size_t at = 0; at < line.signature.size(); ++at) {
    NoteSignature changed = line;
    changed.signature[at] ^= 1;
    EXPECT_EQ(checked(changed, note.text), SignatureCheck::bad) << at;
  }
  NoteSignature short_line = line;
  short_line.signature.pop_back();
  EXPECT_EQ(checked(short_line, note.text), SignatureCheck::bad);
  // The same key as a plain signer has another id; the log's line is another key's.
  Signer plain = signer_of("w.example/1", KeyType::ed25519, 2);
  EXPECT_NE(plain.verifier().id(), witness.verifier().id());
  EXPECT_EQ(checked(*sign_note(note.text, plain), note.text), SignatureCheck::other_key);
  EXPECT_EQ(checked(note.signatures[0], note.text), SignatureCheck::other_key);
}

TEST(Cosignature, after_the_largest_time_is_refused) {
  Signer witness = signer_of("w", KeyType::cosignature, 3);
  NoteSignature line{"w", witness.verifier().id(), {0x80, 0, 0, 0, 0, 0, 0, 0}};
  crypto::Ed25519Signature signature =
      *witness.sign_bytes(as_bytes("cosignature/v1\ntime 9223372036854775808\no\n1\nr\n"));
  line.signature.insert(line.signature.end(), signature.begin(), signature.end());
  EXPECT_EQ(check_cosignature("o\n1\nr\n", line, witness.verifier()).check, SignatureCheck::bad);
}

// Checked against an independent computation of the message by hand.
TEST(Cosignature, signs_the_message_of_the_specification) {
  Signer witness = signer_of("w", KeyType::cosignature, 3);
  NoteSignature line = *cosign("o\n1\nr\n", witness, PosixTime{12});
  crypto::Ed25519Signature expected =
      *witness.sign_bytes(as_bytes("cosignature/v1\ntime 12\no\n1\nr\n"));
  EXPECT_TRUE(equal(Bytes(line.signature).subspan(8), expected));
}

}  // namespace
}  // namespace meridian::proof
