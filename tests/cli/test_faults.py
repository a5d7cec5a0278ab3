"""Some of the calls that can fail, let fail (tests/faults; all of them: make test-faults)."""
import random

from helpers import *

sys.path.insert(0, os.path.join(REPO, "tests", "faults"))
from faults import COMMANDS, KINDS, Faults  # noqa: E402

FAULTS = []


def faults():
    if not FAULTS:
        folder = tempfile.mkdtemp(prefix="faults-", dir=HOME)  # goes with it
        FAULTS.append(Faults(LIMN, folder, REPO))
    return FAULTS[0]


def calls_of(places):
    return sorted(set().union(*places.values()))


def chance():
    return random.Random(int(os.environ.get("LIMN_FAULT_SEED", "1")))


def test_memory_that_runs_out():
    f, rng = faults(), chance()
    if "malloc" not in f.kinds():
        return
    for name in rng.sample(list(COMMANDS), 5):
        places = calls_of(f.places(name, "malloc"))
        assert len(places) > 20, f"{name}: {len(places)} places that want memory"
        f.try_one(name, "malloc", rng.choice(places), KINDS["malloc"][0], rng.random() < 0.5)
    # where a PNG is compressed, which aborted once
    for n in rng.sample(calls_of(f.places("trace", "malloc")), 4):
        f.try_one("trace", "malloc", n, KINDS["malloc"][0], False)


def test_calls_that_fail():
    f, rng = faults(), chance()
    hits = 0
    for kind in [k for k in f.kinds() if k != "malloc"]:
        for error in KINDS[kind]:
            name = rng.choice(["generate", "atlas", "batch", "compare", "merge", "trace"])
            hits += f.try_one(name, kind, rng.randrange(1, 6), error, rng.random() < 0.5)
    assert hits > 5


def test_threads_that_are_refused():
    """With as few threads as there may be: the same picture, a warning; nothing in libgomp's words."""
    f = faults()
    if "thread" not in f.kinds():
        return
    for n in range(1, 4):
        assert f.try_one("generate", "thread", n, KINDS["thread"][0], n == 1)
    f.try_one("batch", "thread", 1, KINDS["thread"][0], True)
