#pragma once
// Multi-window, multi-burn-rate alerts of one objective: they rank and page, they do not detect (a total outage at
// 99.9 % takes 52 s). Source: the Google SRE workbook's table, whose rates are for a budget of 30 days.

#include <cstdint>
#include <string>
#include <vector>

namespace hs::loop {

inline constexpr int64_t budget_minutes_usual = 30 * 24 * 60;

class Burn {
 public:
  static constexpr int64_t minutes_max = 3 * 24 * 60;  // the longest window; 16 bytes each

  void add(int64_t second, double bad, double n);
  // The rate at which the error budget (the share `allowed`) is used up over the last `minutes`; 1 lasts the period.
  double rate(int64_t minutes, double allowed) const;
  // "page", "ticket" or "", for a budget of so many minutes: 2 % of it within an hour or 5 % within six page; 10 %
  // within a day or three are a ticket.
  std::string severity(double allowed, int64_t budget_minutes = budget_minutes_usual) const;
  double bad() const { return bad_; }  // since the start
  double n() const { return n_; }

  struct Minute {
    int64_t minute = -1;
    double bad = 0, n = 0;
  };
  // For the time after a restart, the oldest first: single minutes where the short windows need them, hours before, so
  // that three days are about 400 numbers.
  std::vector<Minute> saved() const;
  void restore(const std::vector<Minute>& saved, int64_t second);
  bool empty() const { return ring_.empty(); }

 private:
  std::vector<Minute> ring_;
  int64_t newest_ = 0;
  double bad_ = 0, n_ = 0;
};

}  // namespace hs::loop
