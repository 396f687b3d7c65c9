"""A worker of eventlet's own server: gunicorn has none for it any more."""

import eventlet

eventlet.monkey_patch()  # before what follows imports anything

import eventlet.wsgi  # noqa: E402
from served_coherent import application  # noqa: E402

socket = eventlet.listen(("127.0.0.1", 0))
host, port = socket.getsockname()
print(f"Listening at: {host}:{port}", flush=True)
eventlet.wsgi.server(socket, application, log_output=False)
