// Runs a libFuzzer entry point without libFuzzer: a short, seeded, repeatable run for ctest.
//
// Every input is a function of (seed, number) and of the files given, so a failure names the one
// input to replay and none of the others need to run. Prints nothing when all is well.
//   FUZZ_RUNS   how many generated inputs (default 2000)
//   FUZZ_SEED   another sequence of inputs (default 1)
//   FUZZ_ONLY   replay this one input number
// Arguments are files and folders of files: each is run as it is, and then mutated.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// The sanitizers' own name (sanitizer/common_interface_defs.h).
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Input = std::vector<std::uint8_t>;

std::string running;  // what to tell when the process dies; written before each input

void tell_what_ran() {
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, running.data(), running.size());
}

void on_signal(int signal) {
  tell_what_ran();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const Input& input, std::string what) {
  running =
      "fuzz: failed on " + std::move(what) + " (" + std::to_string(input.size()) + " bytes)\n";
  // An exact-size heap copy, so that the address sanitizer sees one byte too far.
  Input exact(input.begin(), input.end());
  exact.shrink_to_fit();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Generator {
 public:
  Generator(std::uint64_t seed, std::uint64_t number, const std::vector<Input>& corpus)
      : random_(seed * 0x9E3779B97F4A7C15ULL + number), corpus_(corpus) {}

  Input make() {
    if (corpus_.empty() || below(8) == 0) return random_bytes();
    Input input = corpus_[below(corpus_.size())];
    for (std::size_t left = 1 + below(8); left > 0; --left) mutate(input);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

  /// Boundary values first: lengths and counts break at 0, 1, the top bit and all ones.
  std::uint8_t byte() {
    constexpr std::uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    return below(4) == 0 ? edges[below(std::size(edges))] : static_cast<std::uint8_t>(below(256));
  }

  Input random_bytes() {
    Input input(below(4) == 0 ? below(4096) : below(64));
    bool printable = below(2) == 0;
    for (auto& value : input)
      value = printable ? static_cast<std::uint8_t>(32 + below(95)) : byte();
    return input;
  }

  void mutate(Input& input) {
    std::size_t at = input.empty() ? 0 : below(input.size());
    auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (input.empty() ? 2 : below(6)) {
      case 0: input[at] ^= static_cast<std::uint8_t>(1U << below(8)); break;
      case 1: input[at] = byte(); break;
      case 2: input.insert(place, byte()); break;
      case 3: input.erase(place); break;
      case 4: input.resize(at); break;
      default: splice(input, at); break;
    }
  }

  /// Continues `input` from `at` with a piece of another file: mixes two valid structures.
  void splice(Input& input, std::size_t at) {
    const Input& other = corpus_[below(corpus_.size())];
    if (other.empty()) return;
    input.resize(at);
    auto from = other.begin() + static_cast<std::ptrdiff_t>(below(other.size()));
    input.insert(input.end(), from, other.end());
  }

  std::mt19937_64 random_;
  const std::vector<Input>& corpus_;
};

std::vector<std::filesystem::path> files_of(int count, char** arguments) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < count; ++i) {
    std::filesystem::path path = arguments[i];
    if (!std::filesystem::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry);
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

int main(int count, char** arguments) {
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(tell_what_ran);
  for (int signal : {SIGABRT, SIGALRM}) std::signal(signal, on_signal);
  if (__sanitizer_set_death_callback == nullptr)
    for (int signal : {SIGSEGV, SIGFPE, SIGILL, SIGBUS}) std::signal(signal, on_signal);

  std::uint64_t seed = number_from("FUZZ_SEED", 1);
  std::uint64_t only = number_from("FUZZ_ONLY", UINT64_MAX);
  std::vector<Input> corpus;
  for (const auto& file : files_of(count, arguments)) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "fuzz: cannot read %s\n", file.c_str());
      return 1;
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    if (only == UINT64_MAX) run(corpus.back(), "file " + file.string());
  }

  std::uint64_t first = only == UINT64_MAX ? 0 : only;
  std::uint64_t end = only == UINT64_MAX ? number_from("FUZZ_RUNS", 2000) : only + 1;
  for (std::uint64_t number = first; number < end; ++number) {
    alarm(20);  // an input that hangs is a failure too
    run(Generator(seed, number, corpus).make(),
        "input " + std::to_string(number) + ": replay with FUZZ_SEED=" + std::to_string(seed) +
            " FUZZ_ONLY=" + std::to_string(number));
  }
  return 0;
}
