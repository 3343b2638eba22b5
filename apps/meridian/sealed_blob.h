// A sealed file that is written and read whole (docs/formats/frame.md): frames of up to 4 MiB whose
// plaintexts together are its content. Replaced atomically, durable when written.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/sealed_file.h"

namespace meridian::app {

/// `tag_word` says what it is; `number` tells files of one context apart.
Status write_sealed_blob(const storage::SealedContext& context, std::string_view path,
                         std::uint64_t number, std::uint32_t tag_word, Bytes content);
/// Errors: not_found; data_loss naming file and byte.
Result<Buffer> read_sealed_blob(const storage::SealedContext& context, std::string_view path,
                                std::uint64_t number, std::uint32_t tag_word);

}  // namespace meridian::app
