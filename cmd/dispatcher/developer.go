package main

import (
	"net/http"
	"time"
)

// developerClient makes requests to places that the developer at the terminal named: where `listen` forwards to, and the
// API of their own `dev`. Requests to receivers, whom customers name, are made by internal/fanout/delivery only. It follows
// no redirect and takes no proxy from the environment either.
func developerClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
}
