"""The same service for `twistd -ny mjpegd.tac`, configured by environment variables.

MJPEGD_PORT=8554 MJPEGD_MEDIA=./videos twistd -ny mjpegd.tac; every option of `twistd mjpeg-rtsp`
has its variable, in capitals and with underscores.
"""

import os

from twisted.application.service import Application

from mjpegd.options import Options, arguments_from
from mjpegd.service import makeService

options = Options()
options.parseOptions(arguments_from(os.environ))

application = Application("mjpegd")
makeService(options).setServiceParent(application)
