// Collects findings from both threads of a verification.
#pragma once

#include <fmt/format.h>

#include <mutex>
#include <string>
#include <utility>

#include "audit/ledger_verifier.h"

namespace meridian::audit::internal {

class Findings {
 public:
  explicit Findings(const OnFinding& on_finding) : on_finding_(on_finding) {}

  void add(std::optional<std::uint64_t> record, std::string what) {
    tell({record, std::move(what)});
  }
  void add_loss(std::uint64_t record, std::string what) { tell({record, std::move(what), true}); }
  void add(std::string what) { add(std::nullopt, std::move(what)); }
  std::uint64_t count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  void tell(const Finding& finding) {
    const std::lock_guard lock(mutex_);
    ++count_;
    on_finding_(finding);
  }

  std::mutex mutex_;
  const OnFinding& on_finding_;
  std::uint64_t count_ = 0;
};

}  // namespace meridian::audit::internal
