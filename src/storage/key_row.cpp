#include "storage/key_row.h"

#include <algorithm>

namespace meridian::storage {
namespace {

constexpr std::size_t fields_size = 80;
using Fields = std::array<Byte, fields_size>;

void put(KeyRow& row, const Fields& fields) {
  std::copy_n(fields.begin(), row.seal.size(), row.seal.begin());
  std::copy_n(fields.begin() + row.seal.size(), row.commit.size(), row.commit.begin());
}

Fields fields_of(const KeyRow& row) {
  Fields fields;
  static_assert(sizeof row.seal + sizeof row.commit == fields_size);
  std::copy_n(row.seal.begin(), row.seal.size(), fields.begin());
  std::copy_n(row.commit.begin(), row.commit.size(), fields.begin() + row.seal.size());
  return fields;
}

template <std::size_t size>
void put_text(Byte* at, const std::array<char, size>& text) {
  std::ranges::copy(as_bytes(std::string_view(text.data(), size)), at);
}
template <std::size_t size>
std::array<char, size> text_at(const Byte* at) {
  std::array<char, size> text;
  std::transform(at, at + size, text.begin(), [](Byte byte) { return static_cast<char>(byte); });
  return text;
}

// class, with version = by month(1 bit) + 256 * jurisdiction: keep months(2) days(2) erase
// months(2) days(2) defined(4) name(24) basis(44)
constexpr std::size_t name_at = 12, basis_at = name_at + class_name_size;
static_assert(basis_at + class_basis_size == fields_size);
// hold: id(16) classes(32) reference(32)
constexpr std::size_t held_classes_at = 16, reference_at = 48;
static_assert(reference_at + hold_reference_size == fields_size);
// jurisdiction: name(24) region(32)
constexpr std::size_t region_at = jurisdiction_name_size;
static_assert(region_at + region_name_size <= fields_size);

}  // namespace

KeyRow forgotten_mark(u128 subject) { return {.subject = subject, .retention = forgotten_row}; }

KeyRow row_of(const RetentionClass& retention) {
  KeyRow row{.retention = retention.retention, .kind = RowKind::retention_class};
  row.version = (retention.is_by_month ? 1U : 0U) + 256U * retention.residency;
  Fields fields{};
  store_le(&fields[0], retention.keep.months);
  store_le(&fields[2], retention.keep.days);
  store_le(&fields[4], retention.erase.months);
  store_le(&fields[6], retention.erase.days);
  store_le(&fields[8], raw(retention.defined));
  put_text(&fields[name_at], retention.name);
  put_text(&fields[basis_at], retention.basis);
  put(row, fields);
  return row;
}

RetentionClass class_in(const KeyRow& row) {
  const Fields fields = fields_of(row);
  RetentionClass retention{.retention = row.retention,
                           .is_by_month = row.version % 256 == 1,
                           .residency = static_cast<std::uint8_t>(row.version / 256)};
  retention.keep = {load_le<std::uint16_t>(&fields[0]), load_le<std::uint16_t>(&fields[2])};
  retention.erase = {load_le<std::uint16_t>(&fields[4]), load_le<std::uint16_t>(&fields[6])};
  retention.defined = Day{load_le<std::int32_t>(&fields[8])};
  retention.name = text_at<class_name_size>(&fields[name_at]);
  retention.basis = text_at<class_basis_size>(&fields[basis_at]);
  return retention;
}

KeyRow row_of(const Hold& hold) {
  KeyRow row{.subject = hold.subject, .kind = RowKind::hold};
  Fields fields{};
  store_le(&fields[0], hold.id);
  std::ranges::copy(hold.classes, &fields[held_classes_at]);
  put_text(&fields[reference_at], hold.reference);
  put(row, fields);
  return row;
}

Hold hold_in(const KeyRow& row) {
  const Fields fields = fields_of(row);
  Hold hold{.id = load_le<u128>(&fields[0]), .subject = row.subject};
  std::copy_n(&fields[held_classes_at], hold.classes.size(), hold.classes.begin());
  hold.reference = text_at<hold_reference_size>(&fields[reference_at]);
  return hold;
}

KeyRow release_row(u128 subject, u128 hold) {
  KeyRow row{.subject = subject, .kind = RowKind::release};
  Fields fields{};
  store_le(&fields[0], hold);
  put(row, fields);
  return row;
}

u128 released_in(const KeyRow& row) { return load_le<u128>(fields_of(row).data()); }

KeyRow wish_row(u128 subject, Day day) {
  KeyRow row{.subject = subject, .kind = RowKind::wish};
  Fields fields{};
  store_le(&fields[0], raw(day));
  put(row, fields);
  return row;
}

Day wished_on(const KeyRow& row) { return Day{load_le<std::int32_t>(fields_of(row).data())}; }

KeyRow gone_row(u128 subject, const KeyName& key) {
  return {.subject = subject,
          .retention = key.retention,
          .kind = RowKind::gone,
          .version = key.version};
}

KeyRow expired_row(std::uint8_t retention, std::uint32_t through) {
  return {.retention = retention, .kind = RowKind::expired, .version = through};
}

KeyRow jurisdiction_row(std::uint8_t number, std::string_view name, std::string_view region) {
  KeyRow row{.retention = number, .kind = RowKind::jurisdiction};
  Fields fields{};
  put_text(&fields[0], text_field<jurisdiction_name_size>(name));
  put_text(&fields[region_at], text_field<region_name_size>(region));
  put(row, fields);
  return row;
}

std::string jurisdiction_in(const KeyRow& row) {
  return std::string(text_of(text_at<jurisdiction_name_size>(fields_of(row).data())));
}

std::string region_in(const KeyRow& row) {
  return std::string(text_of(text_at<region_name_size>(&fields_of(row)[region_at])));
}

KeyRow residency_key_row(std::uint8_t number, std::uint32_t turn, u128 check) {
  KeyRow row{.retention = number, .kind = RowKind::residency_key, .version = turn};
  Fields fields{};
  store_le(&fields[0], check);
  put(row, fields);
  return row;
}

u128 residency_key_in(const KeyRow& row) { return load_le<u128>(fields_of(row).data()); }

KeyRow residency_turn_row(std::uint8_t number, std::uint32_t turn) {
  return {.retention = number, .kind = RowKind::residency_turn, .version = turn};
}

}  // namespace meridian::storage
