#pragma once
// The statistics of a verdict: pure functions of tallies.
//
// Concurrent arms. Units (users) are drawn into the treated arm by a salted hash, so if a change does nothing, what a
// unit experiences is independent of its arm, however errors cluster in users, in time or in retries. Given what all
// units experienced (pooled, blind to arms), each unit's arm is a coin with the declared exposure: the product of
// q(arm | experience) / p(arm) has expectation 1 for ANY model q. So the false-verdict bound does not rest on the
// model below (a tempered binomial likelihood); only the speed of the verdict does.
//
// Looks. A unit's tally grows while its arm is known, so the product is an e-value at each look, not a martingale
// between looks. The error budget is therefore spent over the looks, and when to look is decided blind to the arms.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hs::loop {

struct UnitTally {
  bool treated = false;
  double n = 0, bad = 0;  // requests of the unit, and how many of them were bad
};

struct Contrast {
  double log_e_better = 0;  // evidence that the treated fare better, natural log
  double log_e_worse = 0;   // evidence that they fare worse
  double log_e_hoped = 0;   // for half the bad share: very negative = no benefit worth waiting for
  double treated_rate = 0, control_rate = 0;
  size_t treated_units = 0, control_units = 0;
  double bad = 0;            // requests of both arms
  double bad_effective = 0;  // after discounting repeats of one unit: what looks wait for
};
Contrast contrast(std::span<const UnitTally> units, double exposure);

// When to look, and what a look must show. Spends alpha / (k (k + 1)) at look k: all looks together spend alpha.
class Looks {
 public:
  // `first` = effective bad requests before the first look can possibly conclude; later looks wait for `growth` times
  // as many.
  Looks(double alpha, double first, double growth = 1.4) : alpha_(alpha), next_(first), growth_(growth) {}
  bool due(double bad_effective) const { return bad_effective >= next_; }
  // Takes a look: returns the log e-value that it must reach.
  double threshold(double bad_effective);
  size_t taken() const { return taken_; }

 private:
  double alpha_, next_, growth_;
  size_t taken_ = 0;
};
// Effective bad requests after which a perfect change can first be told from none.
double first_look(double alpha, double log_per_bad);

// Fisher's exact test, one-sided: -log of the chance that of `good` ones among all so many or more fall to the treated,
// if it is the same who is treated. Counts may be fractions.
struct Successes {
  double n = 0, good = 0;
};
double fisher(const Successes& treated, const Successes& control);

// One second (or other block) of one stream.
struct Block {
  double n = 0, bad = 0;
  double share() const { return n > 0 ? bad / n : 0; }
  Block& operator+=(const Block& more) {
    n += more.n, bad += more.bad;
    return *this;
  }
};
Block total(std::span<const Block> blocks);
struct Drop {
  double log_e = 0;  // evidence that the bad share fell from `before` to `after`; negative when it rose
  double before = 0, after = 0;
  int64_t before_n = 0, after_n = 0;  // blocks with data
  double overdispersion = 1;
  bool falling_before = false;  // it was already on its way down: the fall may not be ours
};
// Before against after, for effects that have no control group. Blocks of one incident are not independent: counts
// are divided by the overdispersion seen among the blocks before, at least `overdispersion_min`.
inline constexpr double overdispersion_min = 2;
Drop drop_between(std::span<const Block> before, std::span<const Block> after);

// Difference in differences, for few and unequal instances: the treated one's blocks against its own past, less what
// happened to the others meanwhile. From its past and their course follows what its share would be now, had the change
// done nothing, with an uncertainty: of the counts (divided by the overdispersion seen among blocks of one instance),
// and of how differently the others fared (they never move quite alike). The evidence is the likelihood of what it
// shows against that: approximate, for there is one treated instance, and no draw to lean on.
struct Lived {  // blocks of one instance
  std::vector<Block> before, after;
};
struct Difference {
  double log_e_better = 0, log_e_worse = 0;  // as in Contrast
  double log_e_hoped = 0;
  double before = 0, after = 0;                  // the treated one's bad share
  double control_before = 0, control_after = 0;  // of all others together
  double expected = 0;                           // the treated one's share now, if the change does nothing
  double bad_effective = 0;                      // bad requests since, of all, discounted: what looks wait for
  double overdispersion = 1;
  int64_t treated_n = 0, control_n = 0;  // blocks since
};
Difference difference_between(const Lived& treated, std::span<const Lived> others);

}  // namespace hs::loop
