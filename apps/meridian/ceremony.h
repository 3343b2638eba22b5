// How a deployment begins: root, regional authorities, officers and the first trust bundles, made
// once, with every choice written down (`meridian init`).
#pragma once

#include <string>
#include <vector>

#include "output.h"

namespace meridian::app {

struct CeremonyOptions {
  std::string directory;
  std::string deployment;             ///< "bank.example"
  std::vector<std::string> regions;   ///< "eu-west"
  std::vector<std::string> officers;  ///< "ada=FILE": her name, and her passphrase.
  std::string passphrase_file;        ///< Of the regional authorities.
  std::string key_store;              ///< URI of their token; empty: there is none.
  std::string root_passphrase_file;
  bool dev = false;  ///< Passphrases are made here, beside the keys.
};

/// Makes everything below the directory, and gives what was chosen, as ceremony.json holds it.
/// Errors: already_exists, invalid_argument naming what is missing; those of the disk.
Result<OrderedJson> hold_ceremony(const CeremonyOptions& options);

}  // namespace meridian::app
