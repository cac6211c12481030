"""The catalogue of causes: why an HTTP client opens another connection, how packets show it, and what to change.

One table, and everything that is said about a cause comes from it: `verify causes`, the table in the README, the advice
of a finding. Pure data, and much of it: imported where a cause is explained, never to count handshakes.

Names of functions, options and directives, and defaults, are those of requests 2.34, urllib3 2.8, httpx 0.28, aiohttp
3.14, curl 7.88, Wget 1.21, Go 1.19, Java 17, Node 20 and undici 6, nginx 1.22, Apache 2.4, uvicorn 0.54, gunicorn 27,
Werkzeug 3.1; Ruby 3.1, libwww-perl 6.68, HTTP::Tiny 0.082, Mojolicious 9.31, Tornado 6.6, Twisted 26.10, waitress 3.0,
Hypercorn 0.18, WEBrick 1.8, h2o 2.2, HAProxy 2.6, Squid 5.7, Siege 4.0.
"""

from __future__ import annotations

from verifier import products
from verifier.products import Product
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ANY = "any"
"""Among the kinds of clients: all others, where the client is to blame."""
OTHER = "other"
"""Among the kinds of clients: all others, where the server is to blame."""
PROXY = "proxy"
"""Among the kinds of clients: what passes on the requests of others, by whatever name."""
OR_IN_CLIENT = "Or in the client: "
"""Begins the second line of a remedy: what a client can do about its server's ways."""
_NOTHING: Mapping[str, str] = {}
_NAMED = 4
"""Software that is named where the one in use is not known."""
_LONGEST = 60
"""Characters shown of what an unknown client or server calls itself."""


class Cause(NamedTuple):
    code: str
    title: str
    """A short noun phrase, with the article that it needs in a sentence."""
    brief: str
    """What happened, as a clause; a measured limit may follow it (`after 5.0 s`)."""
    blame: str
    """Whose it usually is to change: `client`, `server`, `path`, `nobody`."""
    explanation: str
    """Two or three sentences for somebody who never read about keep-alive."""
    evidence: str
    """What the packets show."""
    apart: str
    """How it is told from its neighbours."""
    settle: str
    """What off the wire would settle it; empty where packets decide."""
    advice: str
    """What to change on the side that is to blame, in general terms."""
    clients: Mapping[str, str] = _NOTHING
    """What to do in a client, by its kind (in `products.CLIENTS`): instead of `advice`, or beside it where the server
    is to blame."""
    servers: Mapping[str, str] = _NOTHING
    """What to do in a server, by its kind (in `products.SERVERS`)."""
    reading: tuple[str, ...] = ()


# -- who speaks


class Speakers(NamedTuple):
    """Who the two sides of a connection are, as far as is known."""

    agent: str | None
    """What the client calls itself (User-Agent)."""
    software: str | None
    """What the server calls itself (Server)."""
    passes_on: bool = False
    """The client passes on the requests of others, whose name may stand in them."""
    is_relayed: bool = False
    """The server passes on what another one answers, whose name may stand in that."""
    proxy: str = ""
    """ASKED_FOR_URLS or TUNNEL, where the client takes the server for a proxy."""


ASKED_FOR_URLS = "urls"
TUNNEL = "tunnel"
_PROXIES = {
    # RFC 9112, section 3.2.2: to ask so is how to ask a proxy, and nobody else.
    ASKED_FOR_URLS: (
        "The client asks this server for whole URLs, as one asks a proxy: what follows is the proxy's to change, not "
        "that of the servers behind it. "
    ),
    TUNNEL: (
        "The connection is a tunnel through a proxy (CONNECT): the proxy may have ended it, or the server that it "
        "leads to. "
    ),
}


# -- what to do

TWO_PROGRAMS = (
    "Nothing, if both programs are meant to run: a connection belongs to one. To judge one of them, capture while it "
    "runs alone."
)
"""In place of a remedy, where the connection before was another program's."""


def remedy(code: str, blame: str, speakers: Speakers) -> str:
    """What to change on the side that is to blame: in the words of the software that runs there, and how that is known.

    Where the server is to blame a second line may follow, which begins with `OR_IN_CLIENT`: for those who can't change
    the server.
    """
    cause = CAUSES.get(code, UNKNOWN)
    client = Product(PROXY, "") if speakers.passes_on else products.client(speakers.agent)
    server = products.server(speakers.software)
    if speakers.is_relayed and server.word:
        # Who gave that name is not known.
        where = f"passes requests on, and its name, {server.word[:_LONGEST]}, may be that of the one behind it"
        server = Product(None, "")
        elsewhere = _words_for(f" The server {where}", code, cause.servers)
    else:
        elsewhere = _elsewhere("server", code, server, cause.servers)
    here, there = _named("client", client, cause.clients), _named("server", server, cause.servers)
    if blame == "server":
        known = _PROXIES.get(speakers.proxy, "") + (there or f"{cause.advice}{elsewhere}")
        here = here or cause.clients.get(OTHER, "")
        return f"{known}\n{OR_IN_CLIENT}{here}" if here else known
    general = cause.clients.get(ANY, cause.advice) if blame == "client" else cause.advice
    if here:
        return f"{here} {there}" if there and blame == "path" else here
    if there and blame != "client":
        return f"{general} {there}"
    return f"{general}{_elsewhere('client', code, client, cause.clients)}"


def _named(side: str, product: Product, texts: Mapping[str, str]) -> str:
    """What to do there, after how it is known what runs there; empty where that, or what to do, is not known."""
    kind, word = product
    text = texts.get(kind or "")
    if kind == PROXY and text:
        return f"The client passes on the requests of others, as a proxy does. {text}"
    return f"The {side} calls itself {word}. {text}" if text else ""


def _elsewhere(side: str, code: str, product: Product, texts: Mapping[str, str]) -> str:
    """Where to read what to do in which software, after a sentence; empty where nothing is written of any, or none of
    it is what runs there."""
    if product.kind:
        return ""
    word = product.word
    who = f"The {side} calls itself {word[:_LONGEST]}" if word else f"The packets don't say which {side} this is"
    return _words_for(f" {who}", code, texts)


def _words_for(who: str, code: str, texts: Mapping[str, str]) -> str:
    """`who`, and which software there are words for; empty where there is none."""
    kinds = [kind for kind in texts if kind not in (ANY, OTHER, PROXY)]
    if not kinds:
        return ""
    if len(kinds) > _NAMED + 1:
        kinds[_NAMED:] = ["others"]
    names = f"{', '.join(kinds[:-1])} and {kinds[-1]}" if len(kinds) > 1 else kinds[0]
    return f"{who}: `verify causes {code}` has the words for {names}."


# -- the table

_RETRY = (
    "session.mount('https://', HTTPAdapter(max_retries=Retry(total=3))) (and 'http://'; from requests.adapters import "
    "HTTPAdapter, from urllib3.util import Retry). POST is not repeated that way, unless Retry(total=3, "
    "allowed_methods=None) says that it may be."
)

