#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A served model under mixed good and bad requests: does its memory stay flat, and is every answer right?

    python examples/benchmarks/serving_load.py --minutes 60 --rate 2

A process of its own serves the embedded model over HTTP, as a web service would: generation through the pipeline
(greedy and sampled, several threads at once), likelihoods, drawing, and reading of pictures. Half of the requests are
good: answers to a fixed set are compared with `generate` called directly, texts that nobody has sent before must be
read back from the picture that the service drew of them. The others are bad (no text, options that mean nothing,
characters without a glyph, damaged or enormous pictures, bodies that are no JSON) and must be refused with status 400
and one line. Prints the server's memory over time; exit code 1 for a wrong answer, another status, or, with
`--require-mib-per-hour`, for memory that grows faster.
"""

import argparse
import base64
import http.client
import io
import itertools
import json
import multiprocessing
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import psutil
import torch
from PIL import Image
from transformers import pipeline

import pixel_ar

# Requests of a service are bounded by the service (SECURITY.md).
MAX_BODY_BYTES = 1 << 20
MAX_TEXT = 300
MAX_NEW_PATCHES = 16
PROMPTS = ("The people of the", "In the year 1848", "We", "the Secretary of the Navy, and")
LETTERS = "abcdefghijklmnopqrstuvwxyz    ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?()"
Body = dict[str, Any] | list[Any] | bytes


# ---- the service ----


class Service:
    """What is served; each method takes a request and gives an answer, both ready for JSON."""

    def __init__(self, checkpoint: str) -> None:
        self.write = pipeline("pixel-text-generation", pixel_ar.bundled_checkpoint(checkpoint), device="cpu")
        self.model, self.processor = self.write.model.eval(), self.write.processor

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Continues `prompt`; other keys are options of `generate`, `seed` that of its generator."""
        options = dict(request)
        prompt, seed = options.pop("prompt"), options.pop("seed", None)
        _bound("max_new_patches", options.setdefault("max_new_patches", 8), MAX_NEW_PATCHES)
        _bound("num_return_sequences", options.get("num_return_sequences", 1), 2)
        if isinstance(prompt, str):
            _bound("length of the prompt", len(prompt), MAX_TEXT)
        if seed is not None:
            options["generator"] = torch.Generator().manual_seed(seed)
        return {"texts": [each["generated_text"] for each in self.write(prompt, **options)]}

    def score(self, request: dict[str, Any]) -> dict[str, Any]:
        """Nats of `text`."""
        inputs = self.processor(text=request["text"], add_start=True, return_tensors="pt")
        with torch.no_grad():
            return {"nats": self.model.log_likelihood(**inputs).tolist()}

    def render(self, request: dict[str, Any]) -> dict[str, Any]:
        """`text` as a PNG."""
        inputs = self.processor(text=request["text"], add_eos=False, dtype="uint8", return_tensors="np")
        png = io.BytesIO()
        self.processor.to_pil(inputs["pixel_values"])[0].save(png, "PNG")
        return {"png": base64.b64encode(png.getvalue()).decode()}

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """The text in `png`."""
        with Image.open(io.BytesIO(base64.b64decode(request["png"], validate=True))) as picture:
            _bound("pixels", picture.width * picture.height, 1 << 20)
            strip = self.processor(images=picture.convert("L"), add_eos=False, return_tensors="np")
        return {"text": self.processor.batch_decode(strip["pixel_values"])[0]}


def _bound(name: str, value: Any, most: int) -> None:
    if isinstance(value, int | float) and value > most:
        raise ValueError(f"{name} is {value}, more than the {most} that this service allows.")


