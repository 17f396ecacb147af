"""`make bench`: every benchmark, one after the other. `python -m bench NAME` runs one.

Each prints JSON and a table. All traffic stays on loopback, all runs are bounded in time.
"""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = ("loop_shape", "conversation", "emulator_load", "emulator_flood")


def main() -> None:
    chosen = sys.argv[1:] or list(BENCHMARKS)
    for name in chosen:
        if name not in BENCHMARKS:
            sys.exit(f"no benchmark {name}; there are: {', '.join(BENCHMARKS)}")
        print(f"== {name}", flush=True)
        importlib.import_module(f"bench.{name}").main([])


if __name__ == "__main__":
    main()
