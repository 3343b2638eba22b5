// receipt = "c2sp.org/tlog-proof@v1\n" "extra " base64(header) "\n" "index " decimal "\n"
//           *(base64(hash) "\n") "\n" checkpoint note
// (C2SP tlog-proof, "Format"; `extra` is optional there and required here)
#include "proof/receipt.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "crypto/base64.h"
#include "proof/internal/text.h"

namespace meridian::proof {

namespace {

constexpr std::string_view magic = "c2sp.org/tlog-proof@v1";

Error bad(std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("receipt: {}", why));
}

}  // namespace

std::string format_receipt(const Receipt& receipt) {
  ASSERT(!receipt.header.empty());
  ASSERT(receipt.header.size() <= entry_size_max);
  ASSERT(receipt.path.size() <= proof_size_max);
  std::string text = fmt::format("{}\nextra {}\nindex {}\n", magic,
                                 crypto::to_base64(receipt.header), raw(receipt.index));
  for (const Hash& hash : receipt.path) text += crypto::to_base64(hash) + "\n";
  return text + "\n" + format_note(receipt.checkpoint);
}

Result<Receipt> parse_receipt(std::string_view text) {
  if (text.size() > receipt_size_max) {
    return bad(fmt::format("{} bytes, above {}", text.size(), receipt_size_max));
  }
  LineReader lines(text);
  std::optional<std::string_view> line = lines.next();
  if (line != magic) return bad(fmt::format("the first line is not {}", magic));
  Receipt receipt;
  line = lines.next();
  if (!line || !line->starts_with("extra ")) {
    return bad("the second line is not extra with the record's header");
  }
  Result<Buffer> header = crypto::from_base64(line->substr(6));
  if (!header.has_value()) return with_context(header.error(), "receipt: extra");
  if (header->empty() || header->size() > entry_size_max) {
    return bad(
        fmt::format("a header of {} bytes; 1..{} are allowed", header->size(), entry_size_max));
  }
  receipt.header = *std::move(header);
  line = lines.next();
  std::optional<std::uint64_t> index;
  if (line && line->starts_with("index ")) {
    index = parse_strict_decimal(line->substr(6), tree_size_max - 1);
  }
  if (!index) return bad("the third line is not index with the record's position in decimal");
  receipt.index = LeafIndex{*index};
  while (true) {
    line = lines.next();
    if (!line) return bad("it ends inside the Merkle path");
    if (line->empty()) break;
    if (receipt.path.size() == proof_size_max) {
      return bad(fmt::format("a Merkle path of more than {} hashes", proof_size_max));
    }
    std::optional<Hash> hash = parse_hash(*line);
    if (!hash) return bad(fmt::format("line {} is not base64 of a hash", lines.number()));
    receipt.path.push_back(*hash);
  }
  Result<Note> note = parse_note(lines.rest());
  if (!note.has_value()) return with_context(note.error(), "receipt: checkpoint");
  receipt.checkpoint = *std::move(note);
  return receipt;
}

Result<Checkpoint> verify_in_checkpoint(const Receipt& receipt) {
  Checkpoint checkpoint = TRY(parse_checkpoint(receipt.checkpoint.text));
  if (raw(receipt.index) >= raw(checkpoint.head.size)) {
    return fail(Code::data_loss, fmt::format("receipt: record {} is not among the {} records of "
                                             "its checkpoint",
                                             raw(receipt.index), raw(checkpoint.head.size)));
  }
  if (!verify_inclusion(checkpoint.head, receipt.index, leaf_hash(receipt.header), receipt.path)) {
    return fail(Code::data_loss,
                fmt::format("receipt: header and Merkle path of record {} do not lead to the root "
                            "of its checkpoint: header, index, path or checkpoint was changed",
                            raw(receipt.index)));
  }
  return checkpoint;
}

}  // namespace meridian::proof
