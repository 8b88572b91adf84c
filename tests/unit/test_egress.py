"""The client for addresses that others choose reaches the public internet and nothing else."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assistant_gateway.errors import AdapterError, Forbidden
from assistant_gateway.http.addresses import Address, is_public
from assistant_gateway.http.egress import GuardedEgress
from emulators.eventually import eventually
from emulators.receiver import Receiver, Reply

TLS = Path(__file__).parents[1] / "fixtures" / "tls"

REFUSED = [
    # H22: loopback in every spelling
    "http://127.0.0.1",
    "http://127.1",
    "http://0",
    "http://2130706433",
    "http://0x7f.1",
    "http://0177.0.0.1",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://0.0.0.0/",
    # H23: IPv6
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001::1]/",
    "https://[fe80::1%25lo]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    # H24: metadata, shared, benchmark and other special addresses
    "http://169.254.169.254/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://metadata.google.internal/",
    "https://100.64.0.1/",
    "https://198.18.0.1/",
    "https://10.1.2.3/",
    "https://172.31.0.1/",
    "https://192.168.1.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    # H25: names that mean this machine, and characters that become digits and dots
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://localhost/",
    "https://localhost./",
    "https://LOCALHOST/",
    "https://sub.localhost/",
    "https://printer.local/",
    "https://intranet/",
    "https://127.0.0.1./",
    # H26: what looks like another host
    "https://good.example@127.0.0.1/",
    "https://127.0.0.1#@good.example",
    "https://good.example\\@127.0.0.1",
    "https://good.example\\.evil/",
    "//127.0.0.1",
    "https:///127.0.0.1/",
    "https://good.example:443@evil.example/",
    "https://good.example%00.evil.example/",
    "https://good.example%2f@evil.example/",
    # H27: other schemes, and what breaks out of a request line
    "file:///etc/passwd",
    "gopher://good.example/",
    "data:text/plain,x",
    "unix:/run/docker.sock",
    "ftp://good.example/",
    "HTTP://good.example/a\r\nHost: evil",
    "https://good.example/a b",
    "https://good.example/\x00",
    "http://good.example/",
    "https://good.example:80/",
    "https://good.example:22/",
    "https://good.example:0/",
    "https://good.example:99999/",
    "https://good.example:/x",
    "https://-bad.example/",
    "https://a..b/",
    "https://bücher.example/",
    "https://" + "a" * 3000,
    "",
    "good.example",
]


@pytest.mark.parametrize("url", REFUSED)
async def test_what_can_be_judged_alone_is_refused(url: str) -> None:
    """H22-H27: it is refused without asking DNS, and a request for it raises without a connection."""
    asked: list[str] = []
    egress = GuardedEgress(resolve=answers(asked, ["93.184.216.34"]))

    reason = egress.judge(url)
    with pytest.raises(Forbidden):
        await egress.request("POST", url, headers={})

    assert reason
    assert [] == asked


@pytest.mark.parametrize(
    "url",
    [
        "https://good.example/",
        "https://good.example:8443/path?query=1&b=%20",
        "HTTPS://Good.Example",
        "https://good.example?x",
        "https://xn--bcher-kva.example/",
        "https://93.184.216.34/",
        "https://[2606:4700:4700::1111]/",
        "https://under_score.example/",
    ],
)
def test_what_is_public_is_let_through(url: str) -> None:
    """https, ports 443 and 8443, plain names and public addresses have nothing against them."""
    assert "" == GuardedEgress().judge(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1%lo",
        "fd00:ec2::254",
        "ff02::1",
        "168.63.129.16",
    ],
)
@pytest.mark.parametrize("beside", [[], ["93.184.216.34"], ["2606:4700:4700::1111"]])
async def test_every_address_of_a_name_has_to_be_public(address: str, beside: list[str]) -> None:
    """H28: one private address among public ones is enough to refuse the name."""
    for addresses in ([address, *beside], [*beside, address]):
        egress = GuardedEgress(resolve=answers([], addresses))

        with pytest.raises(Forbidden, match="not a public one"):
            await egress.request("POST", "https://good.example/", headers={})


def test_the_verdict_is_as_strict_as_every_python() -> None:
    """Of 28,000 addresses all over the space none is called public that this Python calls private."""
    addresses = [ipaddress.IPv4Address(number * 214_748) for number in range(20_000)]
    sixes = [ipaddress.IPv6Address((0x2000 + number) << 112 | 1) for number in range(0x2000)]

    everywhere: list[Address] = [*addresses, *sixes]
    wrong = [one for one in everywhere if is_public(one) and not one.is_global]

    assert [] == wrong


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("100.64.0.1", False),
        ("100.100.100.200", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("192.0.0.8", False),
        ("ff02::1", False),
        ("224.0.0.1", False),
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
    ],
)
def test_the_verdict_does_not_depend_on_the_version(address: str, public: bool) -> None:
    """The addresses on which Python 3.10 to 3.14 disagree have one verdict here."""
    assert public == is_public(ipaddress.ip_address(address))


async def test_a_second_answer_of_dns_changes_nothing() -> None:
    """H28: of 100 requests to a name whose every other answer is loopback 0 reach it; each asks DNS once."""
    asked: list[str] = []
    said = b"HTTP/1.1 204 No Content\r\n\r\n"

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2" if len(asked) % 2 else "127.0.0.1"]

    async with raw_server(said) as (port, canary), raw_server(said, host="127.0.0.2", port=port) as (_, good):
        egress = GuardedEgress(["127.0.0.2/32"], resolve=resolve)
        for _ in range(50):
            await egress.request("GET", f"http://rebind.example:{port}/", headers={})
            with pytest.raises(Forbidden):
                await egress.request("GET", f"http://rebind.example:{port}/", headers={})

    assert (0, 50, 100) == (len(canary), len(good), len(asked))


async def test_exactly_the_checked_address_is_reached_under_the_name() -> None:
    """The connection goes to the address that was checked; SNI, certificate and Host are the name's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    names: list[str | None] = []
    context.sni_callback = lambda socket, name, context: names.append(name)
    asked: list[str] = []
    async with raw_server(b"HTTP/1.1 204 No Content\r\n\r\n", tls=context) as (port, heads):
        egress = GuardedEgress(
            [f"good.example:{port}"],
            resolve=answers(asked, ["127.0.0.1"]),
            tls=ssl.create_default_context(cafile=TLS / "cert.pem"),
        )

        answer = await egress.request("GET", f"https://good.example:{port}/x?y=%41", headers={})

    assert 204 == answer.status
    assert ["good.example"] == asked == names
    assert heads[0].startswith(b"GET /x?y=%41 HTTP/1.1\r\n")
    assert b"Host: good.example:%d\r\n" % port in heads[0]


