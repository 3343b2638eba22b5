// The grammar of a sealed file is in docs/formats/frame.md; offsets below follow it field by field.
#include "storage/sealed_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "crypto/sha256.h"

namespace meridian::storage {
namespace {

constexpr std::string_view file_magic = "MRDNFILE";
constexpr std::uint16_t format_version = 1;
constexpr std::size_t tagged_size = 88;  ///< Header bytes under header_tag.
constexpr std::size_t aad_size = 44;
constexpr std::size_t write_buffer_size = 1 << 20;
constexpr std::size_t first_read_size = 4096;
constexpr std::string_view storage_key = "storage";
constexpr std::size_t nonces_asked_max = 256;

static_assert(tagged_size + sizeof(crypto::Digest) + 8 == sealed_file_header_size);
static_assert(frame_prefix_size == 4 + 4 + sizeof(crypto::Nonce));

struct FramePlace {
  u128 cell;
  std::uint64_t file_number;
  std::uint64_t position;
  Purpose purpose;
};

std::array<Byte, aad_size> additional_data(const FramePlace& place, std::uint32_t plain_size,
                                           std::uint32_t tag_word) {
  std::array<Byte, aad_size> aad;
  store_le(aad.data(), format_version);
  store_le(aad.data() + 2, static_cast<std::uint16_t>(place.purpose));
  store_le(aad.data() + 4, plain_size);
  store_le(aad.data() + 8, tag_word);
  store_le(aad.data() + 12, place.cell);
  store_le(aad.data() + 28, place.file_number);
  store_le(aad.data() + 36, place.position);
  return aad;
}

struct FileHeader {
  Purpose purpose;
  u128 cell;
  std::uint64_t file_number;
  KeyVersion kek_version;
  crypto::WrappedKey wrapped_key;
  crypto::Digest tag;
};

Result<FileHeader> decode_header(Bytes bytes) {
  if (bytes.size() < sealed_file_header_size)
    return fail(Code::data_loss, fmt::format("a sealed file begins with {} bytes of header; it has "
                                             "{}",
                                             sealed_file_header_size, bytes.size()));
  ByteReader reader(bytes.first(sealed_file_header_size));
  if (as_text(reader.take(file_magic.size())) != file_magic)
    return fail(Code::data_loss, "this is no sealed file: it does not begin with MRDNFILE");
  std::uint16_t version = reader.u16();
  if (version != format_version)
    return fail(Code::data_loss, fmt::format("sealed file version {}; this program reads {}",
                                             version, format_version));
  FileHeader header;
  header.purpose = static_cast<Purpose>(reader.u16());
  bool zeros = reader.u32() == 0;
  header.cell = reader.id();
  header.file_number = reader.u64();
  header.kek_version = KeyVersion{reader.u32()};
  zeros = reader.u32() == 0 && zeros;
  header.wrapped_key = reader.array<std::tuple_size_v<crypto::WrappedKey>>();
  header.tag = reader.array<std::tuple_size_v<crypto::Digest>>();
  zeros = reader.u64() == 0 && zeros;
  ASSERT(reader.done());
  if (!zeros) return fail(Code::data_loss, "the file header is damaged: reserved bytes are not 0");
  return header;
}

/// All of a header, around the file's key.
Buffer encode_header(const FileHeader& header, Bytes key) {
  Buffer bytes;
  bytes.reserve(sealed_file_header_size);
  ByteWriter writer(bytes);
  writer.bytes(as_bytes(file_magic));
  writer.u16(format_version);
  writer.u16(static_cast<std::uint16_t>(header.purpose));
  writer.zeros(4);
  writer.id(header.cell);
  writer.u64(header.file_number);
  writer.u32(static_cast<std::uint32_t>(header.kek_version));
  writer.zeros(4);
  writer.bytes(header.wrapped_key);
  ASSERT(writer.size() == tagged_size);
  const crypto::Digest tag = crypto::HmacKey(key).mac(bytes);
  writer.bytes(tag);
  writer.zeros(8);
  ASSERT(bytes.size() == sealed_file_header_size);
  return bytes;
}

/// The key of the file that begins with `bytes`, whose header they decode to.
Result<crypto::Secret> open_file_key(const KeyStore& keys, const FileHeader& header, Bytes bytes) {
  const auto storage = keys.wrapper(storage_key, header.kek_version);
  if (!storage && storage.error().code != Code::not_found) return storage.error();
  if (!storage)
    return fail(
        Code::failed_precondition,
        fmt::format("the file is sealed under storage key {}, which the key store does not "
                    "hold: {}",
                    static_cast<std::uint32_t>(header.kek_version), storage.error().message));
  crypto::Secret key = TRY((*storage)->unwrap(header.wrapped_key));
  const crypto::Digest tag = crypto::HmacKey(key.bytes()).mac(bytes.first(tagged_size));
  if (!crypto::equal_constant_time(tag, header.tag))
    return fail(Code::data_loss, "the file header is damaged: its tag does not match");
  return key;
}

}  // namespace

FrameSealer::FrameSealer(io::Entropy& entropy, u128 cell, Purpose purpose,
                         std::uint64_t file_number, crypto::Secret key)
    : entropy_(&entropy),
      key_secret_(std::move(key)),
      key_(key_secret_.bytes()),
      cell_(cell),
      file_number_(file_number),
      purpose_(purpose) {}

Result<FrameSealer> FrameSealer::create(const SealedContext& context, Purpose purpose,
                                        std::uint64_t file_number, FreshHeader& header) {
  KeyStore::Wrapper storage = TRY(context.keys.newest_wrapper(storage_key));
  std::array<Byte, crypto::aead_key_size> fresh;
  context.entropy.fill(fresh);
  crypto::Secret key{Bytes(fresh)};
  crypto::cleanse(fresh);
  const crypto::WrappedKey wrapped = TRY(storage.key->wrap(key.bytes()));

  header.bytes = encode_header({purpose, context.cell, file_number, storage.version, wrapped, {}},
                               key.bytes());
  header.under = std::move(storage.key);
  return FrameSealer(context.entropy, context.cell, purpose, file_number, std::move(key));
}

Result<FrameSealer> FrameSealer::open(const SealedContext& context, Purpose purpose,
                                      std::uint64_t file_number, Bytes bytes) {
  FileHeader header = TRY(decode_header(bytes));
  if (header.purpose != purpose)
    return fail(Code::data_loss,
                fmt::format("the file is of purpose {}, not {}",
                            static_cast<unsigned>(header.purpose), static_cast<unsigned>(purpose)));
  if (header.cell != context.cell)
    return fail(Code::data_loss, fmt::format("the file belongs to cell {:016x}{:016x}, not to this "
                                             "one",
                                             high64(header.cell), low64(header.cell)));
  if (header.file_number != file_number)
    return fail(Code::data_loss, fmt::format("the file has number {} inside, {} by its place: was "
                                             "it renamed?",
                                             header.file_number, file_number));
  crypto::Secret key = TRY(open_file_key(context.keys, header, bytes));
  return FrameSealer(context.entropy, context.cell, purpose, file_number, std::move(key));
}

bool is_sealed_file(Bytes header) { return as_text(header).starts_with(file_magic); }

Result<KeyVersion> storage_version_of(Bytes header) {
  return TRY(decode_header(header)).kek_version;
}

Result<Buffer> rewrap_header(const KeyStore& keys, Bytes bytes) {
  FileHeader header = TRY(decode_header(bytes));
  const crypto::Secret key = TRY(open_file_key(keys, header, bytes));
  const KeyStore::Wrapper storage = TRY(keys.newest_wrapper(storage_key));
  header.kek_version = storage.version;
  header.wrapped_key = TRY(storage.key->wrap(key.bytes()));
  return encode_header(header, key.bytes());
}

crypto::Nonce FrameSealer::fresh_nonce() {
  if (nonces_.empty()) {  // ever more: most sealers seal few frames
    nonces_.resize(std::clamp<std::size_t>(nonces_used_ / 4, 1, nonces_asked_max));
    entropy_->fill({nonces_.front().data(), nonces_.size() * sizeof(crypto::Nonce)});
  }
  const crypto::Nonce nonce = nonces_.back();
  nonces_.pop_back();
  ++nonces_used_;
  return nonce;
}

void FrameSealer::seal(std::uint64_t position, std::uint32_t tag_word, Bytes plain, Buffer& out) {
  ASSERT(plain.size() <= frame_plain_max);
  auto plain_size = static_cast<std::uint32_t>(plain.size());
  const crypto::Nonce nonce = fresh_nonce();
  auto aad = additional_data({cell_, file_number_, position, purpose_}, plain_size, tag_word);
  std::size_t at = out.size();
  out.resize(at + frame_overhead + plain.size());
  Byte* frame = out.data() + at;
  store_le(frame, plain_size);
  store_le(frame + 4, tag_word);
  std::ranges::copy(nonce, frame + 8);
  key_.seal(nonce, aad, plain, MutableBytes(out).subspan(at + frame_prefix_size));
}

Result<FrameSealer::Frame> FrameSealer::open_frame(std::uint64_t position, Bytes bytes) {
  if (bytes.size() < frame_prefix_size)
    return fail(Code::out_of_range, "the bytes end inside the prefix of the frame");
  ByteReader reader(bytes);
  std::uint32_t plain_size = reader.u32();
  std::uint32_t tag_word = reader.u32();
  crypto::Nonce nonce = reader.array<std::tuple_size_v<crypto::Nonce>>();
  if (plain_size > frame_plain_max)
    return fail(Code::data_loss, fmt::format("the frame claims {} bytes, more than the {} allowed",
                                             plain_size, frame_plain_max));
  Bytes sealed = reader.take(plain_size + crypto::aead_tag_size);
  if (!reader.ok())
    return fail(Code::out_of_range, fmt::format("the frame of {} bytes is cut off after {}",
                                                plain_size + frame_overhead, bytes.size()));
  auto aad = additional_data({cell_, file_number_, position, purpose_}, plain_size, tag_word);
  Frame frame{tag_word, Buffer(plain_size), plain_size + frame_overhead};
  if (!key_.open(nonce, aad, sealed, frame.plain))
    return fail(Code::data_loss,
                "the frame does not open: it was changed, or brought from another place");
  return frame;
}

FrameSealer FrameSealer::clone() const {
  return FrameSealer(*entropy_, cell_, purpose_, file_number_, key_secret_.copy());
}

SealedWriter::SealedWriter(std::unique_ptr<io::File> file, FrameSealer sealer, FreshHeader header)
    : file_(std::move(file)),
      sealer_(std::move(sealer)),
      buffered_(std::move(header.bytes)),
      under_(std::move(header.under)),
      position_(sealed_file_header_size) {}

Result<SealedWriter> SealedWriter::create(const SealedContext& context, std::string_view path,
                                          Purpose purpose, std::uint64_t file_number) {
  FreshHeader header;
  FrameSealer sealer = TRY(FrameSealer::create(context, purpose, file_number, header));
  std::unique_ptr<io::File> file = TRY(context.disk.open(path, io::OpenMode::create));
  return SealedWriter(std::move(file), std::move(sealer), std::move(header));
}

Result<std::uint64_t> SealedWriter::append(std::uint32_t tag_word, Bytes plain) {
  if (buffered_.size() >= write_buffer_size) TRY(flush());
  std::uint64_t at = position_;
  sealer_.seal(at, tag_word, plain, buffered_);
  position_ += plain.size() + frame_overhead;
  ASSERT(position_ == written_ + buffered_.size());
  return at;
}

Status SealedWriter::flush() {
  if (buffered_.empty()) return {};
  TRY(file_->write_at(written_, buffered_));
  file_->begin_writeback(written_, buffered_.size());  // or sync() finds it all unwritten
  written_ += buffered_.size();
  buffered_.clear();
  under_.reset();
  return {};
}

Status SealedWriter::sync() {
  TRY(flush());
  return file_->sync();
}

SealedReader::SealedReader(std::unique_ptr<io::File> file, FrameSealer sealer, std::string path)
    : file_(std::move(file)), sealer_(std::move(sealer)), path_(std::move(path)) {}

Result<SealedReader> SealedReader::open(const SealedContext& context, std::string_view path,
                                        Purpose purpose, std::uint64_t file_number) {
  std::unique_ptr<io::File> file = TRY(context.disk.open(path, io::OpenMode::read));
  std::string place = context.disk.display(path);
  std::array<Byte, sealed_file_header_size> header;
  std::size_t got = TRY(file->read_at(0, header));
  Result<FrameSealer> sealer =
      FrameSealer::open(context, purpose, file_number, Bytes(header).first(got));
  if (!sealer) return with_context(std::move(sealer).error(), place);
  return SealedReader(std::move(file), *std::move(sealer), std::move(place));
}

Result<FrameSealer::Frame> SealedReader::read(std::uint64_t position) {
  auto here = [&](Error error) {
    return with_context(std::move(error), fmt::format("{} at byte {}", path_, position));
  };
  if (position < sealed_file_header_size)
    return here(fail(Code::data_loss, "no frame stands inside the file header"));
  Buffer bytes(first_read_size);
  std::size_t got = TRY(file_->read_at(position, bytes));
  if (got == 0) return here(fail(Code::out_of_range, "the file ends here"));
  if (got == bytes.size()) {
    std::uint32_t plain_size = load_le<std::uint32_t>(bytes.data());
    if (plain_size <= frame_plain_max && plain_size + frame_overhead > bytes.size()) {
      bytes.resize(plain_size + frame_overhead);
      got += TRY(file_->read_at(position + got, MutableBytes(bytes).subspan(got)));
    }
  }
  Result<FrameSealer::Frame> frame = sealer_.open_frame(position, Bytes(bytes).first(got));
  if (frame) return frame;
  Error error = std::move(frame).error();
  error.code = Code::data_loss;  // cut off by the end of the file is damage too
  return here(std::move(error));
}

}  // namespace meridian::storage
