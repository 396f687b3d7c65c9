"""The application of workers with coherent tiers: `/?read=NAME` and `/?replace=NAME`, answered in JSON.

What is read is a version that all workers see (coherent_members.py). An answer says which process gave it,
how often that has read so far, and how often it has asked the server of the cache.
"""

import json
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.with_name("redis")))

from coherent_members import Member

MEMBER = Member(
    os.environ["SERVED_URL"], "served:", os.environ["SERVED_SOURCE"], **json.loads(os.environ["SERVED_TIERS"])
)
MEMBER.warm("what is read as the module is loaded")
ASKED = MEMBER.asked()
READS = []  # an entry for each: to append is one step


def application(environ, start_response):
    what, _, name = environ["QUERY_STRING"].partition("=")
    version = getattr(MEMBER, what)(name)
    if what == "read":
        READS.append(None)
    told = {"pid": os.getpid(), "version": version, "reads": len(READS), "asked": MEMBER.asked() - ASKED}
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
