#pragma once
// What the engine's process may touch. SQL can read files (file('/etc/passwd'), FROM INFILE) and open connections
// (url(), remote()); this process needs its own directory, its library and what the C library reads, and nothing else.

#include <string>

#include "base/error.h"

namespace hs::store {

struct Allowed {
  std::string directory;         // read and write
  std::string library;           // read
  std::string socket_directory;  // sockets may be made and removed in it; its files cannot be read
};

// Confines the calling thread and all threads that it will start, for good (Landlock). False when this kernel cannot.
// Outgoing TCP connections are refused too where the kernel can (6.7).
Result<bool> confine(const Allowed& allowed);

}  // namespace hs::store
