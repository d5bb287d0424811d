"""Two connections of aiortc in one process: from the offer to connected, to the first decoded picture, to the first sound.

The peer beside which benches/call_media prints the door's figures. Prints one line of JSON per figure.
"""

import asyncio
import json
import time

from aiortc import RTCPeerConnection, VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack

RUNS = 20


async def call(figures):
    near, far = RTCPeerConnection(), RTCPeerConnection()
    # 640x480, 30 a second; silence.
    near.addTrack(VideoStreamTrack())
    near.addTrack(AudioStreamTrack())
    came = {"video": asyncio.Event(), "audio": asyncio.Event(), "connected": asyncio.Event()}
    begun = time.perf_counter()

    def note(what):
        if not came[what].is_set():
            came[what].set()
            figures[what].append((time.perf_counter() - begun) * 1000)

    @far.on("track")
    def on_track(track):
        async def first():
            await track.recv()
            note(track.kind)

        asyncio.ensure_future(first())

    @far.on("connectionstatechange")
    def on_state():
        if far.connectionState == "connected":
            note("connected")

    await near.setLocalDescription(await near.createOffer())
    await far.setRemoteDescription(near.localDescription)
    await far.setLocalDescription(await far.createAnswer())
    await near.setRemoteDescription(far.localDescription)
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in came.values())), 20)
    await near.close()
    await far.close()


async def main():
    figures = {"connected": [], "video": [], "audio": []}
    for _ in range(RUNS):
        await call(figures)
    names = {"connected": "connected", "video": "first decoded picture", "audio": "first sound"}
    for what, milliseconds in figures.items():
        print(json.dumps({"what": f"offer to {names[what]}", "milliseconds": milliseconds}))


asyncio.run(main())