async def test_a_wrong_certificate_is_no_answer() -> None:
    """A server that shows a certificate for another name is an AdapterError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    async with raw_server(b"", tls=context) as (port, heads):
        egress = GuardedEgress(
            ["other.example"],
            resolve=answers([], ["127.0.0.1"]),
            tls=ssl.create_default_context(cafile=TLS / "cert.pem"),
        )

        with pytest.raises(AdapterError):
            await egress.request("GET", f"https://other.example:{port}/", headers={})

    assert [] == heads


@pytest.mark.parametrize(
    ("allow", "url", "reached"),
    [
        ("127.0.0.1", "http://127.0.0.1:{port}/", True),
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}/", True),
        ("127.0.0.1:1", "http://127.0.0.1:{port}/", False),
        ("127.0.0.0/8", "http://127.0.0.1:{port}/", True),
        ("127.0.0.0/8", "http://inner.example:{port}/", True),
        ("10.0.0.0/8", "http://inner.example:{port}/", False),
        ("inner.example", "http://inner.example:{port}/", True),
        ("INNER.example:{port}", "http://inner.EXAMPLE:{port}/", True),
        ("inner.example:1", "http://inner.example:{port}/", False),
        ("other.example", "http://inner.example:{port}/", False),
        ("127.0.0.0/8", "http://127.1:{port}/", False),
        ("127.0.0.0/8", "http://0x7f.1:{port}/", False),
        ("127.0.0.1", "http://u:p@127.0.0.1:{port}/", False),
    ],
)
async def test_what_the_operator_allows_is_reached(allow: str, url: str, reached: bool) -> None:
    """A name, name:port, address or range opens plain http, any port and private addresses; nothing else."""
    async with Receiver() as receiver:
        port = receiver.url.rpartition(":")[2]
        egress = GuardedEgress([allow.format(port=port)], resolve=answers([], ["127.0.0.1"]))

        try:
            status = (await egress.request("POST", url.format(port=port), headers={}, body=b"x")).status
        except Forbidden:
            status = 0

        assert reached == (200 == status) == (1 == len(receiver.received))


async def test_of_a_name_in_an_allowed_range_only_that_address_is_used() -> None:
    """`localhost` with ::1 and 127.0.0.1 is reached at 127.0.0.1 where only 127.0.0.0/8 is allowed."""
    async with Receiver() as receiver:
        egress = GuardedEgress(["127.0.0.0/8"], resolve=answers([], ["::1", "127.0.0.1"]))
        port = receiver.url.rpartition(":")[2]

        answer = await egress.request("GET", f"http://localhost:{port}/", headers={})

    assert 200 == answer.status


@pytest.mark.parametrize("entry", ["", "a/b", "300.0.0.0/8", "[::1", "host:port"])
def test_an_entry_that_allows_nothing_is_refused(entry: str) -> None:
    """A list with an entry that is no host, host:port or range raises ValueError."""
    with pytest.raises(ValueError, match=r"port|range|address"):
        GuardedEgress([entry])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer(status: int) -> None:
    """H29: a redirect is given to the caller and not followed, wherever it leads."""
    async with Receiver() as receiver:
        receiver.always(Reply(status, {"Location": receiver.url + "/elsewhere"}))

        answer = await GuardedEgress(["127.0.0.1"]).request("POST", receiver.url + "/", headers={}, body=b"x")

    assert status == answer.status
    assert ["/"] == [one.path for one in receiver.received]


async def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with Receiver() as receiver:
        answer = await GuardedEgress(["127.0.0.1"]).request("GET", receiver.url + "/", headers={})

    assert 200 == answer.status


async def test_headers_and_body_arrive_as_they_are() -> None:
    """2 MiB of body and the caller's headers arrive; the answer's headers are found in any case."""
    async with Receiver() as receiver:
        receiver.script(Reply(202, {"X-Told": "yes"}, b"thanks"), path="/p")

        answer = await GuardedEgress(["127.0.0.1"]).request(
            "POST", receiver.url + "/p", headers={"webhook-id": "1"}, body=b"x" * (2 << 20)
        )

    (received,) = receiver.received
    assert (202, "yes", b"thanks") == (answer.status, answer.headers["x-told"], answer.body)
    assert (b"x" * (2 << 20), "1") == (received.body, received.headers["webhook-id"])


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n"


async def test_an_endless_answer_is_cut_at_the_cap() -> None:
    """H30: of 10 GB the first 1,000 bytes are taken; with a cap of 0 the status is enough."""
    async with raw_server(HEAD, endless=b"x" * 65_536) as (port, _):
        egress = GuardedEgress(["127.0.0.1"])

        some = await egress.request("GET", f"http://127.0.0.1:{port}/", headers={}, max_body=1000)
        none = await egress.request("GET", f"http://127.0.0.1:{port}/", headers={}, max_body=0)

    assert (200, b"x" * 1000) == (some.status, some.body)
    assert (200, b"") == (none.status, none.body)


async def test_a_packed_answer_stays_packed() -> None:
    """A gzip bomb is bytes like any others: nothing is unpacked."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with raw_server(answer) as (port, _):
        taken = await GuardedEgress(["127.0.0.1"]).request("GET", f"http://127.0.0.1:{port}/", headers={})

    assert b"\x1f\x8b\x08\x00" == taken.body


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "no answer"),
        (b"nonsense\r\n\r\n", "no answer"),
        (HEAD + b"x", "within 0.3 s"),
        (b"", "no answer"),
    ],
)
async def test_what_is_no_answer_is_told(said: bytes, reason: str) -> None:
    """H30: huge headers, nonsense, a body that never comes and silence are AdapterErrors, in time."""
    async with raw_server(said, hold=True) as (port, _):
        with pytest.raises(AdapterError, match=reason):
            await GuardedEgress(["127.0.0.1"]).request(
                "GET", f"http://127.0.0.1:{port}/", headers={}, timeout=0.3
            )