def serve(checkpoint: str, address: Connection) -> None:
    """Sends the port, then serves until something is sent back."""
    torch.set_num_threads(1)
    service = Service(checkpoint)
    routes: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "/generate": service.generate,
        "/score": service.score,
        "/render": service.render,
        "/read": service.read,
    }

    class Handler(BaseHTTPRequestHandler):
        """Status 400 is the client's fault, 500 the service's."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, answer = 200, {}
            try:
                length = int(self.headers.get("Content-Length", 0))
                _bound("length of the body", length, MAX_BODY_BYTES)
                request = json.loads(self.rfile.read(length))
                if not isinstance(request, dict):
                    raise ValueError(f"a request is an object, got {type(request).__name__}.")
                answer = routes[self.path](request)
            except KeyError as error:
                status, answer = 400, {"error": f"missing: {error}"}
            except (ValueError, TypeError, OSError) as error:
                status, answer = 400, {"error": str(error)}
            except Exception as error:
                status, answer = 500, {"error": f"{type(error).__name__}: {error}"}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Nothing: the client counts."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=lambda: (address.recv(), server.shutdown()), daemon=True).start()
    address.send(server.server_port)
    server.serve_forever()


# ---- requests ----


@dataclass(frozen=True)
class Request:
    """One request and what must come back.

    Attributes:
        kind: for the counts.
        path: of the service.
        body: an object, or bytes that are none.
        check: what is wrong with an answer, or nothing; `None` for a request that must be refused.
    """

    kind: str
    path: str
    body: Body
    check: Callable[[dict[str, Any]], str | None] | None = None


def known_requests(checkpoint: str) -> list[Request]:
    """Good requests with answers that were computed here, by `generate` and `log_likelihood` themselves."""
    folder = pixel_ar.bundled_checkpoint(checkpoint)
    model = pixel_ar.PixelARForCausalLM.from_pretrained(folder).eval()
    processor = pixel_ar.PixelProcessor.from_pretrained(folder)
    requests = []
    for index, prompt in enumerate(PROMPTS):
        inputs = processor(text=[prompt], add_eos=False, return_tensors="pt")
        for options in ({"do_sample": False}, {"do_sample": True, "temperature": 0.7, "seed": index}):
            options = {"max_new_patches": 4 + 2 * index, **options}
            seed = options.get("seed")
            direct = {name: value for name, value in options.items() if name != "seed"}
            if seed is not None:
                direct["generator"] = torch.Generator().manual_seed(seed)
            expected = processor.batch_decode(model.generate(**inputs, **direct))
            kind = "sampled" if seed is not None else "greedy"
            requests.append(
                Request(kind, "/generate", {"prompt": prompt, **options}, _same("texts", expected))
            )
        with torch.no_grad():
            nats = model.log_likelihood(**processor(text=[prompt], add_start=True, return_tensors="pt"))
        requests.append(Request("score", "/score", {"text": [prompt]}, _near("nats", nats.tolist())))
    return requests


def _same(key: str, expected: Any) -> Callable[[dict[str, Any]], str | None]:
    return lambda answer: (
        None if answer[key] == expected else f"{key} {answer[key]!r:.100} instead of {expected!r:.100}"
    )


def _near(key: str, expected: list[float]) -> Callable[[dict[str, Any]], str | None]:
    def check(answer: dict[str, Any]) -> str | None:
        far = max(abs(found - right) for found, right in zip(answer[key], expected, strict=True))
        return None if far < 1e-3 else f"{key} is {far:g} away"

    return check


def bad_requests(rng: Random) -> Iterator[Request]:
    """Requests to be refused, again and again."""
    picture = io.BytesIO()
    Image.new("1", (9000, 9000), 1).save(picture, "PNG")
    enormous = base64.b64encode(picture.getvalue()).decode()
    while True:
        junk = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 2000)))
        bodies: list[tuple[str, Body]] = [
            ("/generate", {}),
            ("/generate", {"prompt": rng.choice((None, 3, {"a": 1}, [None]))}),
            ("/generate", {"prompt": f"no glyph {chr(rng.randrange(0x4E00, 0x9FFF))}"}),
            ("/generate", {"prompt": "x" * rng.randrange(MAX_TEXT + 1, 9000)}),
            (
                "/generate",
                {"prompt": "The", "do_sample": True, "temperature": rng.choice((0, -1, "warm", [1]))},
            ),
            ("/generate", {"prompt": "The", "max_new_patches": rng.choice((0, -3, 10**9, "many", 2.5))}),
            ("/generate", {"prompt": "The", f"option_{rng.randrange(10**6)}": 1}),
            ("/generate", {"prompt": "The", "num_beams": 4}),
            ("/score", {"text": rng.choice((None, 3, {}, "é\ud800", [[1]]))}),
            ("/render", {"text": chr(rng.randrange(0x4E00, 0x9FFF))}),
            ("/render", {"text": rng.choice((None, 5, {"x": "y"}))}),
            ("/read", {"png": base64.b64encode(junk).decode()}),
            ("/read", {"png": enormous}),
            ("/read", {"png": rng.choice(("%%%", 7, None, ""))}),
            ("/score", junk),
            ("/score", b"[" * rng.randrange(1, 900)),
            ("/score", [1, 2]),
            ("/nowhere", {"text": "a"}),
        ]
        rng.shuffle(bodies)
        for path, body in bodies:
            yield Request("refused", path, body)


@dataclass
class Client:
    """Sends requests and judges answers.

    Attributes:
        port: of the service.
        counts: answers that were right, by kind.
        wrong: the first of those that were not, in words.
    """

    port: int
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def send(self, request: Request) -> dict[str, Any]:
        """The answer, counted."""
        body = request.body if isinstance(request.body, bytes) else json.dumps(request.body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request("POST", request.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        expected = 400 if request.check is None else 200
        if response.status != expected:
            fault = f"status {response.status}, {answer!r:.200}"
        elif request.check is None:
            fault = None if answer.get("error") else "refused without a word"
        else:
            fault = request.check(answer)
        if fault is None:
            self.counts[request.kind] += 1
        else:
            self.wrong.append(f"{request.kind} {request.path} {request.body!r:.150}: {fault}")
        return answer

    def send_text(self, text: str) -> None:
        """A text that was never sent before: drawn by the service, and read by it again."""
        drawn = self.send(Request("drawn", "/render", {"text": text}, lambda answer: None))
        if "png" in drawn:
            self.send(Request("read", "/read", {"png": drawn["png"]}, _same("text", text)))


def load(client: Client, known: list[Request], seed: int, rate: float, until: float) -> None:
    """One client's share of the load: good and bad requests in turn, in random order, `rate` a second."""
    rng = Random(seed)
    bad = bad_requests(rng)
    while time.monotonic() < until:
        began = time.monotonic()
        kind = rng.random()
        if kind < 0.5:
            client.send(next(bad))
        elif kind < 0.7:
            words = "".join(rng.choice(LETTERS) for _ in range(rng.randrange(3, 80)))
            client.send_text(" ".join(words.split()) or "a")
        else:
            client.send(rng.choice(known))
        time.sleep(max(0.0, 1 / rate - (time.monotonic() - began)))


