// Puts together again what EventSchema::split() took apart.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "door/event_schema.h"
#include "door/internal/field_rules.h"
#include "door/internal/field_walk.h"

namespace meridian::door {

namespace {

using internal::FieldWalk;
using rapidjson::SizeType;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

/// Takes a part apart: place -> text of its value.
class PartReader : public internal::CopyingHandler<PartReader> {
 public:
  explicit PartReader(std::map<std::string, std::string>& values) : values_(values) {}
  template <typename Write>
  bool scalar(Write write) {
    return depth_ > 0 && write(*out_) && keep();
  }
  bool Key(const char* text, SizeType size, bool) {
    if (depth_ > 1) return out_->Key(text, size);
    key_.assign(text, size);
    text_.Clear();
    out_.emplace(text_);
    return true;
  }
  bool StartObject() { return ++depth_ == 1 || out_->StartObject(); }
  bool StartArray() { return ++depth_ > 1 && out_->StartArray(); }
  bool EndObject(SizeType size) { return --depth_ == 0 || (out_->EndObject(size) && keep()); }
  bool EndArray(SizeType size) { return --depth_ > 0 && out_->EndArray(size) && keep(); }

 private:
  bool keep() {
    if (depth_ != 1) return true;
    return values_.emplace(key_, std::string(text_.GetString(), text_.GetSize())).second;
  }
  std::map<std::string, std::string>& values_;
  std::size_t depth_ = 0;
  std::string key_;
  rapidjson::StringBuffer text_;
  std::optional<Writer> out_;
};

/// Writes what is left, and the values of parts where they were.
class Joiner : public internal::CopyingHandler<Joiner>, FieldWalk {
 public:
  explicit Joiner(const std::map<std::string, std::string>& values) : FieldWalk(nullptr) {
    for (const auto& [place, text] : values) {
      const std::size_t slash = place.rfind('/');
      const std::string outer = slash == std::string::npos ? "" : place.substr(0, slash);
      by_outer_[outer].push_back({place, text, false});
    }
  }

  bool Null() {
    begin();
    const std::string* taken = take(path());
    const bool written = taken == nullptr ? out_.Null() : raw(*taken);
    leave();
    return written;
  }
  template <typename Write>
  bool scalar(Write write) {
    begin();
    const bool written = write(out_);
    leave();
    return written;
  }
  bool Key(const char* text, SizeType size, bool) {
    take_key({text, size});
    return true;
  }
  bool StartObject() { return open(false) && out_.StartObject(); }
  bool StartArray() { return open(true) && out_.StartArray(); }
  bool EndObject(SizeType) {
    if (const auto found = by_outer_.find(path()); found != by_outer_.end())
      for (Value& value : found->second) {
        if (std::exchange(value.is_taken, true)) continue;
        const auto names = internal::parse_place(value.place);
        if (!names ||
            !out_.Key(names->back().data(), static_cast<SizeType>(names->back().size())) ||
            !raw(value.text))
          return false;
      }
    pop();
    return out_.EndObject();
  }
  bool EndArray(SizeType) {
    pop();
    return out_.EndArray();
  }

  bool has_taken_all() const {
    return std::ranges::all_of(by_outer_, [](const auto& one) {
      return std::ranges::all_of(one.second, &Value::is_taken);
    });
  }
  Buffer text() const { return to_buffer(as_bytes({text_.GetString(), text_.GetSize()})); }

 private:
  struct Value {
    std::string place, text;
    bool is_taken;
  };
  void begin() {
    const bool was_in_object = is_in_object();
    enter();
    if (was_in_object) out_.Key(key().data(), static_cast<SizeType>(key().size()));
  }
  bool open(bool is_array) {
    begin();
    push(is_array);
    return true;
  }
  bool raw(const std::string& text) {
    return out_.RawValue(text.data(), text.size(), rapidjson::kObjectType);
  }
  const std::string* take(const std::string& place) {
    const std::size_t slash = place.rfind('/');
    const auto found = by_outer_.find(slash == std::string::npos ? "" : place.substr(0, slash));
    if (found == by_outer_.end()) return nullptr;
    const auto value = std::ranges::find(found->second, place, &Value::place);
    if (value == found->second.end() || std::exchange(value->is_taken, true)) return nullptr;
    return &value->text;
  }

  std::map<std::string, std::vector<Value>> by_outer_;
  rapidjson::StringBuffer text_;
  Writer out_{text_};
};

}  // namespace

Result<Buffer> join_split(Bytes rest, const std::vector<Bytes>& parts) {
  std::map<std::string, std::string> values;
  for (const Bytes part : parts) {
    PartReader reader(values);
    if (internal::walk(as_text(part), reader).IsError())
      return fail(Code::data_loss, "a part of the event is none");
  }
  Joiner joiner(values);
  if (internal::walk(as_text(rest), joiner).IsError() || !joiner.has_taken_all())
    return fail(Code::data_loss, "the parts of the event do not belong together");
  return joiner.text();
}

}  // namespace meridian::door
