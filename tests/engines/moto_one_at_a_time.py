"""moto's server on a port of the loopback address, dealing with one request after the other.

`moto_server` gives every request a thread, and nothing in moto keeps two conditional writes from passing each other.
Connections still have threads, because one that is idle must not keep the others waiting.
"""

import sys
from threading import Lock

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

application = DomainDispatcherApplication(create_backend_app)
one_at_a_time = Lock()


def answer(environ, start_response):
    with one_at_a_time:
        return list(application(environ, start_response))


run_simple("127.0.0.1", int(sys.argv[1]), answer, threaded=True)
