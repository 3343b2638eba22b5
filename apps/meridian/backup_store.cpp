// info = version(2)=1 zero(6) created(8) generation(8) head(40) signed_head(40) log_number(8)
//        log_entries(8) log_bytes(8) log_end(8) text note, log_vkey, cosigner_vkey, then
//        count(4) count × text, where text = size(4) bytes and head = size(8) root(32)
// log  = frames of tag_word 21: up to 4 MiB of { index(8) term(8) size(4) entry }
#include "backup_store.h"

#include <fmt/format.h>

#include "replica/checkpointer.h"

namespace meridian::app {

namespace {

constexpr std::uint16_t version = 1;
constexpr std::uint32_t log_tag = 21;
constexpr std::size_t log_frame_bytes = 4 << 20;
constexpr std::uint32_t heads_max = 65'536;
static_assert(backup_info_part == replica::Checkpointer::part_count);

void write_head(ByteWriter& out, const proof::TreeHead& head) {
  out.u64(raw(head.size));
  out.bytes(head.root);
}
proof::TreeHead read_head(ByteReader& in) {
  proof::TreeHead head;
  head.size = proof::TreeSize{in.u64()};
  head.root = in.array<32>();
  return head;
}
void write_text(ByteWriter& out, Bytes text) {
  out.u32(static_cast<std::uint32_t>(text.size()));
  out.bytes(text);
}
Bytes read_text(ByteReader& in) {
  const std::uint32_t size = in.u32();
  return in.take(size);
}

}  // namespace

Buffer BackupInfo::encode() const {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u16(version);
  out.zeros(6);
  out.u64(created_ns);
  out.u64(generation);
  write_head(out, head);
  write_head(out, signed_head);
  for (const std::uint64_t number : {log_number, log_entries, log_bytes, log_end}) out.u64(number);
  for (const std::string* text : {&note, &log_vkey, &cosigner_vkey})
    write_text(out, as_bytes(*text));
  out.u32(static_cast<std::uint32_t>(kept_heads.size()));
  for (const Buffer& kept : kept_heads) write_text(out, kept);
  return bytes;
}

Result<BackupInfo> BackupInfo::decode(Bytes bytes) {
  ByteReader in(bytes);
  BackupInfo info;
  const bool known = in.u16() == version && in.array<6>() == std::array<Byte, 6>{};
  info.created_ns = in.u64();
  info.generation = in.u64();
  info.head = read_head(in);
  info.signed_head = read_head(in);
  for (std::uint64_t* number :
       {&info.log_number, &info.log_entries, &info.log_bytes, &info.log_end})
    *number = in.u64();
  for (std::string* text : {&info.note, &info.log_vkey, &info.cosigner_vkey})
    *text = as_text(read_text(in));
  const std::uint32_t kept = in.u32();
  for (std::uint32_t i = 0; i < kept && kept <= heads_max && in.ok(); ++i)
    info.kept_heads.push_back(to_buffer(read_text(in)));
  if (!known || !in.done())
    return fail(Code::data_loss, "the manifest of the backup is malformed, or of a newer version");
  return info;
}

Result<std::optional<BackupInfo>> info_of(storage::StateStore& states) {
  const storage::StateManifest* manifest = states.newest();
  if (manifest == nullptr) return std::optional<BackupInfo>{};
  if (manifest->parts.size() != backup_info_part + 1)
    return fail(Code::failed_precondition,
                "this is the data directory of a node, not a backup: name another directory");
  return std::optional(TRY(BackupInfo::decode(manifest->parts[backup_info_part])));
}

Result<Backup> open_backup(const storage::SealedContext& context) {
  Backup backup;
  if (!TRY(context.disk.exists("state/MANIFEST")))
    return fail(Code::not_found,
                fmt::format("{} holds no finished backup. make one with `meridian backup create`",
                            context.disk.display("")));
  backup.states = TRY(storage::StateStore::open(context));
  const std::optional<BackupInfo> info = TRY(info_of(*backup.states));
  if (!info) return fail(Code::not_found, "no backup was finished here");
  backup.info = *info;
  backup.records = TRY(storage::RecordStore::open_read_only(context));
  backup.tiles = TRY(storage::TileStore::open_read_only(context.disk));
  if (backup.records->count() < raw(info->head.size) && raw(info->head.size) > 0)
    return fail(Code::data_loss, fmt::format("records {} to {} of the backup are missing",
                                             backup.records->count(), raw(info->head.size) - 1));
  return backup;
}

// --- log ---

std::string backup_log_path(std::uint64_t number) { return fmt::format("log/{:016x}.log", number); }

Result<BackupLogWriter> BackupLogWriter::create(const storage::SealedContext& context,
                                                std::uint64_t number) {
  TRY(context.disk.make_directory("log"));
  TRY(context.disk.sync_directory(""));
  const std::string path = backup_log_path(number);
  if (TRY(context.disk.exists(path))) TRY(context.disk.remove(path));  // of one never finished
  return BackupLogWriter(
      TRY(storage::SealedWriter::create(context, path, storage::Purpose::other, number)));
}

Status BackupLogWriter::add(const storage::WalEntry& entry) {
  ByteWriter out(frame_);
  out.u64(entry.index);
  out.u64(entry.term);
  out.u32(static_cast<std::uint32_t>(entry.bytes.size()));
  out.bytes(entry.bytes);
  return frame_.size() < log_frame_bytes ? Status() : flush();
}

Status BackupLogWriter::flush() {
  if (frame_.empty()) return {};
  TRY(writer_.append(log_tag, frame_));
  frame_.clear();
  return {};
}

Status BackupLogWriter::finish() {
  TRY(flush());
  return writer_.sync();
}

Status read_backup_log(const storage::SealedContext& context, const BackupInfo& info,
                       const std::function<Status(const storage::WalEntry&)>& visit) {
  const std::string path = backup_log_path(info.log_number);
  auto opened =
      storage::SealedReader::open(context, path, storage::Purpose::other, info.log_number);
  if (!opened) {
    Error error = opened.error();
    if (error.code == Code::not_found) error.code = Code::data_loss;
    return error;
  }
  std::uint64_t entries = 0;
  for (std::uint64_t at = storage::sealed_file_header_size; at < TRY(opened->size());) {
    const storage::FrameSealer::Frame frame = TRY(opened->read(at));
    at += frame.size;
    ByteReader in(frame.plain);
    while (in.ok() && in.remaining() > 0) {
      storage::WalEntry entry{};
      entry.index = in.u64();
      entry.term = in.u64();
      const std::uint32_t size = in.u32();
      entry.bytes = in.take(size);
      if (!in.ok() || frame.tag_word != log_tag)
        return fail(Code::data_loss, context.disk.display(path) + " is malformed");
      TRY(visit(entry));
      ++entries;
    }
  }
  if (entries == info.log_entries) return {};
  return fail(Code::data_loss, fmt::format("{} has {} entries, not {}", context.disk.display(path),
                                           entries, info.log_entries));
}

}  // namespace meridian::app
