"""moto's server on a port of the loopback address, answering one request after the other.

`moto_server` gives every request a thread, and nothing in moto keeps two conditional writes from passing each other.
"""

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
