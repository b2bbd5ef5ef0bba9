package http1

import (
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// checkRequest refuses what would break the head.
func checkRequest(req *http.Request) error {
	switch {
	case req.URL == nil || req.URL.Host == "" || req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return &RequestError{"the request has no http or https URL with a host"}
	case !validName(req.Method):
		return &RequestError{"the method is not a token"}
	case !validTarget(req.URL.Host) || !validTarget(req.Host) || !validTarget(req.URL.RawQuery):
		return &RequestError{"the URL has spaces or control characters"}
	}
	return nil
}

// appendHead appends the request's head to the end of its last line.
func appendHead(dst []byte, req *http.Request, ex Exchange) []byte {
	dst = append(append(dst, req.Method...), ' ')
	dst = appendTarget(dst, req.URL)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, hostHeader(req)...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(ex.Payload())), 10)
	dst = append(dst, "\r\n"...)
	dst = ex.AppendHeader(dst)
	return append(dst, "\r\n"...)
}

func appendTarget(dst []byte, u *url.URL) []byte {
	path := u.EscapedPath()
	if path == "" || path[0] != '/' {
		dst = append(dst, '/')
	}
	dst = append(dst, path...)
	if u.ForceQuery || u.RawQuery != "" {
		dst = append(append(dst, '?'), u.RawQuery...)
	}
	return dst
}

// hostHeader is the authority in ASCII; checkRequest and DestOf have approved of it.
func hostHeader(req *http.Request) string {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	ascii, err := dial.ASCII(host)
	if err == nil {
		return ascii
	}
	// A port hides the name from the mapping.
	if name, port, err := net.SplitHostPort(host); err == nil {
		if ascii, err = dial.ASCII(name); err == nil {
			return net.JoinHostPort(ascii, port)
		}
	}
	return ""
}

func validTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
