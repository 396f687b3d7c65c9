"""The application that gunicorn and uWSGI serve: a request does the work of its number."""

import json

import served


def application(environ, start_response):
    seen = served.work(int(environ["QUERY_STRING"]))
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
