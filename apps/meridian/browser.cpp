#include "browser.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace meridian::app {

namespace {

/// In the child, between fork and exec: only calls that are safe there. No shell sees the address.
[[noreturn]] void become_browser(const char* url) {
  ::setsid();
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, stream);
  ::execlp("xdg-open", "xdg-open", url, nullptr);
  ::_exit(127);
}

}  // namespace

void open_browser(const std::string& url) {
  std::fflush(nullptr);
  if (::fork() == 0) become_browser(url.c_str());
}

}  // namespace meridian::app
