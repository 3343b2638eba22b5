// What somebody who takes everything on the disk, passphrase included, can learn of a forgotten
// person: nothing, not even by trying ten million candidates for what was stored.
//
// The attacker opens every file with every key there is, keeps all plaintext and all keys, and for
// each candidate computes the digests by which it could be recognised: plain, as a commitment, as
// an opaque id, under every key found. A digest that stands anywhere in the plaintext is a hit.
// The same attack before forgetting must find the value: a test that cannot fail proves nothing.
// MERIDIAN_CANDIDATES sets how many are tried (10,000 unless told; 10,000,000 takes two minutes).
#include <gtest/gtest.h>

#include <cstdlib>
#include <unordered_set>

#include "cell/internal/cell_rig.h"
#include "crypto/sha256.h"
#include "storage/record_store.h"
#include "storage/sealed_file.h"
#include "storage/wal.h"

namespace meridian::cell {
namespace {

constexpr std::uint64_t secret_number = 4'321;

std::string candidate(std::uint64_t number) {
  return R"({"diagnosis":")" + std::to_string(number) + R"("})";
}

std::uint64_t candidate_count() {
  const char* told = std::getenv("MERIDIAN_CANDIDATES");
  return told != nullptr ? std::strtoull(told, nullptr, 10) : 10'000;
}

class Attacker {
 public:
  explicit Attacker(CellRig& rig)
      : rig_(rig), context_{*rig.disk, rig.world.entropy(), *rig.keys, rig_cell} {
    for (const auto& key : rig.keys->list())
      keys_.push_back(to_buffer(rig.keys->get(key.name, key.version)->secret));
    read_folder("");
    read_records();
    read_table();
    for (const Buffer& text : plaintexts_) index(text);
  }

  /// Candidates in [0, count) that something on the disk betrays.
  std::vector<std::uint64_t> hits(std::uint64_t count) {
    std::vector<crypto::HmacKey> macs;
    for (const Buffer& key : keys_) macs.emplace_back(key);
    std::vector<std::uint64_t> found;
    for (std::uint64_t number = 0; number < count; ++number)
      if (betrayed(candidate(number), macs)) found.push_back(number);
    return found;
  }
  std::size_t key_count() const { return keys_.size(); }
  std::size_t plaintext_bytes() const { return windows_.size(); }