# ---- memory ----


def growth(samples: list[tuple[float, float]]) -> float:
    """MiB an hour, the slope of (seconds, MiB) by least squares; 0 for fewer than three."""
    if len(samples) < 3:
        return 0.0
    seconds, sizes = zip(*samples, strict=True)
    return statistics.linear_regression(seconds, sizes).slope * 3600


def show(samples: list[tuple[float, float]], rows: int = 13) -> str:
    """A table of some of the samples."""
    step = max(len(samples) / rows, 1.0)
    chosen = [samples[int(index * step)] for index in range(min(rows, len(samples)))]
    if samples and chosen[-1] != samples[-1]:
        chosen.append(samples[-1])
    return "\n".join(f"{seconds / 60:7.1f} min  {size:8.1f} MiB" for seconds, size in chosen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--checkpoint", default="pixel-ar-tiny", help="embedded checkpoint (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=2.0, help="requests a second, all clients together")
    parser.add_argument("--clients", type=int, default=2, help="that send at once (default: %(default)s)")
    parser.add_argument("--warm-share", type=float, default=0.25, help="of the time, before growth is taken")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--require-mib-per-hour", type=float, metavar="MIB", help="fail above this growth")
    parser.add_argument("--output", type=Path, metavar="JSON", help="write all figures here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(args.checkpoint, theirs), daemon=True
    )
    server.start()
    known = known_requests(args.checkpoint)
    client = Client(ours.recv())
    began = time.monotonic()
    threads = [
        threading.Thread(
            target=load,
            args=(client, known, args.seed + index, args.rate / args.clients, began + args.minutes * 60),
        )
        for index in range(args.clients)
    ]
    watched = psutil.Process(server.pid)
    samples: list[tuple[float, float]] = []
    for thread in threads:
        thread.start()
    for _ in itertools.takewhile(lambda _: any(thread.is_alive() for thread in threads), itertools.count()):
        samples.append((time.monotonic() - began, watched.memory_info().rss / 2**20))
        time.sleep(min(5.0, args.minutes))
    spent = watched.cpu_times()
    ours.send("stop")
    server.join()
    warm = [sample for sample in samples if sample[0] >= args.warm_share * args.minutes * 60]
    slope = growth(warm)
    print(show(samples))
    sizes = [size for _, size in warm] or [0.0]
    print(
        f"after {args.warm_share:.0%} of the time: {min(sizes):.1f} to {max(sizes):.1f} MiB, "
        f"{slope:+.1f} MiB an hour; {spent.user + spent.system:.0f} s of processor time"
    )
    shown = ", ".join(f"{count:,} {kind}" for kind, count in sorted(client.counts.items()))
    print(f"{sum(client.counts.values()):,} right answers ({shown}), {len(client.wrong)} wrong")
    for fault in client.wrong[:10]:
        print(f"  {fault}")
    if args.output is not None:
        figures = {
            "samples": samples,
            "mib_per_hour": slope,
            "counts": dict(client.counts),
            "wrong": client.wrong,
            "versions": {"torch": torch.__version__, "pixel_ar": pixel_ar.__version__},
        }
        args.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    grows = args.require_mib_per_hour is not None and slope > args.require_mib_per_hour
    return int(bool(client.wrong) or grows or not client.counts)


if __name__ == "__main__":
    sys.exit(main())
