// What cells wrote at feature level 1 stays what it was, in every later version: its entries give
// the same records, and its receipts verify. Bytes: docs/formats/golden/level-1-*.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "ledger/header.h"
#include "ledger/ledger.h"
#include "ledger/memory_history.h"
#include "proof/policy.h"
#include "proof/receipt.h"
#include "replica/applied_entry.h"

namespace meridian::replica {
namespace {

std::string golden_text(const std::string& name) {
  const std::string path = MERIDIAN_SOURCE_DIR "/docs/formats/golden/";
  std::ifstream file(path + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Each line is an entry, but for those that begin with '#'.
std::vector<Buffer> golden_entries() {
  std::vector<Buffer> entries;
  std::istringstream lines(golden_text("level-1-entries.hex"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    EXPECT_TRUE(from_hex(line, entries.emplace_back())) << line;
  }
  return entries;
}

TEST(LevelOne, its_entries_and_receipts_verify) {
  const Result<proof::Receipt> receipt = proof::parse_receipt(golden_text("level-1-receipt"));
  const Result<proof::Policy> policy = proof::parse_policy(golden_text("level-1-policy"));
  ASSERT_TRUE(receipt.has_value() && policy.has_value());
  const Result<proof::Evidence> evidence = proof::evaluate(*receipt, *policy);
  ASSERT_TRUE(evidence.has_value()) << evidence.error().message;
  const Result<proof::Checkpoint> checkpoint = proof::verify_in_checkpoint(*receipt);
  ASSERT_TRUE(checkpoint.has_value());

  constexpr u128 cell = make_u128(0x1111, 0x2222);
  ledger::MemoryHistory history;
  ledger::Ledger ledger(cell, history);
  proof::Frontier tree;
  std::vector<Buffer> headers;
  std::uint64_t index = 0;
  for (const Buffer& bytes : golden_entries()) {
    const Result<ledger::EntryView> view = ledger::EntryView::decode(bytes);
    ASSERT_TRUE(view.has_value()) << view.error().message;
    const ledger::EntryPosition position{cell, 1, ++index, ledger::RecordIndex{ledger.records()}};
    ledger::Applied applied;
    const Status done = ledger.apply(*view, applied);
    ASSERT_TRUE(done.has_value()) << done.error().message;
    history.keep(position, *view, applied);
    ledger::HeaderEncoder encoder(position, *view);
    for_each_command(*view, [&](std::uint32_t number, ledger::CommandKind kind,
                                const ledger::RequestHeader& request) {
      Buffer header(ledger::header_size_max);
      header.resize(
          encoder.encode(number, kind, request, applied.effects[number], applied.expired, header));
      tree.append(proof::leaf_hash(header));
      headers.push_back(std::move(header));
    });
  }
  EXPECT_EQ(ledger.feature_level(), 1u);
  ASSERT_EQ(tree.head(), checkpoint->head) << "other records than those that were signed";
  EXPECT_EQ(headers.at(raw(receipt->index)), receipt->header);
}

}  // namespace
}  // namespace meridian::replica
