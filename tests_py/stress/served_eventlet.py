"""A worker of eventlet's own server (gunicorn has none for it any more): `python served_eventlet.py PORT`."""

import sys

import eventlet

eventlet.monkey_patch()  # before what follows imports anything

import eventlet.wsgi  # noqa: E402
from served_coherent import application  # noqa: E402

print("Listening at", sys.argv[1], flush=True)
eventlet.wsgi.server(eventlet.listen(("127.0.0.1", int(sys.argv[1]))), application, log_output=False)
