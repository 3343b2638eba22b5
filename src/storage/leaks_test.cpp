// SoftHSM forgets the name of a curve, 13 bytes, for each key on it that it reads. Its frames are
// gone when leaks are looked for, as the module is closed by then; what is left of the stack is
// OpenSSL's.

// The sanitizer's own name (sanitizer/lsan_interface.h).
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions();
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:CRYPTO_zalloc\nleak:ASN1_STRING_set\n";
}
