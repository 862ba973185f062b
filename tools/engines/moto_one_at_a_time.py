"""Runs moto's server on a loopback port and processes one request at a time.

`moto_server` processes requests in threads, and nothing in moto makes a conditional write atomic. Connections still have
threads, so that an idle one does not block the others.
"""

import sys
from threading import Lock

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

application = DomainDispatcherApplication(create_backend_app)
one_at_a_time = Lock()


def respond(environ, start_response):
    with one_at_a_time:
        return list(application(environ, start_response))


run_simple("127.0.0.1", int(sys.argv[1]), respond, threaded=True)
