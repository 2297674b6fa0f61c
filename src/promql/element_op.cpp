#include "promql/element_op.h"

#include <cmath>

#include "promql/annotations.h"
#include "promql/histogram_math.h"

namespace hs::promql {
namespace {

bool compare(Tok op, double lhs, double rhs) {
  switch (op) {
    case Tok::equal_equal:
      return lhs == rhs;
    case Tok::not_equal:
      return lhs != rhs;
    case Tok::greater:
      return lhs > rhs;
    case Tok::less:
      return lhs < rhs;
    case Tok::greater_equal:
      return lhs >= rhs;
    default:
      return lhs <= rhs;
  }
}

ElementResult not_applicable(Tok op, std::string_view lhs, std::string_view rhs) {
  return {.dropped = true, .note = note::incompatible_types(lhs, text_of(op), rhs)};
}

ElementResult kept(HistogramPtr h) { return {.h = std::move(h), .keep = true}; }

ElementResult combine(Tok op, const Histogram& lhs, const Histogram& rhs) {
  HistogramSum sum(lhs);
  const bool add = op == Tok::add;
  const Combined how = add ? sum.add(rhs) : sum.subtract(rhs);
  if (how.incompatible) return {.dropped = true, .note = note::incompatible_buckets(text_of(op))};
  const std::string_view name = add ? "addition" : "subtraction";
  if (how.collision) return {.dropped = true, .note = note::reset_collision(name)};
  if (!add) sum.set_hint(ResetHint::gauge);
  ElementResult result = kept(sum.finish());
  if (how.reconciled) result.note = note::mismatched_custom_buckets(name);
  return result;
}

ElementResult histograms(Tok op, const HistogramPtr& lhs, const HistogramPtr& rhs) {
  switch (op) {
    case Tok::add:
    case Tok::sub:
      return combine(op, *lhs, *rhs);
    case Tok::equal_equal:
      return {.h = lhs, .keep = same_histogram(*lhs, *rhs)};
    case Tok::not_equal:
      return {.h = lhs, .keep = !same_histogram(*lhs, *rhs)};
    default:
      return not_applicable(op, "histogram", "histogram");
  }
}

ElementResult histogram_float(Tok op, const Histogram& lhs, double rhs) {
  switch (op) {
    case Tok::mul:
      return kept(scaled(lhs, rhs));
    case Tok::div:
      return kept(divided(lhs, rhs));
    case Tok::trim_upper:
      return kept(trimmed(lhs, rhs, true));
    case Tok::trim_lower:
      return kept(trimmed(lhs, rhs, false));
    default:
      return not_applicable(op, "histogram", "float");
  }
}

}  // namespace

double scalar_op(Tok op, double lhs, double rhs) {
  switch (op) {
    case Tok::add:
      return lhs + rhs;
    case Tok::sub:
      return lhs - rhs;
    case Tok::mul:
      return lhs * rhs;
    case Tok::div:
      return lhs / rhs;
    case Tok::pow:
      return std::pow(lhs, rhs);
    case Tok::mod:
      return std::fmod(lhs, rhs);
    case Tok::atan2:
      return std::atan2(lhs, rhs);
    default:
      return compare(op, lhs, rhs) ? 1 : 0;
  }
}

ElementResult element_op(Tok op, const Operand& lhs, const Operand& rhs) {
  if (lhs.h && rhs.h) return histograms(op, lhs.h, rhs.h);
  if (lhs.h) return histogram_float(op, *lhs.h, rhs.f);
  if (rhs.h) {
    return op == Tok::mul ? kept(scaled(*rhs.h, lhs.f)) : not_applicable(op, "float", "histogram");
  }
  if (op == Tok::trim_upper || op == Tok::trim_lower) return not_applicable(op, "float", "float");
  if (is_comparison(op)) return {.f = lhs.f, .keep = compare(op, lhs.f, rhs.f)};
  return {.f = scalar_op(op, lhs.f, rhs.f), .keep = true};
}

bool changes_meaning(Tok op) {
  switch (op) {
    case Tok::add:
    case Tok::sub:
    case Tok::mul:
    case Tok::div:
    case Tok::pow:
    case Tok::mod:
    case Tok::atan2:
      return true;
    default:
      return false;
  }
}

}  // namespace hs::promql
