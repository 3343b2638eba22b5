// What was destroyed of one person, or expired of one retention class: a scan of all headers, part
// by part, and what is left and where as of the newest of them.
//
// Thread-safe to call; works on the reads executor. `done` is called on the door's or another one.
// Cost: reads the headers of what it looks at.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "cell/key_custodian.h"
#include "cell/local_cell.h"

namespace meridian::cell {

class SubjectErasures {
 public:
  static constexpr std::uint64_t records_max = 65'536;  ///< That one part looks at, but for
  static constexpr std::size_t found_max = 1'024;       ///< the rest of an entry; or about these.

  /// `custodian`: of one of several replicas; else null.
  SubjectErasures(replica::Replica& replica, door::Door& door, KeyCustodian* custodian,
                  io::Executor& executor)
      : replica_(replica), door_(door), custodian_(custodian), executor_(executor) {}

  using Done = std::function<void(Result<ErasuresPage>)>;
  /// Errors: invalid_argument for the name; unavailable while keys of persons are not up to date
  /// here; those of the stores.
  void read(const ErasuresQuery& query, Done done);

 private:
  using Page = std::shared_ptr<ErasuresPage>;
  void find(door::ErasedOf of, std::uint64_t position, std::uint64_t records, const Done& done);
  void add_replicas(door::ErasedOf of, const Page& page, const Done& done);
  void add_left(door::ErasedOf of, const Page& page, const Done& done);

  replica::Replica& replica_;
  door::Door& door_;
  KeyCustodian* custodian_;
  io::Executor& executor_;
};

}  // namespace meridian::cell
