// A row of the table of subject keys that replicas share, and the record that brings it to all.
#pragma once

#include "ledger/command.h"
#include "storage/cell_key_table.h"

namespace meridian::door {

inline storage::KeyRow row_of(const ledger::SubjectKey& command) {
  storage::KeyRow row{
      .subject = command.subject, .retention = command.retention, .version = command.version};
  (command.retention == storage::commit_row ? row.commit : row.seal) = command.wrapped;
  return row;
}

/// `check`: of the KEK that the row is wrapped under.
inline ledger::SubjectKey command_of(const storage::KeyRow& row, u128 check) {
  ledger::SubjectKey command{};
  command.subject = row.subject;
  command.retention = row.retention;
  command.version = row.version;
  command.wrapped = row.retention == storage::commit_row ? row.commit : row.seal;
  command.check = check;
  return command;
}

/// Folds in what stands in `record`. One under another KEK than the table's came too late: whoever
/// made it makes another. Errors: those of CellKeyTable::add.
inline Status fold(storage::CellKeyTable& table, const ledger::SubjectKey& command,
                   std::uint64_t record) {
  if (command.check == 0 || command.check != table.check()) return {};
  return table.add(row_of(command), record);
}

}  // namespace meridian::door
