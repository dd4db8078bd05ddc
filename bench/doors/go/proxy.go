package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
)

// proxy is what Go's own library gives: every request goes to one place, every piece is sent on at once, connections
// are kept. It knows nobody, decides nothing and writes nothing down.
func proxy(words []string) {
	behind, err := url.Parse("http://" + words[1])
	check(err)
	door := httputil.NewSingleHostReverseProxy(behind)
	door.FlushInterval = -1
	door.Transport = &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 4096, DisableCompression: true}
	check(http.ListenAndServe(words[0], door))
}
