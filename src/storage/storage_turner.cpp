#include "storage/storage_turner.h"

#include <fmt/format.h>

#include <atomic>
#include <utility>

#include "storage/internal/storage_turn.h"
#include "storage/storage_rotation.h"

namespace meridian::storage {
namespace {

constexpr io::Duration soon = io::milliseconds(10);
constexpr io::Duration later = io::seconds(60);

std::uint32_t number(KeyVersion version) { return static_cast<std::uint32_t>(version); }

class Turner final : public StorageTurner {
 public:
  explicit Turner(Parts parts) : parts_(std::move(parts)), turn_(parts_.disk, parts_.keys) {
    parts_.executor.post([this, alive = alive_] {
      if (*alive) go_on();
    });
  }
  ~Turner() override {
    *alive_ = false;
    parts_.executor.drain();
  }

  void begin(std::function<void(Result<KeyVersion>)> done) override {
    parts_.executor.post([this, alive = alive_, done = std::move(done)] {
      if (!*alive) return done(stopping());
      const Result<KeyVersion> begun = turn_.begin();
      if (begun) {
        told_.clear();
        parts_.notice(
            fmt::format("storage key: version {} is in use, files get under it", number(*begun)));
        if (!std::exchange(is_going_, true)) go_on();
      }
      done(begun);
    });
  }

  void report(std::function<void(Result<Report>)> done) override {
    parts_.executor.post([this, alive = alive_, done = std::move(done)] {
      if (!*alive) return done(stopping());
      done(make_report());
    });
  }

 private:
  static Error stopping() { return {Code::unavailable, "this server is stopping"}; }

  Result<Report> make_report() {
    Report report;
    report.keys = parts_.keys.list();
    for (const KeyStore::Listing& key : report.keys)
      if (key.kind == KeyKind::ed25519 && !report.public_keys.contains(key.name)) {
        const auto signer = TRY(parts_.keys.signer(key.name));
        report.public_keys.emplace(key.name, to_buffer(signer->public_key()));
      }
    report.files = TRY(find_storage_key_use(parts_.disk));
    report.token = parts_.keys.token_display();
    report.progress = turn_.progress();
    return report;
  }

  void go_on() {
    const Result<StorageTurn::Next> next = turn_.step();
    if (!next) {
      is_going_ = false;
      return parts_.fatal(with_context(next.error(), "turning the storage key over"));
    }
    is_going_ = *next != StorageTurn::Next::at_end;
    switch (*next) {
      case StorageTurn::Next::at_once: return post(io::Duration{});
      case StorageTurn::Next::soon: return post(soon);
      case StorageTurn::Next::later: tell_hindrance(); return post(later);
      case StorageTurn::Next::at_end: return tell_end();
    }
  }

  void post(io::Duration delay) {
    auto task = [this, alive = alive_] {
      if (*alive) go_on();
    };
    if (delay == io::Duration{})
      parts_.executor.post(std::move(task));
    else
      parts_.executor.post_after(delay, std::move(task));
  }

  void tell_hindrance() {
    const std::string why = turn_.progress().hindrance;
    if (why != std::exchange(told_, why))
      parts_.notice(fmt::format("storage key: an older version is kept for now: {}", why));
  }

  void tell_end() {
    const Progress done = turn_.progress();
    for (const KeyVersion version : done.destroyed)
      parts_.notice(
          fmt::format("storage key: {} files are under version {} now, version {} is "
                      "destroyed",
                      done.files, number(done.newest), number(version)));
  }

  Parts parts_;
  StorageTurn turn_;
  const std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
  bool is_going_ = true;
  std::string told_;
};

}  // namespace

std::unique_ptr<StorageTurner> StorageTurner::start(Parts parts) {
  return std::make_unique<Turner>(std::move(parts));
}

}  // namespace meridian::storage
