#include "cell/key_message.h"

#include <gtest/gtest.h>

namespace meridian::cell {
namespace {

std::vector<KeyMessage> samples() {
  KeyQuestion question{7, {}};
  question.once.fill(Byte{3});
  KeyAnswer answer{7, {}, {}};
  answer.for_replica.fill(Byte{4});
  answer.for_once.fill(Byte{5});
  return {KeyNews{},
          KeyNews{2, 7, 8, true},
          question,
          answer,
          TableQuestion{7, 3},
          TablePart{7, {100, 2}, 0, 0, {}},
          TablePart{7, {100, 2}, 1, 2, Buffer(20, Byte{6})},
          TurnStorage{},
          ResidencyNews{100, {}},
          ResidencyNews{100, {{1, 0, 7}, {1, 0, 9}, {1, 4'095, 1}, {2, 0, 3}}}};
}

TEST(KeyMessageTest, each_comes_back_as_it_was) {
  for (const KeyMessage& message : samples()) {
    const auto decoded = decode_key_message(encode_key_message(message));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_TRUE(*decoded == message) << "kind " << message.index() + 1;
  }
}

TEST(KeyMessageTest, what_is_cut_short_or_longer_is_refused) {
  for (const KeyMessage& message : samples()) {
    Buffer bytes = encode_key_message(message);
    const std::size_t rows =
        std::holds_alternative<TablePart>(message) ? std::get<TablePart>(message).rows.size() : 0;
    for (std::size_t size = 0; size < bytes.size() - rows; ++size)
      EXPECT_FALSE(decode_key_message(Bytes(bytes).first(size))) << size;
    if (std::holds_alternative<TablePart>(message)) continue;  // rows go on to the end
    bytes.push_back(Byte{0});
    EXPECT_FALSE(decode_key_message(bytes));
  }
}

TEST(KeyMessageTest, what_no_encoder_makes_is_refused_by_name) {
  const auto refused = [](Buffer bytes, std::string_view why) {
    const auto decoded = decode_key_message(bytes);
    ASSERT_FALSE(decoded);
    EXPECT_NE(decoded.error().message.find(why), std::string::npos) << decoded.error().message;
  };
  refused({Byte{99}}, "kind 99");
  Buffer news = encode_key_message(KeyNews{2, 7, 8, true});
  news.back() = Byte{2};
  refused(news, "is_complete");
  refused(encode_key_message(KeyNews{0, 7, 0, false}), "turns and check");
  refused(encode_key_message(TablePart{7, {}, 2, 2, {}}), "part 2 of 2");
  refused(encode_key_message(ResidencyNews{1, {{2, 0, 7}, {1, 0, 9}}}), "in their order");
  refused(encode_key_message(ResidencyNews{1, {{2, 0, 7}, {2, 0, 7}}}), "in their order");
  refused(encode_key_message(ResidencyNews{1, {{0, 0, 7}}}), "none");
  refused(encode_key_message(ResidencyNews{1, {{1, 0, 0}}}), "none");
  refused(encode_key_message(ResidencyNews{1, {{1, 4'096, 7}}}), "none");
}

}  // namespace
}  // namespace meridian::cell
