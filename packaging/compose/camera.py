"""Serve a ball as an RTSP camera does: ``rtsp://camera:8554/ball``."""

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions are asked for first

Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_service("8554")
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=15/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 config-interval=1 )"
)
factory.set_shared(True)
server.get_mount_points().add_factory("/ball", factory)
server.attach(None)
print("rtsp://camera:8554/ball", flush=True)  # noqa: T201 - a script prints
GLib.MainLoop().run()
