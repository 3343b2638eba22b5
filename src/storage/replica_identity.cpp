#include "storage/replica_identity.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "storage/slot_file.h"

namespace meridian::storage {
namespace {

// cell(16) generation(8) raft_id(8) storage(16), then two texts: size(1) bytes, zeros to its bound
constexpr std::size_t value_size =
    16 + 8 + 8 + 16 + 1 + deployment_name_size_max + 1 + region_name_size_max;
static_assert(value_size <= SlotFile::value_size_max);
static_assert(deployment_name_size_max <= 255);
static_assert(region_name_size_max <= 255);

constexpr SlotFormat format{
    "MRDNSELF", value_size,
    "without it this data directory cannot be told from that of another replica; restore this file "
    "alone from a backup of this very disk, or give this node an empty data directory and a new "
    "replica id"};

void encode_text(std::string_view text, std::size_t size_max, ByteWriter& writer) {
  ASSERT(text.size() <= size_max);
  writer.u8(static_cast<std::uint8_t>(text.size()));
  writer.bytes(as_bytes(text));
  writer.zeros(size_max - text.size());
}

std::optional<std::string> decode_text(ByteReader& reader, std::size_t size_max) {
  const std::size_t size = reader.u8();
  const Bytes room = reader.take(size_max);
  if (!reader.ok() || size > room.size()) return std::nullopt;
  const Bytes rest = room.subspan(size);
  if (std::ranges::any_of(rest, [](Byte byte) { return byte != 0; })) return std::nullopt;
  return std::string(as_text(room.first(size)));
}

Buffer encode(const ReplicaIdentity& identity) {
  Buffer bytes;
  ByteWriter writer(bytes);
  writer.id(identity.name.cell);
  writer.u64(identity.name.generation);
  writer.u64(identity.name.raft_id);
  writer.id(identity.storage);
  encode_text(identity.name.deployment, deployment_name_size_max, writer);
  encode_text(identity.name.region, region_name_size_max, writer);
  return bytes;
}

std::optional<ReplicaIdentity> decode(Bytes bytes) {
  ByteReader reader(bytes);
  ReplicaIdentity identity;
  identity.name.cell = reader.id();
  identity.name.generation = reader.u64();
  identity.name.raft_id = reader.u64();
  identity.storage = reader.id();
  std::optional<std::string> deployment = decode_text(reader, deployment_name_size_max);
  std::optional<std::string> region = decode_text(reader, region_name_size_max);
  if (!reader.done() || !deployment || !region) return std::nullopt;
  identity.name.deployment = std::move(*deployment);
  identity.name.region = std::move(*region);
  return identity;
}

Status check(const ReplicaName& wanted) {
  const auto check_text = [](std::string_view what, std::string_view text,
                             std::size_t size_max) -> Status {
    if (!text.empty() && text.size() <= size_max) return {};
    return fail(Code::invalid_argument,
                fmt::format("the {} has {} bytes; it needs 1 to {}", what, text.size(), size_max));
  };
  TRY(check_text("deployment's name", wanted.deployment, deployment_name_size_max));
  TRY(check_text("region's name", wanted.region, region_name_size_max));
  if (wanted.raft_id == 0)
    return fail(Code::invalid_argument, "replica id 0 means nobody; ids start at 1");
  return {};
}

std::string describe(const ReplicaName& name) {
  Buffer cell;
  ByteWriter(cell).id(name.cell);
  return fmt::format("replica {} of cell {}, generation {}, deployment '{}', region '{}'",
                     name.raft_id, to_hex(cell), name.generation, name.deployment, name.region);
}

Result<ReplicaIdentity> create(io::Disk& disk, io::Entropy& entropy, const ReplicaName& wanted) {
  Buffer random(16);
  entropy.fill(random);
  const ReplicaIdentity identity{wanted, load_le<u128>(random.data())};
  TRY(SlotFile::create(disk, ReplicaIdentity::path, format, encode(identity)));
  return identity;
}

}  // namespace

Result<ReplicaIdentity> ReplicaIdentity::open_or_create(io::Disk& disk, io::Entropy& entropy,
                                                        const ReplicaName& wanted) {
  TRY(check(wanted));
  if (!TRY(disk.exists(path))) return create(disk, entropy, wanted);
  SlotFile file = TRY(SlotFile::open(disk, path, format, IfMissing::refuse));
  if (!file.value())
    return fail(Code::data_loss, fmt::format("{} is empty: {}", disk.display(path), format.loss));
  std::optional<ReplicaIdentity> found = decode(*file.value());
  if (!found) {
    return fail(Code::data_loss, fmt::format("{} holds an identity that this version does not "
                                             "know: start the version that wrote it",
                                             disk.display(path)));
  }
  if (found->name != wanted) {
    return fail(Code::failed_precondition,
                fmt::format("{} belongs to {}; asked for was {}: correct the configuration or the "
                            "data directory (a replica's disk is never given to another)",
                            disk.display(path), describe(found->name), describe(wanted)));
  }
  TRY(file.make_durable());
  return *std::move(found);
}

}  // namespace meridian::storage
