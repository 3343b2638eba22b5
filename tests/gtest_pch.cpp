// Empty on purpose: its object library owns the precompiled gtest header that all tests reuse.