_SESSION = Cause(
    code="no-session",
    title="no Session, or a new one for each request",
    brief="the client did not keep its connections for the next request",
    blame="client",
    explanation=(
        "The client gives up its connection once it has the response, whether the server would keep it or not. "
        "That is what happens without a Session (requests.get and the like), with one that is made and closed for each "
        "call, or where the response itself is closed before a short body was read. Each new one pays for a TCP "
        "handshake, and for TLS."
    ),
    evidence=(
        "The client's FIN comes right after each response; neither side asked to close; requests follow one another."
    ),
    apart=(
        "With pool-full requests overlap, and some connections are kept. With client-idle-expiry a pause goes before."
    ),
    settle="The client's code: whether one Session makes all requests, and how long it lives.",
    advice="Make one client object (Session, Client, PoolManager, Agent), keep it, and make all requests through it.",
    clients={
        "requests": (
            "Make one requests.Session() for the program and call session.get(...) instead of requests.get(...); don't "
            "open `with requests.Session()` for each call. With stream=True, read each response before you close it."
        ),
        "httpx": (
            "Make one httpx.Client() (or AsyncClient) for the program and call client.get(...) instead of "
            "httpx.get(...); don't open `with httpx.Client()` for each call, and leave "
            "httpx.Limits(max_keepalive_connections=...) above 0."
        ),
        "aiohttp": (
            "Make one aiohttp.ClientSession() when the program starts and close it when it ends, not `async with "
            "ClientSession()` around each request, and leave TCPConnector(keepalive_timeout=...) above 0."
        ),
        "urllib3": (
            "Make one urllib3.PoolManager() for the program and call its request(...) instead of urllib3.request."
        ),
        "curl": (
            "Give one curl command all URLs (`curl URL1 URL2`, with --next for other options): each command opens its "
            "own connections. In libcurl, keep and re-use the easy handle, without CURLOPT_FORBID_REUSE and "
            "CURLOPT_FRESH_CONNECT."
        ),
        "go": (
            "Before resp.Body.Close(), read the body to its end: io.Copy(io.Discard, resp.Body), short as it may be. "
            "And share one http.Client with one http.Transport: a new Transport for each request has an empty pool."
        ),
        "java": (
            "Keep one java.net.http.HttpClient for the program. With HttpURLConnection, read getInputStream() or "
            "getErrorStream() to its end and close it, and don't call disconnect()."
        ),
        "wget": "Give one wget command all URLs (`wget URL1 URL2`): each command opens its own connections.",
        "ruby": (
            "In Ruby, make the requests inside one `Net::HTTP.start(host, port) { |http| ... }`, not by "
            "Net::HTTP.get(uri) or URI.open; in Faraday, use an adapter that keeps connections (net_http_persistent)."
        ),
        "perl": (
            "Keep one HTTP::Tiny or Mojo::UserAgent object (max_connections above 0) for the program; give "
            "LWP::UserAgent->new keep_alive => 1."
        ),
        PROXY: (
            "In nginx, set `keepalive N` in the upstream block, with `proxy_http_version 1.1` and `proxy_set_header "
            'Connection ""` (and see `keepalive_requests` there); in HAProxy, `http-reuse always`; in Apache, leave '
            "out `disablereuse=on`. What passes on bytes alone (socat, ssh -L, stunnel) opens one connection for each "
            "of its client's: then have these kept."
        ),
        "boto3": "Make one boto3 client for the program (one for each process), not one for each call.",
        "node": (
            "In Node, make one `new http.Agent({keepAlive: true})` and pass it to all requests as `agent`. Before Node "
            "19 the default one (http.globalAgent) does not keep connections."
        ),
    },
    reading=(
        "https://github.com/achillean/shodan-python/pull/28",
        "https://github.com/psf/requests/issues/3522",
        "https://github.com/GSA/notifications-api/issues/1526",
    ),
)

