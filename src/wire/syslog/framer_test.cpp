#include "wire/syslog/framer.h"

#include <gtest/gtest.h>

#include <vector>

namespace hs::wire::syslog {
namespace {

// All frames of a stream that comes in pieces of `step` bytes and then ends.
std::vector<std::string> frames(std::string_view stream, size_t step, size_t bytes_max = 20, uint64_t* cut = nullptr) {
  Framer framer(bytes_max);
  std::vector<std::string> out;
  std::string_view frame;
  for (size_t at = 0; at < stream.size(); at += step) {
    framer.add(stream.substr(at, step));
    while (framer.next(frame)) out.emplace_back(frame);
    EXPECT_LE(framer.waiting_bytes(), bytes_max + step + 12);
  }
  while (framer.next(frame, true)) out.emplace_back(frame);
  if (cut != nullptr) *cut = framer.cut();
  return out;
}

using Texts = std::vector<std::string>;

TEST(SyslogFramer, CountedAndLinesByTurns) {
  for (size_t step = 1; step < 12; ++step)
    EXPECT_EQ(frames("5 <1>ab7 <1>a\nb\n5 hello<2>line\r\n\n12 monkeys\n4 <1>x<9>last", step),
              (Texts{"<1>ab", "<1>a\nb", "hello", "<2>line", "12 monkeys", "<1>x", "<9>last"}))
        << step;
}

TEST(SyslogFramer, LongOnesAreCutAndTheNextIsFound) {
  for (size_t step = 1; step < 40; step += 3) {
    uint64_t cut = 0;
    const std::string lots(30, 'x');
    const Texts got = frames("33 <1>" + lots + "4 <1>a<2>" + lots + "\n<3>b\n", step, 10, &cut);
    EXPECT_EQ(got, (Texts{"<1>xxxxxxx", "<1>a", "<2>xxxxxxx", "<3>b"})) << step;
    EXPECT_EQ(cut, 2U);
  }
}

TEST(SyslogFramer, LengthsThatLie) {
  EXPECT_EQ(frames("99999 <1>short", 4), (Texts{"<1>short"}));
  EXPECT_EQ(frames("9999999999999 <1>a\n<2>b\n", 4, 40), (Texts{"9999999999999 <1>a", "<2>b"}));
  EXPECT_EQ(frames("0 <1>a\n", 4), (Texts{"0 <1>a"}));
  EXPECT_EQ(frames("12", 4), (Texts{"12"}));
  EXPECT_EQ(frames("", 4), Texts{});
}

}  // namespace
}  // namespace hs::wire::syslog
