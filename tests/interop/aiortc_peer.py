"""aiortc as the other side: `call URL` offers to a peer program, `serve PORT` answers one.

Both speak the HTTP contract of the peer program (POST /offer, 201, Location) and echo messages.
"""

import asyncio
import os
import sys

import aiohttp
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

NO_SERVERS = RTCConfiguration(iceServers=[])


async def call(url):
    connection = RTCPeerConnection(NO_SERVERS)
    channel = connection.createDataChannel("from aiortc")
    opened, messages = asyncio.Event(), asyncio.Queue()
    channel.on("open", opened.set)
    channel.on("message", messages.put_nowait)
    await connection.setLocalDescription(await connection.createOffer())
    async with aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/sdp"}
        async with http.post(f"{url}/offer", data=connection.localDescription.sdp, headers=headers) as response:
            assert response.status == 201, await response.text()
            answer = RTCSessionDescription(await response.text(), "answer")
    await connection.setRemoteDescription(answer)
    await asyncio.wait_for(opened.wait(), 20)
    for message in ["hello", "größer", b"\x00\x01\x02", os.urandom(1200), os.urandom(65536)]:
        channel.send(message)
        back = await asyncio.wait_for(messages.get(), 20)
        assert back == message, f"{len(message)} came back as {len(back)}"
    await connection.close()
    print("ok", flush=True)


async def answer(request):
    connection = RTCPeerConnection(NO_SERVERS)
    request.app["connections"].append(connection)

    @connection.on("datachannel")
    def on_channel(channel):
        channel.on("message", channel.send)

    await connection.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    return web.Response(
        status=201,
        text=connection.localDescription.sdp,
        content_type="application/sdp",
        headers={"Location": "/session/1"},
    )


async def accept(_request):
    return web.Response(status=204)


def serve():
    app = web.Application()
    app["connections"] = []
    app.router.add_post("/offer", answer)
    app.router.add_route("*", "/session/{id}", accept)

    async def announce(app):
        print("ready", flush=True)

    app.on_startup.append(announce)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None)


if __name__ == "__main__":
    if sys.argv[1] == "call":
        asyncio.run(call(sys.argv[2]))
    else:
        serve()
