// Keeps what a process has in memory out of files: OpenSSL's own copies of keys lie on a heap that
// cannot be left out of dumps page by page, as secrets of ours are (secret.h).
#pragma once

namespace meridian::crypto {

/// From here on this process leaves no core, and only root may trace it or read its memory. Once,
/// at the start of a program that serves. False if the kernel refuses.
bool leave_no_core();

}  // namespace meridian::crypto
