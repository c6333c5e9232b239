"""Runs moto, the AWS implementation that somebody else wrote, on a free loopback port.

moto 5.2.5 has no `ListServiceSpecificCredentials` and answers it with an HTTP 500. Unless `--as-it-comes` is
given, that one listing is added here. It says what is true in moto, where such credentials cannot be made: the
user has none. Nothing else about moto is changed.
"""

import signal
import sys
import threading

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.server import ThreadedMotoServer


def list_service_specific_credentials(self):
    """None, for a user that exists; moto's own error for one that does not."""
    self.backend.get_user(self._get_param("UserName"))
    return ActionResult({"ServiceSpecificCredentials": [], "IsTruncated": False})


def main() -> None:
    """Serves until it is told to end."""
    if "--as-it-comes" not in sys.argv[1:]:
        IamResponse.list_service_specific_credentials = list_service_specific_credentials
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    ended.wait()


main()
