// The commands about certificates of erasure, below `subject` and `retention`.
#pragma once

#include "commands.h"

namespace meridian::app {

void add_subject_certificate(CLI::App& subject, Invocation& invocation);
void add_verify_certificate(CLI::App& subject, Invocation& invocation);
void add_class_certificate(CLI::App& retention, Invocation& invocation);

}  // namespace meridian::app
