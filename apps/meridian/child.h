// Child processes of this same binary: a server to talk to, a command to show.
//
// A child is ended and waited for by its process id, never by name; a Child that goes out of scope
// takes its process with it, and the kernel does so if we die ourselves.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace meridian::app {

class Child {
 public:
  /// Starts `arguments` of this binary; its stdout comes to us if `with_output`.
  static Result<std::unique_ptr<Child>> start(const std::vector<std::string>& arguments,
                                              bool with_output, const std::string& stderr_file);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// The next line of its output without the line end; none when there is no more.
  std::optional<std::string> read_line();
  void signal(int number) const;
  /// Exit code, or 128 + the signal that ended it.
  int wait();
  pid_t pid() const { return pid_; }

 private:
  Child(pid_t pid, int output) : pid_(pid), output_(output) {}
  pid_t pid_;
  int output_;
  bool is_over_ = false;
};

/// Where a server listens; of port 0 it takes a free one.
struct ServingAddresses {
  std::string grpc{"127.0.0.1:0"}, http{"127.0.0.1:0"};
};

/// A server of this binary on loopback.
class ChildServer {
 public:
  /// Returns when it serves. Errors: unavailable with what it said if it did not start.
  static Result<ChildServer> start(const std::string& data, const std::string& log_file,
                                   const std::vector<std::string>& more_arguments = {});
  /// Returns at once: several that wait for each other are begun before one is waited for.
  static Result<ChildServer> begin(const std::string& data, const std::string& log_file,
                                   const ServingAddresses& addresses,
                                   const std::vector<std::string>& more_arguments);
  /// Of one that was begun. Errors: as start().
  Status wait_ready();

  const std::string& grpc() const { return grpc_; }
  const std::string& http() const { return http_; }
  const std::string& ready_line() const { return ready_line_; }
  pid_t pid() const { return child_->pid(); }
  void kill_at_once();  ///< SIGKILL, waited for.
  int stop();           ///< SIGTERM, waited for.

 private:
  ChildServer(std::unique_ptr<Child> child, std::string log_file)
      : child_(std::move(child)), log_file_(std::move(log_file)) {}
  std::unique_ptr<Child> child_;
  std::string log_file_;
  std::string grpc_, http_, ready_line_;
};

/// A witness of this binary on loopback.
struct ChildWitness {
  std::unique_ptr<Child> child;
  std::string ready_line;
  std::string address;
};
/// For the logs of `policy_file`, at `address`.
Result<ChildWitness> start_witness(const std::string& directory, const std::string& policy_file,
                                   const std::string& address, const std::string& log_file);

/// The addresses of "meridian: serving grpc A http B (...)". Errors: invalid_argument.
struct ServingLine {
  std::string grpc, http;
};
Result<ServingLine> parse_serving_line(std::string_view line);

}  // namespace meridian::app
