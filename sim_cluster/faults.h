// What goes wrong in a simulated cell: each fault is one function that does it once, somewhere.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "sim_cluster/group.h"

namespace meridian::sim_cluster {

struct Fault {
  std::string_view name;
  void (*strike)(Group&);
};

/// Its cell begins with a version that runs level 1 only.
inline constexpr std::string_view upgrade_fault = "upgrade";
std::span<const Fault> faults();
/// Names with commas between them; none if one is unknown.
std::vector<const Fault*> find_faults(std::string_view names);
/// Starts some of the nodes that are down, ends partitions: what happens beside any fault.
void recover_some(Group& group);

}  // namespace meridian::sim_cluster
