"""Scenarios that take much time and little of the machine: those of a test module run side by side, each in a thread with a
Homeostat and an application of its own; its test waits for the outcome.

    from side_by_side import outcomes, scenario  # the module's fixture, and what makes a test of a story

    @scenario
    def test_something(tmp_path): ...
"""
import concurrent.futures

import pytest

AT_ONCE = 5  # each is a serve, an engine and a values: some 0.3 cores and 0.5 GB together in a build without optimisation


def scenario(story):
    def test(outcomes):
        outcomes[story.__name__].result()
    test.__name__, test.__doc__, test.story = story.__name__, story.__doc__, story
    return test


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory):
    """-> {test: future} of what was selected of this module."""
    chosen = [item.function for item in request.session.items if item.module is request.module]
    stories = [test.story for test in chosen if hasattr(test, "story")]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield {story.__name__: pool.submit(story, tmp_path_factory.mktemp(story.__name__)) for story in stories}
        pool.shutdown(cancel_futures=True)  # asked to stop before all were awaited
