// Package http1 is an HTTP/1.1 transport for requests that must not be sent twice.
package http1
