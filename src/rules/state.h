#pragma once
// What the rules remember, as the text of a file: alerts that are pending or fire, and when each group was evaluated
// last, so that a restart, also after kill -9, goes on where the process before was.

#include <map>
#include <string>
#include <utility>

#include "rules/group.h"

namespace hs::rules {

using GroupKey = std::pair<std::string, std::string>;  // file, group
using Memories = std::map<GroupKey, Group::Memory>;

inline constexpr size_t state_bytes_max = 256 << 20;

std::string encode_state(const Memories& memories);
Result<Memories> decode_state(const std::string& text);

}  // namespace hs::rules
