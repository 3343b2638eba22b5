// What seals for a person where a class names a jurisdiction: the key of that mixed into the value
// of a row. Owned by the table's thread. Cost: two HMACs, 1 us.
#pragma once

#include "storage/key_table.h"
#include "storage/residency.h"

namespace meridian::storage {

class ResidentRows {
 public:
  explicit ResidentRows(KeyStore& store) : keys_(store) {}

  /// `keys` of a row of class `retention`, as they are if that lives anywhere. Errors:
  /// residency_unavailable if the jurisdiction's key of the row's turn is not here. Valid until the
  /// next call.
  Result<SubjectKeyring::SubjectKeys> mix(const Keeping& keeping, std::uint8_t retention,
                                          SubjectKeyring::SubjectKeys keys);
  bool holds(const Jurisdiction& jurisdiction, std::uint32_t turn) const {
    return turn < jurisdiction.keys.size() &&
           keys_.find({jurisdiction.number, turn, jurisdiction.keys[turn]}).has_value();
  }
  /// What whoever asks is told of a key that this replica does not hold.
  Error not_here(const Jurisdiction& jurisdiction, std::uint32_t turn) const;
  void drop_keys() { seal_ = {}, commit_ = {}; }

 private:
  ResidencyKeys keys_;
  crypto::Secret seal_, commit_;
};

}  // namespace meridian::storage
