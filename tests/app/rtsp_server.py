"""An RTSP server as a camera is one, for the tests: ``rtsp_server.py PORT`` serves a ball at ``/ball``, many a second at ``/fast``, 15 at ``/short``."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions are asked for first

Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
for path, rate, count in (("/ball", 15, -1), ("/fast", 200, -1), ("/short", 15, 15)):
    factory = GstRtspServer.RTSPMediaFactory.new()
    caps = f"video/x-raw,format=I420,width=64,height=48,framerate={rate}/1"
    factory.set_launch(
        f"( videotestsrc is-live=true pattern=ball num-buffers={count} ! {caps} ! jpegenc ! rtpjpegpay name=pay0 )"
    )
    factory.set_shared(True)
    server.get_mount_points().add_factory(path, factory)
server.attach(None)
print("serving", flush=True)
GLib.MainLoop().run()
