#pragma once
// Proof that the laws have teeth: the loop is broken on purpose, one way at a time.

#include <string>
#include <vector>

namespace hs::sim {

std::vector<std::string> mutant_names();
// Whether the laws notice each mutant (or only the named one), each in few incidents of the kinds where it matters, and
// hold in the same incidents for the loop as it is. Prints what they said.
bool notice_mutants(const std::string& only = "");

}  // namespace hs::sim