 private:
  void read_folder(const std::string& folder) {
    const auto names = rig_.disk->list(folder);
    if (!names) return;
    for (const std::string& name : *names) {
      const std::string path = folder.empty() ? name : folder + "/" + name;
      if (const auto bytes = io::read_file(*rig_.disk, path, 1 << 30)) {
        plaintexts_.push_back(*bytes);  // as it stands
        open_frames(*bytes);
      } else {
        read_folder(path);
      }
    }
  }
  /// Every frame of every sealed file, whatever its purpose and number are.
  void open_frames(const Buffer& file) {
    if (file.size() < storage::sealed_file_header_size) return;
    const auto purpose = static_cast<storage::Purpose>(load_le<std::uint16_t>(file.data() + 10));
    const auto number = load_le<std::uint64_t>(file.data() + 32);
    auto sealer = storage::FrameSealer::open(context_, purpose, number,
                                             Bytes(file).first(storage::sealed_file_header_size));
    if (!sealer) return;
    ++sealed_files_;
    for (std::size_t at = storage::sealed_file_header_size; at + 36 <= file.size();) {
      auto frame = sealer->open_frame(at, Bytes(file).subspan(at));
      if (frame) {
        if (purpose == storage::Purpose::key_table) tables_.push_back(frame->plain);
        plaintexts_.push_back(std::move(frame->plain));
        at += frame->size;
      } else {
        at = (at / 4'096 + 1) * 4'096;  // groups of the log stand at whole blocks
      }
    }
  }
  /// Payloads: whatever opens with the keys that are left.
  void read_records() {
    const auto page =
        rig_.wait<Result<ReadPage>>([&](auto done) { rig_.cell->read_events({}, done); });
    ASSERT(page.has_value());
    for (const ReadEvent& event : page->events) {
      headers_.push_back(event.header);
      for (const door::OpenedCompartment& compartment : event.event.compartments) {
        plaintexts_.push_back(compartment.content);
        plaintexts_.push_back(to_buffer(compartment.salt));
      }
    }
  }
  /// Keys of subjects that are still in the table, and every wrapped key that opens.
  void read_table() {
    std::vector<Buffer> unwrapped;
    for (const Buffer& text : tables_)
      for (std::size_t at = 0; at + 40 <= text.size(); at += 4) {
        crypto::WrappedKey wrapped{};
        std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(at), 40, wrapped.begin());
        for (const Buffer& key : keys_)
          if (const auto secret = crypto::unwrap_key(key, wrapped))
            unwrapped.push_back(to_buffer(secret->bytes()));
      }
    keys_.insert(keys_.end(), unwrapped.begin(), unwrapped.end());
  }
  void index(Bytes text) {
    for (std::size_t at = 0; at + 16 <= text.size(); ++at) {
      const auto first = load_le<std::uint64_t>(text.data() + at);
      const auto second = load_le<std::uint64_t>(text.data() + at + 8);
      if ((first | second) == 0) {
        at += 8;  // preallocated zeros: no digest begins within them
        continue;
      }
      windows_.insert(first ^ (second * 0x9e3779b97f4a7c15ULL));
    }
  }
  bool stands_there(Bytes digest) const {
    return windows_.contains(load_le<std::uint64_t>(digest.data()) ^
                             (load_le<std::uint64_t>(digest.data() + 8) * 0x9e3779b97f4a7c15ULL));
  }
  bool betrayed(const std::string& value, const std::vector<crypto::HmacKey>& macs) const {
    const Bytes plain = as_bytes(value);
    if (stands_there(plain.last(16))) return true;  // its end tells candidates apart
    if (stands_there(crypto::sha256(plain))) return true;
    Buffer envelope;
    ledger::Envelope{"patients-1", "noted", "application/json", {}, plain}.encode(envelope);
    if (stands_there(crypto::sha256(envelope))) return true;
    for (const crypto::HmacKey& key : macs) {
      if (stands_there(key.mac(plain))) return true;
      if (stands_there(key.mac(envelope))) return true;
    }
    for (const crypto::HmacKey& key : macs)
      for (const ledger::Header& header : headers_)
        if (matches_commitment(key, header, envelope)) return true;
    return false;
  }
  bool matches_commitment(const crypto::HmacKey& key, const ledger::Header& header,
                          Bytes envelope) const {
    const u128 id = std::get<ledger::EventBody>(header.body).event_id;
    const crypto::Digest salt = ledger::commitment_salt(key, rig_cell, id, 0);
    const crypto::Digest commitment = ledger::commit(salt, envelope);
    return ledger::fold_commitments(std::span(&commitment, 1)) == header.payload_commitment;
  }

  CellRig& rig_;
  storage::SealedContext context_;
  std::vector<Buffer> keys_;
  std::vector<Buffer> plaintexts_;
  std::vector<Buffer> tables_;  ///< Frames of the key table, this one and any older copy.
  std::vector<ledger::Header> headers_;
  std::unordered_set<std::uint64_t> windows_;
  std::size_t sealed_files_ = 0;
};

TEST(ForgetAttack, everything_on_disk_betrays_nothing_of_a_forgotten_person) {
  CellRig rig;
  door::EventDraft draft = event_draft(1, "patients-1", candidate(secret_number));
  draft.subject = "ada";
  ASSERT_TRUE(rig.submit({draft}));

  Attacker before(rig);
  EXPECT_EQ(before.hits(10'000), std::vector{secret_number})
      << "the attack must be able to find what is still there";

  const auto forgotten =
      rig.wait<Result<ForgetAnswer>>([&](auto done) { rig.cell->forget(rig_actor, "ada", done); });
  ASSERT_TRUE(forgotten.has_value());
  rig.restart();
  Attacker after(rig);
  EXPECT_GT(after.key_count(), 5U);
  EXPECT_GT(after.plaintext_bytes(), 1'000U);
  EXPECT_EQ(after.hits(candidate_count()), std::vector<std::uint64_t>{});
}

}  // namespace
}  // namespace meridian::cell
