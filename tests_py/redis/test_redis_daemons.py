"""A child that closes all files it has inherited, as daemons do, keeps those that it opens then."""

PROGRAM = """
    import os
    import sys
    import threading
    import warnings

    from quickcache import RedisCache

    warnings.simplefilter("ignore")  # of threads in a process that forks
    cache = RedisCache(sys.argv[1])
    together = threading.Barrier(8)


    def connect(number):
        together.wait()
        for _ in range(20):
            cache.set(f"k{number}", number)


    threads = [threading.Thread(target=connect, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pid = os.fork()
    if pid == 0:
        os.closerange(3, 256)
        files = [open(os.devnull) for _ in range(64)]
        assert cache.get("k1") == 1
        for file in files:
            os.fstat(file.fileno())
        print("all there", flush=True)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_connections_of_the_parent_are_closed_only_where_they_still_are(run_program, server):
    """What the child opens has the numbers that the parent's sockets had."""
    assert "all there\n" == run_program(PROGRAM, arguments=(server.url,))
