#include "stream/regulars.h"

#include <gtest/gtest.h>

namespace hs::stream {
namespace {

constexpr Ending good{}, denied{.denied = true}, limited{.limited = true};
constexpr UnixNanos t0 = 1'000'000 * nanos_per_s;
UnixNanos at(int64_t second) { return t0 + second * nanos_per_s; }

TEST(Regulars, who_was_well_served_before_is_one_and_stays_one_when_turned_away) {
  Regulars regulars;
  EXPECT_FALSE(regulars.see(1, 7, good, at(0)));
  EXPECT_FALSE(regulars.see(1, 7, good, at(10)));  // came just now
  EXPECT_TRUE(regulars.see(1, 7, limited, at(40)));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(regulars.see(1, 7, limited, at(41 + i)));
  EXPECT_FALSE(regulars.see(2, 7, good, at(70)));  // of another operation nothing is known
}

TEST(Regulars, who_guesses_passwords_is_none_though_a_guess_was_right) {
  Regulars regulars;
  for (int i = 0; i < 30; ++i) EXPECT_FALSE(regulars.see(1, 7, denied, at(i)));
  EXPECT_FALSE(regulars.see(1, 7, good, at(31)));
  EXPECT_FALSE(regulars.see(1, 7, limited, at(90)));
}

TEST(Regulars, a_wrong_password_among_right_ones_is_forgiven) {
  Regulars regulars;
  regulars.see(1, 7, denied, at(0)), regulars.see(1, 7, good, at(5)), regulars.see(1, 7, good, at(20));
  EXPECT_TRUE(regulars.see(1, 7, good, at(60)));
}

TEST(Regulars, are_remembered_for_two_generations_and_not_beyond_their_number) {
  Regulars regulars;
  regulars.see(1, 7, good, at(0));
  EXPECT_TRUE(regulars.see(1, 7, good, at(901)));  // carried over
  EXPECT_FALSE(regulars.see(1, 7, good, at(901 + 3 * 901)) && regulars.see(1, 8, good, at(5'000)));
  Regulars crowded;
  crowded.see(1, 7, good, at(0));
  for (uint64_t i = 0; i < 2 * Regulars::subjects_max + 2; ++i) crowded.see(1, 1'000 + i, good, at(1));
  EXPECT_FALSE(crowded.see(1, 7, good, at(100)));
}

}  // namespace
}  // namespace hs::stream
