"""GStreamer's RTSP server with coded pictures from a folder, over and over, 25 a second.

    /usr/bin/python3 rtsp_server.py FOLDER PORT --transport udp

A program of its own, run by the system's Python, which has GStreamer's bindings, so that a test can
freeze and kill it. The folder holds `NUMBER.h264` (an access unit each, the first a key picture) or
`NUMBER.jpg`. It serves `rtsp://127.0.0.1:PORT/camera`, prints a line once it listens, and, called
without arguments, ends with 0 if GStreamer has all that it takes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import gi

for library in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(library, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE_NS = 40_000_000
CAPS = {
    "h264": "video/x-h264,stream-format=byte-stream,alignment=au",
    "jpg": "image/jpeg,framerate=25/1",
}
PAYLOADERS = {"h264": "rtph264pay config-interval=-1", "jpg": "jpegparse ! rtpjpegpay"}
TRANSPORTS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "both": GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP,
}


class Pictures:
    """Feeds the pictures to each new pipeline, from the first one on."""

    def __init__(self, files: list[Path]) -> None:
        self._pictures = [path.read_bytes() for path in files]

    def on_configure(self, _factory, media):
        source = media.get_element().get_by_name_recurse_up("camera")
        source.connect("need-data", self.push, iter(range(1 << 40)))

    def push(self, source, _length, numbers):
        number = next(numbers)
        buffer = Gst.Buffer.new_wrapped(self._pictures[number % len(self._pictures)])
        buffer.pts = buffer.dts = number * PICTURE_NS
        buffer.duration = PICTURE_NS
        source.emit("push-buffer", buffer)


def serve(arguments):
    files = sorted(path for path in arguments.folder.iterdir() if path.suffix[1:] in CAPS)
    kind = files[0].suffix[1:]
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( appsrc name=camera is-live=true format=time caps="{CAPS[kind]}" '
        f"! {PAYLOADERS[kind]} name=pay0 pt={96 if kind == 'h264' else 26} )"
    )
    factory.set_shared(True)
    factory.set_protocols(TRANSPORTS[arguments.transport])
    pictures = Pictures(files)
    factory.connect("media-configure", pictures.on_configure)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(arguments.port))
    if arguments.user:
        protect(server, factory, *arguments.user.split(":", 1))
    server.get_mount_points().add_factory("/camera", factory)
    if not server.attach(None):
        sys.exit("The port is taken.")
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def protect(server, factory, name, password):
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(name, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", right, True)
    factory.set_permissions(permissions)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--transport", choices=TRANSPORTS, default="both")
    parser.add_argument("--user", metavar="NAME:PASSWORD", help="Ask for it, by Digest.")
    Gst.init(None)
    needed = ("appsrc", "rtph264pay", "jpegparse", "rtpjpegpay")
    if missing := [name for name in needed if Gst.ElementFactory.find(name) is None]:
        sys.exit(f"GStreamer lacks {', '.join(missing)}.")
    if len(sys.argv) > 1:
        serve(parser.parse_args())


if __name__ == "__main__":
    main()
