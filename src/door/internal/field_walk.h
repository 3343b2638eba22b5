// Follows the text of an event, value by value, and knows of each its place and its rule.
#pragma once

#include <rapidjson/encodedstream.h>
#include <rapidjson/error/error.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "door/internal/field_rules.h"

namespace meridian::door::internal {

/// For handlers of a reader: they call enter() as any value begins, then leave() for a scalar or
/// push() for an object or array, which pop() ends.
class FieldWalk {
 public:
  explicit FieldWalk(const FieldNode* root) : root_(root) {}

 protected:
  struct Place {
    const FieldNode* node = nullptr;  ///< Null: the schema does not name it.
    const FieldRule* rule = nullptr;  ///< Its own, or that of what it stands in.
    bool is_below_personal = false;   ///< What it stands in is a person's as a whole.
    bool begins_personal() const {
      return !is_below_personal && node != nullptr && node->rule.is_personal;
    }
    bool is_personal() const { return is_below_personal || begins_personal(); }
  };

  void enter();
  void leave() { path_.resize(begin_of_name_); }
  void push(bool is_array);
  void pop();
  void take_key(std::string_view key) { key_.assign(key); }

  /// Of the value that entered last; the path, once that left, of what it stood in.
  const std::string& path() const { return path_; }
  const Place& place() const { return place_; }
  /// What was pushed last.
  const Place& container() const { return levels_.back().place; }
  const std::string& key() const { return key_; }
  bool is_in_object() const { return !levels_.empty() && !levels_.back().is_array; }
  std::size_t depth() const { return levels_.size(); }
  /// `pattern` as a place of this text: "*" is the index of the list that this value stands in.
  std::string resolve(const std::vector<std::string>& pattern) const;

 private:
  struct Level {
    Place place;
    bool is_array = false;
    std::size_t count = 0;          ///< Values that began in it.
    std::size_t begin_of_name = 0;  ///< In path_.
  };
  const FieldNode* root_;
  std::vector<Level> levels_;
  std::string path_;
  std::string key_;
  std::size_t begin_of_name_ = 0;
  Place place_;
};

/// For handlers that write what they read, each value somewhere: `Handler` has scalar(write), which
/// calls write(out) with where that is.
template <typename Handler>
class CopyingHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Handler> {
 public:
  using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

  bool Null() {
    return self().scalar([](Writer& out) { return out.Null(); });
  }
  bool Bool(bool value) {
    return self().scalar([&](Writer& out) { return out.Bool(value); });
  }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return self().scalar(
        [&](Writer& out) { return out.RawValue(text, size, rapidjson::kNumberType); });
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return self().scalar([&](Writer& out) { return out.String(text, size); });
  }

 private:
  Handler& self() { return static_cast<Handler&>(*this); }
};

/// Numbers come as they are written (RawNumber), so that none loses a digit.
inline constexpr unsigned walk_flags = rapidjson::kParseIterativeFlag |
                                       rapidjson::kParseNumbersAsStringsFlag |
                                       rapidjson::kParseValidateEncodingFlag;

template <typename Handler>
rapidjson::ParseResult walk(std::string_view text, Handler& handler) {
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::Reader reader;
  return reader.Parse<walk_flags>(stream, handler);
}

}  // namespace meridian::door::internal
