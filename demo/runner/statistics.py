"""The little statistics that the report needs."""
import random
import statistics


def median(values):
    return statistics.median(values) if values else None


def interval(values, level=0.95, draws=4000, seed=7):
    """Bootstrap interval of the median; None below five values, where it would promise too much."""
    if len(values) < 5:
        return None
    draw = random.Random(seed)
    found = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(draws))
    return found[int((1 - level) / 2 * draws)], found[int((1 + level) / 2 * draws) - 1]
