// Certificates of ours for other people's tools to judge, and theirs for ours.
//
//   certificates make FOLDER              a root, two regions' CAs and a leaf of the first, as PEM
//   certificates judge FOLDER FILE [SECONDS]
//                                         what a member would say to the chain in FILE, by bundles
//                                         of the folder, so many seconds from now: "accepted <id>"
//                                         or
//                                         "<reason>: <message>"
#include <cstdlib>
#include <iostream>
#include <string>

#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "mesh/authority.h"
#include "mesh/svid.h"

using namespace meridian;
using namespace meridian::mesh;

namespace {

constexpr std::uint64_t file_size_max = 1 << 20;
const std::string west = "eu-west.bank.example";
const std::string east = "eu-east.bank.example";

Status write(io::Disk& disk, const std::string& name, std::string_view text) {
  return io::replace_file(disk, name, as_bytes(text));
}

Result<CertificateChain> read(io::Disk& disk, const std::string& name) {
  Buffer text = TRY(io::read_file(disk, name, file_size_max));
  return parse_pem_chain(as_text(text));
}

Status make(io::Disk& disk) {
  auto clock = io::os_clock();
  auto entropy = io::os_entropy();
  CertificateAndKey root =
      TRY(make_root({.common_name = "Example Bank mesh root"}, *clock, *entropy));
  TRY(write(disk, "root.pem", root.certificate.pem()));
  TRY(write(disk, "root.key", as_text(root.key.pem().bytes())));
  for (const std::string& domain : {west, east}) {
    crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    Certificate ca = TRY(make_regional(root, *make_csr(key, "CA of " + domain),
                                       {.trust_domain = domain, .common_name = "CA of " + domain},
                                       *clock, *entropy));
    std::string name = domain.substr(0, domain.find('.'));
    TRY(write(disk, name + ".pem", ca.pem()));
    TRY(write(disk, name + ".key", as_text(key.pem().bytes())));
    if (domain != west) continue;
    Authority authority = TRY(Authority::open(ca, key, domain, *clock, *entropy));
    crypto::P256PrivateKey leaf_key = crypto::P256PrivateKey::generate();
    Certificate leaf = TRY(authority.issue(*make_csr(leaf_key, "payments"),
                                           {domain, "/service/payments"}, svid_lifetime_default));
    TRY(write(disk, "leaf.pem", leaf.pem()));
    TRY(write(disk, "leaf.key", as_text(leaf_key.pem().bytes())));
    TRY(write(disk, "leaf.csr", as_text(*make_csr(leaf_key, "payments"))));
  }
  return {};
}

Result<TrustBundles> bundles_of(io::Disk& disk) {
  CertificateChain root = TRY(read(disk, "root.pem"));
  TrustBundles bundles;
  for (const std::string& domain : {west, east}) {
    CertificateChain ca = TRY(read(disk, domain.substr(0, domain.find('.')) + ".pem"));
    TrustBundle bundle = TRY(TrustBundle::make(domain, ca, root));
    bundles = TRY(bundles.with(bundle));
  }
  return bundles;
}

Result<std::string> judge(io::Disk& disk, const std::string& name, std::int64_t offset) {
  TrustBundles bundles = TRY(bundles_of(disk));
  Result<CertificateChain> chain = read(disk, name);
  if (!chain.has_value()) return std::string("malformed: ") + chain.error().message;
  auto now = static_cast<std::int64_t>(static_cast<std::uint64_t>(io::os_clock()->now().time) /
                                       1'000'000'000);
  auto peer = check_peer(*chain, bundles, {}, now + offset, {});
  if (peer.has_value()) return "accepted " + format_spiffe_id(peer->id);
  return std::string(mesh::name(peer.error().reason)) + ": " + peer.error().message;
}

Status run(const std::vector<std::string>& arguments) {
  auto disk = TRY(io::os_disk(arguments[1]));
  if (arguments[0] == "make") return make(*disk);
  std::int64_t offset = arguments.size() > 3 ? std::atoll(arguments[3].c_str()) : 0;
  std::string verdict = TRY(judge(*disk, arguments[2], offset));
  std::cout << verdict << '\n';
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  bool is_usable = (arguments.size() == 2 && arguments[0] == "make") ||
                   (arguments.size() >= 3 && arguments[0] == "judge");
  if (!is_usable) {
    std::cerr << "certificates make FOLDER | judge FOLDER FILE [SECONDS]\n";
    return 2;
  }
  Status status = run(arguments);
  if (!status.has_value()) std::cerr << status.error().message << '\n';
  return status.has_value() ? 0 : 1;
}