async def test_a_name_that_does_not_exist_is_no_answer() -> None:
    """DNS says no, nothing, or nothing in time: an AdapterError, and no Forbidden."""

    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("Name or service not known")

    async def slow(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    for resolve in (unknown, slow, answers([], [])):
        with pytest.raises(AdapterError) as caught:
            await GuardedEgress(resolve=resolve).request(
                "GET", "https://good.example/", headers={}, timeout=0.2
            )
        assert not isinstance(caught.value, Forbidden)


async def test_the_system_is_asked_where_nothing_else_is_given() -> None:
    """The default resolver finds loopback for localhost, which is refused."""
    egress = GuardedEgress(["10.0.0.0/8"])

    with pytest.raises(Forbidden):
        await egress.request("GET", "https://localhost/", headers={})

    await egress.close()


def answers(asked: list[str], addresses: list[str]) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver that knows these addresses for every name."""

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return addresses

    return resolve


@asynccontextmanager
async def raw_server(
    said: bytes,
    *,
    tls: ssl.SSLContext | None = None,
    endless: bytes = b"",
    hold: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says exactly these bytes to every request; its port, and the heads it has heard."""
    heads: list[bytes] = []
    over = asyncio.Event()
    serving: set[asyncio.Future[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        serving.add(ended)
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(said)
            while endless:
                writer.write(endless)
                await writer.drain()
            await writer.drain()
            if hold:
                await over.wait()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            ended.set_result(None)

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    async with server:
        try:
            yield server.sockets[0].getsockname()[1], heads
        finally:
            over.set()
            await asyncio.gather(*serving)


async def test_a_name_whose_server_is_silent_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """While 16 requests wait for one name, another name is asked for, and its address judged, at once."""
    silence = threading.Event()
    asked: list[str] = []

    def look_up(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        if host == "silent.example":
            silence.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    egress = GuardedEgress()

    async def forbidden(host: str) -> None:
        with pytest.raises(Forbidden):
            await egress.request("GET", f"https://{host}/", headers={})

    async with asyncio.timeout(20):
        waiting = [asyncio.create_task(forbidden("silent.example")) for _ in range(16)]
        await eventually(lambda: len(asked) >= 4)
        await forbidden("other.example")
        held_up = [task for task in waiting if not task.done()]
        silence.set()
        await asyncio.gather(*waiting)
    await egress.close()

    assert 16 == len(held_up)


def test_a_name_whose_server_is_silent_keeps_no_process_alive() -> None:
    """A process whose only lookup would take 60 s ends when its loop does."""
    program = """
import asyncio, socket, time
from assistant_gateway.http.egress import GuardedEgress

begun = asyncio.Event()

async def main():
    loop = asyncio.get_running_loop()

    def look_up(*words, **more):
        loop.call_soon_threadsafe(begun.set)
        time.sleep(60)

    socket.getaddrinfo = look_up
    asking = asyncio.create_task(GuardedEgress().request("GET", "https://silent.example/", headers={}))
    await begun.wait()
    asking.cancel()

asyncio.run(main())
"""

    ended = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, capture_output=True)

    assert 0 == ended.returncode, ended.stderr
