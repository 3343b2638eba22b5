#include "child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX's, for kill()
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace meridian::app {

namespace {

constexpr int cannot_start = 127;

/// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void become(char* const* arguments, int output, int errors) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (output >= 0) ::dup2(output, STDOUT_FILENO);
  if (errors >= 0) ::dup2(errors, STDERR_FILENO);
  ::execv("/proc/self/exe", arguments);
  ::_exit(cannot_start);
}

Error system_error(std::string_view what) {
  return fail(Code::internal, fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

Result<std::unique_ptr<Child>> Child::start(const std::vector<std::string>& arguments,
                                            bool with_output, const std::string& stderr_file) {
  std::vector<std::string> texts{"meridian"};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);

  int output[2] = {-1, -1};
  if (with_output && ::pipe2(output, O_CLOEXEC) != 0) return system_error("making a pipe");
  int errors = -1;
  if (!stderr_file.empty())
    errors = ::open(stderr_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) become(pointers.data(), output[1], errors);
  if (errors >= 0) ::close(errors);
  if (output[1] >= 0) ::close(output[1]);
  if (pid < 0) {
    if (output[0] >= 0) ::close(output[0]);
    return system_error("starting a process");
  }
  return std::unique_ptr<Child>(new Child(pid, output[0]));
}

Child::~Child() {
  if (!is_over_) {
    signal(SIGKILL);
    wait();
  }
  if (output_ >= 0) ::close(output_);
}

std::optional<std::string> Child::read_line() {
  std::string line;
  char byte = 0;
  while (output_ >= 0) {
    const ssize_t got = ::read(output_, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (byte == '\n') return line;
    line += byte;
  }
  if (line.empty()) return std::nullopt;
  return line;
}

void Child::signal(int number) const {
  if (!is_over_) ::kill(pid_, number);
}

int Child::wait() {
  if (is_over_) return 0;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  is_over_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<ServingLine> parse_serving_line(std::string_view line) {
  const std::string_view before = "meridian: serving grpc ";
  const std::string_view between = " http ";
  const std::size_t middle = line.find(between);
  const std::size_t end = line.find(" (");
  if (!line.starts_with(before) || middle == std::string_view::npos ||
      end == std::string_view::npos || end < middle + between.size())
    return fail(Code::invalid_argument, "it said: " + std::string(line));
  return ServingLine{
      std::string(line.substr(before.size(), middle - before.size())),
      std::string(line.substr(middle + between.size(), end - middle - between.size()))};
}

Result<ChildServer> ChildServer::begin(const std::string& data, const std::string& log_file,
                                       const ServingAddresses& addresses,
                                       const std::vector<std::string>& more_arguments) {
  std::vector<std::string> arguments{"serve",  "--data",       data,     "--dev",
                                     "--grpc", addresses.grpc, "--http", addresses.http};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  return ChildServer(TRY(Child::start(arguments, true, log_file)), log_file);
}

Status ChildServer::wait_ready() {
  ready_line_ = child_->read_line().value_or("it said nothing");
  Result<ServingLine> serving = parse_serving_line(ready_line_);
  if (!serving)
    return fail(Code::unavailable, fmt::format("the server did not start ({}). see {}",
                                               serving.error().message, log_file_));
  grpc_ = std::move(serving->grpc);
  http_ = std::move(serving->http);
  return {};
}

Result<ChildServer> ChildServer::start(const std::string& data, const std::string& log_file,
                                       const std::vector<std::string>& more_arguments) {
  ChildServer server = TRY(begin(data, log_file, {}, more_arguments));
  TRY(server.wait_ready());
  return server;
}

Result<ChildWitness> start_witness(const std::string& directory, const std::string& policy_file,
                                   const std::string& address, const std::string& log_file) {
  ChildWitness witness;
  witness.child = TRY(Child::start({"witness", "serve", "--dir", directory, "--dev", "--listen",
                                    address, "--policy", policy_file},
                                   true, log_file));
  witness.ready_line = witness.child->read_line().value_or("it said nothing");
  const std::string_view before = " at http ";
  const std::size_t at = witness.ready_line.find(before);
  const std::size_t end = witness.ready_line.find(" (");
  if (at == std::string::npos || end == std::string::npos || end < at + before.size())
    return fail(Code::unavailable, fmt::format("the witness did not start ({}). see {}",
                                               witness.ready_line, log_file));
  witness.address = witness.ready_line.substr(at + before.size(), end - at - before.size());
  return witness;
}

void ChildServer::kill_at_once() {
  child_->signal(SIGKILL);
  child_->wait();
}

int ChildServer::stop() {
  child_->signal(SIGTERM);
  return child_->wait();
}

}  // namespace meridian::app
