"""Publishes a test picture (VP8) and a tone (Opus) by WHIP with GStreamer's webrtcbin, for some seconds.

Usage: gstreamer.py WHIP-URL SECONDS [BEARER-TOKEN]
"""
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=20/1 ! videoconvert
  ! vp8enc deadline=1 keyframe-max-dist=60 ! rtpvp8pay picture-id-mode=15-bit
  ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer.
audiotestsrc is-live=true freq=1000 ! audioconvert ! opusenc ! rtpopuspay
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer.
"""


class Publisher:
    def __init__(self, url, seconds, token):
        self.url, self.seconds, self.token = url, seconds, token
        self.loop, self.resource, self.error, self.offered = GLib.MainLoop(), None, None, False
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.offer)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        self.peer.connect("notify::connection-state", self.connection)

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add_seconds(20, self.fail, "not connected within 20 seconds")
        self.loop.run()
        if self.resource:
            self.request(self.resource, "DELETE", None)
        self.pipeline.set_state(Gst.State.NULL)
        return self.error

    def fail(self, error):
        self.error = self.error or error
        self.loop.quit()

    def request(self, url, method, body):
        headers = {"Content-Type": "application/sdp"} if body else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return urllib.request.urlopen(
            urllib.request.Request(url, method=method, data=body, headers=headers), timeout=10)

    def offer(self, peer):
        def created(promise, *_):
            promise.wait()
            reply = promise.get_reply()  # The offer lives in it.
            offer = reply["offer"]
            done = Gst.Promise.new()
            peer.emit("set-local-description", offer, done)
            done.interrupt()
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(created, peer, None))

    def gathered(self, peer, _):
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self):
        if self.offered:
            return
        self.offered = True
        try:
            description = self.peer.get_property("local-description")
            offer = description.sdp.as_text()
            with self.request(self.url, "POST", offer.encode()) as response:
                self.resource = urllib.parse.urljoin(self.url, response.headers["Location"])
                answer = response.read()
        except Exception as error:  # Whatever it is, it ends the test.
            self.fail(f"WHIP: {error}")
            return
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(answer, message)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", answer, Gst.Promise.new())

    def connection(self, peer, _):
        state = peer.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            print("connected", flush=True)
            GLib.timeout_add_seconds(self.seconds, self.loop.quit)
        elif state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            self.fail("the connection failed")


Gst.init(None)
token = sys.argv[3] if len(sys.argv) > 3 else None
sys.exit(Publisher(sys.argv[1], int(sys.argv[2]), token).run())
