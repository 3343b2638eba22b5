// table = "meridian.join-tokens/1" LF *( digest " " expires " " used " " id LF ) check LF
// check = SHA-256 of all before it, in hexadecimal
#include "mesh/join_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "io/unix_time.h"
#include "mesh/internal/line_text.h"
#include "mesh/internal/time_text.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view text_prefix = "mjoin-";
constexpr std::string_view first_line = "meridian.join-tokens/1\n";
constexpr std::size_t token_size = 32;
constexpr std::size_t table_size_max =
    first_line.size() + join_tokens_max * (64 + 20 + 20 + spiffe_id_size_max + 4) + 65;

Error damaged(std::string_view what) {
  return fail(Code::data_loss, fmt::format("join tokens: {}", what));
}

bool is_issuable(const SpiffeId& id) {
  Result<SpiffeId> parsed = parse_spiffe_id(format_spiffe_id(id));
  return parsed.has_value() && *parsed == id && !id.path.empty();
}

}  // namespace

Result<crypto::Digest> join_token_digest(std::string_view text) {
  Buffer bytes;
  if (!text.starts_with(text_prefix) || text.size() != text_prefix.size() + 2 * token_size ||
      !internal::parse_digest(text.substr(text_prefix.size())).has_value() ||
      !from_hex(text.substr(text_prefix.size()), bytes))
    return fail(Code::invalid_argument,
                "join token: it is \"mjoin-\" and 64 digits of 0-9 a-f, without spaces");
  crypto::Digest digest = crypto::sha256(bytes);
  crypto::cleanse(bytes);
  return digest;
}

std::string format_join_tokens(const std::vector<JoinToken>& tokens) {
  std::string text(first_line);
  for (const JoinToken& token : tokens)
    text += fmt::format("{} {} {} {}\n", to_hex(token.digest), token.expires, token.used,
                        format_spiffe_id(token.id));
  text += to_hex(crypto::sha256(as_bytes(text))) + "\n";
  return text;
}

Result<std::vector<JoinToken>> parse_join_tokens(std::string_view text) {
  if (!text.starts_with(first_line)) return damaged("not a table of them");
  internal::Lines lines(text.substr(first_line.size()));
  std::vector<JoinToken> tokens;
  while (true) {
    std::string_view before = text.substr(0, text.size() - lines.rest().size());
    std::optional<std::string_view> line = lines.next();
    if (!line.has_value()) return damaged("the table does not end");
    if (lines.done()) {
      if (internal::parse_digest(*line) != crypto::sha256(as_bytes(before)))
        return damaged("the table does not match its digest");
      return tokens;
    }
    std::optional<std::array<std::string_view, 4>> fields = internal::split_fields<4>(*line);
    if (!fields.has_value() || tokens.size() == join_tokens_max) return damaged("a line too much");
    const auto& [digest, expires, used, id] = *fields;
    std::optional<crypto::Digest> parsed_digest = internal::parse_digest(digest);
    std::optional<std::int64_t> parsed_expires = internal::parse_seconds(expires);
    std::optional<std::int64_t> parsed_used = internal::parse_seconds(used);
    Result<SpiffeId> parsed_id = parse_spiffe_id(id);
    if (!parsed_digest.has_value() || !parsed_expires.has_value() || !parsed_used.has_value() ||
        !parsed_id.has_value() || parsed_id->path.empty())
      return damaged("a line that is no token");
    tokens.push_back({*parsed_digest, *parsed_id, *parsed_expires, *parsed_used});
  }
}

Result<JoinTokens> JoinTokens::open(io::Disk& disk, std::string path, io::Clock& clock) {
  JoinTokens table(disk, std::move(path), clock);
  if (!TRY(disk.exists(table.path_))) return table;
  Buffer bytes = TRY(io::read_file(disk, table.path_, table_size_max));
  Result<std::vector<JoinToken>> tokens = parse_join_tokens(as_text(bytes));
  if (!tokens.has_value()) return with_context(tokens.error(), disk.display(table.path_));
  table.tokens_ = *std::move(tokens);
  table.drop_expired();
  return table;
}

std::int64_t JoinTokens::now() const { return io::unix_seconds(*clock_); }

void JoinTokens::drop_expired() {
  std::int64_t time = now();
  std::erase_if(tokens_, [&](const JoinToken& token) { return token.expires <= time; });
}

Status JoinTokens::save() {
  if (is_broken_)
    return fail(
        Code::failed_precondition,
        "join tokens: a write failed before; nothing is accepted until they are opened again");
  is_broken_ = true;
  TRY(io::replace_file(*disk_, path_, as_bytes(format_join_tokens(tokens_))));
  is_broken_ = false;
  return {};
}

Result<crypto::Secret> JoinTokens::make(const SpiffeId& id, std::int64_t lifetime_seconds,
                                        io::Entropy& entropy) {
  if (!is_issuable(id))
    return fail(Code::invalid_argument, "join token: it is for one id, with a path");
  if (lifetime_seconds < 1 || lifetime_seconds > join_token_lifetime_max)
    return fail(Code::out_of_range, fmt::format("join token: it lives 1 s to {} s, not {} s",
                                                join_token_lifetime_max, lifetime_seconds));
  drop_expired();
  if (tokens_.size() == join_tokens_max)
    return fail(Code::resource_exhausted,
                fmt::format("join tokens: {} are waiting; they expire within {} s", join_tokens_max,
                            join_token_lifetime_max));
  std::array<Byte, token_size> bytes{};
  entropy.fill(bytes);
  std::string text(text_prefix);
  text.reserve(text_prefix.size() + 2 * token_size);
  std::string digits = to_hex(bytes);
  text += digits;
  crypto::Secret secret(as_bytes(text));
  tokens_.push_back({crypto::sha256(bytes), id, now() + lifetime_seconds, 0});
  crypto::cleanse(bytes);
  crypto::cleanse({reinterpret_cast<Byte*>(text.data()), text.size()});
  crypto::cleanse({reinterpret_cast<Byte*>(digits.data()), digits.size()});
  TRY(save());
  return secret;
}

Result<crypto::Digest> JoinTokens::redeem(std::string_view text, const SpiffeId& id) {
  crypto::Digest digest = TRY(join_token_digest(text));
  JoinToken* found = nullptr;
  for (JoinToken& token : tokens_)
    if (crypto::equal_constant_time(token.digest, digest)) found = &token;
  if (found == nullptr)
    return fail(Code::permission_denied,
                "join token: unknown here, or expired: make a new one at the CA of this region");
  std::int64_t time = now();
  if (found->used != 0)
    return fail(Code::permission_denied,
                fmt::format("join token: it was used at {} for {}: if that was not you, somebody "
                            "else has joined in its place; deny that id and make a new token",
                            internal::utc_text(found->used), format_spiffe_id(found->id)));
  if (time >= found->expires)
    return fail(
        Code::permission_denied,
        fmt::format("join token: it expired at {} ({} ago by the CA's clock); make a new one",
                    internal::utc_text(found->expires),
                    internal::span_text(time - found->expires)));
  if (found->id != id)
    return fail(Code::permission_denied,
                fmt::format("join token: it is for {}, not for {}", format_spiffe_id(found->id),
                            format_spiffe_id(id)));
  found->used = std::max<std::int64_t>(time, 1);
  drop_expired();
  TRY(save());
  return digest;
}

}  // namespace meridian::mesh
