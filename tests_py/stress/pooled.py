"""A pool of multiprocessing: `python pooled.py METHOD CALLS`. Prints what its processes saw, as JSON."""

import json
import multiprocessing
import sys

import served


def main(method, calls):
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["served"])
    if method == "fork":
        served.keep_busy()
    with context.Pool(2, maxtasksperchild=max(calls // 20, 10)) as pool:
        seen = pool.map(served.work, range(calls), chunksize=1)
        pool.close()
        pool.join()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
