#include "sample_header.h"

#include "crypto/sha256.h"

namespace meridian::interop {

namespace {

enum Section : std::uint16_t {
  wide_balances = 1 << 0,
  requested_amount = 1 << 1,
  imported_time = 1 << 2,
  facts = 1 << 3,
  client_signature = 1 << 4,
  rules = 1 << 5,
  payload = 1 << 6,
};
constexpr std::uint16_t created = 65535;

class HeaderWriter {
 public:
  explicit HeaderWriter(std::uint64_t index) : index_(index), out_(bytes_) {}

  void common(Byte kind, unsigned sections, std::uint16_t outcome) {
    out_.u8(1);
    out_.u8(kind);
    out_.u16(static_cast<std::uint16_t>(sections));
    out_.u16(outcome);
    out_.u8(2);  // internal
    out_.u8(1);  // retention class
    out_.id(make_u128(7, 7));
    out_.u64(index_);
    out_.u64(3 + index_ / 100'000);                        // term
    out_.u64(index_ / 8190 + 1);                           // entry index
    out_.u64(1'700'000'000'000'000'000 + index_ * 1'000);  // time
    out_.u32(250);                                         // clock uncertainty
    out_.u8(1);                                            // attester: the door
    out_.u8((sections & rules) != 0 ? 3 : 0);              // decision
    out_.u16(0);
    out_.id(id("actor"));
    out_.id(id("salt"));
  }
  void transfer() {
    out_.id(id("transfer"));
    out_.id(make_u128(0, 1 + index_ % 7));
    out_.id(make_u128(0, 11 + index_ % 5));
    out_.id(amount());
    out_.id(0);  // pending_id
    out_.id(id("user_data"));
    out_.u64(index_);
    out_.u32(9);
    out_.u32(0);  // timeout
    out_.u32(978);
    out_.u16(42);
    out_.u16(0);
  }
  void balances(bool wide) {
    for (std::uint64_t i = 0; i < 8; ++i) {
      u128 balance = wide && i == 5 ? make_u128(1, index_) : make_u128(0, index_ * 10 + i);
      if (wide) {
        out_.id(balance);
      } else {
        out_.u64(low64(balance));
      }
    }
    out_.u64(index_ < 8 ? 0 : index_ - 8);
    out_.u64(index_ < 5 ? 0 : index_ - 5);
  }
  void account() {
    out_.id(make_u128(0, index_ + 1));
    for (int i = 0; i < 4; ++i) out_.id(0);
    out_.id(id("user_data"));
    out_.u64(1);
    out_.u32(2);
    out_.u32(0);
    out_.u32(978);
    out_.u16(10);
    out_.u16(8);
  }
  void event() {
    for (const char* name : {"event", "stream", "category", "type"}) out_.id(id(name));
    out_.u64(index_ / 8);         // revision
    out_.u64(~std::uint64_t{0});  // expected_revision
    out_.u64(index_ < 8 ? ~std::uint64_t{0} : index_ - 8);
    out_.u32(1234);  // payload_size
    out_.u8(0);
    out_.u8(2);   // JSON
    out_.u16(1);  // linked
  }
  void deletion() {
    out_.id(id("event"));
    out_.id(id("stream"));
    out_.u64(index_ / 8);
    out_.u64(index_ / 8);
    out_.u64(index_ - 2);
    out_.u32(0);
    out_.u8(3);
    out_.u8(0);
    out_.u16(0);
  }
  void feature_level() {
    out_.u32(1);
    out_.zeros(124);
  }
  void amount_section() { out_.id(amount() + 5); }
  void time_section() { out_.u64(1'600'000'000'000'000'000 + index_); }
  void facts_section() {
    Buffer tagged{1, 2, 'D', 'E', 2, 3, 'w', 'e', 'b', 4, 1, 1};
    out_.u16(static_cast<std::uint16_t>(tagged.size()));
    out_.bytes(tagged);
  }
  void digest_section(const char* name) { out_.bytes(digest(name)); }
  void rules_section() {
    digest_section("rules");
    out_.u16(8);
    out_.u64(index_);
  }
  Buffer take() { return std::move(bytes_); }

 private:
  crypto::Digest digest(const char* name) const {
    Buffer text = to_buffer(as_bytes(name));
    ByteWriter(text).u64(index_);
    return crypto::sha256(text);
  }
  u128 id(const char* name) const { return load_le<u128>(digest(name).data()); }
  u128 amount() const { return make_u128(0, 100 + index_ % 1000); }

  std::uint64_t index_;
  Buffer bytes_;
  ByteWriter out_;
};

}  // namespace

Buffer sample_header(std::uint64_t index) {
  HeaderWriter header(index);
  switch (index % 8) {
    case 0:
      header.common(1, index % 16 == 0 ? unsigned{imported_time} : 0U, created);
      header.account();
      if (index % 16 == 0) header.time_section();
      break;
    case 1:
      header.common(2, 0, created);
      header.transfer();
      header.balances(false);
      break;
    case 2:
      header.common(2, 0, 54);  // refused: no balances follow
      header.transfer();
      break;
    case 3:
      header.common(3, payload, created);
      header.event();
      header.digest_section("commitment");
      break;
    case 4:
      header.common(2, wide_balances | requested_amount, created);
      header.transfer();
      header.balances(true);
      header.amount_section();
      break;
    case 5:
      header.common(4, 0, created);
      header.deletion();
      break;
    case 6:
      header.common(2, facts | client_signature | rules, created);
      header.transfer();
      header.balances(false);
      header.facts_section();
      header.digest_section("signature");
      header.rules_section();
      break;
    default: header.common(17, 0, created); header.feature_level();
  }
  return header.take();
}

}  // namespace meridian::interop
