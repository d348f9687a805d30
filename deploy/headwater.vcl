# Varnish behind the TLS front (nginx.conf or Caddyfile) and before Headwater: a cache in memory that
# asks once where many ask for the same, and passes a growing answer to all of them while it grows.
# For Varnish 7.1 (Debian 12) and later; read docs/edge.md, then edit what is marked EDIT.
vcl 4.1;

backend headwater {
    .host = "127.0.0.1";                # EDIT: [http] listen of headwater.toml
    .port = "8080";
    .connect_timeout = 2s;
    # Above the longest hold: 3 x EXT-X-TARGETDURATION (RFC 8216bis 6.2.5.2), 30 s for 10 s GOPs.
    .first_byte_timeout = 60s;
    .between_bytes_timeout = 60s;
}

sub vcl_recv {
    # Longer than the 60 s that the fronts keep idle connections for.
    set sess.timeout_idle = 75s;
    if ((req.method != "GET" && req.method != "HEAD") || req.url ~ "^/api/"
        || req.http.Authorization) {
        return (pass);
    }
    # Of the query only the delivery directives of HLS matter, each once and in one order; CMCD and
    # everything else is dropped. Headwater is asked with exactly these, and they are the cache key:
    # what is stored under a key is what that key asked for, whatever a client writes.
    set req.http.x-query = regsub(req.url, "^[^?]*\??", "&");
    set req.http.x-args = "";
    if (req.http.x-query ~ "&_HLS_msn=") {
        set req.http.x-args = regsub(req.http.x-query, "^.*?(&_HLS_msn=[^&]*).*$", "\1");
    }
    if (req.http.x-query ~ "&_HLS_part=") {
        set req.http.x-args = req.http.x-args
            + regsub(req.http.x-query, "^.*?(&_HLS_part=[^&]*).*$", "\1");
    }
    if (req.http.x-query ~ "&_HLS_skip=") {
        set req.http.x-args = req.http.x-args
            + regsub(req.http.x-query, "^.*?(&_HLS_skip=[^&]*).*$", "\1");
    }
    set req.url = regsub(req.url, "\?.*$", "") + regsub(req.http.x-args, "^&", "?");
    unset req.http.x-query;
    unset req.http.x-args;
    unset req.http.Cookie;
    return (hash);
}

sub vcl_hash {
    # Not Host: there is one Headwater, and it does not look at it.
    hash_data(req.url);
    return (lookup);
}

sub vcl_backend_fetch {
    # Fields that Headwater has no use for; without them it takes its shortest way.
    unset bereq.http.X-Forwarded-For;
    unset bereq.http.X-Varnish;
    unset bereq.http.Via;
    unset bereq.http.Surrogate-Capability;
}

sub vcl_backend_response {
    # How long an answer may be kept is Headwater's word alone. An old playlist is worse than an
    # error, which players retry: nothing is served beyond its time.
    set beresp.grace = 0s;
    set beresp.keep = 0s;
    if (beresp.ttl > 0s && beresp.http.Cache-Control ~ "max-age=[1-9]"
        && beresp.http.Cache-Control !~ "no-store|no-cache|private") {
        # Media may be kept for an hour, but nobody asks for them after the live window.
        if (beresp.ttl > 2m) {
            set beresp.ttl = 2m;
        }
        return (deliver);
    }
    if (beresp.status == 404 || beresp.status == 410 || beresp.status >= 500) {
        # A wait in vain ends for all who waited; else each would now wait anew.
        set beresp.ttl = 0.5s;
        return (deliver);
    }
    # Whoever waited for this asks for himself, all side by side.
    set beresp.uncacheable = true;
    set beresp.ttl = 0.5s;
    return (deliver);
}

sub vcl_deliver {
    unset resp.http.X-Varnish;
    unset resp.http.Via;
}

sub vcl_backend_error {
    # Headwater does not answer. Without the CORS field a player in a page on another host would not
    # even see the status.
    set beresp.http.Content-Type = "text/plain; charset=utf-8";
    set beresp.http.Access-Control-Allow-Origin = "*";
    set beresp.http.Cache-Control = "no-store";
    set beresp.http.Retry-After = "1";
    set beresp.body = "The origin does not answer, try again in a second." + {"
"};
    return (deliver);
}
