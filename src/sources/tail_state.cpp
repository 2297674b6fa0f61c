#include "sources/tail_state.h"

#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "base/text.h"
#include "io/files.h"

namespace hs::sources {
namespace {

constexpr size_t state_bytes_max = 8 << 20;  // 1000 files and long paths
constexpr std::string_view format = "homeostat-tail/1";

// The numbers at the front of a line, each with a space behind it; false when one is missing.
bool take_numbers(std::string_view& line, std::span<uint64_t> out) {
  for (uint64_t& number : out) {
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    if (error != std::errc() || end == line.data() + line.size() || *end != ' ') return false;
    line.remove_prefix(static_cast<size_t>(end - line.data()) + 1);
  }
  return true;
}

std::optional<TailedFile> parse_file(std::string_view line) {
  std::array<uint64_t, 6> n{};
  if (!take_numbers(line, n)) return std::nullopt;
  auto path = from_base64(line);
  if (!path) return std::nullopt;
  return TailedFile{std::move(*path), n[0], n[1], n[2], n[3], n[4], n[5]};
}

// The lines of the text, each with its line feed; nothing when it is damaged.
std::optional<TailState> parse(std::string_view text) {
  std::array<uint64_t, 1> observed{};
  if (!text.starts_with(format)) return std::nullopt;
  text.remove_prefix(format.size() + (text.size() > format.size() ? 1 : 0));
  if (!take_numbers(text, observed) || !text.starts_with('\n')) return std::nullopt;
  text.remove_prefix(1);
  TailState state{.observed = static_cast<UnixNanos>(observed[0])};
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const auto file = end == text.npos ? std::nullopt : parse_file(text.substr(0, end));
    if (!file) return std::nullopt;
    state.files.push_back(*file);
    text.remove_prefix(end + 1);
  }
  return state;
}

}  // namespace

Result<TailState> load_tail_state(const std::string& path) {
  const auto text = io::read_file(path, state_bytes_max);
  if (!text && text.error().code == Code::not_found) return TailState{};
  if (!text) return tl::unexpected(text.error());
  if (auto state = parse(*text)) return std::move(*state);
  return fail(Code::invalid_argument, fmt::format("{} is damaged; remove it to read all files again", path));
}

Status save_tail_state(const std::string& path, const TailState& state) {
  std::string out = fmt::format("{} {} \n", format, state.observed);
  for (const TailedFile& f : state.files)
    out += fmt::format("{} {} {} {} {} {} {}\n", f.device, f.inode, f.head_bytes, f.head_hash, f.offset, f.pending,
                       to_base64(f.path));
  return io::replace_file(path, out, 0600, io::Durable::name);
}

}  // namespace hs::sources