_TABLE = (
    _SESSION,
    Cause(
        code="response-close-header",
        title="a response with Connection: close",
        brief="the server answered with Connection: close",
        blame="server",
        explanation=(
            "The server said in its response that it closes the connection, and did. The client has no choice: its "
            "next request needs a new connection. Servers do that by configuration, under load, or because of a proxy "
            "between."
        ),
        evidence="`Connection: close` in the response, and right after it the server's FIN.",
        apart=(
            "server-never-keeps-alive: each response has it. max-requests-announced: always the Nth. error-closes: "
            "only errors. request-close-header: the client asked for it."
        ),
        settle="",
        advice="Find what sets `Connection: close` in the server's configuration or a proxy before it, and remove it.",
        servers={
            "nginx": "In nginx, look for `keepalive_timeout 0`, and for an add_header or a proxy that sets Connection.",
            "apache": "In Apache, set `KeepAlive On`, and look for `nokeepalive` (SetEnvIf, BrowserMatch).",
            "node": "In Node, don't set the header `Connection: close`, and leave server.keepAliveTimeout above 0.",
        },
        reading=("https://github.com/psf/requests/issues/2454",),
    ),
    Cause(
        code="server-idle-timeout",
        title="the server's idle timeout",
        brief="the server closed idle connections",
        blame="server",
        explanation=(
            "A server keeps an unused connection open for a limited time only, and then closes it. The client was "
            "silent for longer than that between two requests, so the second one needed a new connection. That is no "
            "error: the server's limit is just shorter than the client's pauses."
        ),
        evidence=(
            "A response, then silence, then the server's FIN, after the same time each time; the client opens a new "
            "connection when it next has a request."
        ),
        apart=(
            "max-requests-silent: no silence before the FIN. client-idle-expiry: the client's FIN is first. "
            "server-restart: many connections close at the same time."
        ),
        settle="",
        advice="Raise the server's idle timeout above the client's pauses.",
        clients={
            "requests": (
                "Send the next request before the server's timeout: requests has no expiry of its own to change. "
                f"Against requests that fail on a connection just closed: {_RETRY}"
            ),
            "httpx": (
                "Send the next request before the server's timeout. Against requests that fail on a connection just "
                "closed: httpx.Limits(keepalive_expiry=...) below that timeout (default 5 s)."
            ),
            "aiohttp": (
                "Send the next request before the server's timeout. Against requests that fail on a connection just "
                "closed: TCPConnector(keepalive_timeout=...) below that timeout (default 15 s)."
            ),
            "urllib3": (
                "Send the next request before the server's timeout: urllib3 has no expiry of its own. By default it "
                "repeats requests that fail on a connection just closed, but no POST."
            ),
            "curl": (
                "Send the next request before the server's timeout. In libcurl, CURLOPT_MAXAGE_CONN (118 s) below it "
                "avoids trying closed connections; curl's --keepalive-time is about TCP probes, and changes nothing "
                "here."
            ),
            "go": (
                "Send the next request before the server's timeout. Against requests that fail on a connection just "
                "closed: Transport.IdleConnTimeout below that timeout (default 90 s)."
            ),
            "node": (
                "Send the next request before the server's timeout. Against requests that fail on a connection just "
                "closed: in Node, `timeout` of http.Agent below that timeout, or for fetch keepAliveTimeout of "
                "undici's Agent (default 4 s)."
            ),
            PROXY: (
                "Have it give up idle connections to this server sooner than the server does (nginx: "
                "`keepalive_timeout` in the upstream block, default 60s; HAProxy: `pool-purge-delay`, default 5s; "
                "Apache: `ttl=` of ProxyPass). That saves no handshake, but prevents requests that fail (502)."
            ),
            OTHER: (
                "Send the next request before the server's timeout. An idle limit in the client that is shorter than "
                "the server's saves no handshake, but prevents requests that fail on a connection just closed."
            ),
        },
        servers={
            "nginx": "In nginx, raise `keepalive_timeout` (default 75s) above the client's pauses.",
            "uvicorn": "Start uvicorn with `--timeout-keep-alive SECONDS` (default 5) above the client's pauses.",
            "gunicorn": "Start gunicorn with `--keep-alive SECONDS` (default 2) above the client's pauses.",
            "apache": "In Apache, raise `KeepAliveTimeout` (default 5) above the client's pauses.",
            "node": "In Node, raise `server.keepAliveTimeout` (default 5000 ms) above the client's pauses.",
            "http.server": "In http.server, raise (or drop) the `timeout` attribute of the request handler class.",
            "iis": "In IIS, raise `connectionTimeout` in the site's <limits> (default 2 minutes).",
            "jetty": "In Jetty, raise the connector's idleTimeout (`jetty.http.idleTimeout`, default 30000 ms).",
            "elb": "Raise the load balancer's attribute `idle_timeout.timeout_seconds` (default 60).",
            "aiohttp": (
                "Pass keepalive_timeout=SECONDS to aiohttp's web.run_app() (default 75), above the client's pauses."
            ),
            "cheroot": "In Cheroot (CherryPy), raise the server's `timeout` (default 10) above the client's pauses.",
            "tornado": "In Tornado, pass HTTPServer a higher idle_connection_timeout (default 3600 s).",
            "twisted": "In Twisted, make the Site with a higher timeout (default 60 s).",
            "waitress": "Start waitress with a higher `--channel-timeout` (default 120) than the client's pauses.",
            "hypercorn": "Start Hypercorn with `--keep-alive SECONDS` (default 5) above the client's pauses.",
            "webrick": "In WEBrick, raise :RequestTimeout (default 30 s) above the client's pauses.",
            "h2o": "In h2o, raise `http1-request-timeout` (default 10) above the client's pauses.",
        },
        reading=(
            "https://github.com/NVIDIA-NeMo/Gym/pull/1555",
            "https://github.com/nodejs/node/issues/20256",
        ),
    ),
    Cause(
        code="http10",
        title="HTTP/1.0 without keep-alive",
        brief="HTTP/1.0 closes after each response",
        blame="server",
        explanation=(
            "The requests or the responses are HTTP/1.0, the version from before connections were kept open by "
            "default: without `Connection: keep-alive` each response ends its connection. Where it is the server that "
            "speaks it, no client can prevent that."
        ),
        evidence=(
            "Status lines, or requests, of `HTTP/1.0` without `Connection: keep-alive`, each exchange followed by the "
            "server's FIN."
        ),
        apart="response-close-header: HTTP/1.1 with a header that says so. no-length: a response without a length.",
        settle="",
        advice=(
            "Have the server speak HTTP/1.1 (and send Content-Length or chunks), or put a server in front that does."
        ),
        clients={
            ANY: (
                "Where requests are HTTP/1.0: have the client speak HTTP/1.1 (curl: leave out -0), or "
                "send `Connection: keep-alive` (ApacheBench: `ab -k`)."
            ),
            PROXY: (
                'In nginx, set `proxy_http_version 1.1`, `proxy_set_header Connection ""`, and `keepalive N` in the '
                "upstream block; in Apache, leave out `force-proxy-request-1.0` and `proxy-nokeepalive` (SetEnv)."
            ),
        },
        servers={
            "http.server": (
                'Set `protocol_version = "HTTP/1.1"` on the request handler class of http.server, and send '
                "Content-Length with each response."
            ),
            "wsgiref": "wsgiref (Django's runserver of old) is for development: use gunicorn, uvicorn or another.",
            "werkzeug": "Flask's and Werkzeug's development server: use gunicorn (`-k gthread`) or another.",
            "nginx": (
                "nginx answers in HTTP/1.0 if asked in it: look for a proxy that asks so (proxy_http_version 1.1)."
            ),
            "apache": "In Apache, look for `force-response-1.0` and `downgrade-1.0` (SetEnvIf, BrowserMatch).",
        },
        reading=("https://github.com/internetarchive/warcprox/pull/70",),
    ),
    Cause(
        code="server-never-keeps-alive",
        title="a server that never keeps connections",
        brief="the server closes after every response",
        blame="server",
        explanation=(
            "The server ends every connection after one response, whatever the client does. Some servers can't do "
            "otherwise: gunicorn's sync worker and Flask's development server, for two."
        ),
        evidence=(
            "Each response, the first on its connection, says `Connection: close` and is followed by the server's FIN."
        ),
        apart="max-requests-announced: connections carry the same number of requests, above 1. http10: by the version.",
        settle="",
        advice="Use a server, or a kind of worker, that keeps connections; or put one in front of it (nginx).",
        servers={
            "gunicorn": (
                "Start gunicorn with another worker: `-k gthread --threads N`, and `--keep-alive SECONDS`. The sync "
                "worker can't keep connections."
            ),
            "werkzeug": (
                "Flask's and Werkzeug's development server always closes: use gunicorn (`-k gthread`) or another."
            ),
            "nginx": "In nginx, look for `keepalive_timeout 0`, and for a proxied server whose header it passes on.",
            "apache": "In Apache, set `KeepAlive On`.",
        },
        reading=(
            "https://github.com/benoitc/gunicorn/pull/1529",
            "https://github.com/pallets/werkzeug/pull/2399",
        ),
    ),
    Cause(
        code="max-requests-announced",
        title="the server's announced limit of requests",
        brief="the server ended connections at its limit",
        blame="server",
        explanation=(
            "The server allows a fixed number of requests on each connection. With the last one it says that it "
            "closes, and the client opens the next connection. That costs one handshake in N requests."
        ),
        evidence=(
            "The Nth response says `Connection: close`, N the same each time; maybe `Keep-Alive: max=` counts down."
        ),
        apart="max-requests-silent: no header. response-close-header: not at a constant number.",
        settle="",
        advice=(
            "Raise the server's limit of requests per connection; with a limit in the thousands it costs next to "
            "nothing."
        ),
        servers={
            "nginx": "In nginx, raise `keepalive_requests` (default 1000); `keepalive_time` (1h) limits, too.",
            "apache": "In Apache, raise `MaxKeepAliveRequests` (default 100), or set it to 0 for no limit.",
            "node": "In Node, raise `server.maxRequestsPerSocket`, or leave it at 0: no limit.",
            "gunicorn": "gunicorn restarts a worker after `--max-requests`: raise it, or leave it at 0: never.",
        },
        reading=("https://github.com/igrigorik/em-http-request/issues/225",),
    ),
    Cause(
        code="max-requests-silent",
        title="the server's unannounced limit of requests",
        brief="the server silently ended connections at its limit",
        blame="server",
        explanation=(
            "The server closes a connection after a fixed number of requests (or a fixed age), and does not say so in "
            "its last response. The client finds out with its next request: that one needs a new connection, and may "
            "fail if it was already on its way."
        ),
        evidence=(
            "The server's FIN right after the Nth response, N the same each time; that response did not say close."
        ),
        apart="server-idle-timeout: silence goes before the FIN. max-requests-announced: the response says so.",
        settle="",
        advice=(
            "Raise the server's limit of requests per connection, and have it send `Connection: close` with the last "
            "response."
        ),
        clients={
            "requests": f"Retry what may be repeated: {_RETRY}",
            "httpx": (
                "Retry GETs on httpx.RemoteProtocolError yourself: HTTPTransport(retries=) covers connecting alone."
            ),
            "go": "Nothing for GETs: net/http repeats them; give others GetBody and the header Idempotency-Key.",
            "node": "In Node, repeat what may be repeated if `req.reusedSocket` and the error's code is ECONNRESET.",
            OTHER: "Repeat requests that failed, where they may be repeated.",
        },
        servers={
            "nginx": "In nginx, raise `keepalive_requests` (default 1000).",
            "apache": "In Apache, raise `MaxKeepAliveRequests` (default 100).",
            "uvicorn": "uvicorn ends after `--limit-max-requests`: raise it, or leave it out.",
            "gunicorn": "gunicorn restarts a worker after `--max-requests`: raise it, or leave it at 0: never.",
        },
        reading=("https://github.com/drbrain/net-http-persistent/pull/42",),
    ),
    Cause(
        code="server-reset-idle",
        title="an idle connection reset by the server",
        brief="the server reset idle connections",
        blame="server",
        explanation=(
            "The server, or a load balancer before it, dropped the unused connection with a reset (RST) instead of an "
            "orderly close. The effect is that of an idle timeout: the next request needs a new connection."
        ),
        evidence="An RST from the server's side while no request is open; the client sends nothing back.",
        apart="server-idle-timeout: a FIN. path-dropped: nothing at all until the client's next request.",
        settle="",
        advice="Raise the idle timeout of the server, or of a load balancer before it, above the client's pauses.",
        clients={OTHER: "Send the next request before that timeout."},
        servers={
            "iis": "In IIS, raise `connectionTimeout` in the site's <limits> (default 2 minutes).",
            "elb": "Raise the load balancer's attribute `idle_timeout.timeout_seconds` (default 60).",
        },
        reading=("https://github.com/urllib3/urllib3/issues/728",),
    ),
    Cause(
        code="keepalive-race",
        title="a request that met the server's close",
        brief="the server closed just as a request arrived",
        blame="server",
        explanation=(
            "The client sent a request on a kept connection just as the server's idle timeout closed it. The two "
            "crossed on the way: the request got no response, and had to be sent again, or failed. HTTP allows that to "
            "happen at any time."
        ),
        evidence=(
            "A request on a connection idle for about the server's timeout, no response, and the server's FIN or RST."
        ),
        apart="path-dropped: idle far longer than the server's timeout, and retransmissions without an answer.",
        settle="",
        advice="Raise the server's idle timeout well above the client's pauses.",
        clients={
            "requests": f"Retry what may be repeated: {_RETRY}",
            "httpx": (
                "Set httpx.Limits(keepalive_expiry=...) below the server's timeout, and repeat requests that raise "
                "httpx.RemoteProtocolError, where they may be repeated."
            ),
            "aiohttp": (
                "Set TCPConnector(keepalive_timeout=...) below the server's timeout; GETs are repeated for you, POSTs "
                "are not."
            ),
            "urllib3": (
                "Keep retries on: by default GETs are repeated, POSTs are not, unless Retry(total=3, "
                "allowed_methods=None) is given to PoolManager(retries=)."
            ),
            "curl": "Nothing in most cases: curl tries again by itself. In libcurl, set CURLOPT_MAXAGE_CONN lower.",
            "go": (
                "Set Transport.IdleConnTimeout below the server's timeout; GETs are repeated for you, POSTs are not "
                "(unless they have the header Idempotency-Key)."
            ),
            "node": (
                "In Node, have idle connections expire before the server's timeout (`timeout` of http.Agent, or for "
                "fetch keepAliveTimeout of undici's Agent), and repeat what may be repeated if `req.reusedSocket` and "
                "the error's code is ECONNRESET."
            ),
            PROXY: (
                "Have it give up idle connections to this server sooner than the server does (nginx: "
                "`keepalive_timeout` in the upstream block, default 60s; HAProxy: `pool-purge-delay`, default 5s; "
                "Apache: `ttl=` of ProxyPass). That saves no handshake, but prevents requests that fail (502)."
            ),
            OTHER: (
                "Have the client drop idle connections sooner than the server, and repeat requests that failed, where "
                "they may be repeated: a GET always, a POST only if doing it twice does no harm."
            ),
        },
        servers={
            "nginx": "In nginx, raise `keepalive_timeout` well above the client's pauses.",
            "uvicorn": "Start uvicorn with a higher `--timeout-keep-alive` (default 5) than the client's pauses.",
            "gunicorn": "Start gunicorn with a higher `--keep-alive` (default 2) than the client's pauses.",
            "apache": "In Apache, raise `KeepAliveTimeout` (default 5) above the client's pauses.",
            "node": "In Node, raise `server.keepAliveTimeout` (default 5000 ms) above the client's pauses.",
        },
        reading=("https://github.com/urllib3/urllib3/issues/944",),
    ),
    Cause(
        code="body-unread",
        title="a response that was not read to its end",
        brief="the client did not read responses to their end",
        blame="client",
        explanation=(
            "A connection is free for the next request only when the response before has been read whole. The client "
            "left the rest of a body unread (streaming is the usual reason), so its connection was blocked or thrown "
            "away, and the next request needed a new one."
        ),
        evidence=(
            "The client closes or resets before it has Content-Length bytes, or stops reading and opens a connection "
            "while that response stays unfinished."
        ),
        apart="client-timeout: no response at all yet. short-body: the server closes before the promised bytes came.",
        settle="",
        advice=(
            "Read each response to its end, also those of errors and those whose body you don't want; then close it."
        ),
        clients={
            "requests": (
                "With stream=True, read response.content or iterate iter_content() to the end; "
                "response.raw.drain_conn() discards the rest. Without need of streaming, leave stream=True out."
            ),
            "httpx": "Inside `with client.stream(...) as response`, call response.read() or iterate to the end.",
            "aiohttp": (
                "Inside `async with session.get(...) as response`, await response.read() also if you don't need it."
            ),
            "urllib3": (
                "With preload_content=False, read to the end or call response.drain_conn(), then release_conn()."
            ),
            "curl": "Don't end transfers early (--max-filesize, a write callback that returns less): curl then closes.",
            "go": "Before resp.Body.Close(), read it to the end: io.Copy(io.Discard, resp.Body). Also for errors.",
            "node": (
                "Call res.resume() (http), or await response.text() or response.body.cancel() (fetch), also for errors."
            ),
        },
        reading=("https://github.com/psf/requests/issues/2924",),
    ),
    Cause(
        code="path-dropped",
        title="a connection forgotten on the way",
        brief="something between client and server forgot idle connections",
        blame="path",
        explanation=(
            "Between client and server is something that keeps track of connections: a NAT gateway, a firewall, a load "
            "balancer. It forgot this one after a long silence, and told nobody. The client's next request went "
            "nowhere, or was answered by a reset, and a new connection had to be opened."
        ),
        evidence=(
            "A long silence, a request that is repeated without an answer or answered by RST (maybe of another TTL)."
        ),
        apart="keepalive-race: idle for about the server's own timeout. server-reset-idle: the RST comes unasked.",
        settle="A capture on the server's side: whether the request arrived there.",
        advice=(
            "Have the client drop connections idle for longer than the gateway remembers (AWS NAT and NLB: 350 s), or "
            "send TCP keep-alive probes more often than that."
        ),
        clients={
            "requests": (
                "Turn TCP keep-alive on below the gateway's limit: an HTTPAdapter whose init_poolmanager passes "
                "socket_options with SO_KEEPALIVE 1, TCP_KEEPIDLE 60 and TCP_KEEPINTVL 60 (seconds)."
            ),
            "httpx": "Keep keepalive_expiry short (default 5 s), or pass socket_options to httpx.HTTPTransport.",
            "aiohttp": "Keep TCPConnector(keepalive_timeout=...) below the gateway's limit (default 15 s).",
            "urllib3": (
                "Turn TCP keep-alive on below the gateway's limit: "
                "PoolManager(socket_options=HTTPConnection.default_socket_options + [...]) with SO_KEEPALIVE 1, "
                "TCP_KEEPIDLE 60 and TCP_KEEPINTVL 60 (seconds)."
            ),
            "curl": "Set curl --keepalive-time SECONDS (TCP probes, default 60) below the gateway's limit.",
            "go": (
                "Set Transport.IdleConnTimeout, or net.Dialer.KeepAlive (DefaultTransport: 30 s), below the gateway's "
                "limit."
            ),
            "node": (
                "In Node, have idle connections expire before the gateway's limit: `timeout` of http.Agent, or for "
                "fetch keepAliveTimeout of undici's Agent."
            ),
        },
        reading=(
            "https://github.com/urllib3/urllib3/issues/3184",
            "https://github.com/shotgunsoftware/python-api/pull/457",
        ),
    ),
    Cause(
        code="concurrency",
        title="requests at the same time",
        brief="requests overlapped",
        blame="nobody",
        explanation=(
            "An HTTP/1.1 connection carries one request at a time. All open ones were busy when this request was made, "
            "so it got one of its own. That is how it should be, and not counted as extra."
        ),
        evidence=(
            "The SYN comes while each earlier connection has a request without its full response; they are used again."
        ),
        apart=(
            "pool-full: connections beyond a number are closed after one response. separate-pools: idle ones are "
            "passed by."
        ),
        settle="",
        advice="Nothing to mend. Fewer requests at the same time, or HTTP/2, need fewer connections.",
        reading=("https://github.com/golang/go/issues/13801",),
    ),
    Cause(
        code="pool-full",
        title="a pool too small for parallel requests",
        brief="the client's pool was too small, and threw connections away",
        blame="client",
        explanation=(
            "The client keeps its open connections in a pool, and makes more requests at the same time than that pool "
            "has room for. Those beyond its size are opened anyway, used once, and thrown away, so that the next burst "
            "opens them again."
        ),
        evidence="Requests overlap on more than k connections; the client closes all but k right after their response.",
        apart="no-session: requests don't overlap. concurrency: connections are kept and used again.",
        settle="The client's log: urllib3 warns 'Connection pool is full, discarding connection'.",
        advice="Make the pool at least as large as the number of requests that run at the same time.",
        clients={
            PROXY: (
                "In nginx, raise `keepalive N` in the upstream block to the most requests at the same time (of one "
                "worker process); in HAProxy, the server's `pool-max-conn`."
            ),
            "requests": (
                "Call session.mount('https://', HTTPAdapter(pool_maxsize=N)) (and 'http://') with N at least the "
                "number of threads (default 10); pool_block=True makes threads wait instead of opening more."
            ),
            "httpx": (
                "Make the client by httpx.Client(limits=httpx.Limits(max_keepalive_connections=N)) with N at least the "
                "number of requests at the same time (default 20)."
            ),
            "aiohttp": (
                "Bound the requests at the same time: TCPConnector(limit=N, limit_per_host=N) (default 100, and no "
                "bound per host)."
            ),
            "urllib3": (
                "Make a PoolManager(maxsize=N) with N at least the number of threads (default 1); block=True makes "
                "them wait."
            ),
            "boto3": (
                "Call boto3.client(..., config=botocore.config.Config(max_pool_connections=N)) with N at least the "
                "number of threads (default 10)."
            ),
            "curl": "In libcurl, raise CURLMOPT_MAXCONNECTS of the multi handle to the most requests at the same time.",
            "go": (
                "Raise Transport.MaxIdleConnsPerHost (default 2) to the most requests at the same time, and "
                "MaxIdleConns (default 100) to at least that."
            ),
            "node": (
                "In Node, raise maxFreeSockets of http.Agent (default 256) to the most requests at the same time, or "
                "bound them by maxSockets."
            ),
        },
        reading=(
            "https://github.com/boto/botocore/issues/766",
            "https://github.com/urllib3/urllib3/issues/384",
        ),
    ),
    Cause(
        code="pool-evicted",
        title="more servers than the client keeps pools for",
        brief="the client dropped connections to make room for other servers",
        blame="client",
        explanation=(
            "The client keeps connections to a limited number of servers. It talked to more than that, and closed the "
            "connections to the one it had not used for longest; coming back to that one needs a new connection."
        ),
        evidence="The client's FIN to one server next to its SYN to another; later it connects to the first one again.",
        apart="client-idle-expiry: the FIN is next to a SYN to the same server, or to none.",
        settle="",
        advice="Raise the number of servers (hosts) that the client keeps connections for.",
        clients={
            "requests": (
                "Call session.mount('https://', HTTPAdapter(pool_connections=N)) (and 'http://') with N at least the "
                "number of hosts (default 10)."
            ),
            "urllib3": "Make a PoolManager(num_pools=N) with N at least the number of hosts (default 10).",
            "httpx": "Raise httpx.Limits(max_keepalive_connections=N): it counts over all hosts (default 20).",
            "go": "Raise Transport.MaxIdleConns: it counts over all hosts (default 100).",
            "curl": "In libcurl, raise CURLMOPT_MAXCONNECTS, or CURLOPT_MAXCONNECTS of an easy handle (default 5).",
        },
        reading=("https://github.com/urllib3/urllib3/issues/1252",),
    ),
    Cause(
        code="tls-settings-differ",
        title="other TLS settings for each request",
        brief="the client used different TLS settings for the same server",
        blame="client",
        explanation=(
            "Connections made with one set of TLS settings (verify, client certificate, CA) can't serve requests with "
            "another: that would be a security hole. The client changed them from request to request, so each set got "
            "connections of its own."
        ),
        evidence=(
            "A TLS connection to the same name is open and idle; the client opens another; both are used again later."
        ),
        apart=(
            "host-spelling: another name is asked for (SNI). separate-pools: the same settings from several Sessions."
        ),
        settle="The client's code: which verify, cert or SSL context belongs to which request.",
        advice="Set verification and certificates once, on the client object, not with each request.",
        clients={
            "requests": "Set session.verify and session.cert once, and pass no verify= or cert= to single requests.",
            "httpx": "Make one httpx.Client(verify=context), and use it for all requests to that server.",
            "aiohttp": "Give one ssl.SSLContext to TCPConnector(ssl=context), and none to single requests.",
            "urllib3": "Give one ssl_context to the PoolManager for all requests.",
            "go": "Use one http.Transport with one TLSClientConfig.",
            "node": "Set ca, cert and rejectUnauthorized on one https.Agent, not in the options of each request.",
        },
        reading=("https://github.com/psf/requests/pull/6655",),
    ),
    Cause(
        code="separate-pools",
        title="several clients with a pool each",
        brief="several pools in the client did not share connections",
        blame="client",
        explanation=(
            "A thread, task or process with a client object of its own has connections of its own. They can't be "
            "shared, so there are as many as there are client objects, while others stand idle."
        ),
        evidence="Connections open side by side, each used several times, and a new one opened while others are idle.",
        apart="pool-full: connections are used once. tls-settings-differ and host-spelling: by name and TLS.",
        settle="The client's code: how many Sessions, threads and processes there are.",
        advice="Share one client object among threads and tasks. Processes can't share; each needs its own.",
        clients={
            PROXY: (
                "Each worker process of a proxy has a pool of its own (nginx: `worker_processes`, HAProxy: threads, "
                "between which `http-reuse` shares); fewer of them share more."
            ),
            "requests": (
                "Share one Session among threads and set headers, cookies and adapters before they start: the pool "
                "below is safe with threads, changes to the Session are not."
            ),
            "httpx": "Share one httpx.Client among threads: it is thread-safe. One AsyncClient for each event loop.",
            "aiohttp": "Use one ClientSession for each event loop, made at its start, and pass it on.",
            "urllib3": "Share one PoolManager among threads: it is thread-safe.",
            "curl": "Run transfers in one multi handle, or share the pool: CURLSH with CURL_LOCK_DATA_CONNECT.",
            "go": "Share one http.Client: it is safe with goroutines.",
            "node": "Share one Agent in each process; cluster workers have one each.",
        },
        reading=("https://github.com/psf/requests/issues/2766",),
    ),
    Cause(
        code="host-spelling",
        title="one server under several names",
        brief="the client called one server by several names",
        blame="client",
        explanation=(
            "Clients keep connections by scheme, name and port as written in the URL. `localhost` and `127.0.0.1`, or "
            "two names of one server, are different servers to them, and a connection to one is not used for the other."
        ),
        evidence=(
            "The same address and port, another Host header or TLS name, while the earlier connection is open and idle."
        ),
        apart="tls-settings-differ: the same name. redirect: the server sent the client to the other name.",
        settle="",
        advice="Write the server's name in one way in all URLs.",
        reading=("https://github.com/urllib3/urllib3/issues/1232",),
    ),
    Cause(
        code="redirect",
        title="a redirect to another place",
        brief="the server redirected requests elsewhere",
        blame="client",
        explanation=(
            "The server answered 'look elsewhere' (a 3xx status with a Location), and that place is another server, "
            "port or scheme: it needs a connection of its own. Often it is http:// that is sent on to https:// each "
            "time."
        ),
        evidence="A 3xx response with a Location, then a SYN to the place that it names.",
        apart="host-spelling: no redirect before.",
        settle="",
        advice="Ask for the final URL at once (https://, the full name, the slash at its end).",
        reading=("https://github.com/cherokee/webserver/issues/107",),
    ),
    Cause(
        code="client-idle-expiry",
        title="the client's own idle limit",
        brief="the client dropped idle connections",
        blame="client",
        explanation=(
            "The client drops connections that it did not use for a while, by a limit of its own. Its pauses between "
            "requests are longer than that, so each pause costs a new connection, although the server had not closed "
            "the old one."
        ),
        evidence=(
            "The client's FIN is first: at the same time after each response (a timer), or next to the SYN of the new "
            "connection (checked at the next request)."
        ),
        apart="server-idle-timeout: the server's FIN is first. no-session: no pause before the FIN.",
        settle="",
        advice=(
            "Raise the client's idle limit above its pauses, but below the server's idle timeout. A client that heeds "
            "the server's `Keep-Alive: timeout=` (Node, and others) closes a little sooner than that: then raise it "
            "there."
        ),
        clients={
            "requests": (
                "requests has no idle limit: look for a Session that is closed or lost between the requests "
                "(session.close(), `with`, a cache that drops it), and keep it for longer than the pauses. Then the "
                "server's timeout is the limit."
            ),
            "urllib3": (
                "urllib3 has no idle limit: look for a PoolManager that is cleared or lost between the requests, and "
                "keep it for longer than the pauses. Then the server's timeout is the limit."
            ),
            "httpx": (
                "Raise keepalive_expiry (default 5 s) above the pauses, but below the server's timeout: "
                "httpx.Client(limits=httpx.Limits(keepalive_expiry=SECONDS)), the same for AsyncClient."
            ),
            "aiohttp": (
                "Raise keepalive_timeout (default 15 s) above the pauses, but below the server's timeout: "
                "ClientSession(connector=TCPConnector(keepalive_timeout=SECONDS))."
            ),
            "curl": (
                "In libcurl, raise CURLOPT_MAXAGE_CONN (default 118 s) above the pauses, but below the server's "
                "timeout."
            ),
            "go": (
                "Raise Transport.IdleConnTimeout (default 90 s; 0 for none) above the pauses, but below the server's "
                "timeout."
            ),
            "node": (
                "In Node, raise `timeout` of http.Agent (http.globalAgent: 5000 ms), or for fetch keepAliveTimeout of "
                "undici's Agent (4000 ms; setGlobalDispatcher), above the pauses, but below the server's timeout. Of a "
                "`Keep-Alive: timeout=` of the server's they fall short by 1 s (http.globalAgent) or 2 s (fetch): "
                "raise that."
            ),
            "ruby": "In Ruby, raise Net::HTTP's keep_alive_timeout= (default 2 s) above the pauses, but below the "
            "server's timeout.",
        },
        reading=(
            "https://github.com/encode/httpx/issues/2079",
            "https://github.com/curl/curl/pull/3782",
        ),
    ),
    Cause(
        code="client-timeout",
        title="a request given up",
        brief="the client gave requests up before their response",
        blame="client",
        explanation=(
            "The client stopped waiting for a response: by a timeout, or because it was cancelled. The connection "
            "can't be used again, as the late response would be taken for that of the next request; so it was closed, "
            "and the next request opened a new one."
        ),
        evidence="The client's FIN while a request has no response; what arrives later is answered by RST.",
        apart="body-unread: part of the response was there. server-restart: the server closes.",
        settle="",
        advice="Allow more time than the server needs, or make the server faster; cancel requests only if you must.",
        clients={
            "requests": "Raise timeout=(connect, read): read is the longest silence to accept, in seconds.",
            "httpx": "Raise httpx.Timeout(read=SECONDS) (default 5 s).",
            "aiohttp": "Raise aiohttp.ClientTimeout(total=..., sock_read=...) (default 300 s in all).",
            "urllib3": "Raise urllib3.Timeout(connect=..., read=...).",
            "curl": "Raise --max-time, or --speed-time with --speed-limit.",
            "go": "Raise http.Client.Timeout, Transport.ResponseHeaderTimeout or the context's deadline.",
            "node": (
                "In Node, raise AbortSignal.timeout(ms), or for fetch headersTimeout and bodyTimeout of undici's Agent "
                "(300 s)."
            ),
            PROXY: (
                "Allow the server more time (nginx: `proxy_read_timeout`, default 60s; HAProxy: `timeout server`; "
                "Apache: `ProxyTimeout`), or make it faster. A proxy closes, too, when its own client has given up: "
                "then it is that one's timeout."
            ),
        },
        reading=("https://github.com/encode/httpx/issues/2139",),
    ),
    Cause(
        code="address-fallback",
        title="an address that did not answer first",
        brief="the first address of the server did not answer",
        blame="path",
        explanation=(
            "The server's name has several addresses, often one for IPv6 and one for IPv4. The client tried one that "
            "refused or did not answer, then the other. No connection was wasted, but the attempt took time."
        ),
        evidence="A SYN answered by RST or by nothing, then a SYN to another address, which carries the request.",
        apart="server-restart: the same address refuses that worked before.",
        settle="",
        advice=(
            "Have the server listen on all addresses of its name, or use the address that works (127.0.0.1 for "
            "localhost)."
        ),
        clients={
            "requests": "Write 127.0.0.1 instead of localhost, or have the server listen on ::1, too.",
            "httpx": 'Write the address, or use IPv4 alone: httpx.HTTPTransport(local_address="0.0.0.0").',
            "aiohttp": "Use one family: TCPConnector(family=socket.AF_INET).",
            "urllib3": "Write 127.0.0.1 instead of localhost, or have the server listen on ::1, too.",
            "curl": "Use one family: curl -4 (or -6).",
            "go": 'Dial "tcp4" in Transport.DialContext, or have the server listen on both families.',
            "node": "Use one family: the request option `family: 4`, or dns.setDefaultResultOrder('ipv4first').",
        },
        reading=(
            "https://github.com/urllib3/urllib3/issues/2030",
            "https://github.com/curl/curl/issues/14144",
        ),
    ),
    Cause(
        code="server-restart",
        title="a restart of the server",
        brief="the server went down or was restarted",
        blame="server",
        explanation=(
            "The server, or the part of it that had the connection, ended, crashed or was restarted, by a deployment "
            "for instance, and its connections with it. Each client has to connect again."
        ),
        evidence="Several connections closed at the same time, in whatever state; attempts may be refused for a while.",
        apart="server-idle-timeout: each connection closes by its own clock.",
        settle="The server's log and the history of deployments.",
        advice="Let the server finish open requests before it ends (graceful shutdown).",
        clients={
            "requests": (
                "Retry what may be repeated: HTTPAdapter(max_retries=Retry(total=3, backoff_factor=0.5)) (from "
                "urllib3.util import Retry), mounted on the Session. POST is not repeated that way, unless "
                "allowed_methods=None says that it may be."
            ),
            "httpx": "Use httpx.HTTPTransport(retries=3): it repeats failed attempts to connect, and those alone.",
            "curl": "Use curl --retry 3 --retry-connrefused.",
            OTHER: "Repeat requests that failed, where they may be repeated.",
        },
        servers={
            "nginx": "Reload nginx (`nginx -s reload`) instead of restarting it: open requests are finished.",
            "gunicorn": "Reload gunicorn by SIGHUP: workers finish within `--graceful-timeout` (default 30 s).",
            "uvicorn": "Stop uvicorn by SIGTERM, and give it `--timeout-graceful-shutdown SECONDS`.",
            "apache": "Use `apachectl graceful` instead of restart.",
        },
        reading=(
            "https://github.com/nginx/nginx/pull/437",
            "https://github.com/kubernetes/ingress-nginx/issues/489",
        ),
    ),
    Cause(
        code="no-length",
        title="a response without a length",
        brief="the server sent responses without a length",
        blame="server",
        explanation=(
            "A client must know where a response ends, by Content-Length or by chunks. This one had neither, so only "
            "the end of the connection could mark its end: it can't be used again."
        ),
        evidence="Neither Content-Length nor chunked, and the body ends with the server's FIN.",
        apart="response-close-header: there is a length, and a header that says close.",
        settle="",
        advice="Have the server send Content-Length, or Transfer-Encoding: chunked.",
        servers={
            "http.server": (
                "In the request handler of http.server, send_header('Content-Length', ...) with each response."
            ),
            "werkzeug": "Give the response a content_length, or use a server that sends chunks (gunicorn).",
            "nginx": "In nginx, keep `chunked_transfer_encoding on`, and look for a proxy that asks in HTTP/1.0.",
        },
        reading=("https://github.com/pallets/werkzeug/issues/1191",),
    ),
    Cause(
        code="short-body",
        title="a response shorter than promised",
        brief="the server closed before it had sent what it promised",
        blame="server",
        explanation=(
            "The server announced more bytes (Content-Length, or a last chunk) than it sent, and closed. The client "
            "waited for the rest, got an error or a cut answer, and needs a new connection."
        ),
        evidence="The server's FIN or RST before the promised bytes, or before the last chunk.",
        apart="body-unread: the client closes first.",
        settle="",
        advice="Mend what makes the answer: a wrong Content-Length, or a handler that fails or times out half way.",
        servers={
            "nginx": (
                "Look in nginx's error log for 'upstream prematurely closed connection', and at proxy_read_timeout."
            ),
            "gunicorn": (
                "Look in gunicorn's log for WORKER TIMEOUT: a worker killed half way (`--timeout`, default 30)."
            ),
        },
        reading=(
            "https://github.com/lalinsky/dusty/pull/114",
            "https://github.com/ledgetech/lua-resty-http/issues/137",
        ),
    ),
    Cause(
        code="excess-bytes",
        title="more bytes than the response has",
        brief="the server sent more bytes than the response has",
        blame="server",
        explanation=(
            "After the end of a response the server sent bytes that belong to nothing. A careful client throws such a "
            "connection away, as the bytes could be taken for its next response."
        ),
        evidence=(
            "Bytes of the server beyond Content-Length with no request open; then mostly the client's close and a new "
            "SYN."
        ),
        apart="unsolicited-response: the bytes are a whole response of their own (408).",
        settle="",
        advice="Mend the server's Content-Length, or a body that it sends with 204, 304 or to HEAD.",
        reading=("https://github.com/curl/curl/issues/13201",),
    ),
    Cause(
        code="unsolicited-response",
        title="a 408 that nobody asked for",
        brief="the server ended idle connections with a 408",
        blame="server",
        explanation=(
            "The server ended an idle connection by sending a response, 408 Request Timeout, without a request. It is "
            "an idle timeout with a message; the client must not take it for the answer to its next request."
        ),
        evidence="A 408 with no request open, with `Connection: close`, and the server's FIN.",
        apart="server-idle-timeout: a FIN without bytes before.",
        settle="",
        advice="Raise the server's idle timeout above the client's pauses.",
        clients={
            "httpx": "Set httpx.Limits(keepalive_expiry=...) below the server's timeout.",
            "aiohttp": "Set TCPConnector(keepalive_timeout=...) below the server's timeout.",
            "go": "Set Transport.IdleConnTimeout below the server's timeout.",
            OTHER: "Have the client drop idle connections sooner than the server, or send the next request sooner.",
        },
        servers={"jetty": "In Jetty, raise the connector's idleTimeout (`jetty.http.idleTimeout`, default 30000 ms)."},
        reading=("https://github.com/jetty/jetty.project/issues/5152",),
    ),
    Cause(
        code="early-response",
        title="an answer before the upload was done",
        brief="the server answered before it had read the upload",
        blame="server",
        explanation=(
            "The server refused the request (too large, not allowed) while the client was still sending its body. To "
            "keep the connection it would have to read all of it; it closes instead."
        ),
        evidence="A final status (413, 401, 417) before the upload's last byte, then the server's FIN or RST.",
        apart="error-closes: the request was complete.",
        settle="",
        advice="Raise the server's limit that the request met: of size (413), or of time (408).",
        clients={
            "curl": "curl asks with Expect: 100-continue for large bodies by itself: don't turn it off (-H 'Expect:').",
            "go": "Set the request header Expect: 100-continue and Transport.ExpectContinueTimeout.",
            "requests": "Check size and rights with a small request first: requests can't wait for 100-continue.",
            "aiohttp": "Pass expect100=True to the request.",
            OTHER: "Send less, or sign in first; have large uploads ask with `Expect: 100-continue`.",
        },
        servers={
            "nginx": (
                "In nginx, raise `client_max_body_size` (default 1m) if it answers 413, `client_body_timeout` (default "
                "60s) if it answers 408."
            ),
            "apache": "In Apache, raise `LimitRequestBody`.",
        },
        reading=(
            "https://github.com/psf/requests/issues/2422",
            "https://github.com/lysine-dev/okhttp/issues/3252",
        ),
    ),
    Cause(
        code="error-closes",
        title="an error that closes",
        brief="error responses ended the connections",
        blame="client",
        explanation=(
            "The server closes after certain errors (400, 413 and others), as it no longer trusts what comes on that "
            "connection. Successful requests keep theirs. A tunnel that a proxy refuses (407, 403, 502) ends so, too."
        ),
        evidence=(
            "A status of 400 or above with `Connection: close`, then the server's FIN; other responses keep it. Or "
            "such a status to a CONNECT, then either side's FIN."
        ),
        apart="response-close-header: not only errors. early-response: the request was not complete.",
        settle="",
        advice="Mend what makes the server fail (5xx), or refuse (4xx): the errors are as many as these handshakes.",
        clients={
            ANY: (
                "Mend the requests that get the error: their count is the count of these handshakes. A proxy that "
                "answers 407 asks for a name and a password."
            )
        },
    ),
    Cause(
        code="proxy-tunnel",
        title="a new tunnel through a proxy",
        brief="the client did not keep its tunnel through the proxy",
        blame="client",
        explanation=(
            "For https, a client asks its proxy for a tunnel (CONNECT) on a connection of its own, which leads to one "
            "place and carries nothing else: for another place another one is needed. A tunnel can be kept like any "
            "other connection; here a new one was made to the same place, or the proxy was changed."
        ),
        evidence="The peer is a proxy; each connection begins with a CONNECT, several of them to the same target.",
        apart="Through a plain http proxy there is no CONNECT: then the other causes hold.",
        settle="",
        advice="Use one client object with a fixed proxy. Where the proxy is changed on purpose, this is its price.",
        clients={
            "requests": "Set session.proxies once on one Session; other proxies= for each request make other pools.",
            "httpx": "Make one httpx.Client(proxy=URL) for each proxy, and keep it.",
            "aiohttp": "Use one ClientSession, and the same proxy= and proxy_auth= for all its requests.",
            "urllib3": "Make one urllib3.ProxyManager(URL) for each proxy, and keep it.",
            "go": "Keep one http.Transport with a Proxy function that always gives the same answer for a server.",
        },
        reading=("https://github.com/AsyncHttpClient/async-http-client/issues/1486",),
    ),
    Cause(
        code="bodiless-quirk",
        title="a close after a response without a body",
        brief="connections were closed after responses without a body",
        blame="server",
        explanation=(
            "Responses to HEAD, and those with status 204 or 304, have no body. One side got that wrong, and closed a "
            "connection that could have been kept, or sent a body that must not be there."
        ),
        evidence=(
            "A close right after such a response although both would keep the connection; or bytes of a body after it."
        ),
        apart="response-close-header: the header says so. excess-bytes: after a response with a body.",
        settle="",
        advice="Update the server: it must send no body with HEAD, 204 and 304, and need not close after them.",
        clients={ANY: "Update the client library: it need not close after responses that have no body."},
        reading=(
            "https://github.com/hyperium/hyper/issues/1242",
            "https://github.com/nodejs/node/issues/12396",
        ),
    ),
    Cause(
        code="request-close-header",
        title="a request with Connection: close",
        brief="the client asked for Connection: close",
        blame="client",
        explanation=(
            "The client asked the server to close after the response. Some code, library or proxy adds the header "
            "`Connection: close`; the server does as it is told."
        ),
        evidence="`Connection: close` in the request, and the close after its response.",
        apart="response-close-header: the response alone says so.",
        settle="",
        advice=(
            "Remove the header `Connection: close` from the requests. A proxy may add it: in nginx, which does unless "
            'told otherwise, set `proxy_http_version 1.1`, `proxy_set_header Connection ""`, and `keepalive N` in the '
            "upstream block."
        ),
        clients={
            "ruby": (
                "In Ruby, make the requests inside `Net::HTTP.start(host, port) { |http| ... }`: on a Net::HTTP that "
                "is not started, each request asks for a close."
            ),
            "perl": "Give LWP::UserAgent->new keep_alive => 1, and leave HTTP::Tiny's keep_alive at 1.",
            "tornado": (
                "Tornado's simple_httpclient asks for a close each time: "
                "AsyncHTTPClient.configure('tornado.curl_httpclient.CurlAsyncHTTPClient') keeps connections."
            ),
            "urllib": (
                "urllib.request asks for a close each time: use one http.client.HTTPConnection, requests.Session or "
                "urllib3.PoolManager."
            ),
            "siege": "Set `connection = keep-alive` in siege.conf.",
            "hey": "Leave out hey's -disable-keepalive.",
            PROXY: (
                'In nginx, set `proxy_http_version 1.1`, `proxy_set_header Connection ""`, and `keepalive N` in the '
                "upstream block; in HAProxy, leave out `option httpclose` and `option http-server-close`; in Apache, "
                "leave out `disablereuse=on`; in Squid, leave out `server_persistent_connections off`; give Node's "
                "http-proxy an `agent` with keepAlive. What passes on bytes alone (socat, ssh -L) adds no header: then "
                "it is its client's."
            ),
            "requests": (
                "Look for headers={'Connection': 'close'} and session.headers; drop it: keep-alive is the default."
            ),
            "httpx": "Drop headers={'Connection': 'close'} from the Client and its requests.",
            "aiohttp": "Leave out TCPConnector(force_close=True) and the header `Connection: close`.",
            "urllib3": "Drop the header, also from make_headers(keep_alive=...) and PoolManager(headers=...).",
            "curl": "Drop -H 'Connection: close'; in libcurl, CURLOPT_FORBID_REUSE.",
            "go": "Leave Request.Close and Transport.DisableKeepAlives false.",
            "node": (
                "Use an agent with keepAlive: true: without it (before Node 19, or agent: false) Node asks to close."
            ),
        },
        reading=("https://github.com/requests/requests-ntlm/issues/21",),
    ),
    Cause(
        code="connection-auth",
        title="a sign-in that is bound to its connection",
        brief="signing in by NTLM or Negotiate took new connections",
        blame="client",
        explanation=(
            "NTLM and Negotiate sign in the connection, not the request. Each new connection has to sign in again, and "
            "a client that does not keep it pays several times; browsers also keep requests with and without "
            "credentials apart."
        ),
        evidence="A 401 (or 407) that asks for NTLM or Negotiate, then a new connection.",
        apart="error-closes: another status, no such challenge.",
        settle="",
        advice="Keep one connection for a signed-in client, or use a sign-in that goes with each request (a token).",
        reading=(
            "https://github.com/traefik/traefik/pull/13902",
            "https://github.com/whatwg/fetch/issues/341",
        ),
    ),
    Cause(
        code="h2-goaway",
        title="an HTTP/2 connection ended by the server",
        brief="the server ended HTTP/2 connections",
        blame="server",
        explanation=(
            "In HTTP/2 one connection carries all requests, and the server ends it by GOAWAY: after a number of "
            "requests, after a time, or when it is reloaded. The client then opens the next one."
        ),
        evidence="GOAWAY where it can be read; in TLS only the server's close, after a constant time or number.",
        apart="max-requests-announced: the same for HTTP/1.",
        settle="In TLS: a key log (SSLKEYLOGFILE), or the client's log.",
        advice="Raise the server's limit of requests and of the age of a connection.",
        servers={
            "nginx": "In nginx, raise `keepalive_requests` (default 1000) and `keepalive_time` (default 1h).",
        },
        reading=(
            "https://github.com/golang/go/issues/18112",
            "https://github.com/socketry/async-http/pull/245",
        ),
    ),
    Cause(
        code="alpn-fanout",
        title="connections opened before HTTP/2 was agreed",
        brief="the client opened connections that HTTP/2 made needless",
        blame="client",
        explanation=(
            "Several requests began at the same time, and the client opened a connection for each, as HTTP/1.1 would "
            "need. Then the server agreed on HTTP/2, where one carries them all: the others were opened in vain."
        ),
        evidence=(
            "Several TLS handshakes at the same time that offer h2 (ALPN); requests go over one of them, the rest stay "
            "unused."
        ),
        apart="concurrency: each connection carries requests.",
        settle="",
        advice="Make one request first, and the others once it is answered; or turn HTTP/2 off for that server.",
        reading=("https://github.com/nodejs/undici/pull/5799",),
    ),
    Cause(
        code="address-rotation",
        title="another address of the same server",
        brief="the server's name led to another address",
        blame="nobody",
        explanation=(
            "The server's name stands for several addresses, or the address behind it changed. A connection to one "
            "address can't serve another: each needs its own."
        ),
        evidence="The same name (Host, or TLS name), another address of the server.",
        apart="server-restart: the same address. redirect: another name.",
        settle="The answers of DNS at that time.",
        advice="Nothing to mend in most cases. Connections that stay open longer are re-used more often.",
        reading=(
            "https://github.com/seanmonstar/reqwest/issues/3033",
            "https://github.com/aio-libs/aiohttp/issues/6629",
        ),
    ),
    Cause(
        code="fork",
        title="a connection shared by two processes",
        brief="two processes shared one connection",
        blame="client",
        explanation=(
            "The program made its client object, then forked. Both processes hold the same connection and write to it: "
            "requests and responses get mixed up, and each may get the other's answer."
        ),
        evidence=(
            "Requests interleave on one connection, or begin before the response before was there; TLS: broken records."
        ),
        apart="It looks like re-use. Pipelining by one client is rare, and orderly.",
        settle="The client's processes: who holds the socket (lsof).",
        advice="Make the Session, Client or pool after the fork, in each process.",
        clients={
            "requests": (
                "Make the requests.Session in each worker: after fork, in the Pool's initializer, or on first use."
            ),
            "urllib3": "Make the PoolManager in each worker: after fork, or in the Pool's initializer.",
            "httpx": "Make the httpx.Client in each worker: after fork, or in the Pool's initializer.",
        },
        reading=("https://github.com/psf/requests/issues/4323",),
    ),
    Cause(
        code="balancer-idle-timeout",
        title="a load balancer's idle timeout",
        brief="a load balancer closed idle connections",
        blame="path",
        explanation=(
            "A load balancer keeps connections to the servers behind it, and closes those that are idle for its "
            "timeout (60 s at AWS). If a server closes sooner than that, requests meet its close, and users see 502."
        ),
        evidence=(
            "Seen beside the server: the client is the balancer; it closes at a round idle time, or meets the server's "
            "close."
        ),
        apart="client-idle-expiry and keepalive-race are the same on the wire: it is where the capture was made.",
        settle="Where the capture was made, and what the client is.",
        advice=(
            "Raise the balancer's idle timeout above the pauses between its requests, and keep the server's keep-alive "
            "timeout above that of the balancer, so that the balancer closes first."
        ),
        clients={
            PROXY: (
                "Raise its idle limit for connections to the server above the pauses between requests (AWS: "
                "`idle_timeout.timeout_seconds`, default 60; nginx: `keepalive_timeout` in the upstream block, default "
                "60s; HAProxy: `pool-purge-delay`, default 5s; Apache: `ttl=` of ProxyPass), and keep the server's own "
                "above that, so that the proxy closes first."
            ),
        },
        servers={
            "nginx": "In nginx behind the balancer, set `keepalive_timeout` above its idle timeout (65s for 60 s).",
            "gunicorn": "Start gunicorn with `--keep-alive 65` for a balancer that closes after 60 s.",
            "uvicorn": "Start uvicorn with `--timeout-keep-alive 65` for a balancer that closes after 60 s.",
            "node": "In Node, set `server.keepAliveTimeout = 65000` for a balancer that closes after 60 s.",
            "apache": "In Apache, set `KeepAliveTimeout 65` for a balancer that closes after 60 s.",
        },
        reading=("https://github.com/PublicMapping/districtbuilder/pull/448",),
    ),
    Cause(
        code="tls-close-notify",
        title="a TLS close by the server",
        brief="the server closed TLS connections",
        blame="server",
        explanation=(
            "The server ended the TLS session (close_notify), and with it the connection: an idle timeout or a limit, "
            "seen through TLS. The request headers that would tell which are encrypted."
        ),
        evidence=(
            "TLS 1.2: an alert record, then the server's FIN. TLS 1.3: a last small record (24 bytes) before the FIN."
        ),
        apart="server-idle-timeout and max-requests-silent say which limit it was, where time or number repeat.",
        settle="A key log (SSLKEYLOGFILE), or the server's log.",
        advice="As for the server's idle timeout: raise it above the client's pauses.",
        clients={OTHER: "Send the next request before that timeout."},
        servers={
            "nginx": "In nginx, raise `keepalive_timeout` (default 75s) and `keepalive_requests` (default 1000).",
        },
        reading=("https://github.com/curl/curl/pull/3763",),
    ),
    Cause(
        code="client-fault",
        title="a fault in the client or its library",
        brief="the client closed a connection in the middle of re-using it",
        blame="client",
        explanation=(
            "The client took a kept connection, began to use it, and closed or failed within milliseconds, without a "
            "reason that packets show. Some versions of clients do that (aiohttp 3.14.0)."
        ),
        evidence=(
            "The client closes a few milliseconds after it began to re-use a connection that the server kept open."
        ),
        apart="client-timeout: after a time that looks like a timeout. body-unread: while a response comes in.",
        settle="The client's version and log.",
        advice="Update the client library, and try again.",
        clients={"aiohttp": "Update aiohttp: 3.14.0 had such a fault."},
        reading=("https://github.com/aio-libs/aiohttp/issues/12795",),
    ),
)

CAUSES: dict[str, Cause] = {cause.code: cause for cause in _TABLE}
"""By code, in the order of explanation: the common ones first."""

UNKNOWN = Cause(
    code="unknown",
    title="a cause that packets don't show",
    brief="the packets don't show why",
    blame="nobody",
    explanation=(
        "A connection was opened although the client had one before, and the packets fit none of the known causes, or "
        "those that would tell are missing. That is said rather than guessed."
    ),
    evidence="None that fits.",
    apart="Each other cause has evidence of its own.",
    settle="The logs of client and server, or a capture that begins earlier and holds whole packets.",
    advice=(
        "Look at the logs of both sides at the times of the frames above. A capture of whole packets that begins "
        "before the first connection may show more."
    ),
)
