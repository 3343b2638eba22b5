#include "joining.h"

#include <algorithm>

#include "files.h"

namespace meridian::app {

Result<crypto::Digest> told_digest(const std::string& text) {
  Buffer bytes;
  crypto::Digest digest{};
  if (text.size() == 2 * digest.size() && from_hex(text, bytes)) {
    std::ranges::copy(bytes, digest.begin());
    return digest;
  }
  const std::string note = TRY(read_input(text, std::uint64_t{4} << 20));
  const Result<mesh::AcceptedBundle> bundle = mesh::AcceptedBundle::from_kept(note);
  if (!bundle) return with_context(bundle.error(), "--bundle");
  return bundle->digest();
}

TrustFiles files_of(const api::TrustNotes& notes) {
  TrustFiles files;
  for (const api::TrustNote& one : notes.bundles)
    files.bundles.emplace_back(one.trust_domain, one.note);
  for (const api::TrustNote& one : notes.deny_lists)
    files.denied.emplace_back(one.trust_domain, one.note);
  return files;
}

Status check_output(const std::string& output, const mesh::SpiffeId& id) {
  const Result<std::string> there = read_input(output + "/identity.pem", 256 << 10);
  if (!there) return {};
  const Result<mesh::CertificateChain> chain = mesh::parse_pem_chain(*there);
  if (chain && chain->front().claimed_id() == id) return {};
  return fail(Code::already_exists,
              fmt::format("--out: {} holds the identity of {}. name another directory", output,
                          chain ? chain->front().describe() : "somebody else"));
}

}  // namespace meridian::app
