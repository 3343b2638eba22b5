// meridian-vectors FILE: runs double-entry test vectors through the real ledger.
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "io/disk.h"
#include "vector_file.h"
#include "vector_runner.h"

namespace {

using namespace meridian;

constexpr std::uint64_t file_size_max = 256u << 20;
constexpr int exit_failures = 1;
constexpr int exit_bad_input = 2;

constexpr std::string_view help =
    R"(Usage: meridian-vectors FILE

Runs double-entry test vectors through the ledger as real entries and compares every status,
balance and query result. Prints what differs, then `N passed, M failed` (cases).

FILE is JSON: {"cases": [{"name": TEXT, "steps": [STEP...]}...]}. A STEP has "do":
  create_accounts, create_transfers       rows of {"event": {...}, "expect": STATUS}; "signed": true
                                          if the client signed the request
  lookup_accounts                         rows of {"id", "expect": null or balances and "closed"}
  lookup_transfers                        rows of {"id", "expect": {"exists"|"amount"|"timestamp"}}
  get_account_transfers, get_account_balances, query_accounts, query_transfers, get_change_events
                                          a row with "filter", then rows named ..._result
  set_balance, advance_time, set_time_near_max
Integers are decimal strings; flags are names; null or absent means zero. A case with any other key
fails and says where; "note", "comment" and "line" may stand anywhere.

Exit status: 0 all passed, 1 some failed, 2 the file cannot be read or has another shape.
)";

Result<Buffer> read_input(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
  if (real == nullptr)
    return fail(Code::not_found, fmt::format("cannot read it: {}", std::strerror(errno)));
  auto disk = TRY(io::os_disk("/"));
  return io::read_file(*disk, real.get() + 1, file_size_max);
}

int bad_input(const std::string& path, const std::string& message) {
  fmt::print(stderr, "meridian-vectors: {}: {}\n", path, message);
  return exit_bad_input;
}

}  // namespace

int main(int argc, char** argv) {
  std::string argument = argc == 2 ? argv[1] : "";
  if (argument == "--help" || argument == "-h") {
    fmt::print("{}", help);
    return 0;
  }
  if (argument.empty()) {
    fmt::print(stderr, "meridian-vectors: give one FILE of vectors (--help shows its shape)\n");
    return exit_bad_input;
  }
  auto bytes = read_input(argument);
  if (!bytes.has_value()) return bad_input(argument, bytes.error().message);
  auto cases = vectors::parse_vectors(as_text(*bytes));
  if (!cases.has_value()) return bad_input(argument, cases.error().message);

  std::size_t passed = 0;
  for (const vectors::Case& one : *cases) {
    if (!one.unreadable.empty()) {  // likewise below: the other cases still count
      fmt::print("FAILED {}: {}\n", one.name, one.unreadable);
      continue;
    }
    auto mismatches = vectors::run_case(one);
    if (!mismatches.has_value()) {  // a step that cannot be taken fails its case only
      fmt::print("FAILED {}: {}\n", one.name, mismatches.error().message);
      continue;
    }
    for (const std::string& mismatch : *mismatches)
      fmt::print("FAILED {}: {}\n", one.name, mismatch);
    passed += mismatches->empty();
  }
  fmt::print("{} passed, {} failed\n", passed, cases->size() - passed);
  return passed == cases->size() ? 0 : exit_failures;
}
